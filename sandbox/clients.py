"""How mail programs write a mail and quote the one they answer: Gmail, Outlook, Apple Mail, a plain terminal's. Pure.

Each quotes in its own way, and says in its own way which mail it answers. Outlook's carry no References, as those of
Outlook behind Exchange often arrive: In-Reply-To and its own Thread-Index must do.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr, parsedate_to_datetime
from html import escape

from sandbox.mailbox import Mail

_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970
_INDEX_HEAD = 22  # octets of a conversation's Thread-Index; each answer adds five


@dataclass(frozen=True)
class Quoted:
    """What of the answered mail stands in an answer."""

    name: str
    address: str
    at: datetime | None
    to: str
    subject: str
    text: str
    html: str

    @property
    def who(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address

    def time(self, form: str) -> str:
        """The mail's date in this form; without the zeros that nobody writes before a day or an hour."""
        if self.at is None:
            return "an unknown day"
        return self.at.strftime(form).replace(" 0", " ")


Body = tuple[str, str]
"""The text part, and the HTML part or nothing."""


@dataclass(frozen=True)
class Client:
    """A mail program. `about` says on the page what is typical of it."""

    label: str
    about: str
    write: Callable[[str, Quoted | None], Body]
    agent: tuple[str, str] | None = None
    references: bool = True
    thread_index: bool = False
    id_domain: str = ""


def quoted_from(mail: Mail) -> Quoted:
    """What an answer to this mail quotes."""
    name, address = parseaddr(mail.header("From"))
    try:
        at = parsedate_to_datetime(mail.header("Date"))
    except ValueError:
        at = None
    text = mail.text.rstrip()
    return Quoted(name, address, at, mail.header("To"), mail.subject, text, mail.html or _lines(text))


def add_thread(message: EmailMessage, client: Client, original: Mail | None) -> None:
    """The fields that say which mail this answers, and this mail's own name."""
    domain = client.id_domain or parseaddr(str(message["From"]))[1].rpartition("@")[2] or "example.com"
    message["Message-ID"] = make_msgid(domain=domain)
    parent = original.header("Message-ID") if original else ""
    if original and parent:
        message["In-Reply-To"] = parent
        if client.references:
            before = original.header("References") or original.header("In-Reply-To")
            message["References"] = f"{before} {parent}".strip()
    if client.thread_index:
        message["Thread-Topic"] = _topic(str(message["Subject"]))
        message["Thread-Index"] = _index(original.header("Thread-Index") if original else "", bool(original))
    if client.agent:
        message[client.agent[0]] = client.agent[1]


def _topic(subject: str) -> str:
    return subject[3:].strip() if subject.lower().startswith("re:") else subject


def _index(parent: str, answers: bool) -> str:
    """The answered mail's index and five octets, or a new conversation's ([MS-OXOMSG] 2.2.1.3)."""
    try:
        raw = base64.b64decode("".join(parent.split()), validate=True)
    except ValueError:
        raw = b""
    now = int((time.time() + _FILETIME_EPOCH) * 10_000_000)
    if len(raw) < _INDEX_HEAD:
        raw = now.to_bytes(8, "big")[:6] + secrets.token_bytes(16)
    if not answers:
        return base64.b64encode(raw).decode()
    passed = max(now - (int.from_bytes(raw[:6], "big") << 16), 0) >> 18 & 0x7FFF_FFFF
    return base64.b64encode(raw + passed.to_bytes(4, "big") + secrets.token_bytes(1)).decode()


# -- how each writes ---------------------------------------------------------------------------------------------


def _lines(text: str) -> str:
    return "<br>".join(escape(text).split("\n"))


def _marked(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _gmail(text: str, quoted: Quoted | None) -> Body:
    html = f'<div dir="ltr">{_lines(text)}</div>'
    if quoted is None:
        return text, html
    lead = f"On {quoted.time('%a, %b %d, %Y at %I:%M %p')} {quoted.who} wrote:"
    html += (
        '<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
        f'{escape(lead)}<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;'
        f'border-left:1px solid rgb(204,204,204);padding-left:1ex">{quoted.html}</blockquote></div>'
    )
    return f"{text}\n\n{lead}\n\n{_marked(quoted.text)}\n", html


def _outlook(text: str, quoted: Quoted | None) -> Body:
    paragraphs = "".join(f'<p class="MsoNormal">{escape(line) or "&nbsp;"}</p>' for line in text.split("\n"))
    if quoted is None:
        return text, f'<html><body lang="EN-US"><div class="WordSection1">{paragraphs}</div></body></html>'
    facts = (
        ("From", quoted.who),
        ("Sent", quoted.time("%A, %B %d, %Y %I:%M %p")),
        ("To", quoted.to),
        ("Subject", quoted.subject),
    )
    head = "<br>".join(f"<b>{name}:</b> {escape(value)}" for name, value in facts)
    html = (
        f'<html><body lang="EN-US"><div class="WordSection1">{paragraphs}<p class="MsoNormal">&nbsp;</p>'
        '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in">'
        f'<p class="MsoNormal">{head}</p></div></div>{quoted.html}</div></body></html>'
    )
    told = "\n".join(f"{name}: {value}" for name, value in facts)
    return f"{text}\n\n{told}\n\n{quoted.text}\n", html


def _apple(text: str, quoted: Quoted | None) -> Body:
    style = "overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;"
    html = f'<html><body style="{style}">{_lines(text)}'
    if quoted is None:
        return text, f"{html}</body></html>"
    lead = f"On {quoted.time('%b %d, %Y, at %I:%M %p')}, {quoted.who} wrote:"
    html += (
        f'<br><div><br><blockquote type="cite"><div>{escape(lead)}</div>'
        f'<br class="Apple-interchange-newline"><div>{quoted.html}</div></blockquote></div><br></body></html>'
    )
    return f"{text}\n\n> {lead}\n> \n{_marked(quoted.text)}\n", html


def _plain(text: str, quoted: Quoted | None) -> Body:
    if quoted is None:
        return text, ""
    lead = f"On {quoted.time('%a, %b %d, %Y at %I:%M:%S%p %z')}, {quoted.name or quoted.address} wrote:"
    return f"{text}\n\n{lead}\n{_marked(quoted.text)}\n", ""


CLIENTS: dict[str, Client] = {
    "gmail": Client(
        "Gmail",
        "Your text, then “On …, … wrote:” and the mail as a blockquote. In-Reply-To and References.",
        _gmail,
        id_domain="mail.gmail.com",
    ),
    "outlook": Client(
        "Outlook",
        "Your text, a line, From/Sent/To/Subject and the mail unmarked. In-Reply-To and Thread-Index, no References.",
        _outlook,
        ("X-Mailer", "Microsoft Outlook 16.0"),
        references=False,
        thread_index=True,
        id_domain="prod.outlook.example",
    ),
    "apple": Client(
        "Apple Mail",
        "Your text, then a cited blockquote with “On …, … wrote:” inside. In-Reply-To and References.",
        _apple,
        ("X-Mailer", "Apple Mail (2.3826.500.181)"),
    ),
    "plain": Client(
        "Plain text",
        "Text alone, the mail quoted with “>”, no HTML. In-Reply-To and References.",
        _plain,
        ("User-Agent", "Mutt/2.2.13"),
    ),
}
