"""OAuth 2 for mail servers: an access token out of the configured refresh token, and the SASL string that carries it.

`TokenSource` asks the token endpoint (RFC 6749 section 6) when a token is wanted and none is fresh; whoever asks
meanwhile waits for the same answer. Some providers (Microsoft) give a new refresh token with each answer: it is used
from then on and kept in the data folder, for its owner's eyes alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from core.config import Server
from core.failures import Scope, TemporaryFailure

log = structlog.get_logger(__name__)

TIMEOUT: Final = timedelta(seconds=20)  # for one request, all in all
_FOLDER: Final = "oauth2"
_MOST_BYTES: Final = 65_536  # of an answer; real ones have 1 to 4 kB
_MARGIN: Final = 120.0  # seconds before its end in which a token isn't used any more
_UNTOLD: Final = 300.0  # seconds that a token counts where the answer names no expires_in
_LONGEST: Final = 86_400.0  # seconds; whatever the answer says
_TOKEN = re.compile(r"[\x20-\x7e]{1,16384}")  # RFC 6749 A.12, A.17
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_MEND: Final = {
    "invalid_grant": "it was revoked, has expired or is another client's; get a new one and set oauth2_refresh_token",
    "invalid_client": "check oauth2_client_id and oauth2_client_secret",
    "unauthorized_client": "the client may not use refresh tokens; check its registration at the provider",
    "invalid_scope": "check oauth2_scope against what the refresh token was granted for",
}


class TokenRefused(TemporaryFailure):
    """The token endpoint says no: nothing goes on until somebody mends it, and nothing is lost meanwhile.

    `error` is its code (RFC 6749 5.2), "" where it gave none.
    """

    def __init__(self, reason: str, error: str = "") -> None:
        super().__init__(reason, scope=Scope.CHANNEL)
        self.error = error


def xoauth2(username: str, token: str) -> str:
    """Return the client's one message of SASL XOAUTH2, not yet in base64.

    developers.google.com/workspace/gmail/imap/xoauth2-protocol; Microsoft 365 takes the same. Raises `ValueError`
    for a control character, which would end a field early.
    """
    if _CONTROL.search(username) or _CONTROL.search(token):
        raise ValueError("a control character in the user name or the token")
    return f"user={username}\x01auth=Bearer {token}\x01\x01"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the endpoint gave. `seconds`: how long the access token may be used from now on."""

    access_token: str = field(repr=False)
    seconds: float
    refresh_token: str | None = field(default=None, repr=False)


