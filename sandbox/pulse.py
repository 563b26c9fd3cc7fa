"""Telling those who wait that something has changed: tests wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

AGAIN: Final = 0.05  # seconds


class Pulse:
    """A condition variable of one event loop whose `beat` needs no lock, so that plain functions may call it."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()
        self.count = 0

    def beat(self) -> None:
        self.count += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def next(self, timeout: float) -> bool:
        """Wait for the next beat; False when there was none in time."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        done, _ = await asyncio.wait({waiter}, timeout=timeout)
        self._waiters.discard(waiter)
        return bool(done)

    async def wait_for(
        self, predicate: Callable[[], object], timeout: float, what: Callable[[], str]
    ) -> None:
        """Wait until the predicate holds; TimeoutError with `what()` where it doesn't in time.

        It may ask for things that make no beat (a database, the app that is tried): those are looked at again too.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not predicate():
            left = deadline - loop.time()
            if left <= 0:
                raise TimeoutError(what())
            await self.next(min(left, AGAIN))
