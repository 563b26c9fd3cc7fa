"""Socket Mode: a WebSocket that Slack sends its payloads over (docs.slack.dev/apis/events-api/using-socket-mode).

Ours instead of the SDK's client, which can look alive and deliver nothing, gives up when `apps.connections.open`
fails once, and hangs in closing. A ping that gets no pong ends a connection; a new one is opened before Slack closes
the old; everything that waits has a time limit.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import structlog

from bot.api import Api
from core.failures import Failure, TemporaryFailure

log = structlog.get_logger(__name__)

Json = dict[str, Any]
HEARTBEAT: Final = 8.0  # seconds between pings; half of it without an answer and the line is dead
GREETING: Final = 10.0
CLOSING: Final = 2.0
LINGER: Final = 12.0  # how long a line that is to be replaced is still listened to
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
BRIEF, BRIEF_WAIT = 5.0, 2.0  # a line that ends so soon is replaced a little later, at most so much
REFUSED_WAIT: Final = 15.0  # at least, where Slack says that it won't have us; somebody has to mend that
REFUSALS: Final = {
    "too_many_websockets": "Slack takes no further connection of this app, ten are open: is slack.app_token in use "
    "elsewhere?",
    "link_disabled": "Socket Mode is switched off for this app: enable it in the app's settings",
}
"""Reasons of Slack's to hang up that don't go away by themselves, in words for people."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One payload as it came over a socket. `retries`: how often Slack has sent it before."""

    kind: str
    payload: Json
    retries: int = 0
    retry_reason: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What to answer: whether to acknowledge, and with which payload."""

    ok: bool
    payload: Json | None = None


@dataclass(eq=False, slots=True)
class _Line:
    wire: aiohttp.ClientWebSocketResponse
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # or is about to end
    refused: str = ""  # why Slack won't have us any longer


class Refused(ConnectionError):
    """Slack closed instead of greeting; `reason` is its own word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no hello, but {reason}")
        self.reason = reason


Take = Callable[[Envelope], Awaitable[Taken]]


