"""A request's body as it comes in: its pieces, counted and timed; a large one is handed on piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from core.brakes import network_of
from core.failures import TooMany, Unavailable
from intake.web.problems import TooLarge, TooSlow

SMALL: Final = 64 * 1024
# What is refused is read on for a while, so that its sender sees the answer and not a reset.
DRAIN_BYTES: Final = 64 * 1024 * 1024
DRAIN_TIMEOUT: Final = 5.0
UPLOADS_AT_ONCE: Final = 64
UPLOADS_PER_SOURCE: Final = 16  # of these, from one network
_MINUTE: Final = timedelta(minutes=1)
UPLOAD_PAUSE: Final = 20.0  # seconds that may pass between two pieces
UPLOAD_TIMEOUT: Final = 300.0  # for the whole
# Where files are taken. Everywhere else a body is read whole, so it stays small.
_UPLOADS: Final = re.compile(r"/report-issue|/tickets/\d{1,19}/messages|/ui/tickets/\d{1,19}/reply")


class Places:
    """So many large uploads are taken in at once, and of one network only a part of them."""

    def __init__(self, in_all: int = UPLOADS_AT_ONCE, each: int = UPLOADS_PER_SOURCE) -> None:
        self._free, self._each = asyncio.Semaphore(in_all), each
        self._taken: dict[str, int] = {}

    @asynccontextmanager
    async def one(self, network: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Who waits counts for the network, too; loopback ("") is spared. Raises
        `TooMany`."""
        taken = self._taken.get(network, 0)
        if network and taken >= self._each:
            raise TooMany("too many uploads at once from your network; try again in a minute", _MINUTE)
        self._taken[network] = taken + 1
        try:
            async with self._free:
                yield
        finally:
            self._taken[network] -= 1
            if not self._taken[network]:
                del self._taken[network]


class Gone(Exception):
    """The client hung up while sending."""


def is_upload(scope: Scope) -> bool:
    """Whether this request may bring files. Pure."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    named = _UPLOADS.fullmatch(scope.get("path", "")) is not None
    return bool(scope["method"] == "POST" and kind == "multipart/form-data" and named)


def declared(headers: Headers) -> int:
    """Return the length that a body is said to have, 0 where it isn't said. Pure."""
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


async def chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body's pieces. Raises `Gone`."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


async def drain(headers: Headers, receive: Receive) -> None:
    """Read on and forget, unless the client waits for our leave to send."""
    if "expect" in headers or declared(headers) > DRAIN_BYTES:
        return
    size = 0
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for chunk in chunks(receive):
                size += len(chunk)
                if size > DRAIN_BYTES:
                    return
    except (TimeoutError, Gone):
        return


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once, and then what the server has to say."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Streamed:
    """The body of an upload, handed on as it comes: never held whole, but counted and timed. What is left of it when
    the answer is ready is read on and forgotten (`finish`)."""

    def __init__(
        self, scope: Scope, receive: Receive, limit: int, held: AsyncExitStack, places: Places
    ) -> None:
        self._headers = Headers(scope=scope)
        self._receive, self._limit = receive, limit
        self._held, self._places = held, places
        self._network = network_of(scope["client"][0]) if scope.get("client") else ""
        self._large = self._done = self._over = False
        self._size = 0
        self._until = asyncio.get_running_loop().time() + UPLOAD_TIMEOUT

    async def receive(self) -> Message:
        """Return the next piece. Raises `TooLarge`, `TooMany`, `TooSlow`, `Unavailable`, `Gone`."""
        if self._done:
            return await self._receive()
        if declared(self._headers) > self._limit:
            self._over = True
        if self._over:
            raise TooLarge(self._limit)
        message = await self._next()
        if message["type"] == "http.disconnect":
            self._done = True
            raise Gone
        self._size += len(message.get("body", b""))
        self._done = not message.get("more_body", False)
        if self._size > self._limit:
            self._over = True
            raise TooLarge(self._limit)
        if self._size > SMALL and not self._large:
            await self._place()
        return message

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(self._until, loop.time() + UPLOAD_PAUSE)):
                return await self._receive()
        except TimeoutError:
            raise TooSlow from None

    async def _place(self) -> None:
        """So many at once are taken in, so that they share the line and the disk."""
        self._large = True
        try:
            async with asyncio.timeout(UPLOAD_PAUSE):
                await self._held.enter_async_context(self._places.one(self._network))
        except TimeoutError:
            raise Unavailable from None

    async def finish(self) -> None:
        """Read on what nobody asked for."""
        if not self._done:
            self._done = True
            await drain(self._headers, self._receive)
