"""Socket Mode: a WebSocket that Slack sends its payloads over (docs.slack.dev/apis/events-api/using-socket-mode).

Ours instead of the SDK's client, which can look alive and deliver nothing, gives up when `apps.connections.open`
fails once, and hangs in closing. A ping that gets no pong ends a connection; a new one is opened before Slack closes
the old; everything that waits has a time limit.
"""

from __future__ import annotations

import asyncio
import json
import random
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


Take = Callable[[Envelope], Awaitable[Taken]]


class SocketMode:
    """Keeps one connection to Slack open (two while one replaces the other) and hands on what comes."""

    def __init__(
        self, api: Api, take: Take, changed: Callable[[bool], None], *, heartbeat: float = HEARTBEAT
    ) -> None:
        self._api, self._take, self._changed, self._heartbeat = api, take, changed, heartbeat
        self._lines: dict[_Line, asyncio.Task[None]] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def connected(self) -> bool:
        """Whether a line is open."""
        return bool(self._lines)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled or stopped."""
        failed = 0
        while not self._stopping:
            try:
                line = await self._connect()
            except (Failure, aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
                failed += 1
                wait = _wait(failed, exc)
                log.warning(
                    "connect_failed", error=type(exc).__name__, reason=str(exc)[:200], wait=round(wait, 1)
                )
                await asyncio.sleep(wait)
                continue
            failed = 0
            await line.ended.wait()

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
        log.info("connected", connections=hello.get("num_connections"))
        self._lines[line] = asyncio.create_task(self._listen(line), name="slack-socket")
        self._changed(True)
        return line

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
            log.info("asked_to_leave", reason=frame.get("reason"))
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
            raise ConnectionError(f"no hello, but {frame.get('reason') or message.type.name.lower()}")
    except BaseException:
        await asyncio.shield(wire.close())
        raise
    return frame


def _wait(failed: int, exc: BaseException) -> float:
    """Seconds before the next try: what Slack asks for, else longer each time, with jitter."""
    if isinstance(exc, TemporaryFailure) and exc.retry_after is not None:
        return max(1.0, exc.retry_after.total_seconds())
    return min(FIRST_WAIT * 2.0 ** min(failed - 1, 10), LONGEST_WAIT) * (0.5 + random.random() / 2)
