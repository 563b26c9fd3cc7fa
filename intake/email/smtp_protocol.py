"""The SMTP and LMTP dialogue: aiosmtpd with what a public port needs that it lacks.

Only the dialogue lives here: what is taken, and from whom, is asked of `Door` (see `server.py`). Differences from
aiosmtpd: lines of any length within the size limit and less memory in DATA; addresses parsed in linear time; no
AUTH, no VRFY; limits on connections; LMTP answers once a recipient; a stop that lets transactions finish.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, AnyStr, Final, Protocol, cast

from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

TROUBLE: Final = "451 4.3.0 Local trouble, please try again later"
CLOSING: Final = "421 4.3.2 Closing down, please try again later"
SLOW: Final = "421 4.4.2 Too slow, closing the connection"
TOO_MUCH: Final = "452 4.3.1 Too much mail at once, please try again later"
TOO_BIG: Final = "552 5.3.4 Mail is over the size limit"

# The reader's buffer: longer lines come in pieces. It bounds what a client can make us hold outside of DATA.
_BUFFER: Final = 65_536
# RFC 5321 4.5.3.1.4 says 512 and more with each extension; VERP addresses and SMTPUTF8 like room.
_COMMAND: Final = 4096
# The timeout runs anew while DATA keeps coming, but not for ever: at most so many times its length in all.
_PATIENCE: Final = 12


class Budget:
    """Bytes that all mails together may take in memory while they come in. A mail's first MiB is free: the number
    of connections bounds those."""

    FREE: Final = 1_048_576

    def __init__(self, limit: int) -> None:
        self.left = limit

    def reserve(self, held: int, size: int) -> int | None:
        """Return what a mail of this size holds now, None where the budget says no. `held`: what it held."""
        wanted = max(size - self.FREE, 0)
        if wanted <= held:
            return held
        step = max(wanted, held + self.FREE) - held
        if step > self.left:
            return None
        self.left -= step
        return held + step


class Door(Protocol):
    """What the dialogue asks."""

    closing: bool
    budget: Budget

    def enter(self, peer: str) -> tuple[str | None, Callable[[], None]]:
        """Admit a connection: a refusal to send (or None), and what to call when it ends."""

    def transaction(self) -> Any:
        """Return a context manager that lasts from MAIL to the answer to DATA."""

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT."""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Answer the final dot."""

    async def handle_exception(self, error: Exception) -> str:
        """Answer where something of ours broke."""


class Dialogue(SMTP):
    """One SMTP connection."""

    line_length_limit = _BUFFER
    command_size_limit = _COMMAND
    # aiosmtpd keeps this on the class and adds to it at each EHLO; the factory is the part that counts.
    command_size_limits: dict[str, int] = defaultdict(lambda: _COMMAND)  # noqa: RUF012

    def __init__(self, door: Door, **settings: Any) -> None:
        self._transaction = ExitStack()
        self._door = door
        self._offering = False
        self._held = 0
        super().__init__(door, **settings)
        self._limit = self.data_size_limit or 0

    # -- the connection --

    @property
    def peer(self) -> str:
        """The client's address, "unix" for a UNIX socket."""
        peer = self.session.peer if self.session else None
        return str(peer[0]) if isinstance(peer, tuple) and peer else "unix"

    @property
    def _told(self) -> Envelope:
        """The envelope so far; there is one from the first byte on."""
        return cast(Envelope, self.envelope)

    async def _handle_client(self) -> None:
        refusal, leave = self._door.enter(self.peer)
        try:
            if refusal is not None:
                self._say_and_close(refusal)
                return
            await super()._handle_client()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it went away; nothing was promised
        finally:
            self._transaction.close()
            leave()

    def _say_and_close(self, answer: str) -> None:
        if self.transport is not None and not self.transport.is_closing():
            cast(asyncio.WriteTransport, self.transport).write(answer.encode("ascii") + b"\r\n")
            self.transport.close()

    def _timeout_cb(self) -> None:
        self._say_and_close(SLOW)

    def close_if_idle(self) -> None:
        """Say good-bye unless a transaction is in flight, which says it by itself when it has ended."""
        if self.envelope is None or not self.envelope.mail_from:
            self._say_and_close(CLOSING)

    def cut(self) -> None:
        """Say good-bye whatever is in flight; the client repeats."""
        self._say_and_close(CLOSING)

    def _set_post_data_state(self) -> None:
        self._transaction.close()
        self.envelope = self._create_envelope()

    # -- commands --

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        return path_of(arg)

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> None:
        self._offering = True
        try:
            await super().smtp_EHLO(hostname)
        finally:
            self._offering = False

    async def push(self, status: AnyStr) -> None:
        """Send an answer; of EHLO's lines leave out AUTH, which we don't have, and add PIPELINING (RFC 2920),
        which we do: a StreamReader loses nothing that came early."""
        if self._offering and isinstance(status, str):
            if status.startswith("250-AUTH"):
                return
            if status == "250 HELP":
                await super().push("250-PIPELINING")
        await super().push(status)

    async def smtp_AUTH(self, arg: str) -> None:
        """Nobody logs in here."""
        await self.push("502 5.5.1 AUTH is not offered")

    async def smtp_VRFY(self, arg: str) -> None:
        """RFC 5321 7.3: where it is switched off the answer is 252, which says nothing."""
        await self.push("252 2.0.0 Send a mail and see")

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        if self._door.closing:
            self._say_and_close(CLOSING)
            return
        await super().smtp_MAIL(arg)
        if self._told.mail_from:
            self._transaction.close()
            self._transaction.enter_context(self._door.transaction())

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        if await self.check_helo_needed():
            return
        if not self._told.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        await self._take_mail()
        self._set_post_data_state()
        if self._door.closing:
            self._say_and_close(CLOSING)

    async def _take_mail(self) -> None:
        self._held = 0
        try:
            content = await self._read_content()
            if isinstance(content, str):
                await self._answer(content)
                return
            self._told.content = self._told.original_content = content
            del content
            self._reset_timeout()
            await self._answer(await self._call_handler_hook("DATA"))
        finally:
            self._told.content = self._told.original_content = None
            self._door.budget.left += self._held
            self._held = 0

    async def _read_content(self) -> bytes | str:
        """Return what came up to CRLF.CRLF, without the dots that were stuffed (RFC 5321 4.5.2), or the refusal
        where it is too large or all mails together are. Only that sequence ends it: a bare LF is content, so
        nothing can be smuggled."""
        content = bytearray()
        refusal = ""
        size, line_start = 0, True
        clock = self.loop.time
        began = heard = clock()
        while True:
            try:
                piece: bytes = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as more:
                piece = await self._reader.readexactly(more.consumed)
            if line_start:
                if piece == b".\r\n":
                    return refusal or bytes(content)
                if piece.startswith(b"."):
                    piece = piece[1:]
            line_start = piece.endswith(b"\r\n")
            size += len(piece)
            if size > self._limit:
                refusal = TOO_BIG
            elif not refusal:
                held = self._door.budget.reserve(self._held, size)
                self._held = self._held if held is None else held
                refusal = TOO_MUCH if held is None else ""
            if refusal:
                content.clear()
            else:
                content += piece
            if clock() - heard > 1 and clock() - began < self._timeout_duration * _PATIENCE:
                heard = clock()
                self._reset_timeout()

    async def _answer(self, status: str) -> None:
        """Answer the final dot."""
        await self.push(status)


