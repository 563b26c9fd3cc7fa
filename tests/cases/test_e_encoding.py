"""E: charsets, broken heads, winmail.dat, invitations, files that come again: nothing lost, nothing twice."""

from __future__ import annotations

import base64

import pytest

from tests.cases.letters import Client, Letter
from tests.cases.postbox import Postbox
from tests.mail import tnef_samples
from tests.mail.test_invites import EVENT
from tests.stores import Store

ANN = Client("Ann Ivory", "ann@customer.example", "outlook")
LOGO = b"\x89PNG logo" + bytes(200)


def letter(body: bytes, *, number: int = 1, answers: str = "", **fields: str | bytes) -> Letter:
    """A mail whose bytes are written one by one; `answers`: a Message-ID."""
    given: dict[str, str | bytes] = {
        "From": "Ann Ivory <ann@customer.example>",
        "To": "support@example.com",
        "Subject": "The scanner",
        "Date": "Mon, 2 Nov 2026 10:00:00 +0100",
        "Message-ID": f"<raw{number}@customer.example>",
        **({"In-Reply-To": f"<{answers}>", "References": f"<{answers}>"} if answers else {}),
        **{name.strip("_").replace("_", "-").title(): value for name, value in fields.items()},
    }
    head = b"".join(
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
        for name, value in given.items()
    )
    return Letter(head + b"\r\n" + body)


def parts(kind: str, *each: bytes, number: int = 1, answers: str = "") -> Letter:
    body = b"".join(b"--=_b\r\n" + part + b"\r\n" for part in each) + b"--=_b--\r\n"
    return letter(body, number=number, answers=answers, content_type=f'multipart/{kind}; boundary="=_b"')


def file(head: str, content: bytes) -> bytes:
    return head.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)


async def shown(post: Postbox, sent: Letter) -> tuple[str, str, list[tuple[str, str, int]]]:
    """What staff see of a mail: the ticket's title, the newest text, its files."""
    ticket = await post.ticket((await post.arrives(sent)).ticket)
    message = ticket.messages[-1]
    files = [(a.name, a.content_type, a.size) for a in message.attachments]
    return ticket.ticket.title, message.full_text.strip(), files


@pytest.mark.parametrize(
    "charset", ["iso-gb2312", "x-unknown", "utf-8*fr", "%CHARSET", "unknown-8bit", '"', "zip"]
)
async def test_E1_unknown_charset_names_lose_nothing(post: Postbox, charset: str) -> None:
    plain = letter(b"Is it gone?\r\n", content_type=f"text/plain; charset={charset}")
    assert (await shown(post, plain))[1] == "Is it gone?"
    word = f"=?{charset.replace(chr(34), '')}?B?{base64.b64encode('größer'.encode()).decode()}?="
    text = "Größer als nötig?\r\n".encode()
    title, said, _ = await shown(
        post, letter(text, number=2, content_type=f"text/plain; charset={charset}", subject=word)
    )
    if charset != "iso-gb2312":  # which is a charset, of other letters
        assert (title, said) == ("größer", "Größer als nötig?")


async def test_E1_names_that_mean_a_charset(post: Postbox) -> None:
    title, said, _ = await shown(
        post,
        letter(
            "打印机不工作".encode("gb18030"),
            content_type="text/plain; charset=iso-gb2312",
            subject="=?gb2312?B?xOO6ww==?=",
        ),
    )
    assert (title, said) == ("你好", "打印机不工作")


async def test_E2_raw_letters_in_the_head(post: Postbox) -> None:
    for number, (charset, subject) in enumerate(
        [
            ("utf-8", "Drucker für Süd"),
            ("iso-8859-1", "Drucker für Süd"),
            ("koi8-r", "Принтер сломался"),
            ("gb2312", "打印机不工作"),
        ]
    ):
        sent = letter(
            b"x",
            number=number,
            subject=subject.encode(charset),
            content_type=f"text/plain; charset={charset}",
        )
        assert (await shown(post, sent))[0] == subject


async def test_E2_iso_2022_jp_and_what_is_called_so(post: Postbox) -> None:
    subject = b"=?ISO-2022-JP?B?" + base64.b64encode(b"\x1b$B-!\x1b(B \x1b$B%W%j%s%?!<\x1b(B") + b"?="
    sent = letter(
        b"\x1b$B%W%j%s%?!<$,F0$-$^$;$s-j\x1b(B\r\n",
        subject=subject,
        content_type="text/plain; charset=ISO-2022-JP",
    )
    assert (await shown(post, sent))[:2] == ("① プリンター", "プリンターが動きません㈱")
    bare = letter(b"\x1b$B%W%j\x1b(B\r\n", number=2, subject=b"\x1b$B%W%j\x1b(B")
    assert (await shown(post, bare))[:2] == ("プリ", "プリ")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("=?utf-8?q?text/html=3B_charset=3Dutf-8?=", "<p>Is it gone?</p>"),
        ("text/html charset=utf-8", "<p>Is it gone?</p>"),
        ('text/html; charset="utf-8', "<p>Is it gone?</p>"),
        ("html", "<p>Is it gone?</p>"),
        ("text/plain (plain); charset=utf-8 (Unicode)", "Is it gone?"),
        ("multipart/alternative", "--x\nContent-Type: text/plain\n\nIs it gone?\n--x--\n"),
        ('multipart/mixed; boundary="other"', "--x\nContent-Type: text/plain\n\nIs it gone?\n--x--\n"),
        ("multipart/mixed; boundary=never", "Is it gone?"),
        ("/; ; =;", "Is it gone?"),
    ],
)
async def test_E3_content_types_that_are_encoded_or_broken(
    post: Postbox, content_type: str, body: str
) -> None:
    title, said, files = await shown(post, letter(body.encode(), content_type=content_type))
    assert (title, said, files) == ("The scanner", "Is it gone?", [])


