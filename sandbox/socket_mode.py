"""Socket Mode: one-time tickets, up to ten sockets, each payload to any one of them.

docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import WSMessage, WSMsgType, web

from sandbox.faults import Faults
from sandbox.pulse import Pulse
from sandbox.shapes import APP, Answer, Json

MOST_SOCKETS = 10


@dataclass(eq=False)
class Socket:
    """One open connection of the app."""

    wire: web.WebSocketResponse
    request: web.Request
    silent: bool = False
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)


class SocketHub:
    """The sockets that are open. A carrier of `events.Delivery`: which socket gets what is chosen by a seed."""

    by_http = False

    def __init__(self, faults: Faults, pulse: Pulse, seed: int | str = 0) -> None:
        self._faults, self._pulse = faults, pulse
        self._tickets: set[str] = set()
        self.dice = random.Random(f"sockets/{seed}")
        self.sockets: list[Socket] = []
        faults.on_down = self.close_all
        faults.on_silence = self.silence
        faults.on_disconnect = self.disconnect
        faults.on_drop = self.drop
        self._tasks: set[asyncio.Task[None]] = set()

    # -- coming and going ------------------------------------------------------------------------------------

    def ticket(self) -> str:
        """A ticket for one connection."""
        ticket = secrets.token_hex(12)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The life of one socket."""
        ticket = request.query.get("ticket", "")
        if self._faults.is_down or ticket not in self._tickets:
            return web.Response(status=503 if self._faults.is_down else 403, text="no such ticket")
        self._tickets.discard(ticket)
        wire = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await wire.prepare(request)
        socket = Socket(wire, request)
        if len(self.sockets) >= MOST_SOCKETS:
            await self._send(socket, {"type": "disconnect", "reason": "too_many_websockets"})
            await wire.close()
            return wire
        self.sockets.append(socket)
        try:
            await self._send(socket, self._hello(request))
            self._pulse.beat()
            async for frame in wire:
                await self._take(socket, frame)
        except ConnectionError:
            pass  # the other side went without a word
        finally:
            self._forget(socket)
        return wire

    def _hello(self, request: web.Request) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.sockets),
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": 360 if "debug_reconnects" in request.query else 18060,
            },
            "connection_info": {"app_id": APP},
        }

    async def _take(self, socket: Socket, frame: WSMessage) -> None:
        if socket.silent:
            return
        if frame.type is WSMsgType.PING:
            await socket.wire.pong(frame.data)
        elif frame.type is WSMsgType.TEXT:
            with suppress(json.JSONDecodeError):
                answer = json.loads(frame.data)
                waiting = socket.waiting.pop(str(answer.get("envelope_id", "")), None)
                if waiting and not waiting.done():
                    waiting.set_result(answer.get("payload") or {})

    def _forget(self, socket: Socket) -> None:
        if socket in self.sockets:
            self.sockets.remove(socket)
        for waiting in socket.waiting.values():
            waiting.cancel()
        self._pulse.beat()

    # -- sending ---------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        return bool(self.sockets)

    async def send(
        self, kind: str, payload: Json, *, attempt: int, reason: str, timeout: float, envelope_id: str = ""
    ) -> Answer:
        """Send to any one of the sockets; the answer is its ack with that envelope's id."""
        socket = self.dice.choice(self.sockets)
        envelope_id = envelope_id or str(uuid.uuid4())
        frame: Json = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            frame |= {"retry_attempt": attempt, "retry_reason": reason}
        waiting = socket.waiting.setdefault(envelope_id, asyncio.get_running_loop().create_future())
        await self._send(socket, frame)
        done, _ = await asyncio.wait({waiting}, timeout=timeout)
        socket.waiting.pop(envelope_id, None)
        if not done or waiting.cancelled():
            return Answer(False, reason="timeout")
        return Answer(True, waiting.result())

    async def _send(self, socket: Socket, frame: Json) -> None:
        if not socket.silent:
            with suppress(ConnectionError, RuntimeError):  # a socket that closes just now: no ack comes
                await socket.wire.send_str(json.dumps(frame))

    # -- faults ----------------------------------------------------------------------------------------------

    def silence(self) -> None:
        for socket in self.sockets:
            socket.silent = True

    def disconnect(self, reason: str) -> None:
        """`warning` only announces; after all other reasons the server closes."""
        for socket in list(self.sockets):
            self._spawn(socket, {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})

    def _spawn(self, socket: Socket, frame: Json) -> None:
        async def say_and_close() -> None:
            await self._send(socket, frame)
            if frame["reason"] != "warning":
                await self._close(socket)

        task = asyncio.get_running_loop().create_task(say_and_close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, socket: Socket) -> None:
        self._forget(socket)
        with suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(socket.wire.close(), 1)

    def drop(self) -> None:
        for socket in list(self.sockets):
            self._reset(socket)

    def _reset(self, socket: Socket) -> None:
        self._forget(socket)
        if socket.request.transport is not None:
            socket.request.transport.abort()

    def cut(self, how: str) -> None:
        """One of the sockets goes: by a TCP reset, with a `disconnect` of that reason, or silently."""
        if not self.sockets:
            return
        socket = self.dice.choice(self.sockets)
        if how == "silent":
            socket.silent = True
        elif how == "reset":
            self._reset(socket)
        else:
            self._spawn(socket, {"type": "disconnect", "reason": how, "debug_info": {"host": "sandbox"}})

    def close_all(self) -> None:
        self.drop()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        self.drop()
