"""A mail becomes one `Inbound`."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.shapes import Auth, DeliveryReport, Ignored, NewMessage, Ref, Visibility
from intake.email.read import read, read_mail
from tests.mail.written import CONTEXT, SIGNER, mail, multipart

ENVELOPE = {"sender": "ada@customer.example", "recipients": ["support@example.com"], "queue": "support"}
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


def new(raw: bytes, **envelope: object) -> NewMessage:
    message = read_mail(raw, {**ENVELOPE, **envelope}, CONTEXT, NOW)
    assert isinstance(message, NewMessage)
    return message


def test_an_ordinary_mail() -> None:
    message = new(
        mail("It smokes.\n\n-- \nAda\n", to="support@example.com, Bob <bob@x.example>", cc="help@example.com")
    )
    assert message.ref == Ref("mail:support:1@customer.example", "mail:1@customer.example")
    assert (message.channel, message.queue, message.subject) == ("email", "support", "Printer")
    assert (message.sender.kind, message.sender.address, message.sender.name) == (
        "email",
        "ada@customer.example",
        "Ada",
    )
    assert (message.sender.email, message.sender.place) == ("ada@customer.example", "ada@customer.example")
    assert (message.text, message.visible) == ("It smokes.\n\n-- \nAda", "It smokes.")
    assert [person.address for person in message.to_others] == ["bob@x.example"]
    assert (message.auth, message.automatic, message.mail_id) == (Auth.CLAIMED, None, "1@customer.example")
    assert message.source_time == datetime(2026, 5, 4, 8, tzinfo=UTC)


def test_how_well_the_sender_is_known() -> None:
    results = "mx.example.com; dmarc=pass header.from=customer.example"
    signed = SIGNER.reply_address("support@example.com", 12)
    assert new(mail(authentication_results=results)).auth is Auth.VERIFIED
    assert new(mail(), recipients=[signed]).auth is Auth.LINKED
    assert new(mail(), recipients=[signed]).evidence.signed == (12,)


def test_a_date_that_cant_be_is_replaced() -> None:
    for date in (None, "nonsense", "Mon, 4 May 2099 10:00:00 +0000"):
        assert new(mail(date=date)).source_time == NOW


def test_without_a_message_id_the_content_names_it() -> None:
    first, again, other = (new(mail(body, message_id=None)) for body in ("a", "a", "b"))
    assert first.ref == again.ref != other.ref
    assert first.mail_id is None
    trace = new(b"Received: from elsewhere\n" + mail("a", message_id=None))
    assert trace.ref == first.ref, "where it went through says nothing"


def test_the_queue_of_the_recipient() -> None:
    assert read(mail(to="sales@example.com"), {}, CONTEXT).queue == "sales"
    assert read(mail(to=SIGNER.reply_address("sales@example.com", 1)), {}, CONTEXT).queue == "sales"
    assert read(mail(to="sales+x@example.com"), {}, CONTEXT).queue == "sales"
    assert read(mail(to="else@where.example"), {}, CONTEXT).queue == "support"


def test_our_own_mail_that_comes_back_is_ignored() -> None:
    raw = mail(from_="support@example.com", message_id="<ticket.12.34.0123456789abcdef@example.com>")
    assert isinstance(read_mail(raw, ENVELOPE, CONTEXT), Ignored)
    notice = mail(from_="support@example.com", message_id="<notice.12.0123456789abcdef@example.com>")
    assert isinstance(read_mail(notice, ENVELOPE, CONTEXT), Ignored)
    by_hand = mail(from_="sales@example.com", message_id="<1@mua.example>")
    assert isinstance(read_mail(by_hand, ENVELOPE, CONTEXT), NewMessage), (
        "a mailbox of ours may write to another"
    )
    forged = mail(message_id="<ticket.12.34.0123456789abcdef@example.com>")
    assert isinstance(read_mail(forged, ENVELOPE, CONTEXT), NewMessage)


def test_the_note_address_makes_a_note() -> None:
    """It names the ticket as the reply address does, by a signature of its own; a reply signature is worth nothing."""
    address = SIGNER.note_address("support@example.com", 12)
    inbound = read_mail(mail(to=address), {**ENVELOPE, "recipients": [address]}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    assert (inbound.evidence.signed, inbound.visibility) == ((12,), Visibility.NOTE)
    forged = SIGNER.reply_address("support@example.com", 12).replace("+t", "+n")
    inbound = read_mail(mail(to=forged), {**ENVELOPE, "recipients": [forged]}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    assert (inbound.evidence.signed, inbound.visibility) == ((), None)


def test_what_the_desk_decides_by_is_read() -> None:
    """Where it came from, in which language, what a trusted hop said, whose mail it forwards."""
    results = "mx.example.com; dmarc=pass header.from=customer.example"
    raw = mail("Guten Tag, ich kann nicht drucken. Vielen Dank\n", authentication_results=results)
    inbound = read_mail(raw, {**ENVELOPE, "source": "192.0.2.1"}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    assert (inbound.source, inbound.language, inbound.forwarded) == ("192.0.2.1", "de", None)
    assert inbound.auth_results is not None
    assert (inbound.auth_results["dmarc"], inbound.auth_results["authenticated"]) == ("pass", True)
    raw = mail("---------- Forwarded message ---------\nFrom: Bob <bob@x.example>\n\nHi\n", subject="Fwd: Hi")
    inbound = read_mail(raw, ENVELOPE, CONTEXT)
    assert isinstance(inbound, NewMessage)
    assert inbound.forwarded is not None
    assert inbound.forwarded.sender is not None
    assert (inbound.forwarded.sender.address, inbound.auth_results) == ("bob@x.example", None)


REPORT = (
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
    "Final-Recipient: rfc822; ada@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


def bounce(original: str, **fields: str) -> bytes:
    returned = f"Content-Type: message/rfc822\r\n\r\nMessage-ID: <{original}>\r\n\r\nHi"
    return multipart(
        "report",
        "Content-Type: text/plain\r\n\r\nfailed",
        REPORT,
        returned,
        from_="mailer-daemon@x.example",
        **fields,
    )


def test_a_bounce_of_ours_by_its_address() -> None:
    address = SIGNER.bounce_address("support@example.com", 77)
    report = read_mail(
        bounce("x@y.example"), {"sender": "", "recipients": [address], "queue": "support"}, CONTEXT, NOW
    )
    assert isinstance(report, DeliveryReport)
    assert (report.delivery_id, report.ref) == (77, None)
    assert (report.recipient, report.status, report.action, report.permanent) == (
        "ada@customer.example",
        "5.1.1",
        "failed",
        True,
    )
    assert report.text


def test_a_bounce_of_ours_by_the_message_id_inside() -> None:
    ours = "ticket.1.2.0123456789abcdef@example.com"
    report = read_mail(bounce(ours), {**ENVELOPE, "sender": ""}, CONTEXT, NOW)
    assert isinstance(report, DeliveryReport)
    assert report.ref == Ref(f"mail:{ours}", f"mail:{ours}")
    assert report.delivery_id is None


def test_a_bounce_of_something_else_is_kept_as_mail() -> None:
    message = new(bounce("x@y.example"), sender="")
    assert message.automatic == "bounce"
    assert new(bounce("ticket.1.2.ab@elsewhere.example"), sender="").automatic == "bounce"


def test_a_vacation_note_to_our_bounce_address_knows_its_delivery() -> None:
    address = SIGNER.bounce_address("support@example.com", 77)
    reading = read(
        mail("away", auto_submitted="auto-replied"), {"sender": "", "recipients": [address]}, CONTEXT
    )
    assert (reading.delivery, reading.automatic, reading.bounce) == (77, "auto-reply", None)


def test_long_html_comes_as_a_file() -> None:
    message = new(mail("<p>x</p>" * 100_000, content_type="text/html"))
    assert message.html is None
    assert [(f.name, f.content_type) for f in message.files] == [("message.html.txt", "text/plain")]


def test_what_staff_should_know_is_said() -> None:
    assert new(mail(from_="support@example.com", reply_to="c@x.example")).remarks
    assert new(mail(from_=["a@x.example", "b@x.example"])).remarks
    assert new(mail(from_=None), sender="").sender.address == "unknown@invalid"


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(new(mail()))) == new(mail())
    assert pickle.loads(pickle.dumps(CONTEXT)) == CONTEXT
    assert "first key" not in repr(CONTEXT)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=1_500), st.text(max_size=60))
def test_any_bytes_are_read(raw: bytes, envelope: str) -> None:
    for whole in (
        raw,
        mail(raw),
        mail(raw, content_type="text/html"),
        mail(raw, in_reply_to="<x@y>", subject="Re: x"),
    ):
        inbound = read_mail(whole, {"sender": envelope, "recipients": [envelope]}, CONTEXT, NOW)
        if isinstance(inbound, NewMessage):
            f"{inbound.subject}{inbound.text}{inbound.visible}{inbound.html}{inbound.sender}".encode()


@pytest.mark.parametrize(
    "name", ["subject", "to", "cc", "references", "content_type", "reply_to", "authentication_results"]
)
def test_no_field_is_too_long(name: str) -> None:
    assert new(mail(**{name: '(<a@b>, "=?utf-8?q?x?= ' * 20_000}))
