"""Composed mails: what they hold, whom they name, and what never leaves."""

from __future__ import annotations

import email
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from core.shapes import Attachment, Author, Kind, Message, Outgoing, Person, Priority, Visibility
from core.status import Status, Ticket
from intake.email import wire_headers
from intake.email.addresses import Signer
from intake.email.compose import compose_mail
from intake.email.compose_body import ComposeContext
from intake.email.compose_files import safe_name
from intake.email.composed import ComposedMail
from intake.email.marker import MARKER
from intake.email.texts import prose

NOW = datetime(2026, 3, 4, 9, 30, 15, 123456, tzinfo=UTC)
SIGNER = Signer(["test key"])
CONTEXT = ComposeContext(
    service="Acme Support",
    base_url="https://desk.example.com/",
    queue_address="support@example.com",
    signer=SIGNER,
    ours=frozenset({"support@example.com", "billing@example.com"}),
)


def ticket(title: str = "The printer is on fire") -> Ticket:
    return Ticket(
        id=12,
        queue="support",
        title=title,
        description="it burns",
        status=Status.OPEN,
        priority=Priority.NORMAL,
        channel="email",
        requester_id=1,
        requester_name="Zoe",
        requester_email="zoe@example.net",
        assignee_id=None,
        assignee=None,
        version=3,
        created_at=NOW,
        updated_at=NOW,
        public_updated_at=NOW,
    )


def message(text: str = "Please pour water on it.", **more: Any) -> Message:
    values: dict[str, Any] = {
        "id": 77,
        "ticket_id": 12,
        "seq": 2,
        "author": Author(name="Ada", email="ada@example.com", staff=True),
        "author_id": 5,
        "visibility": Visibility.PUBLIC,
        "channel": "slack",
        "text": text,
        "full_text": text,
        "source_time": NOW,
        "created_at": NOW,
        "mail_id": "ticket.12.77.abcd@example.com",
        "mail_date": NOW,
    }
    return Message(**(values | more))


def outgoing(kind: Kind = Kind.MESSAGE, **more: Any) -> Outgoing:
    values: dict[str, Any] = {
        "delivery_id": 345,
        "kind": kind,
        "place": "zoe@example.net",
        "desk": False,
        "attempts": 1,
        "sending_at": NOW,
        "created_at": NOW,
        "queue": "support",
        "ticket": ticket(),
        "message": message() if kind is Kind.MESSAGE else None,
        "to": Person(kind="email", address="zoe@example.net", name="Zoe Q"),
        "mail_ids": ("first@example.net", "second@example.net"),
    }
    return Outgoing(**(values | more))


def notice(what: str, **more: Any) -> Outgoing:
    data = {"what": what, "mail_id": "notice.12.ef@example.com", "mail_date": NOW.isoformat()}
    return outgoing(Kind.NOTICE, **({"data": data | more.pop("data", {})} | more))


def parsed(mail: ComposedMail) -> EmailMessage:
    made = email.message_from_bytes(mail.content, policy=SMTP)
    assert isinstance(made, EmailMessage)
    return made


def texts(mail: ComposedMail) -> tuple[str, str]:
    made = parsed(mail)
    plain, html = made.get_body(("plain",)), made.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def test_a_staff_answer() -> None:
    mail = compose_mail(outgoing(), CONTEXT)
    made = parsed(mail)
    assert mail.mail_from == SIGNER.bounce_address("support@example.com", 345)
    assert mail.rcpt_tos == ("zoe@example.net",)
    assert made["From"] == "Ada via Acme Support <support@example.com>"
    assert made["To"] == "Zoe Q <zoe@example.net>"
    assert made["Subject"] == "Re: [#12] The printer is on fire"
    assert made["Message-ID"] == "<ticket.12.77.abcd@example.com>"
    assert made["Date"] == "Wed, 04 Mar 2026 09:30:15 +0000"
    assert made["In-Reply-To"] == "<second@example.net>"
    assert made["References"].split() == ["<first@example.net>", "<second@example.net>"]
    assert SIGNER.reply_address("support@example.com", 12) in made["Reply-To"]
    for name in ("Auto-Submitted", "Precedence", "X-Auto-Response-Suppress"):
        assert made[name] is None
    plain, html = texts(mail)
    assert plain.startswith(MARKER)
    assert "Please pour water on it." in plain
    assert "Please pour water on it." in html
    assert "https://desk.example.com/tickets/12" in plain


