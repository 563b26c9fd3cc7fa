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

from intake.email.incoming import Incoming, TakenIn, Unstuffer
from intake.email.room import Hold

CLOSING: Final = "421 4.3.2 Closing down, please try again later"
SLOW: Final = "421 4.4.2 Too slow, closing the connection"

# The reader's buffer: longer lines come in pieces. It bounds what a client can make us hold outside of DATA.
_BUFFER: Final = 65_536
# RFC 5321 4.5.3.1.4 says 512 and more with each extension; VERP addresses and SMTPUTF8 like room.
_COMMAND: Final = 4096
# The timeout runs anew while DATA keeps coming, but not for ever: at most so many times its length in all.
_PATIENCE: Final = 12
# Seconds that one connection may keep the loop to itself.
_TURN: Final = 0.01
_REFUSALS: Final = ("451 ", "452 ", "550 ", "552 ")
_OFTEN: Final = 4  # the timeout runs anew so many times in its length, not at each byte


class Door(Protocol):
    """What the dialogue asks."""

    closing: bool

    def enter(self, peer: str) -> tuple[str | None, Callable[[], None]]:
        """Admit a connection: a refusal to send (or None), and what to call when it ends."""

    def transaction(self) -> Any:
        """Return a context manager that lasts from MAIL to the answer to DATA."""

    def incoming(self, hold: Hold) -> Incoming:
        """Begin to take a mail."""

    def refused(self, dialogue: Dialogue, answer: str) -> None:
        """Note a refusal."""

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL; with yes, `server.hold` is what was reserved."""

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT."""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Answer the final dot; the mail is `server.taken`."""

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
        self._patient_until = self._heard = 0.0  # while DATA comes: loop times
        self.hold: Hold | None = None
        self.taken: TakenIn | None = None
        super().__init__(door, **settings)

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
            self._end_transaction()
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
        self._end_transaction()
        self.envelope = self._create_envelope()

    def _end_transaction(self) -> None:
        self._transaction.close()
        hold, self.hold, self.taken = self.hold, None, None
        if hold is not None:
            hold.release()

    def data_received(self, data: bytes) -> None:
        """While DATA comes, what comes keeps the connection alive, but not for ever."""
        super().data_received(data)
        now = self.loop.time()
        if now < self._patient_until and now - self._heard > self._timeout_duration / _OFTEN:
            self._heard = now
            self._reset_timeout()

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
        if isinstance(status, str) and status.startswith(_REFUSALS):
            self._door.refused(self, status)
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
        nested = bool(self._told.mail_from)
        await super().smtp_MAIL(arg)
        if self._told.mail_from and not nested:
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
        hold = self.hold
        assert hold is not None  # there is a recipient, so MAIL was taken
        incoming = self._door.incoming(hold)
        try:
            await self._read_content(incoming)
            self._reset_timeout()
            taken = await incoming.finish()
            if isinstance(taken, str):
                await self._answer(taken)
                return
            self.taken = taken
            await self._answer(await self._call_handler_hook("DATA"))
        finally:
            self._patient_until = 0.0
            incoming.drop()

    async def _read_content(self, incoming: Incoming) -> None:
        """Read to the end of the mail, also where it's refused meanwhile."""
        wire = Unstuffer()
        clock = self.loop.time
        turn = self._heard = clock()
        self._patient_until = turn + self._timeout_duration * _PATIENCE
        while not wire.ended:
            try:
                piece: bytes = await self._reader.readuntil(b".\r\n")
            except asyncio.LimitOverrunError as more:
                piece = await self._reader.readexactly(more.consumed)
            incoming.take(wire.feed(piece))
            if incoming.full:
                await incoming.flush()
                self._reset_timeout()  # our disk's time isn't the client's
            if clock() - turn > _TURN:
                await asyncio.sleep(0)
                turn = clock()

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
