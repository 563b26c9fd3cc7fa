"""Submission of composed mail to the relay, by SMTP connections that are kept; and what its answers mean.

Where a submission broke decides whether it may have worked: before the final dot was written the relay can't have
taken the mail, after it only its answer tells. So the dot is written by itself, once all before it has left.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

import structlog
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from core.config import EmailOutbound
from core.failures import PermanentFailure, Scope, TemporaryFailure
from intake.email.composed import ComposedMail
from intake.email.relay_answers import Step, check_addresses, failure_for, shown

log = structlog.get_logger(__name__)

_IDLE_SECONDS: Final = 30.0  # many relays end an idle connection after a minute or five
_MAILS_A_CONNECTION: Final = 100
_BYTES_A_SECOND: Final = 100_000  # a line slower than this counts as gone


@dataclass(frozen=True, slots=True)
class Accepted:
    """The relay took it. `answer` is its text (often with its queue id), `warning` names copies it refused."""

    answer: str
    warning: str | None = None


@dataclass(eq=False)
class _Line:
    """A connection to the relay."""

    client: SMTP
    mails: int = 0
    idle_since: float = 0.0


class Relay:
    """The relay, by at most `settings.connections` connections at once, kept while there is work."""

    def __init__(self, settings: EmailOutbound, hostname: str = "localhost") -> None:
        self._settings = settings
        self._hostname = hostname
        self._timeout = settings.timeout.total_seconds()
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[_Line] = []
        self._reaper: asyncio.TimerHandle | None = None
        self._context: ssl.SSLContext | None = None

    async def submit(self, mail: ComposedMail) -> Accepted:
        """Hand a mail over. Raises `TemporaryFailure`, `PermanentFailure`, `UnknownOutcome`."""
        if not mail.rcpt_tos:
            raise PermanentFailure("the mail has no recipient")
        check_addresses((mail.mail_from, *mail.rcpt_tos))
        async with self._slots:
            line = await self._kept()
            if line is not None:
                try:
                    return await self._converse(line, mail)
                except TemporaryFailure as exc:
                    # Kept too long, perhaps; a fresh connection tells whether the relay is really down.
                    if exc.scope is not Scope.CHANNEL:
                        raise
            return await self._converse(await self._connect(), mail)

    async def probe(self) -> str:
        """Connect and log in as sending would; return the relay's greeting name. Raises `TemporaryFailure`."""
        line = await self._connect()
        greeting = line.client.last_ehlo_response
        await self._quit(line)
        return shown(greeting.message.partition("\n")[0]) if greeting else ""

    async def close(self) -> None:
        """Say good-bye on the connections that are idle."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        lines, self._idle = self._idle, []
        await asyncio.gather(*(self._quit(line) for line in lines))

    # -- connections --

    async def _kept(self) -> _Line | None:
        """Return an idle connection that still answers, or None."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            line = self._idle.pop()
            if now - line.idle_since < _IDLE_SECONDS and line.client.is_connected:
                with suppress(SMTPException, OSError):
                    await line.client.rset(timeout=min(self._timeout, 5))
                    return line
            line.client.close()
        return None

    async def _connect(self) -> _Line:
        settings = self._settings
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=self._hostname,
            timeout=self._timeout,
            use_tls=settings.tls == "tls",
            start_tls=False,
            tls_context=await self._tls() if settings.tls != "none" else None,
        )
        step = Step.CONNECT
        try:
            await client.connect()
            await client.ehlo()
            if settings.tls == "starttls":
                step = Step.TLS
                await client.starttls()
                await client.ehlo()
            if settings.username:
                step = Step.LOGIN
                await client.login(settings.username, settings.password)
        except BaseException as exc:
            client.close()
            if isinstance(exc, Exception):
                raise failure_for(step, exc) from exc
            raise
        return _Line(client)

    async def _tls(self) -> ssl.SSLContext:
        """The system's authorities and, beside them, the configured ones."""
        if self._context is None:
            context = await asyncio.to_thread(ssl.create_default_context)
            if self._settings.tls_ca_file:
                try:
                    context.load_verify_locations(cafile=self._settings.tls_ca_file)
                except (OSError, ssl.SSLError) as exc:
                    raise TemporaryFailure(
                        f"email.outbound.tls_ca_file can't be used: {exc.strerror or type(exc).__name__}",
                        scope=Scope.CHANNEL,
                    ) from exc
            self._context = context
        return self._context

    def _keep(self, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        line.mails += 1
        if not line.client.is_connected or line.mails >= _MAILS_A_CONNECTION:
            line.client.close()
            return
        line.idle_since = loop.time()
        self._idle.append(line)
        if self._reaper is None:
            self._reaper = loop.call_later(_IDLE_SECONDS, self._reap)

    def _reap(self) -> None:
        """Close what has been idle for too long."""
        loop = asyncio.get_running_loop()
        old = [line for line in self._idle if loop.time() - line.idle_since >= _IDLE_SECONDS]
        self._idle = [line for line in self._idle if line not in old]
        for line in old:
            line.client.close()
        self._reaper = loop.call_later(_IDLE_SECONDS, self._reap) if self._idle else None

    async def _quit(self, line: _Line) -> None:
        with suppress(SMTPException, OSError):
            await line.client.quit(timeout=2)
        line.client.close()

    # -- one mail --

    async def _converse(self, line: _Line, mail: ComposedMail) -> Accepted:
        answer = self._settings.answer_timeout.total_seconds()
        talk = _Talk(line.client, mail, self._timeout, answer)
        try:
            accepted = await talk.run()
        except BaseException as exc:
            # After a refusal the connection is still good: the next user resets it.
            if isinstance(exc, SMTPResponseException) and exc.code != 421 and line.client.is_connected:
                self._keep(line)
            else:
                line.client.close()
            if isinstance(exc, Exception):
                raise failure_for(talk.step, exc) from exc
            raise
        self._keep(line)
        return accepted


class _Talk:
    """One submission: knows how far it has come."""

    def __init__(self, client: SMTP, mail: ComposedMail, timeout: float, answer_timeout: float) -> None:
        self._client, self._mail, self._timeout = client, mail, timeout
        self._answer_timeout = answer_timeout
        self.step = Step.SENDER

    async def run(self) -> Accepted:
        refused = await self._envelope()
        self.step = Step.DATA
        await self._command(b"DATA", expect=(354,))
        answer = await self._content()
        warning = f"not taken for {'; '.join(refused)}" if refused else None
        return Accepted(shown(answer), warning)

    async def _envelope(self) -> list[str]:
        """Say MAIL and RCPT; return the copies that were refused."""
        mail, client = self._mail, self._client
        options = ""
        if mail.utf8:
            if not client.supports_extension("smtputf8"):
                raise PermanentFailure("the relay takes no addresses beyond ASCII (it lacks SMTPUTF8)")
            options += " SMTPUTF8 BODY=8BITMIME"
        if client.supports_extension("size"):
            options += f" SIZE={len(mail.content)}"
        await self._command(f"MAIL FROM:<{mail.mail_from}>{options}".encode(), expect=(250,))
        self.step = Step.RECIPIENT
        first, *copies = mail.rcpt_tos
        await self._command(f"RCPT TO:<{first}>".encode(), expect=(250, 251))
        refused = []
        for copy in copies:
            try:
                await self._command(f"RCPT TO:<{copy}>".encode(), expect=(250, 251))
            except SMTPResponseException as exc:
                if exc.code == 421:
                    raise
                refused.append(f"{copy} ({exc.code} {shown(exc.message)})")
        return refused

    async def _command(self, line: bytes, expect: tuple[int, ...]) -> None:
        response = await self._client.execute_command(line, timeout=self._timeout)
        if response.code not in expect:
            raise SMTPResponseException(response.code, response.message)

    async def _content(self) -> str:
        """Write the mail, wait until it has left, then write the dot and read the answer."""
        client = self._client
        protocol = client.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionResetError("gone after 354")
        content = self._mail.content.replace(b"\r\n.", b"\r\n..")
        if content.startswith(b"."):
            content = b"." + content
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        patience = self._timeout + len(content) / _BYTES_A_SECOND
        protocol.write(content)
        async with asyncio.timeout(patience):
            await _drained(client)
        self.step = Step.DOT
        protocol.write(b".\r\n")
        # RFC 5321 4.5.3.2.6: whoever gives up here sends the mail twice.
        response = await protocol.read_response(timeout=max(patience, self._answer_timeout))
        if response.code != 250:
            raise SMTPResponseException(response.code, response.message)
        return response.message


async def _drained(client: SMTP) -> None:
    """Return when the transport's buffer is empty. Raises `ConnectionResetError` when the connection went."""
    pause = 0.001
    while True:
        transport = cast(asyncio.WriteTransport | None, client.transport)
        if transport is None or transport.is_closing():
            raise ConnectionResetError("lost while the mail was written")
        if not transport.get_write_buffer_size():
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