def test_the_same_delivery_gives_the_same_bytes_in_another_process_too() -> None:
    whole = outgoing(
        message=message(
            attachments=(Attachment(id=1, name="a.txt", content_type="text/plain", size=1, blob="b"),)
        )
    )
    context = replace(CONTEXT, contents={1: b"x"})
    once, again = compose_mail(whole, context), compose_mail(replace(whole, attempts=4), context)
    assert once == again
    assert ComposedMail.unpack(once.pack()) == once
    code = (
        "from tests.mail.test_compose import *; import hashlib, sys\n"
        "sys.stdout.write(hashlib.sha256(compose_mail(notice('ack'), CONTEXT).content).hexdigest())"
    )
    here = __import__("hashlib").sha256(compose_mail(notice("ack"), CONTEXT).content).hexdigest()
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert here == there


@pytest.mark.parametrize(
    ("made", "auto"),
    [
        (notice("ack"), "auto-replied"),
        (notice("resolved"), "auto-generated"),
        (notice("closed"), "auto-generated"),
        (notice("auto_closed"), "auto-generated"),
        (notice("reopened"), "auto-generated"),
        (notice("reminder"), "auto-generated"),
        (notice("confirm", data={"url": "https://desk.example.com/confirm/TOKEN"}), "auto-generated"),
        (notice("correction", data={"text": "Use sand."}), "auto-generated"),
        (notice("staff_new", desk=True, message=message()), "auto-generated"),
        (notice("staff_reply", desk=True, message=message()), "auto-generated"),
        (notice("staff_told", desk=True, data={"text": "Taken over by Bob."}), "auto-generated"),
        (outgoing(desk=True), "auto-generated"),
        (outgoing(Kind.ALERT, desk=True, data={"reason": "550 gone", "delivery_id": 9}), "auto-generated"),
    ],
    ids=lambda value: value.data.get("what", value.kind) if isinstance(value, Outgoing) else None,
)
def test_automatic_mail_says_so_and_is_copied_to_nobody(made: Outgoing, auto: str) -> None:
    mail = compose_mail(replace(made, cc=(Person(kind="email", address="kim@example.net"),)), CONTEXT)
    head = parsed(mail)
    assert head["Auto-Submitted"] == auto
    assert head["X-Auto-Response-Suppress"] == "All"
    assert head["Precedence"] == "bulk"
    assert head["Cc"] is None
    assert mail.rcpt_tos == ("zoe@example.net",)
    assert "{{" not in str(texts(mail))
    assert head["Message-ID"]


def test_what_must_stay_at_the_desk_is_never_composed_for_a_requester() -> None:
    note = message(visibility=Visibility.NOTE)
    for refused in (
        outgoing(message=note),
        outgoing(message=message(outsider=True)),
        notice("correction", message=note),
        notice("staff_new", message=message()),
    ):
        with pytest.raises(ValueError, match="desk"):
            compose_mail(refused, CONTEXT)
    plain, _ = texts(compose_mail(outgoing(message=note, desk=True), CONTEXT))
    assert "Ada <ada@example.com> noted in ticket #12" in plain


def test_the_confirmation_repeats_nothing_that_was_written() -> None:
    evil = ticket("CHEAP PILLS at http://evil.example")
    made = notice(
        "confirm",
        ticket=evil,
        message=message("CHEAP PILLS"),
        to=Person(kind="email", address="victim@example.net", name="CHEAP PILLS"),
        data={"url": "https://desk.example.com/confirm/TOKEN"},
    )
    mail = compose_mail(made, CONTEXT)
    plain, html = texts(mail)
    assert "https://desk.example.com/confirm/TOKEN" in plain
    assert 'href="https://desk.example.com/confirm/TOKEN"' in html
    assert "PILLS" not in str(parsed(mail)) + plain + html
    assert "evil" not in str(parsed(mail)) + plain + html
    assert parsed(mail)["In-Reply-To"] is None


def test_participants_are_copied_once_and_we_never_are() -> None:
    people = [
        "kim@example.net",
        "KIM@example.net",
        "zoe@example.net",
        "billing@example.com",
        "a b@example.net",
    ]
    people += [SIGNER.reply_address("support@example.com", 3)] + [f"p{i}@example.net" for i in range(30)]
    copied = tuple(Person(kind="email", address=a, name='Kim, "K" <x>') for a in people)
    mail = compose_mail(outgoing(cc=copied), CONTEXT)
    assert len(mail.rcpt_tos) == 21
    assert mail.rcpt_tos[:3] == ("zoe@example.net", "kim@example.net", "p0@example.net")
    listed = [a.addr_spec for a in parsed(mail)["Cc"].addresses]
    assert tuple(listed) == mail.rcpt_tos[1:]
    assert parsed(mail)["Cc"].addresses[0].display_name == 'Kim, "K" <x>'


