"""The customers' side of the mailbox: what they write goes to the desk by real SMTP."""

from __future__ import annotations

import asyncio
import mimetypes
import smtplib
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import formataddr, formatdate, getaddresses

from sandbox.clients import CLIENTS, add_thread, quoted_from
from sandbox.mailbox import Mail, Mailbox

AUTHSERV = "sandbox.local"
"""The mail server that the page's mails seem to have passed, which found their senders genuine (RFC 8601)."""


@dataclass
class Letter:
    """A mail as a customer writes it."""

    sender: str
    to: str
    subject: str
    text: str
    files: list[tuple[str, bytes]] = field(default_factory=list)
    reply_to_mail: int | None = None
    client: str = "gmail"
    """One of `clients.CLIENTS`: whose habits the mail has."""


class Desk:
    """Where the desk is, and what was sent to it."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.smtp: tuple[str, int] | None = None
        self.http_url: str | None = None
        self.address = "support@example.com"
        self.sent: list[Mail] = []
        self._mailbox = mailbox

    def mail(self, mail_id: int) -> Mail:
        """A mail by its number, whichever way it went."""
        return next(m for m in [*self._mailbox.mails, *self.sent] if m.id == mail_id)

    async def send(self, letter: Letter) -> Mail:
        """Write a mail and hand it to the desk; smtplib's errors are the caller's."""
        original = self.mail(letter.reply_to_mail) if letter.reply_to_mail else None
        message = compose(letter, original)
        everybody = [message[name] for name in ("To", "Cc") if message[name]]
        recipients = [address for _, address in getaddresses(everybody) if address]
        raw = message.as_bytes()
        await self.submit(letter.sender, recipients, raw)
        mail = Mail(self._mailbox.next_id(), letter.sender, recipients, raw)
        self.sent.append(mail)
        self._mailbox.pulse.beat()
        return mail

    async def submit(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Hand these bytes to the desk as they are."""
        if self.smtp is None:
            raise ConnectionError("no desk is connected: nobody takes mail")
        host, port = self.smtp
        await asyncio.to_thread(_submit, host, port, sender, recipients, raw)


def _submit(host: str, port: int, sender: str, recipients: list[str], raw: bytes) -> None:
    with smtplib.SMTP(host, port, local_hostname="customer.localhost", timeout=15) as client:
        client.ehlo()
        ascii_only = all(part.isascii() for part in (sender, *recipients))
        options = () if ascii_only else ("SMTPUTF8", "BODY=8BITMIME")
        client.sendmail(sender, recipients, raw, mail_options=options)


def compose(letter: Letter, original: Mail | None) -> EmailMessage:
    """The mail, as the customer's program makes it: text and HTML, the quote below, the thread's fields."""
    client = CLIENTS[letter.client]
    message = EmailMessage(policy=SMTPUTF8.clone(linesep="\r\n"))
    domain = letter.sender.rpartition("@")[2]
    message["Authentication-Results"] = f"{AUTHSERV}; dmarc=pass header.from={domain}"
    name = letter.sender.partition("@")[0].replace(".", " ").title()
    message["From"] = formataddr((name, letter.sender))
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = formatdate(localtime=True)
    add_thread(message, client, original)
    text, html = client.write(letter.text, quoted_from(original) if original else None)
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    _attach(message, letter.files)
    return message


def _attach(message: EmailMessage, files: Iterable[tuple[str, bytes]]) -> None:
    for name, content in files:
        main, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)


def reply_address(mail: Mail) -> str:
    """Where an answer goes: to Reply-To, else to From."""
    return mail.header("Reply-To") or mail.header("From")


def reply_subject(mail: Mail) -> str:
    return mail.subject if mail.subject.lower().startswith("re:") else f"Re: {mail.subject}"
