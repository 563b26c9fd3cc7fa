"""Reports of failed delivery, in form and in prose, and mail that only looks like one."""

from __future__ import annotations

import pytest

from intake.email.bounces import Bounce, read_bounce
from intake.email.parse import parse
from tests.mail.written import mail, multipart, parsed

PROSE = "Content-Type: text/plain\r\n\r\nYour message could not be delivered."
ORIGINAL = (
    "Content-Type: message/rfc822\r\n\r\nMessage-ID: <ticket.1.2.ab@example.com>\r\nSubject: Re: x\r\n\r\nHi"
)


def report(*groups: str, original: str = ORIGINAL) -> bytes:
    status = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.example\r\n\r\n"
        + "\r\n\r\n".join(groups)
    )
    raw = multipart(
        "report; report-type=delivery-status", PROSE, status, original, from_="mailer-daemon@mx.x.example"
    )
    return raw.replace(b'boundary="=_x"', b'boundary="=_x"')


def group(
    action: str, status: str, text: str = "550 5.1.1 user unknown", who: str = "ada@customer.example"
) -> str:
    return f"Final-Recipient: rfc822; {who}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {text}"


def read(raw: bytes, envelope: str | None = "") -> Bounce | None:
    return read_bounce(parse(raw), envelope)


def test_a_hard_failure() -> None:
    assert read(report(group("failed", "5.1.1"))) == Bounce(
        "ada@customer.example", "5.1.1", "failed", True, "ticket.1.2.ab@example.com"
    )


@pytest.mark.parametrize(
    ("action", "status", "text"),
    [
        ("delayed", "4.4.7", "421 try again"),
        ("failed", "5.2.2", "552 5.2.2 mailbox full"),
        ("failed", "5.1.1", "552 5.2.2 over quota"),
        ("failed", "5.7.1", "550 5.7.1 blocked using rbl"),
        ("failed", "5.0.0", "550 spam message rejected"),
        ("failed", "4.4.1", "connection timed out"),
        ("delivered", "2.0.0", "250 ok"),
        ("relayed", "2.0.0", ""),
    ],
)
def test_what_isnt_for_good(action: str, status: str, text: str) -> None:
    bounce = read(report(group(action, status, text)))
    assert bounce is not None
    assert (bounce.action, bounce.status, bounce.permanent) == (action, status, False)


def test_the_failed_recipient_comes_first() -> None:
    bounce = read(
        report(
            group("delivered", "2.0.0", "ok", "ok@x.example"), group("failed", "5.1.1", who="bad@x.example")
        )
    )
    assert bounce is not None
    assert (bounce.recipient, bounce.permanent) == ("bad@x.example", True)


def test_a_vague_status_gives_way_to_the_servers_words() -> None:
    bounce = read(report(group("failed", "5.0.0", "550 5.1.1 <ada@customer.example> user unknown (RCPT TO)")))
    assert bounce is not None
    assert (bounce.status, bounce.permanent) == ("5.1.1", True)


def test_only_the_head_came_back() -> None:
    head = "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <ticket.3.4.cd@example.com>\r\n"
    bounce = read(report(group("failed", "5.1.1"), original=head))
    assert bounce is not None
    assert bounce.message_id == "ticket.3.4.cd@example.com"


def test_prose() -> None:
    text = (
        "This is the mail system. I'm sorry to have to inform you that your message could not be delivered.\n\n"
        "<ada@customer.example>: host mx.x.example said: 550 5.1.1 User unknown (in reply to RCPT TO command)\n"
    )
    bounce = read(
        mail(text, from_="MAILER-DAEMON@mx.x.example", subject="Undelivered Mail Returned to Sender")
    )
    assert bounce == Bounce("ada@customer.example", "5.1.1", "failed", True, None)


def test_failed_recipients_field() -> None:
    bounce = read(mail("A message that you sent failed.", x_failed_recipients="ada@customer.example"))
    assert bounce is not None
    assert bounce.recipient == "ada@customer.example"


