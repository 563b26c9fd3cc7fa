"""The mail server: it takes any mail, and makes the trouble it's told to make."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage

import pytest

from sandbox import Sandbox
from sandbox.outgoing import Letter


async def send(box: Sandbox, raw: bytes, *recipients: str, options: tuple[str, ...] = ()) -> None:
    def submit() -> None:
        with smtplib.SMTP(box.smtp_host, box.smtp_port, timeout=5) as client:
            client.sendmail("a@x.example", list(recipients) or ["b@y.example"], raw, mail_options=options)

    await asyncio.to_thread(submit)


async def test_a_mail_is_kept_byte_for_byte(box: Sandbox) -> None:
    raw = b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX: 1\r\n\r\n..dots\r\n" + b"x" * 900_000 + b"\r\n"
    await send(box, raw, "B@y.example", "c@y.example")
    mail = await box.mailbox.wait_for(1)
    assert mail.raw == raw
    assert (mail.sender, mail.recipients) == ("a@x.example", ["B@y.example", "c@y.example"])
    assert mail.subject == "grüße"
    assert box.mailbox.to("b@Y.example") == [mail]
    assert box.mailbox.to("nobody@y.example") == []


async def test_what_it_offers(box: Sandbox) -> None:
    def ehlo() -> dict[str, str]:
        with smtplib.SMTP(box.smtp_host, box.smtp_port, timeout=5) as client:
            client.ehlo()
            return client.esmtp_features

    assert {"size", "8bitmime", "smtputf8"} <= (await asyncio.to_thread(ehlo)).keys()


async def test_refusals_at_each_stage(box: Sandbox) -> None:
    box.mailbox.refuse_next(452, "4.2.2 full", stage="rcpt")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await send(box, b"Subject: 1\r\n\r\n")
    box.mailbox.refuse_next(550, "5.7.1 no", stage="mail")
    with pytest.raises(smtplib.SMTPSenderRefused):
        await send(box, b"Subject: 2\r\n\r\n")
    box.mailbox.refuse_next(451, "4.3.0 later", times=2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError) as raised:
            await send(box, b"Subject: 3\r\n\r\n")
        assert raised.value.smtp_code == 451
    await send(box, b"Subject: 4\r\n\r\n")
    assert [mail.subject for mail in box.mailbox.mails] == ["4"]


async def test_a_dropped_answer_has_kept_the_mail(box: Sandbox) -> None:
    box.mailbox.drop_after_accept()
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        await send(box, b"Subject: 1\r\n\r\n")
    assert len(box.mailbox.mails) == 1
    await send(box, b"Subject: 1\r\n\r\n")
    assert len(box.mailbox.mails) == 2


async def test_down_and_up_on_the_same_port(box: Sandbox) -> None:
    port = box.smtp_port
    await box.mailbox.down()
    with pytest.raises(ConnectionError):
        await send(box, b"Subject: 1\r\n\r\n")
    await box.mailbox.up()
    assert box.smtp_port == port
    await send(box, b"Subject: 1\r\n\r\n")


async def test_waiting_says_what_did_come(box: Sandbox) -> None:
    await send(box, b"Subject: other\r\n\r\n")
    with pytest.raises(TimeoutError, match="other"):
        await box.mailbox.wait_for(lambda mail: mail.subject == "wanted", timeout=0.05)


async def test_a_customers_reply_threads_and_quotes(box: Sandbox) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Support <support@example.com>", "carol@customer.example"
    message["Reply-To"], message["Subject"] = "support+t1-abc@example.com", "Re: fire [#1]"
    message["Message-ID"], message["References"] = "<m2@example.com>", "<m1@customer.example>"
    message.set_content("Unplug it.")
    await send(box, bytes(message), "carol@customer.example")
    original = box.mailbox.mails[0]
    box.connect_desk((box.smtp_host, box.smtp_port))  # the mailbox plays the desk
    await box.desk.send(
        Letter(
            "carol@customer.example",
            "support+t1-abc@example.com",
            "Re: fire [#1]",
            "Grüße",
            [("a.bin", b"\x00\x01")],
            original.id,
        )
    )
    mail = await box.mailbox.wait_for(2)
    assert mail.header("In-Reply-To") == "<m2@example.com>"
    assert mail.header("References") == "<m1@customer.example> <m2@example.com>"
    assert mail.text.startswith("Grüße\n\nOn ")
    assert "> Unplug it." in mail.text
    assert "gmail_quote" in mail.html
    assert [part.get_filename() for part in mail.files()] == ["a.bin"]


async def test_mail_without_a_desk(box: Sandbox) -> None:
    with pytest.raises(ConnectionError, match="no desk"):
        await box.desk.send(Letter("a@x.example", "b@y.example", "s", "t"))
