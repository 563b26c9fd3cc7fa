"""The connections to one relay: opened, logged in, kept while there is work, closed when idle."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException

from core.config import Server
from core.failures import Scope, TemporaryFailure
from intake.email.composed import ComposedMail
from intake.email.oauth import TokenSource, tls_context
from intake.email.relay_answers import Step, failure_for, shown
from intake.email.relay_talk import Talk

log = structlog.get_logger(__name__)

_IDLE_SECONDS: Final = 30.0  # many relays end an idle connection after a minute or five
_MAILS_A_CONNECTION: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each step of a submission may take, and the answer to a whole mail."""

    step: timedelta
    answer: timedelta


@dataclass(eq=False)
class Line:
    """A connection to the relay."""

    client: SMTP
    mails: int = 0
    idle_since: float = 0.0


class Lines:
    """The connections to one relay. `key`: how the configuration calls it, for hints. `data_dir`: where a new refresh
    token is kept."""

    def __init__(
        self, server: Server, patience: Patience, hostname: str, key: str, data_dir: Path | None = None
    ) -> None:
        self.server, self.key = server, key
        self.where = f"{server.host}:{server.port}"
        self._hostname = hostname
        self._timeout = patience.step.total_seconds()
        self._answer_timeout = patience.answer.total_seconds()
        self._idle: list[Line] = []
        self._reaper: asyncio.TimerHandle | None = None
        self._context: ssl.SSLContext | None = None
        self._tokens = TokenSource(server, data_dir) if server.oauth2_token_url else None

    async def submit(self, mail: ComposedMail) -> tuple[str, list[str]]:
        """Hand a mail over; return the answer and the refused copies. Raises a `Failure`."""
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
        await _quit(line)
        return shown(greeting.message.partition("\n")[0]) if greeting else ""

    async def close(self) -> None:
        """Say good-bye on the connections that are idle."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        lines, self._idle = self._idle, []
        await asyncio.gather(*map(_quit, lines))

    # -- connections --

    async def _kept(self) -> Line | None:
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

    async def _connect(self) -> Line:
        """Connect and log in. A token that is refused is got anew once: it may have been revoked."""
        token = await self._tokens.token() if self._tokens is not None else ""
        try:
            return await self._open(token)
        except _TokenRefused as exc:
            assert self._tokens is not None
            log.info("relay_token_refused", relay=self.where, key=self.key)
            self._tokens.invalidate(token)
            fresh = await self._tokens.token()
            try:
                return await self._open(fresh)
            except _TokenRefused as again:
                raise again.failure from exc

    async def _open(self, token: str) -> Line:
        server = self.server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._hostname,
            timeout=self._timeout,
            use_tls=server.tls == "tls",
            start_tls=False,
            tls_context=await self._tls() if server.tls != "none" else None,
        )
        async with self._opening(client) as at:
            await client.connect()
            await client.ehlo()
            if server.tls == "starttls":
                at.step = Step.TLS
                await client.starttls()
                await client.ehlo()
            at.step = Step.LOGIN
            if token:
                await self._log_in_with(client, token)
            elif server.username:
                await client.login(server.username, server.password)
        return Line(client)

    async def _log_in_with(self, client: SMTP, token: str) -> None:
        """SASL XOAUTH2. Raises `_TokenRefused`."""
        try:
            await client.auth_xoauth2(self.server.username, token)
        except SMTPAuthenticationError as exc:
            if exc.code != 535:  # RFC 4954, section 6: 504 doesn't know XOAUTH2, 454 has trouble of its own
                raise
            raise _TokenRefused(failure_for(Step.LOGIN, exc, self.key)) from exc

    @asynccontextmanager
    async def _opening(self, client: SMTP) -> AsyncIterator[_At]:
        """Close what didn't get ready, and say what it means."""
        at = _At()
        try:
            yield at
        except BaseException as exc:
            client.close()
            if isinstance(exc, Exception) and not isinstance(exc, _TokenRefused):
                raise failure_for(at.step, exc, self.key) from exc
            raise

    async def _tls(self) -> ssl.SSLContext:
        """The system's authorities and, beside them, the configured ones."""
        if self._context is None:
            self._context = await asyncio.to_thread(tls_context, self.server.tls_ca_file)
        return self._context

    def _keep(self, line: Line) -> None:
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

    # -- one mail --

    async def _converse(self, line: Line, mail: ComposedMail) -> tuple[str, list[str]]:
        talk = Talk(line.client, mail, self._timeout, self._answer_timeout)
        try:
            accepted = await talk.run()
        except BaseException as exc:
            # After a refusal the connection is still good: the next user resets it.
            if isinstance(exc, SMTPResponseException) and exc.code != 421 and line.client.is_connected:
                self._keep(line)
            else:
                line.client.close()
            if isinstance(exc, Exception):
                raise failure_for(talk.step, exc, self.key) from exc
            raise
        self._keep(line)
        return accepted


@dataclass
class _At:
    """How far opening has come."""

    step: Step = Step.CONNECT


class _TokenRefused(Exception):
    """The relay doesn't take the access token."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


async def _quit(line: Line) -> None:
    with suppress(SMTPException, OSError):
        await line.client.quit(timeout=2)
    line.client.close()