def test_no_line_end_gets_into_a_header() -> None:
    evil = "x\r\nBcc: all@example.com\u2028\x00\nX-Own: 1"
    mail = compose_mail(
        outgoing(
            ticket=ticket(evil),
            message=message(author=Author(name=evil, email="a@example.com", staff=True)),
            to=Person(kind="email", address="zoe@example.net", name=evil),
            mail_ids=("a@b\r\nX-Own: 1", "ok@example.net"),
        ),
        CONTEXT,
    )
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert not [x for x in head.split(b"\r\n") if x.startswith((b"Bcc", b"X-Own"))]
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert parsed(mail)["References"] == "<ok@example.net>"
    for address in ("zoe@example.net\r\nRCPT TO:<x@y>", "zoe@example.net>", "a b@example.net", "zoe"):
        with pytest.raises(ValueError):
            compose_mail(outgoing(place=address), CONTEXT)


def test_names_that_look_like_encoded_words_stay_what_they_are() -> None:
    """Else a name could decode to line ends or to somebody else's address."""
    evil = "=?utf-8?q?Boss_=3Cboss=40example.com=3E=0D=0A?="
    mail = compose_mail(
        outgoing(ticket=ticket(evil), to=Person(kind="email", address="zoe@example.net", name=evil)), CONTEXT
    )
    assert parsed(mail)["To"].addresses[0].display_name == evil
    assert parsed(mail)["To"].addresses[0].addr_spec == "zoe@example.net"
    assert parsed(mail)["Subject"] == f"Re: [#12] {evil}"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Re: Re: AW: Broken", "Re: [#12] Broken"),
        ("Broken [#12]", "Re: [#12] Broken"),
        ("[TICKET-9] Broken", "Re: [#12] [TICKET-9] Broken"),
        ("", "Re: [#12] Your request"),
        ("Grüße 🙂 " * 40, None),
        ("x" * 1000, None),
    ],
)
def test_subjects(title: str, expected: str | None) -> None:
    mail = compose_mail(outgoing(ticket=ticket(title)), CONTEXT)
    subject = parsed(mail)["Subject"]
    assert subject.startswith("Re: ")
    assert subject.startswith("Re: [#12] ")
    if expected:
        assert subject == expected
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert mail.content.isascii()


def test_references_keep_the_first_and_the_last_and_long_ids_whole() -> None:
    ids = [f"{i}.{'y' * 100}@mail.example.net" for i in range(60)]
    made = parsed(compose_mail(outgoing(mail_ids=ids), CONTEXT))
    kept = [i.strip("<>") for i in made["References"].split()]
    assert kept[0] == ids[0]
    assert kept[1:] == ids[-len(kept) + 1 :]
    assert 5 < len(kept) < 20
    assert made["In-Reply-To"] == f"<{ids[-1]}>"
    raw = compose_mail(outgoing(mail_ids=ids), CONTEXT).content
    field = raw[raw.index(b"References:") :].split(b"\r\nReply-To")[0]
    assert len(field) < 1600
    assert b"=?" not in field
    assert wire_headers.references(["", "a b", "ä@x", "<x>"]) == ()
    long = [f"{end}{'z' * 800}@example.net" for end in "abc"]
    assert wire_headers.references(long) == (long[-1],)


