"""Calling Slack's Web API: one session, one client, every failure in the desk's words.

The SDK's own retries are off: after a lost answer they post twice and say nothing. Bodies are form-encoded, which
every method takes (docs.slack.dev/apis/web-api); lists and objects in them are JSON.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot import failures
from bot.home import Home, dm_queue_of, public_of, requests_of, triage_of
from core.config import Config
from core.desk_texts import phrase
from core.failures import Failure, Scope, TemporaryFailure

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.directory import Directory

log = structlog.get_logger(__name__)

Json = dict[str, Any]
PAGES: Final = 1_000  # more pages than this are a fault, not a workspace
MOST_WAIT: Final = 120.0  # seconds that a patient reader waits for a rate limit at a time
LONGEST: Final = 3_600.0  # seconds; nobody asks to wait longer
TRIES: Final = 4  # of a patient reader, where Slack has trouble of its own
BY_CHANNEL: Final = frozenset({"chat.postMessage"})
"""Methods whose limit is each channel's own; those of the others are the workspace's."""


class Api:
    """The Web API as the bot of one workspace. Opens nothing until it's used; `close` when done."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = config.slack.api_url.rstrip("/") + "/"
        self._token = config.slack.bot_token
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self._home: Home | None = None
        self._asking = asyncio.Lock()
        self._waits: dict[tuple[str, str], float] = {}  # what Slack asked not to be asked, and until when
        self._directory: Directory | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The one session, made at first use inside the running loop."""
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=self.config.slack.ask_timeout.total_seconds())
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session

    @property
    def client(self) -> AsyncWebClient:
        """The SDK's client over that session, with no retries of its own."""
        from slack_sdk.web.async_client import AsyncWebClient

        if self._client is None or self._client.session is not self.session:
            self._client = AsyncWebClient(
                self._token, base_url=self.url, session=self.session, retry_handlers=[]
            )
            self._client.proxy = self.proxy_for(self.url)
        return self._client

    @property
    def directory(self) -> Directory:
        """The workspace's people as this process knows them: what the door hears of somebody, the reader knows too."""
        from bot.directory import Directory

        if self._directory is None:
            self._directory = Directory(self)
        return self._directory

    def proxy_for(self, url: str) -> str | None:
        """The environment's proxy for a URL; none for loopback and what NO_PROXY names (the SDK ignores both)."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if _loopback(host) or urllib.request.proxy_bypass(host):
            return None
        scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
        return urllib.request.getproxies().get(scheme)

    def token_may_go_to(self, url: str) -> bool:
        """Whether the bot token may be sent there: https at slack.com and below, and where the API itself is."""
        parts, own = urlsplit(url), urlsplit(self.url)
        if (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port):
            return True
        host = (parts.hostname or "").rstrip(".").lower()
        return parts.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))

    @property
    def bearer(self) -> dict[str, str]:
        """The header that carries the bot token."""
        return {"Authorization": f"Bearer {self._token}"}

    async def call(self, method: str, *, token: str | None = None, **arguments: Any) -> Json:
        """Call a method; arguments that are None are left out. Where Slack asked to wait, nothing is called before: the
        answer is the same. Raises a `core.failures.Failure`."""
        from slack_sdk.errors import SlackApiError

        limited = (method, str(arguments.get("channel") or "") if method in BY_CHANNEL else "")
        self._refuse(limited)
        form = {key: _field(value) for key, value in arguments.items() if value is not None}
        other = {"token": token} if token is not None else None  # the SDK puts it into the header
        try:
            answer = await self.client.api_call(method, data=form, params=other)
        except SlackApiError as exc:
            failure = _failure(method, exc.response)
            self._remember(limited, failure)
            raise failure from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise failures.from_exception(method, exc) from exc
        body: Json = answer.data if isinstance(answer.data, dict) else {}
        if method == "auth.test":
            body = {**body, "scopes": _header(answer.headers, "x-oauth-scopes") or ""}
        return body

    def _refuse(self, limited: tuple[str, str]) -> None:
        left = self._waits.get(limited, 0.0) - time.monotonic()
        if left > 0:
            raise TemporaryFailure(
                phrase("slack_asks_to_wait", method=limited[0]), timedelta(seconds=left), scope=Scope.LANE
            )
        self._waits.pop(limited, None)

    def _remember(self, limited: tuple[str, str], failure: Failure) -> None:
        """A rate limit is the whole lane's; other troubles are no reason to ask nobody."""
        if not (
            isinstance(failure, TemporaryFailure) and failure.scope is Scope.LANE and failure.retry_after
        ):
            return
        now = time.monotonic()
        until = now + failure.retry_after.total_seconds()
        self._waits = {key: end for key, end in self._waits.items() if end > now}
        self._waits[limited] = max(until, self._waits.get(limited, 0.0))
        log.info("rate_limited", method=limited[0], wait=round(until - now, 1))

    async def patiently(self, method: str, **arguments: Any) -> Json:
        """Call a method that only reads; wait as often as a rate limit asks, and try a few times where Slack has
        trouble of its own. Raises a `Failure` for all else."""
        tries = 0
        while True:
            try:
                return await self.call(method, **arguments)
            except TemporaryFailure as exc:
                if exc.retry_after is None:
                    raise
                tries += exc.scope is not Scope.LANE
                if tries >= TRIES:
                    log.warning("patience_ended", method=method, reason=exc.reason, tries=tries)
                    raise
                await asyncio.sleep(min(exc.retry_after.total_seconds(), MOST_WAIT))

    async def pages(
        self, method: str, key: str, *, most: int = PAGES, **arguments: Any
    ) -> AsyncIterator[list[Json]]:
        """Read a list page by page, patiently; at most `most` pages."""
        cursor: str | None = None
        for _ in range(most):
            answer = await self.patiently(method, cursor=cursor, **arguments)
            yield list(answer.get(key) or ())
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return
        log.warning("pages_cut", method=method, pages=most)

    async def home(self) -> Home:
        """Who we are: `auth.test`, once. Raises a `Failure`."""
        async with self._asking:
            if self._home is None:
                who = await self.call("auth.test")
                self._home = Home(
                    team=str(who.get("team_id") or ""),
                    bot_user=str(who.get("user_id") or ""),
                    bot_id=str(who.get("bot_id") or ""),
                    url=str(who.get("url") or ""),
                    scopes=frozenset(s for s in str(who["scopes"]).replace(" ", "").split(",") if s),
                    triage=triage_of(self.config),
                    requests=requests_of(self.config),
                    dm_queue=dm_queue_of(self.config),
                    public=public_of(self.config),
                    ticket_emoji=self.config.slack.ticket_emoji,
                )
            return self._home

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict | tuple) else value


def _header(headers: Mapping[str, Any], name: str) -> str | None:
    return next((str(value) for key, value in headers.items() if key.lower() == name), None)


def _failure(method: str, response: Any) -> Failure:
    """Take the SDK's error apart. `response` is its own, or aiohttp's where the body was no JSON."""
    status = int(getattr(response, "status_code", None) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    body = data if isinstance(data, dict) else {}
    wait = _header(response.headers, "retry-after")
    try:
        seconds = min(float(wait), LONGEST) if wait is not None else None
    except ValueError:
        seconds = None
    if seconds is not None and not seconds >= 0:  # "nan" too
        seconds = None
    return failures.from_answer(method, status, body.get("error"), retry_after=seconds, detail=_detail(body))


def _detail(body: Mapping[str, Any]) -> str:
    if needed := body.get("needed"):
        return f"needed: {needed}"
    said = (body.get("response_metadata") or {}).get("messages") or body.get("errors") or ()
    return "; ".join(str(line) for line in said)[:300]
