"""How far this machine's clock is from the database's.

What is due is decided by the database's clock; a machine whose own is far off still logs wrong times, signs and dates
mails wrongly, and is refused by others. So beyond `scheduler.max_skew` it isn't ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from core.database import Database, Tx
from core.failures import Unavailable
from core.shapes import Finding

log = structlog.get_logger(__name__)

EVERY: Final = 10.0  # seconds between two looks


def wall() -> datetime:
    """Return what this machine's clock shows."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Skew:
    """How far our clock is ahead of the database's (negative: behind), give or take `doubt`: half the round trip."""

    ahead: timedelta = timedelta()
    doubt: timedelta = timedelta()

    def beyond(self, limit: timedelta) -> bool:
        """Is it certainly more than `limit`?"""
        return abs(self.ahead) - self.doubt > limit

    @property
    def text(self) -> str:
        """In words."""
        seconds = self.ahead.total_seconds()
        return f"the clock is {abs(seconds):.1f} s {'ahead of' if seconds >= 0 else 'behind'} the database's"


async def measure(database: Database) -> Skew:
    """Ask the database for its time. None of it with SQLite: there the clock is ours. Raises `Unavailable`."""

    async def look(tx: Tx) -> Skew:
        before, began = wall(), time.monotonic()
        if tx.sqlite:
            await tx.scalar(text("SELECT 1"))
            return Skew()
        there: datetime = (await tx.scalar(text("SELECT UTC_TIMESTAMP(6)"))).replace(tzinfo=UTC)
        half = timedelta(seconds=time.monotonic() - began) / 2
        return Skew(before + half - there, half)

    return await database.read(look)


class SkewWatch:
    """Measures it every few seconds, and says so once when it is too much, and once when it isn't any more."""

    def __init__(self, database: Database, limit: timedelta) -> None:
        self._database = database
        self._limit = limit
        self._told = False
        self._task: asyncio.Task[None] | None = None
        self.last: Skew | None = None

    async def look(self) -> Skew:
        """Measure now. Raises `Unavailable`."""
        self.last = skew = await measure(self._database)
        if skew.beyond(self._limit) != self._told:
            self._told = not self._told
            say = log.error if self._told else log.info
            say("clock_skewed" if self._told else "clock_fits", ahead_seconds=self.seconds)
        return skew

    @property
    def seconds(self) -> float | None:
        """By how many seconds our clock was ahead when last measured; None before."""
        return None if self.last is None else round(self.last.ahead.total_seconds(), 3)

    @property
    def trouble(self) -> str:
        """Why this instance isn't ready; empty where the clock fits."""
        return self.last.text + _more_than(self._limit) if self.last and self._told else ""

    async def start(self) -> None:
        """Begin to look regularly."""
        self._task = asyncio.create_task(self._keep_looking(), name="skew")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):  # others say that it is away
                await self.look()
            await asyncio.sleep(EVERY)


async def probe(database: Database, limit: timedelta) -> Finding:
    """Say what `relaydesk check` says of it. Raises `Unavailable`."""
    skew = await measure(database)
    problem = None
    if skew.beyond(limit):
        problem = f"{skew.text}{_more_than(limit)}: set this machine's clock (NTP)"
    return Finding(part="clock", text=skew.text, problem=problem)


def _more_than(limit: timedelta) -> str:
    return f", scheduler.max_skew is {limit.total_seconds():g} s"