NAMES = [
    "plain.txt",
    "Grüße aus Köln.pdf",
    "報告書（最終版）" * 12 + ".xlsx",
    'a "quoted"; name.txt',
    "x" * 300 + ".tar",
    "🙂.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_files_travel_byte_for_byte_under_their_names(name: str) -> None:
    content = bytes(range(256)) * 50 + b"\r\n.\r\nFrom x\n"
    types = [
        "application/pdf",
        "text/plain; charset=x",
        "message/rfc822",
        "multipart/mixed",
        "rubbish",
        "image/png",
    ]
    files = tuple(
        Attachment(id=i, name=name, content_type=t, size=len(content), blob="b") for i, t in enumerate(types)
    )
    context = replace(CONTEXT, contents=dict.fromkeys(range(len(types)), content))
    made = parsed(compose_mail(outgoing(message=message(attachments=files)), context))
    got = list(made.iter_attachments())
    assert [part.get_filename() for part in got] == [safe_name(name)] * len(types)
    assert [part.get_payload(decode=True) for part in got] == [content] * len(types)
    assert got[2].get_content_type() == "application/octet-stream"
    assert got[0].get_content_type() == "application/pdf"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.doc", "y.doc"),
        ("a\r\nb.txt", "a b.txt"),
        ("", "file"),
        ("...", "file"),
        ("=?utf-8?q?a=0D=0AX-Inj:_1?=.txt", "=_utf-8?q?a=0D=0AX-Inj:_1?=.txt"),
    ],
)
def test_names_of_files_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_empty_missing_and_inline_files() -> None:
    files = (
        Attachment(id=1, name="empty.txt", content_type="text/plain", size=0, blob="a"),
        Attachment(id=2, name="gone.txt", content_type="text/plain", size=5, blob=None, state="unavailable"),
        Attachment(id=3, name="shot.png", content_type="image/png", size=3, blob="b", inline_cid="x@y"),
        Attachment(id=4, name="two.png", content_type="image/png", size=3, blob="b", inline_cid="z@y"),
    )
    context = replace(CONTEXT, contents={1: b"", 3: b"png", 4: b"gnp"})
    mail = compose_mail(outgoing(message=message(attachments=files)), context)
    made = parsed(mail)
    plain, html = texts(mail)
    assert "gone.txt" in plain
    assert [(p.get_filename(), p.get_content()) for p in made.iter_attachments()] == [("empty.txt", "")]
    related = [p for p in made.walk() if p["Content-ID"]]
    assert [p.get_payload(decode=True) for p in related] == [b"png", b"gnp"]
    for part in related:
        assert f'src="cid:{part["Content-ID"].strip("<>")}"' in html
    assert "http" not in html.partition("src=")[2].partition(">")[0]


HOSTILE: Sequence[str] = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    'http://x.example/"onmouseover=alert(1)',
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "https://x.example/<b>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_everything_is_escaped_everywhere(text: str) -> None:
    whole = message(text, author=Author(name=text, email="z@example.net", staff=False))
    for made in (
        outgoing(ticket=ticket(text), message=whole),
        notice("staff_new", desk=True, ticket=ticket(text), message=whole),
        notice("correction", ticket=ticket(text), data={"text": text}),
        outgoing(Kind.ALERT, desk=True, ticket=ticket(text), data={"reason": text}),
    ):
        _, html = texts(compose_mail(made, CONTEXT))
        for tag in ("<script", "<img", "<b>", "onerror=alert(1)>", 'href="javascript', '"onmouseover'):
            assert tag not in html
    plain, _ = texts(compose_mail(outgoing(message=whole), CONTEXT))
    assert text in plain


def test_prose_keeps_lines_and_indentation_and_links() -> None:
    html = prose("see https://a.example/x?y=1&z=2).\n    code  here\n<b>")
    assert 'href="https://a.example/x?y=1&amp;z=2"' in html
    assert "z=2</a>).<br>" in html
    assert "<br>\n&nbsp;&nbsp;&nbsp;&nbsp;code &nbsp;here" in html
    assert "&lt;b&gt;" in html


def test_text_that_no_mail_may_hold_and_long_lines() -> None:
    text = "a\x00b\x1b\ud800 " + "long " * 5000 + "\r\n.\r\nFrom the start\n" + "x" * 3000
    mail = compose_mail(outgoing(message=message(text)), CONTEXT)
    plain, _ = texts(mail)
    assert "ab " in plain
    assert "x" * 3000 in plain
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.content.replace(b"\r\n", b"")


def test_addresses_beyond_ascii() -> None:
    mail = compose_mail(outgoing(place="zoe@bücher.example"), CONTEXT)
    assert (mail.rcpt_tos, mail.utf8) == (("zoe@xn--bcher-kva.example",), False)
    mail = compose_mail(outgoing(place="zoë@bücher.example"), CONTEXT)
    assert (mail.rcpt_tos, mail.utf8) == (("zoë@bücher.example",), True)
    assert "To: Zoe Q <zoë@bücher.example>".encode() in mail.content


def test_kinds_that_are_no_mail() -> None:
    for made in (outgoing(Kind.CARD), notice("unheard_of"), notice("layout"), notice("../ack")):
        with pytest.raises(ValueError, match="no mail"):
            compose_mail(made, CONTEXT)


def test_a_staff_notification_is_answered_by_mail_and_marks_outsiders() -> None:
    made = notice("staff_reply", desk=True, place="ada@example.com", message=message("hi", outsider=True))
    mail = compose_mail(made, CONTEXT)
    head = parsed(mail)
    assert SIGNER.reply_address("support@example.com", 12) in head["Reply-To"]
    assert head["Message-ID"] == "<notice.12.ef@example.com>"
    plain, html = texts(mail)
    assert "until you admit them" in plain
    assert "hi" in html