async def test_E4_emoji_and_endless_fields(post: Postbox) -> None:
    title, said, _ = await shown(
        post, letter("It's 🔥 now 👩‍🔧".encode(), subject="=?utf-8?B?8J+UpSBzY2FubmVy?=")
    )
    assert (title, said) == ("🔥 scanner", "It's 🔥 now 👩‍🔧")
    address = f"{'a' * 400}@customer.example"
    long = letter(
        b"x",
        number=2,
        subject="scanner " * 20_000,
        from_="Ann " * 5_000 + f"<{address}>, <ann@customer.example>",
    )
    taken = await post.arrives(long, sender="ann@customer.example")
    assert taken.state == "done"
    ticket = await post.ticket(taken.ticket)
    assert ticket.ticket.title.startswith("scanner scanner")
    assert "the head is very long" in " ".join(str(e.data) for e in ticket.events if e.kind == "remark")


async def test_E5_a_winmail_gives_body_and_files(post: Postbox) -> None:
    rich = tnef_samples.stored_rtf(rb"{\rtf1\ansi\fromhtml1{\*\htmltag <p>}Is it gone?{\*\htmltag </p>}}")
    packed = tnef_samples.tnef(
        {tnef_samples.RTF: rich}, [("PLAN~1.PDF", b"%PDF-1", {tnef_samples.LONG_NAME: "Plan Süd.pdf"})]
    )
    sent = parts(
        "mixed",
        b"Content-Type: text/plain\r\n\r\n",
        file('Content-Type: application/ms-tnef; name="winmail.dat"', packed),
    )
    assert (await shown(post, sent))[1:] == ("Is it gone?", [("Plan Süd.pdf", "application/pdf", 6)])


async def test_E6_an_invitation_is_told_and_kept(post: Postbox) -> None:
    text = b"Content-Type: text/plain\r\n\r\nPlease come by."
    calendar = b"Content-Type: text/calendar; method=REQUEST; name=invite.ics\r\n\r\n" + EVENT.encode()
    _, said, files = await shown(post, parts("alternative", text, calendar))
    assert said.startswith("[Invitation: Drucker, neu, Mon 3 Aug 2026 10:00-11:00 Europe/Berlin")
    assert "Please come by." in said
    assert [name for name, *_ in files] == ["invite.ics"]


def with_logo(
    text: str, *, number: int, answers: str = "", attached: bool = False, cid: str = "logo"
) -> Letter:
    page = f'Content-Type: text/html; charset=utf-8\r\n\r\n<p>{text}</p><p>Ann <img src="cid:{cid}@x"></p>'
    place = "" if attached else f"\r\nContent-ID: <{cid}@x>"
    kind = "attachment" if attached else "inline"
    picture = file(f"Content-Type: image/png; name=logo.png\r\nContent-Disposition: {kind}{place}", LOGO)
    return parts("related", page.encode(), picture, number=number, answers=answers)


async def test_E7_pictures_of_the_quote_or_the_signature_are_not_repeated(
    post: Postbox, store: Store
) -> None:
    first = await post.arrives(with_logo("One", number=1))
    for number in (2, 3):
        again = await post.arrives(
            with_logo("Again", number=number, answers="raw1@customer.example", cid=f"n{number}")
        )
        assert again.ticket == first.ticket
    ticket = await post.ticket(first.ticket)
    assert [len(m.attachments) for m in ticket.messages] == [1, 0, 0]
    assert store.count("attachments") == 1
    await post.arrives(with_logo("On purpose", number=4, answers="raw1@customer.example", attached=True))
    assert [len(m.attachments) for m in (await post.ticket(first.ticket)).messages] == [1, 0, 0, 1]
    other = await post.arrives(with_logo("Another matter", number=5))
    assert other.ticket != first.ticket
    assert len((await post.ticket(other.ticket)).messages[0].attachments) == 1


async def test_E8_null_bytes_and_broken_base64(post: Postbox) -> None:
    nulls = letter(b"Is \x00it gone?\x00\r\n", subject=b"The \x00scanner")
    assert (await shown(post, nulls))[:2] == ("The scanner", "Is it gone?")
    broken = base64.b64encode(b"Is it gone? " * 8).rstrip(b"=")
    broken = broken[:20] + b"\r\n!*\r\n" + broken[20:]
    sent = letter(broken, number=2, content_type="text/plain", content_transfer_encoding="base64")
    assert (await shown(post, sent))[1].startswith("Is it gone? Is it gone?")
    nothing = letter(b"\xff\xfe!!!!", number=3, content_type="text/plain", content_transfer_encoding="base64")
    assert (await post.arrives(nothing)).state == "done"
    plain = letter(b"Not base64 at all, is it?\r\n", number=4, content_transfer_encoding="8bit, base64")
    assert (await shown(post, plain))[1] == "Not base64 at all, is it?"