def test_a_complaint_is_no_failure() -> None:
    status = "Content-Type: message/feedback-report\r\n\r\nOriginal-Rcpt-To: ada@customer.example\r\n"
    bounce = read(multipart("report; report-type=feedback-report", PROSE, status, ORIGINAL))
    assert bounce == Bounce("ada@customer.example", None, "feedback", False, "ticket.1.2.ab@example.com")


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Delivery failure of my parcel", "body": "My parcel was not delivered."},
        {
            "subject": "Undeliverable: help",
            "body": "What does this mean? It could not be delivered.",
            "user_agent": "x",
        },
        {
            "from_": "postmaster@customer.example",
            "subject": "New mailbox",
            "body": "Please set up a mailbox.",
        },
        {"subject": "Fwd: failure notice", "body": "I got: 550 user unknown"},
        {"subject": "Out of office", "auto_submitted": "auto-replied", "body": "I am away."},
    ],
)
def test_peoples_mail_is_no_bounce(fields: dict[str, str]) -> None:
    body = fields.pop("body")
    assert read_bounce(parsed(body, **fields), "ada@customer.example") is None


def test_an_auto_reply_with_the_null_sender_is_no_bounce() -> None:
    assert (
        read(mail("I am on holiday until Monday.", subject="Holiday", auto_submitted="auto-replied")) is None
    )


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Unzustellbar: Drucker", "Die Nachricht konnte nicht zugestellt werden."),
        ("Non remis : Imprimante", "Votre message n'a pas pu être remis."),
        ("No se puede entregar: Impresora", "Su mensaje no se pudo entregar."),
        ("Não é possível entregar: Impressora", "A mensagem não pôde ser entregue."),
        ("Non recapitabile: Stampante", "Non è stato possibile recapitare il messaggio."),
        ("Onbestelbaar: Printer", "Uw bericht kon niet worden bezorgd."),
        ("Nie można dostarczyć: Drukarka", "Wiadomość nie mogła zostać dostarczona."),
        ("Не удается доставить: Принтер", "Сообщение не было доставлено."),
        ("配信不能: プリンター", "次の宛先に配信できませんでした。"),
        ("系统退信", "您的邮件投递失败。"),
        ("Teslim edilemedi: Yazıcı", "İletiniz teslim edilemedi."),
    ],
)
def test_servers_of_many_languages(subject: str, text: str) -> None:
    told = parsed(text, subject=subject, from_="postmaster@x.example")
    bounce = read_bounce(told, "")
    assert bounce is not None
    assert (bounce.action, bounce.permanent) == ("failed", False)
    person = parsed(text, subject=f"Re: {subject}", in_reply_to="<1@x.example>")
    assert read_bounce(person, "ada@customer.example") is None


SES = """{"notificationType": "%s", "bounce": {"bounceType": "%s", "bounceSubType": "General", "bouncedRecipients":
 [{"emailAddress": "ada@customer.example", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550"}]},
 "complaint": {"complainedRecipients": [{"emailAddress": "ada@customer.example"}]},
 "mail": {"commonHeaders": {"messageId": "<ticket.1.2.ab@example.com>"}}}"""


def test_a_notification_in_json() -> None:
    assert read(mail(SES % ("Bounce", "Permanent"))) == Bounce(
        "ada@customer.example", "5.1.1", "failed", True, "ticket.1.2.ab@example.com"
    )
    transient = read(mail(SES % ("Bounce", "Transient")))
    assert transient is not None
    assert not transient.permanent
    complaint = read(mail(SES % ("Complaint", "")))
    assert complaint is not None
    assert complaint.action == "feedback"
    assert read_bounce(parsed(SES % ("Delivery", "")), "a@x.example") is None
    for broken in (
        '{"notificationType"',
        '{"notificationType": "Bounce", "mail": []}',
        '{"notificationType": ' + "[" * 9_000,
    ):
        assert read_bounce(parsed(broken), "a@x.example") is None


def test_a_report_about_a_report() -> None:
    inner = report(group("failed", "5.1.1")).decode()
    bounce = read(
        report(
            group("failed", "5.2.2", "552 5.2.2 full"),
            original="Content-Type: message/rfc822\r\n\r\n" + inner,
        )
    )
    assert bounce is not None
    assert (bounce.status, bounce.permanent) == ("5.2.2", False)