class LocalDialogue(Dialogue):
    """One LMTP connection (RFC 2033): greets with LHLO, answers the final dot once a recipient."""

    show_smtp_greeting = False

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:
        """The LMTP greeting."""
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:
        """Not LMTP."""
        await self.push("500 5.5.1 This is LMTP: send LHLO")

    async def smtp_EHLO(self, arg: str) -> None:
        """Not LMTP."""
        await self.push("500 5.5.1 This is LMTP: send LHLO")

    async def _answer(self, status: str) -> None:
        # All rows of one DATA are stored in one transaction, so every recipient has the same answer.
        for _ in self._told.rcpt_tos:
            await self.push(status)


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"@?')


def path_of(arg: str) -> tuple[str | None, str | None]:
    """Part `<local@domain> PARAMETERS` (RFC 5321 4.1.2) into address and parameters; (None, None) where it can't
    be. Lenient in what an address is, strict in that nothing of it may end a line; linear.

    The null sender gives "<>": aiosmtpd takes an empty address for a missing one.
    """
    arg = arg.strip()
    if not arg.startswith("<"):  # some leave the brackets out
        address, _, rest = arg.partition(" ")
        return (address, rest) if _plausible(address) else (None, None)
    quoted = _QUOTED.match(arg, 1)
    end = arg.find(">", quoted.end() if quoted else 1)
    if end < 0:
        return None, None
    address, rest = arg[1:end].strip(), arg[end + 1 :]
    if address.startswith("@"):  # a source route, which nobody needs to follow (RFC 5321 appendix C)
        address = address.rpartition(":")[2] if ":" in address else address
    if not address:
        return "<>", rest
    return (address, rest) if _plausible(address) else (None, None)


def _plausible(address: str) -> bool:
    local = address.rpartition("@")[0] or address
    spaced = any(c.isspace() for c in address) and not local.startswith('"')
    return bool(address) and not spaced and all(c >= " " and c != "\x7f" for c in address)