class SocketMode:
    """Keeps one connection to Slack open (two while one replaces the other) and hands on what comes.

    `trouble` says in public words why there is none. `expected`: more connections of this app than these are somebody
    else's (0: nobody counts); then `crowded` is how many Slack told of.
    """

    def __init__(
        self,
        api: Api,
        take: Take,
        changed: Callable[[bool], None],
        *,
        heartbeat: float = HEARTBEAT,
        expected: int = 0,
    ) -> None:
        self._api, self._take, self._changed, self._heartbeat = api, take, changed, heartbeat
        self._expected = expected
        self._lines: dict[_Line, asyncio.Task[None]] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.trouble = ""
        self.crowded = 0

    @property
    def connected(self) -> bool:
        """Whether a line is open."""
        return bool(self._lines)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled or stopped."""
        failed = brief = 0
        while not self._stopping:
            try:
                line = await self._connect()
                failed, since = 0, time.monotonic()
                await line.ended.wait()
                if line.refused:
                    raise Refused(line.refused)
                brief = brief + 1 if time.monotonic() - since < BRIEF else 0
                if brief:
                    await asyncio.sleep(min(_wait(brief, ConnectionError()), BRIEF_WAIT))
            except (Failure, aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
                failed += 1
                await asyncio.sleep(self._told(failed, exc))

    def _told(self, failed: int, exc: Exception) -> float:
        """Say why there is no connection; return the seconds until the next try."""
        wait = _wait(failed, exc)
        if isinstance(exc, Refused) and exc.reason in REFUSALS:
            wait = max(wait, REFUSED_WAIT * (1 + random.random() / 4))
            self.trouble = REFUSALS[exc.reason]
            log.error("socket_refused", reason=exc.reason, mend=self.trouble, wait=round(wait, 1))
            return wait
        self.trouble = exc.reason if isinstance(exc, Failure) else "away"
        error = type(exc).__name__
        log.warning("connect_failed", error=error, reason=str(exc)[:200], wait=round(wait, 1))
        return wait

    async def _connect(self) -> _Line:
        answer = await self._api.call("apps.connections.open", token=self._api.config.slack.app_token)
        url = str(answer["url"])
        async with asyncio.timeout(GREETING):
            wire = await self._api.session.ws_connect(
                url,
                heartbeat=self._heartbeat,
                max_msg_size=0,
                proxy=self._api.proxy_for(url),
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING),
            )
            hello = await _hello(wire)
        line = _Line(wire)
        self._count(int(hello.get("num_connections") or 0))
        self._lines[line] = asyncio.create_task(self._listen(line), name="slack-socket")
        self.trouble = ""
        self._changed(True)
        return line

    def _count(self, connections: int) -> None:
        """Slack gives each payload to any one connection: where two deployments share an app, each gets a part. While a
        line is replaced all others of ours may be, too."""
        log.info("connected", connections=connections)
        ours = max(self._expected, 2 * (self._expected - 1)) if self._lines else self._expected
        crowded = connections if self._expected and connections > ours else 0
        if crowded:
            hint = "another deployment may use the same slack.app_token, and takes a part of what is sent"
            log.warning("strange_connections", connections=connections, expected=ours, hint=hint)
        self.crowded = crowded

    async def _listen(self, line: _Line) -> None:
        """Read a line until it ends; each payload is worked on by itself, so that their commits come together."""
        reason = "closed"
        try:
            while True:
                message = await line.wire.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    reason = message.type.name.lower()
                    break
                self._on_frame(line, json.loads(message.data))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            reason = type(exc).__name__
        finally:
            self._lines.pop(line, None)
            line.ended.set()
            with suppress(Exception):
                await asyncio.wait_for(line.wire.close(), CLOSING)
            if not self._lines:
                log.info("disconnected", reason=reason)
                self._changed(False)

    def _on_frame(self, line: _Line, frame: Json) -> None:
        if frame.get("type") == "disconnect":
            reason = str(frame.get("reason") or "")
            log.info("asked_to_leave", reason=reason)
            line.refused = reason if reason in REFUSALS else ""
            line.ended.set()
            asyncio.get_running_loop().call_later(LINGER, self._hang_up, line)
        elif "envelope_id" in frame and not self._stopping:
            task = asyncio.create_task(self._answer(line, frame), name="slack-envelope")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    def _hang_up(self, line: _Line) -> None:
        """End a line that was replaced, where Slack hasn't."""
        task = self._lines.get(line)
        if task is not None and len(self._lines) > 1:
            task.cancel()

    async def _answer(self, line: _Line, frame: Json) -> None:
        """Hand a payload on, and acknowledge it once that says so; else Slack sends it again."""
        envelope = Envelope(
            kind=str(frame.get("type") or ""),
            payload=frame.get("payload") or {},
            retries=int(frame.get("retry_attempt") or 0),
            retry_reason=str(frame.get("retry_reason") or ""),
        )
        try:
            taken = await self._take(envelope)
        except Exception:
            log.exception("take_failed", kind=envelope.kind)
            return
        if not taken.ok:
            return
        ack: Json = {"envelope_id": frame["envelope_id"]}
        if taken.payload is not None and frame.get("accepts_response_payload"):
            ack["payload"] = taken.payload
        with suppress(aiohttp.ClientError, OSError):  # the line went: it comes again, and is known then
            await line.wire.send_json(ack)

    async def stop(self, timeout: float = 5.0) -> None:
        """Take nothing new, let what is being stored be acknowledged, close. Bounded by `timeout` seconds and a
        little."""
        self._stopping = True
        if self._at_work:
            await asyncio.wait(set(self._at_work), timeout=timeout)
        for line, task in list(self._lines.items()):
            with suppress(Exception):
                await asyncio.wait_for(line.wire.close(), CLOSING)
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSING)


async def _hello(wire: aiohttp.ClientWebSocketResponse) -> Json:
    """Wait for Slack's greeting. Raises `ConnectionError` where something else comes."""
    frame: Json = {}
    try:
        message = await wire.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            frame = json.loads(message.data)
        if frame.get("type") != "hello":
            raise Refused(str(frame.get("reason") or message.type.name.lower()))
    except BaseException:
        await asyncio.shield(wire.close())
        raise
    return frame


def _wait(failed: int, exc: BaseException) -> float:
    """Seconds before the next try: what Slack asks for, else longer each time, with jitter."""
    if isinstance(exc, TemporaryFailure) and exc.retry_after is not None:
        return max(1.0, exc.retry_after.total_seconds())
    return min(FIRST_WAIT * 2.0 ** min(failed - 1, 10), LONGEST_WAIT) * (0.5 + random.random() / 2)
