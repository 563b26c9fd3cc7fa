"""Whether there is room for another mail now: in memory, on the disk, and in front of those who read.

Where there is none, the answer is temporary: the client keeps the mail and tells its sender if that lasts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from core.blobs import free_bytes

log = structlog.get_logger(__name__)

STEP: Final = 65_536
# What a mail holds in memory at most, however large it is: what was read and isn't written yet.
MOST_HELD: Final = 524_288
_DISK_SECONDS: Final = 1.0
_BACKLOG_SECONDS: Final = 3.0
_STALE_SECONDS: Final = 10.0
_PATIENCE: Final = 0.2  # seconds that MAIL waits for the database's word where the last one is stale
_LONGEST_SAID: Final = 19  # digits of a size; more are no number that any disk knows

Oldest = Callable[[], Awaitable[timedelta | None]]


class Budget:
    """Bytes that all mails together may hold in memory while they come in."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def hold(self, size: int = STEP) -> Hold | None:
        """Reserve for one mail, of this size where that is known; None where too little is left."""
        hold = Hold(self)
        return hold if hold.grow(size or STEP) else None


class Hold:
    """What one mail has reserved, until `release`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0

    def grow(self, size: int) -> bool:
        """Reserve what a mail of `size` bytes holds. False where the budget says no."""
        wanted = min(-(-size // STEP) * STEP, MOST_HELD)
        more = wanted - self._bytes
        if more <= 0:
            return True
        if more > self._budget.left:
            return False
        self._budget.left -= more
        self._bytes = wanted
        return True

    def release(self) -> None:
        """Give it back. Safe to call twice."""
        self._budget.left += self._bytes
        self._bytes = 0


class Disk:
    """How much is free where mails are stored, asked at most once a second. `left`: bytes that must stay free."""

    def __init__(self, folder: Path, left: int) -> None:
        self._folder = folder
        self._left = left
        self._free = 0
        self._asked = float("-inf")

    def fits(self, size: int) -> bool:
        """Say whether so many bytes more leave enough. A disk that can't be asked says yes: storing will tell."""
        now = time.monotonic()
        if now - self._asked >= _DISK_SECONDS:
            self._asked = now
            self._free = free_bytes(self._folder)
        return self._free - size >= self._left


class Backlog:
    """How long the oldest mail has waited to be read. `ask` goes to the database; it's asked at most every three
    seconds, once for all, and nobody waits for it but, shortly, the first after a quiet time. `limit`: zero never
    asks."""

    def __init__(self, ask: Oldest, limit: timedelta) -> None:
        self._ask = ask
        self._limit = limit
        self._age: timedelta | None = None
        self._asked = self._told = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def too_old(self) -> bool:
        """Say whether what waits has waited too long."""
        if not self._limit:
            return False
        now = time.monotonic()
        if now - self._asked >= _BACKLOG_SECONDS and self._asking is None:
            self._asked = now
            self._asking = asyncio.create_task(self._refresh(), name="backlog-age")
        if self._asking is not None and now - self._told >= _STALE_SECONDS:
            self._told = now  # one waits, the others go on
            await asyncio.wait([self._asking], timeout=_PATIENCE)
        return self._age is not None and self._age > self._limit

    async def too_old_now(self) -> bool:
        """The same for somebody who waits for the answer, and may ask while no mail comes."""
        if self._limit and self._asking is None:
            self._told = float("-inf")
        return await self.too_old()

    async def _refresh(self) -> None:
        try:
            self._age = await self._ask()
            self._told = time.monotonic()
        except Exception as exc:  # a database that is away says so when the mail is stored
            log.info("backlog_unknown", error=type(exc).__name__)
            self._age = None
        finally:
            self._asking = None

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking


class Room:
    """All three."""

    def __init__(self, budget: Budget, disk: Disk, backlog: Backlog) -> None:
        self.budget = budget
        self.disk = disk
        self.backlog = backlog

    async def admit(self, size: int) -> Hold | str:
        """Reserve for a mail of so many bytes (0: not said), or return what there is too little of."""
        if not self.disk.fits(size):
            return "disk"
        if await self.backlog.too_old():
            return "backlog"
        return self.budget.hold(size) or "memory"

    async def short_of(self) -> str:
        """Return what there is too little of for any mail now; "" where one would be admitted."""
        if not self.disk.fits(0):
            return "disk"
        if await self.backlog.too_old_now():
            return "backlog"
        return "memory" if self.budget.left < STEP else ""


def announced(options: list[str]) -> int:
    """Return the SIZE among MAIL's parameters (RFC 1870), 0 where it isn't there."""
    for option in options:
        name, _, value = option.partition("=")
        if name.upper() == "SIZE" and value.isascii() and value.isdigit() and len(value) <= _LONGEST_SAID:
            return int(value)
    return 0
