"""The unit of work that may run twice."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from core.database import Database, Rerun, Tx
from core.failures import Unavailable
from core.shapes import key_of
from core.tables import counters, settings
from tests.stores import Store

KEY = key_of("n")


@pytest.fixture
async def database(store: Store):
    opened = Database(store.config().database)
    await opened.unit(lambda tx: tx.run(counters.insert().values(key=KEY, window=0, n=0)))
    yield opened
    await opened.close()


def _conflict() -> OperationalError:
    return OperationalError("UPDATE", {}, Exception(1213, "Deadlock found"))


async def _count(tx: Tx) -> int:
    return int(await tx.scalar(select(counters.c.n).where(counters.c.key == KEY)))


async def _add(tx: Tx) -> None:
    await tx.run(update(counters).where(counters.c.key == KEY).values(n=counters.c.n + 1))


async def test_ten_at_once_count_to_ten(database: Database) -> None:
    """Units that read and then write what they lock first lose nothing to each other."""

    async def unit(tx: Tx) -> None:
        await _add(tx)
        n = await _count(tx)
        await asyncio.sleep(0)
        await tx.run(update(counters).where(counters.c.key == KEY).values(n=n))

    await asyncio.gather(*(database.unit(unit) for _ in range(10)))
    assert await database.read(_count) == 10


@pytest.mark.parametrize("trouble", [Rerun(), _conflict()])
async def test_a_unit_runs_again_and_counts_once(database: Database, trouble: Exception) -> None:
    """What a run that failed had written is gone, and `after_commit` is called for the one that committed."""
    runs, done = [], []

    async def unit(tx: Tx) -> str:
        runs.append(1)
        await _add(tx)
        tx.after_commit.append(lambda: done.append(len(runs)))
        if len(runs) < 3:
            raise trouble
        assert not done
        return "result"

    assert await database.unit(unit) == "result"
    assert (len(runs), done) == (3, [3])
    assert await database.read(_count) == 1


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_a_real_deadlock_is_run_again(database: Database) -> None:
    """Two units that lock two rows in opposite order both come through."""
    other = key_of("other")
    await database.unit(lambda tx: tx.run(counters.insert().values(key=other, window=0, n=0)))
    runs = 0
    both = asyncio.Barrier(2)

    async def unit(tx: Tx, first: bytes, second: bytes) -> None:
        nonlocal runs
        runs += 1
        await tx.run(update(counters).where(counters.c.key == first).values(n=counters.c.n + 1))
        if runs <= 2:
            await both.wait()
        await tx.run(update(counters).where(counters.c.key == second).values(n=counters.c.n + 1))

    async with asyncio.timeout(20):
        await asyncio.gather(
            database.unit(lambda tx: unit(tx, KEY, other)), database.unit(lambda tx: unit(tx, other, KEY))
        )
    assert runs >= 3
    assert await database.read(_count) == 2


async def test_what_never_gets_through_is_said(database: Database) -> None:
    """After the last run the caller hears `Unavailable`, and nothing was written or called."""
    done = []

    async def unit(tx: Tx) -> None:
        await _add(tx)
        tx.after_commit.append(lambda: done.append(1))
        raise _conflict()

    with pytest.raises(Unavailable):
        await database.unit(unit, tries=3)
    assert not done
    assert await database.read(_count) == 0


async def test_a_mistake_is_not_run_again(database: Database) -> None:
    """An exception of the unit's own, or a key that exists, comes through after one run, undone."""
    runs = []

    async def unit(tx: Tx, exc: Exception | None) -> None:
        runs.append(1)
        await _add(tx)
        if exc is not None:
            raise exc
        await tx.run(counters.insert().values(key=KEY, window=0, n=0))

    with pytest.raises(KeyError):
        await database.unit(lambda tx: unit(tx, KeyError("x")))
    with pytest.raises(IntegrityError):
        await database.unit(lambda tx: unit(tx, None))
    assert len(runs) == 2
    assert await database.read(_count) == 0


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_a_connection_that_is_cut_is_replaced(database: Database, store: Store) -> None:
    """In the middle of a unit or between two: it runs again on another one."""
    runs = []

    async def unit(tx: Tx) -> None:
        runs.append(1)
        await _add(tx)
        if len(runs) == 1:
            await asyncio.to_thread(store.end_connections)
            await _count(tx)

    await database.unit(unit)
    assert len(runs) == 2
    await asyncio.to_thread(store.end_connections)
    assert await database.read(_count) == 1


async def test_an_absent_database_is_unavailable(store: Store) -> None:
    """Not an exception of the driver's, and soon."""
    if store.sqlite:
        url = "sqlite+aiosqlite:////proc/nowhere/relaydesk.db"
        with pytest.raises(OSError):
            Database(store.config(database={"url": url}).database)
        return
    assert store.server is not None
    config = store.config(database={"url": "mysql+aiomysql://root@127.0.0.1:1/x"}).database
    database = Database(config)
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await database.read(_count)
    await database.close()


@pytest.mark.filterwarnings(
    "error:Unclosed connection:ResourceWarning", "error:.*before being closed:ResourceWarning"
)
async def test_who_is_still_reading_at_the_end_leaves_no_connection(store: Store) -> None:
    """The database is closed meanwhile: their connection is closed when they give it back."""
    database = Database(store.config().database)
    reads, go = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx) -> Any:
        reads.set()
        await go.wait()
        return await tx.scalar(select(counters.c.n))

    reading = asyncio.create_task(database.read(slowly))
    await reads.wait()
    await database.close()
    go.set()
    await reading
    del reading, database
    gc.collect()  # a connection that nobody closed says so


async def test_time_is_aware_utc_and_stands_still_in_a_unit(database: Database) -> None:
    """All that a transaction writes carries one moment, near to ours; microseconds survive."""
    from core.tables import job_runs

    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    async def unit(tx: Tx) -> datetime:
        first = await tx.now()
        await tx.run(job_runs.insert().values(job="j", slot=moment, started=first))
        await asyncio.sleep(0.002)
        assert await tx.now() == first
        return first

    now = await database.unit(unit)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
    row: Any = await database.read(lambda tx: tx.first(select(job_runs)))
    assert (row.slot, row.started) == (moment, now)
    with pytest.raises(Exception, match="naive"):
        await database.unit(
            lambda tx: tx.run(
                job_runs.insert().values(job="k", slot=moment.replace(tzinfo=None), started=now)
            )
        )


async def test_upsert_and_insert_missing(database: Database) -> None:
    """One adds to what is there, the other leaves it alone."""

    async def unit(tx: Tx) -> None:
        for value in ("first", "second"):
            values = {"scope": "s", "key": "kept", "value": value}
            await tx.run(tx.insert_missing(settings).values(**values))
            await tx.run(tx.upsert(settings, {**values, "key": "replaced"}, {"value": value}))
        await tx.run(tx.upsert(counters, {"key": KEY, "window": 0, "n": 1}, {"n": counters.c.n + 1}))

    await database.unit(unit)
    rows = await database.read(lambda tx: tx.all(select(settings).order_by(settings.c.key)))
    assert [(row.key, row.value) for row in rows] == [("kept", "first"), ("replaced", "second")]
    assert await database.read(_count) == 1
