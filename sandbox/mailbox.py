"""A mail server on loopback that takes any mail for anybody and keeps it, unless it was told to make trouble."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from functools import cached_property
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.pulse import Pulse

MOST_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 1024 * 1024

Stage = Literal["mail", "rcpt", "data"]


@dataclass
class Mail:
    """One mail as it came: its envelope, its bytes."""

    id: int
    sender: str
    recipients: list[str]
    raw: bytes
    received_at: float = field(default_factory=time.time)

    @cached_property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.raw, policy=policy.default)

    @property
    def subject(self) -> str:
        return str(self.message.get("Subject", ""))

    def header(self, name: str) -> str:
        return str(self.message.get(name, ""))

    def _body(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""

    @property
    def text(self) -> str:
        """The plain text part; empty if there's none."""
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def files(self) -> list[MIMEPart]:
        """The attachments and inline parts, in their order."""
        return [p for p in _leaves(self.message) if _is_file(p)]


def _leaves(part: MIMEPart) -> Iterator[MIMEPart]:
    """The parts that hold something; a forwarded mail is one."""
    if part.get_content_maintype() != "multipart":
        yield part
    else:
        for inner in part.iter_parts():
            yield from _leaves(inner)


def _is_file(part: MIMEPart) -> bool:
    return bool(part.get_filename()) or part.get_content_maintype() != "text"


@dataclass
class _Refusal:
    code: int
    text: str
    times: int
    stage: Stage


class _Server(SMTP):
    line_length_limit = LONGEST_LINE


class Mailbox:
    """All mails that came, and the knobs for what goes wrong."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.mails: list[Mail] = []
        self.pulse = Pulse()
        self._ids = itertools.count(1)
        self._refusals: list[_Refusal] = []
        self._drops = 0
        self.refusing: str | None = None
        """What every mail is answered with instead of being taken ("451 4.3.0 Try again later"); None: it's taken."""
        self.refused = 0
        """How many mails were refused."""
        self._server: asyncio.Server | None = None
        self._connections: set[_Server] = set()

    # -- listening -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; with port 0 on a free one, which is kept from then on."""
        self._server = await asyncio.get_running_loop().create_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _serve(self) -> SMTP:
        server = _Server(
            self,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname="sandbox.localhost",
            ident="sandbox mailbox",
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(server)
        return server

    async def down(self) -> None:
        """Stop listening, and cut who is connected."""
        if self._server is not None:
            self._server.close()
            for connection in self._connections:
                _abort(connection)
            self._connections.clear()
            await self._server.wait_closed()
            self._server = None

    async def up(self) -> None:
        """Listen again, on the same port."""
        if self._server is None:
            await self.start()

    # -- faults ----------------------------------------------------------------------------------------------

    def refuse_next(
        self, code: int = 451, text: str = "4.3.0 Try again later", times: int = 1, stage: Stage = "data"
    ) -> None:
        """Answer the next mails with that code: after DATA, or already at their sender or recipient."""
        self._refusals.append(_Refusal(code, text, times, stage))

    def drop_after_accept(self, times: int = 1) -> None:
        """Take and keep the mail, then cut the connection without the answer."""
        self._drops += times

    def _refused(self, stage: Stage) -> str | None:
        for refusal in self._refusals:
            if refusal.stage == stage:
                self.refused += 1
                refusal.times -= 1
                if refusal.times <= 0:
                    self._refusals.remove(refusal)
                return f"{refusal.code} {refusal.text}"
        if self.refusing and stage == "data":
            self.refused += 1
            return self.refusing
        return None

    # -- aiosmtpd's hooks ------------------------------------------------------------------------------------

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refused("mail"):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refused("rcpt"):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if refusal := self._refused("data"):
            return refusal
        content: Any = envelope.original_content or envelope.content or b""
        recipients = [str(address) for address in envelope.rcpt_tos]
        self.keep(str(envelope.mail_from or ""), recipients, bytes(content))
        if self._drops:
            self._drops -= 1
            _abort(server)
        return "250 2.0.0 OK"

    # -- looking ---------------------------------------------------------------------------------------------

    def keep(self, sender: str, recipients: list[str], raw: bytes) -> Mail:
        mail = Mail(self.next_id(), sender, recipients, raw)
        self.mails.append(mail)
        self.pulse.beat()
        return mail

    def next_id(self) -> int:
        return next(self._ids)

    def to(self, address: str) -> list[Mail]:
        """The mails that reached this address, the oldest first."""
        wanted = address.casefold()
        return [mail for mail in self.mails if wanted in (r.casefold() for r in mail.recipients)]

    async def wait_for(self, wanted: int | Callable[[Mail], object], timeout: float = 5.0) -> Mail:
        """The first mail that the function likes, or with a number the newest once there are so many."""

        def found() -> Mail | None:
            if isinstance(wanted, int):
                return self.mails[-1] if self.mails and len(self.mails) >= wanted else None
            return next((mail for mail in self.mails if wanted(mail)), None)

        def told() -> str:
            heads = [f"{m.sender or '<>'} -> {', '.join(m.recipients)}: {m.subject}" for m in self.mails]
            return "no such mail came; these did:\n" + ("\n".join(heads) or "none")

        await self.pulse.wait_for(lambda: found() is not None, timeout, told)
        return cast(Mail, found())


def _abort(connection: SMTP) -> None:
    """Cut a connection at once."""
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()