class TokenSource:
    """Access tokens for one login. `data_dir`: where a new refresh token is kept; None keeps it in memory alone.

    Belongs to one event loop. `now`: seconds of a clock that never goes back.
    """

    def __init__(
        self, server: Server, data_dir: Path | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._now = now
        self._kept = _Kept(data_dir, server) if data_dir is not None else None
        self._newest: str | None = None
        self._token = ""
        self._until = 0.0
        self._asking: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Return an access token that is good for a while yet.

        Raises `TokenRefused` where the endpoint says no, `TemporaryFailure` where it can't be asked; both are of
        the channel's scope, and their `reason` holds no secret.
        """
        if self._token and self._now() < self._until:
            return self._token
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="oauth2-token")
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def invalidate(self, token: str | None = None) -> None:
        """Forget the token, which a mail server refused; with `token` only where it is still that one."""
        if token is None or token == self._token:
            self._token = ""

    def _asked(self, task: asyncio.Task[str]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; then nobody looks

    async def _ask(self) -> str:
        configured = self._server.oauth2_refresh_token
        refresh = await self._refresh_token()
        asked_at = self._now()
        try:
            grant = await self._exchange(refresh)
        except TokenRefused as exc:
            # What was kept may be older than what the provider knows; the configured one decides.
            if exc.error != "invalid_grant" or refresh == configured:
                raise
            log.warning("refresh_token_kept_refused", endpoint=self._endpoint)
            grant = await self._exchange(configured)
        if grant.refresh_token and grant.refresh_token != refresh:
            await self._keep(grant.refresh_token)
        self._token, self._until = grant.access_token, asked_at + grant.seconds
        log.info("access_token", endpoint=self._endpoint, seconds=round(grant.seconds))
        return grant.access_token

    @property
    def _endpoint(self) -> str:
        return urlsplit(self._server.oauth2_token_url).hostname or ""

    async def _refresh_token(self) -> str:
        """The newest one: another process on this data folder may have got one since."""
        if self._kept is not None:
            found = await asyncio.to_thread(self._kept.read)
            if found:
                return found
        return self._newest or self._server.oauth2_refresh_token

    async def _keep(self, token: str) -> None:
        self._newest = token
        if self._kept is None:
            return
        try:
            await asyncio.to_thread(self._kept.write, token)
        except OSError as exc:  # then it lasts until the next start, when the configured one is tried
            self._kept = None
            log.warning("refresh_token_not_kept", endpoint=self._endpoint, error=exc.strerror)

    async def _exchange(self, refresh_token: str) -> Grant:
        server = self._server
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": server.oauth2_client_id,
        }
        if server.oauth2_client_secret:
            form["client_secret"] = server.oauth2_client_secret
        if server.oauth2_scope:
            form["scope"] = server.oauth2_scope
        status, body = await self._post(form)
        return read_answer(status, body, self._endpoint)

    async def _post(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        import aiohttp

        where = self._endpoint
        timeout = aiohttp.ClientTimeout(total=TIMEOUT.total_seconds())
        tls: Any = True  # an address on loopback without TLS: the configuration allows no other
        if urlsplit(self._server.oauth2_token_url).scheme == "https":
            tls = await asyncio.to_thread(tls_context, self._server.tls_ca_file)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=tls)) as session,
                session.post(
                    self._server.oauth2_token_url,
                    data=form,
                    headers={"Accept": "application/json"},
                    allow_redirects=False,  # secrets go to the configured address and nowhere else
                ) as answer,
            ):
                body = await answer.content.read(_MOST_BYTES)
                while len(body) < _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES)):
                    body += more
                return answer.status, body
        except aiohttp.ClientConnectorCertificateError as exc:
            why = f"the certificate of the token endpoint {where} can't be verified; check tls_ca_file"
            raise TemporaryFailure(why, scope=Scope.CHANNEL) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # TimeoutError is an OSError
            what = "didn't answer in time" if isinstance(exc, TimeoutError) else "can't be reached"
            why = f"the token endpoint {where} {what} ({type(exc).__name__})"
            raise TemporaryFailure(why, scope=Scope.CHANNEL) from exc


def read_answer(status: int, body: bytes, endpoint: str) -> Grant:
    """Read an answer of the token endpoint (RFC 6749 5.1, 5.2). Pure.

    Raises `TokenRefused`, and `TemporaryFailure` for 429, 5xx and what makes no sense.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    fields: Mapping[str, Any] = told if isinstance(told, dict) else {}
    error = _words(fields.get("error"), 60)
    if status == 429 or status >= 500 or error in ("temporarily_unavailable", "server_error"):
        why = f"the token endpoint {endpoint} is in trouble (HTTP {status} {error}".rstrip() + ")"
        raise TemporaryFailure(why, scope=Scope.CHANNEL)
    token = fields.get("access_token")
    if status == 200 and isinstance(token, str) and _TOKEN.fullmatch(token):
        fresh = fields.get("refresh_token")
        kept = fresh if isinstance(fresh, str) and _TOKEN.fullmatch(fresh) else None
        return Grant(token, usable(fields.get("expires_in")), kept)
    if error:
        said = _words(fields.get("error_description"), 200)
        what = "the refresh token" if error == "invalid_grant" else "the request for a token"
        why = f"{endpoint} refused {what} ({error}{': ' if said else ''}{said})"
        raise TokenRefused(f"{why}; {_MEND.get(error, 'check the oauth2_… keys')}", error)
    if 300 <= status < 500:
        raise TokenRefused(f"the token endpoint {endpoint} answered HTTP {status}; check oauth2_token_url")
    why = f"the token endpoint {endpoint} answered HTTP {status} without an access token"
    raise TemporaryFailure(why, scope=Scope.CHANNEL)


def usable(expires_in: object) -> float:
    """Return for how many seconds a token is used that lives `expires_in` seconds: until shortly before its end.

    The field is only recommended (RFC 6749 5.1), and some send it as text.
    """
    try:
        seconds = float(str(expires_in))
    except ValueError:
        seconds = _UNTOLD
    if not 0 <= seconds <= _LONGEST:  # not a number, too
        seconds = _LONGEST if seconds > _LONGEST else 0.0
    return seconds - min(_MARGIN, seconds / 2)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies, by the system's authorities and those of `ca_file` ("": none beside).

    Reads files: call it in a thread. Raises `TemporaryFailure` for a file that can't be used.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as exc:  # SSLError is one
            why = f"tls_ca_file {ca_file} can't be used: {exc.strerror or type(exc).__name__}"
            raise TemporaryFailure(why, scope=Scope.CHANNEL) from exc
    return context


def _words(value: object, limit: int) -> str:
    """Foreign text on one line. A description may repeat what was sent, but never the secrets of the form."""
    return " ".join(_CONTROL.sub(" ", value).split())[:limit] if isinstance(value, str) else ""


class _Kept:
    """The newest refresh token of one login, in a file. A new one in the configuration begins a new file."""

    def __init__(self, data_dir: Path, server: Server) -> None:
        login = (
            server.oauth2_token_url,
            server.oauth2_client_id,
            server.username,
            server.oauth2_scope,
            server.oauth2_refresh_token,
        )
        self._path = data_dir / _FOLDER / sha256(json.dumps(login).encode()).hexdigest()[:32]

    def read(self) -> str | None:
        """Return it, or None where none is kept that can be read."""
        try:
            token = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return token if _TOKEN.fullmatch(token) else None

    def write(self, token: str) -> None:
        """Replace it, all or nothing. Raises `OSError`."""
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder)  # 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
