"""A request's body as it comes in: its pieces, counted and timed; a large one is handed on piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
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
# Bodies of any size and kind that aren't there whole yet: each holds one of the door's connections, of which some must
# be left for who asks for something.
BODIES_AT_ONCE: Final = 750
BODIES_PER_SOURCE: Final = 100  # of these, from one network
BODIES_OF_LOOPBACK: Final = 500  # everybody's, where a proxy there doesn't say whose they are
_MINUTE: Final = timedelta(minutes=1)
UPLOAD_PAUSE: Final = 20.0  # seconds that may pass between two pieces
UPLOAD_SPEED: Final = 1000  # bytes a second that must come on an average, after the first UPLOAD_PAUSE
UPLOAD_TIMEOUT: Final = 1800.0  # for the whole: the largest at 20 kB/s
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


class UnderWay:
    """The bodies that are waited for."""

    def __init__(
        self,
        in_all: int = BODIES_AT_ONCE,
        each: int = BODIES_PER_SOURCE,
        loopback: int = BODIES_OF_LOOPBACK,
    ) -> None:
        self._in_all, self._each, self._loopback = in_all, each, loopback
        self._begun: Counter[str] = Counter()

    def begin(self, network: str) -> Callable[[], None]:
        """Count one more, of a network ("": loopback); call what is returned when it has come or is given up, as often
        as you like. Raises `TooMany`, `Unavailable`."""
        if self._begun[network] >= (self._each if network else self._loopback):
            raise TooMany(
                "too many requests of your network are only half sent; try again in a minute", _MINUTE
            )
        if self._begun.total() >= self._in_all:
            raise Unavailable("too many bodies at once")
        self._begun[network] += 1
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._begun[network] -= 1
                if not self._begun[network]:
                    del self._begun[network]

        return end


class Gone(Exception):
    """The client hung up while sending."""


def is_upload(scope: Scope) -> bool:
    """Whether this request may bring files. Pure."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    named = _UPLOADS.fullmatch(scope.get("path", "")) is not None
    return bool(scope["method"] == "POST" and kind == "multipart/form-data" and named)


def network_in(scope: Scope) -> str:
    """Return the network that a request comes from, "" for loopback. Pure."""
    return network_of(scope["client"][0]) if scope.get("client") else ""


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
        self,
        scope: Scope,
        receive: Receive,
        limit: int,
        held: AsyncExitStack,
        places: Places,
        end: Callable[[], None],
    ) -> None:
        """`end` is called when the body is there."""
        self._headers = Headers(scope=scope)
        self._receive, self._limit, self._end = receive, limit, end
        self._held, self._places = held, places
        self._network = network_in(scope)
        self._large = self._done = self._over = False
        self._size = 0
        self._waited = 0.0  # seconds for its sender
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
        if self._done:
            self._end()
        if self._size > self._limit:
            self._over = True
            raise TooLarge(self._limit)
        if self._size > SMALL and not self._large:
            await self._place()
        return message

    async def _next(self) -> Message:
        began = asyncio.get_running_loop().time()
        enough = UPLOAD_PAUSE + self._size / UPLOAD_SPEED - self._waited  # until it's slower than it may be
        try:
            async with asyncio.timeout_at(min(self._until, began + UPLOAD_PAUSE, began + enough)):
                return await self._receive()
        except TimeoutError:
            raise TooSlow from None
        finally:
            self._waited += asyncio.get_running_loop().time() - began

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
