"""People with mail clients: what they write, answer and forward looks as their programs make it.

A letter is bytes as they'd come over the wire. Nothing here knows of relaydesk.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as readable
from email.utils import format_datetime, getaddresses
from itertools import count

_numbers = count(1)


@dataclass(frozen=True, eq=False)
class Letter:
    """A mail on its way. `raw` is all there is to it; the rest is read from it."""

    raw: bytes = field(repr=False)

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=readable)  # type: ignore[return-value]

    @property
    def id(self) -> str:
        """The Message-ID without brackets."""
        return str(self.parsed["Message-ID"] or "").strip("<> ")

    @property
    def subject(self) -> str:
        return str(self.parsed["Subject"] or "")

    @property
    def text(self) -> str:
        body = self.parsed.get_body(("plain",))
        return "" if body is None else str(body.get_content())

    def header(self, name: str) -> str:
        return " ".join(str(self.parsed[name] or "").split())

    def addresses(self, *names: str) -> list[str]:
        """The bare addresses in these fields, lower case."""
        values = [str(value) for name in names for value in self.parsed.get_all(name, [])]
        return [address.lower() for _, address in getaddresses(values)]

    @property
    def references(self) -> list[str]:
        return [one.strip("<>") for one in self.header("References").split()]

    def without(self, *names: str) -> Letter:
        """The same letter as a program that leaves fields out would have sent it."""
        mail = self.parsed
        for name in names:
            del mail[name]
        return Letter(mail.as_bytes())

    def with_fields(self, fields: Mapping[str, str]) -> Letter:
        """The same letter with fields put in front, or in place of those it had."""
        mail = self.parsed
        for name in fields:
            del mail[name]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return Letter(head.encode() + mail.as_bytes())


@dataclass(frozen=True)
class Client:
    """Somebody with a mail program: `habit` is "gmail", "outlook", "thunderbird" or "phone"."""

    name: str
    address: str
    habit: str = "thunderbird"

    @property
    def shown(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address

    def _new_id(self) -> str:
        number, domain = next(_numbers), self.address.rpartition("@")[2]
        return {
            "gmail": f"CAJ+own{number:06}=Qz8w@mail.gmail.com",
            "outlook": f"AM9PR0{number:06}4B2A@AM9PR04MB8711.eurprd04.prod.outlook.com",
            "phone": f"5F1D{number:06}-90AB-4CDE@{domain}",
        }.get(self.habit, f"4b1f{number:06}-77aa-bb@{domain}")

    def writes(
        self,
        text: str,
        to: str | Sequence[str] = "support@example.com",
        *,
        subject: str = "The scanner",
        cc: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> Letter:
        """A new mail. `fields` replace those it would have; an empty value leaves one out."""
        return self._letter(text, [to] if isinstance(to, str) else to, cc, subject, fields or {}, at)

    def answers(
        self,
        letter: Letter,
        text: str,
        *,
        everybody: bool = False,
        subject: str | None = None,
        to: Sequence[str] | None = None,
        cc: Sequence[str] | None = None,
        fields: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> Letter:
        """Press "reply" (or "reply all") on a letter: Reply-To before From, the history quoted, ids as clients set
        them."""
        own = self.address.lower()
        people = letter.addresses("Reply-To") or letter.addresses("From")
        if people == [own]:  # one's own mail in "Sent": to whom it went
            people = letter.addresses("To")
        others = letter.addresses("To", "Cc") if everybody else []
        copies = [a for a in dict.fromkeys(others) if a != own and a not in people]
        chain = [*letter.references, letter.id]
        threads = {
            "In-Reply-To": f"<{letter.id}>",
            "References": "\r\n ".join(f"<{one}>" for one in chain if one),
        }
        base = letter.subject
        again = "RE: " if self.habit == "outlook" else "Re: "
        shown = base if base.lower().startswith("re:") else again + base
        return self._letter(
            self._under(text, letter),
            people if to is None else to,
            copies if cc is None else cc,
            shown if subject is None else subject,
            {**threads, **(fields or {})},
            at,
        )

    def forwards(
        self, letter: Letter, to: str, text: str = "", *, word: str = "Fwd:", keeps_ids: bool = True
    ) -> Letter:
        """Forward a letter inline; most programs refer to it as to one that they answer."""
        threads = {"References": f"<{letter.id}>", "In-Reply-To": f"<{letter.id}>"} if keeps_ids else {}
        block = (
            f"{text}\n\n-------- Forwarded Message --------\nSubject: {letter.subject}\n"
            f"Date: {letter.header('Date')}\nFrom: {letter.header('From')}\nTo: {letter.header('To')}\n\n{letter.text}"
        )
        return self._letter(block, [to], (), f"{word} {letter.subject}", threads, None)

    def is_away(self, letter: Letter, to: str, **fields: str) -> Letter:
        """What their vacation program answers (RFC 3834), to the envelope sender `to`."""
        marks = {
            "Auto-Submitted": "auto-replied",
            "In-Reply-To": f"<{letter.id}>",
            "References": f"<{letter.id}>",
        }
        subject = f"Out of office: {letter.subject}"
        return self._letter("I am away until Monday.", [to], (), subject, {**marks, **fields}, None)

    # -- as their program writes it --

    def _under(self, text: str, letter: Letter) -> str:
        quoted = "\n".join(f"> {line}" for line in letter.text.splitlines())
        writer = letter.header("From")
        if self.habit == "outlook":
            return (
                f"{text}\n\n{_RULE}\nFrom: {writer}\nSent: Monday, November 2, 2026 9:01 AM\n"
                f"To: {letter.header('To')}\nSubject: {letter.subject}\n\n{letter.text}"
            )
        if self.habit == "gmail":
            return f"{text}\n\nOn Mon, Nov 2, 2026 at 9:01 AM {writer}\nwrote:\n\n{quoted}\n"
        if self.habit == "phone":
            return (
                f"{text}\n\nSent from my phone\n\n> On 2 Nov 2026, at 09:01, {writer} wrote:\n> \n{quoted}\n"
            )
        return f"{text}\n\nOn 02/11/2026 09:01, {writer} wrote:\n{quoted}\n"

    def _letter(
        self,
        text: str,
        to: Sequence[str],
        cc: Sequence[str],
        subject: str,
        fields: Mapping[str, str],
        at: datetime | None,
    ) -> Letter:
        head = {
            "From": self.shown,
            "To": ", ".join(to),
            "Cc": ", ".join(cc),
            "Subject": subject,
            "Date": format_datetime(at or datetime.now(UTC)),
            "Message-ID": f"<{self._new_id()}>",
            "MIME-Version": "1.0",
            **self._habits(subject),
            **fields,
        }
        lines = [f"{name}: {value}" for name, value in head.items() if value]
        return Letter("\r\n".join([*lines, *self._body(text)]).encode())

    def _habits(self, subject: str) -> dict[str, str]:
        if self.habit == "outlook":
            topic = subject.removeprefix("RE: ").removeprefix("FW: ")
            return {
                "Thread-Topic": topic,
                "Thread-Index": "AdpK1x7c" + base64.b64encode(topic.encode()[:16].ljust(16, b".")).decode(),
                "Accept-Language": "en-GB, en-US",
                "X-MS-Has-Attach": "",
                "X-Auto-Response-Suppress": "DR, OOF, AutoReply",  # Exchange puts it on people's mail
            }
        if self.habit == "phone":
            return {"X-Mailer": "Phone Mail (21A5)"}
        return {"User-Agent": "Bird/128.1"} if self.habit == "thunderbird" else {}

    def _body(self, text: str) -> Iterable[str]:
        plain = ['Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: 8bit", "", text]
        if self.habit not in ("gmail", "outlook"):
            return [*plain, ""]
        html = _gmail(text) if self.habit == "gmail" else _outlook(text)
        return [
            'Content-Type: multipart/alternative; boundary="000000000000b1"',
            "",
            "--000000000000b1",
            *plain,
            "",
            "--000000000000b1",
            'Content-Type: text/html; charset="utf-8"',
            "Content-Transfer-Encoding: 8bit",
            "",
            html,
            "",
            "--000000000000b1--",
            "",
        ]


def _gmail(text: str) -> str:
    own, found, history = text.partition("\n\nOn Mon, ")
    attribution, _, quoted = history.partition("\n\n")
    if not found:
        return f'<div dir="ltr">{_html(text)}</div>'
    old = _html("\n".join(line.removeprefix("> ") for line in quoted.splitlines()))
    return (
        f'<div dir="ltr">{_html(own)}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, '
        f'{_html(attribution)}<br></div><blockquote class="gmail_quote" style="margin:0">{old}</blockquote></div>'
    )


_RULE = "_" * 32


def _outlook(text: str) -> str:
    own, found, history = text.partition(f"\n\n{_RULE}\n")
    head, _, old = history.partition("\n\n")
    if not found:
        return f"<html><body><div>{_html(text)}</div></body></html>"
    fields = "<br>\n".join(
        f"<b>{n}:</b> {_html(v)}" for n, _, v in (x.partition(": ") for x in head.splitlines())
    )
    return (
        f'<html><body><div>{_html(own)}</div><div id="appendonsend"></div><hr style="width:98%">'
        f'<div id="divRplyFwdMsg" dir="ltr"><font>{fields}</font></div><div>{_html(old)}</div></body></html>'
    )


def _html(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\n", "<br>\n")


def bounce_of(
    letter: Letter,
    to: str,
    recipient: str,
    *,
    status: str = "5.1.1",
    action: str = "failed",
    said: str = "smtp; 550 5.1.1 <user>: Recipient address rejected: User unknown",
    returned: str = "message/rfc822",
    sender: str = "MAILER-DAEMON@mx.client.example",
) -> Letter:
    """A delivery status notification (RFC 3464) about a letter; `returned`: how it brings it back, "" not at all."""
    number = next(_numbers)
    verb = {"failed": "could not be delivered", "delayed": "is delayed, will keep trying"}.get(action, action)
    parts = [
        [
            "Content-Type: text/plain; charset=us-ascii",
            "",
            f"Your message to {recipient} {verb}.",
            "",
            said,
            "",
        ],
        [
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.client.example",
            "",
            f"Final-Recipient: rfc822; {recipient}",
            f"Action: {action}",
            f"Status: {status}",
            f"Diagnostic-Code: {said}",
            "",
        ],
    ]
    if returned == "message/rfc822":
        parts.append(
            [f"Content-Type: {returned}", "", letter.raw.decode("utf-8", "replace").replace("\r\n", "\n")]
        )
    elif returned:
        head = letter.raw.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[0]
        parts.append([f"Content-Type: {returned}", "", head, ""])
    lines = [
        f"From: Mail Delivery System <{sender}>",
        f"To: <{to}>",
        "Subject: Undelivered Mail Returned to Sender",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: <dsn{number}@mx.client.example>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_r"',
        "",
    ]
    for part in parts:
        lines += ["--=_r", *part]
    return Letter("\n".join([*lines, "--=_r--", ""]).replace("\n", "\r\n").encode())
