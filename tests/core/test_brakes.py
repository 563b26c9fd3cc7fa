"""Brakes: so many in a window, counted where every instance sees it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from core.brakes import allow, window_of
from core.clock import Clock
from core.database import Database
from tests.stores import Store

HOUR = timedelta(hours=1)


def test_windows() -> None:
    """A window begins anew at its length; a length of nothing is a second."""
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert window_of(start, HOUR) == window_of(start + timedelta(minutes=59, seconds=59), HOUR)
    assert window_of(start, HOUR) + 1 == window_of(start + HOUR, HOUR)
    assert window_of(start, timedelta()) + 1 == window_of(start + timedelta(seconds=1), timedelta())


async def test_so_many_and_no_more(store: Store) -> None:
    """The limit is exact for one after the other; another name and the next window have their own."""
    clock = Clock()
    database = Database(store.config().database, clock)
    # Begin early in a window, so that it doesn't end under the test.
    into = clock.now().timestamp() % HOUR.total_seconds()
    clock.offset = timedelta(seconds=60 - into)
    try:
        for spread in (False, True):
            name = f"brake {spread}"
            answers = [
                await database.unit(lambda tx, n=name, s=spread: allow(tx, n, 3, HOUR, spread=s))
                for _ in range(5)
            ]
            assert answers == [True] * 3 + [False] * 2
        assert await database.unit(lambda tx: allow(tx, "other", 1, HOUR))
        assert not await database.unit(lambda tx: allow(tx, "never", 0, HOUR))
        clock.offset += HOUR
        assert await database.unit(lambda tx: allow(tx, "brake False", 3, HOUR))
    finally:
        await database.close()


async def test_at_once_nothing_is_lost(store: Store) -> None:
    """Every one that was allowed is counted, so that those who come later are braked."""
    database = Database(store.config().database)
    day = timedelta(days=3650)
    try:
        answers = await asyncio.gather(
            *(database.unit(lambda tx: allow(tx, "x", 100, day)) for _ in range(12))
        )
        assert all(answers)
        assert store.value("SELECT n FROM counters") == 12
        assert not await database.unit(lambda tx: allow(tx, "x", 12, day))
    finally:
        await database.close()
