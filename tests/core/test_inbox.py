"""The inbox: stored before anybody says yes, once, and one row's trouble is only its own."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from core import inbox
from core.blobs import INLINE_BYTES, Blobs
from core.database import Database, SQLAlchemyError
from core.failures import Unavailable
from core.inbox import Arrival, Intake, raw_of, shard_of, store_once
from core.shapes import key_of
from core.signals import Signal
from tests.core.desk import TestDesk
from tests.stores import Store


def arrival(name: str, raw: bytes = b"raw", **more: Any) -> Arrival:
    return Arrival(
        key=key_of(name),
        channel="email",
        shard_by=more.pop("shard_by", name),
        envelope=more or {"a": 1},
        raw=raw,
    )


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each commit took."""
    seen: list[int] = []
    write = inbox._insert

    async def insert(database: Database, blobs: Blobs, rows: list[dict[str, Any]]) -> None:
        seen.append(len(rows))
        await write(database, blobs, rows)

    monkeypatch.setattr(inbox, "_insert", insert)
    return seen


async def test_what_waits_is_committed_together(desk: TestDesk, store: Store, batches: list[int]) -> None:
    """A first one goes at once, what came meanwhile in one commit after it; at most a hundred rows."""
    await asyncio.gather(*(desk.intake.store([arrival(f"m{i}")]) for i in range(250)))
    assert store.count("inbox") == 250
    assert len(batches) <= 5
    assert max(batches) <= inbox.BATCH_ROWS


async def test_the_yes_comes_after_the_commit(desk: TestDesk, store: Store) -> None:
    """Another connection sees the row once `store` has returned; the worker is woken."""
    signal = Signal()
    intake = Intake(desk.database, desk.blobs, signal)
    assert await intake.store([arrival("a"), arrival("b")]) == 2
    assert store.count("inbox", "state = 'new'") == 2
    assert signal._event.is_set()


async def test_the_same_twice_is_one_and_both_hear_yes(desk: TestDesk, store: Store) -> None:
    """At once, in one batch, or later by another way in; what is there stays as it is."""
    await asyncio.gather(*(desk.intake.store([arrival("same", b"one")]) for _ in range(8)))
    await desk.intake.store([arrival("same", b"two"), arrival("other")])
    await store_once(desk.database, desk.blobs, [arrival("same", b"three"), arrival("third")])
    assert store.count("inbox") == 3
    assert store.value("SELECT raw FROM inbox WHERE inbox.key = :key", key=key_of("same")) == b"one"


async def test_one_bad_row_fails_alone(desk: TestDesk, store: Store) -> None:
    """A row that can't be written costs its own sender a temporary failure, nobody else's."""
    jobs = [desk.intake.store([arrival(f"m{i}")]) for i in range(3)]
    jobs.append(desk.intake.store([arrival("fine"), arrival("bad", word=object())]))
    jobs.append(desk.intake.store([arrival("last")]))
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False] * 3 + [True, False]
    assert store.count("inbox") == 4, "all rows of one transaction or none"
    assert await desk.intake.store([arrival("after")]) == 1


async def test_no_database_no_yes(desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits hears that it wasn't taken, and the next is taken when the database is back."""
    unit = Database.unit

    async def away(*args: Any, **more: Any) -> Any:
        raise Unavailable("database: away")

    monkeypatch.setattr(Database, "unit", away)
    results = await asyncio.gather(
        *(desk.intake.store([arrival(f"m{i}")]) for i in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable):
        await store_once(desk.database, desk.blobs, [arrival("x")])
    monkeypatch.setattr(Database, "unit", unit)
    assert await desk.intake.store([arrival("m0")]) == 1
    assert store.count("inbox") == 1


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_a_cut_connection_costs_nothing(desk: TestDesk, store: Store) -> None:
    """A failover between two mails is no sender's business."""
    await desk.intake.store([arrival("a")])
    await asyncio.to_thread(store.end_connections)
    await desk.intake.store([arrival("b")])
    assert store.count("inbox") == 2


async def test_a_full_disk_is_a_temporary_failure(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large bytes are on the disk before their row is; where they can't be, nothing is taken."""

    async def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Blobs, "put", full)
    with pytest.raises(Unavailable):
        await desk.intake.store([arrival("large", bytes(INLINE_BYTES + 1))])
    assert await desk.intake.store([arrival("small", bytes(INLINE_BYTES))]) == 1
    assert store.count("inbox") == 1


async def test_bytes_come_back_as_they_were(desk: TestDesk) -> None:
    """Inline or as a blob, any byte."""
    raw = bytes(range(256))
    await desk.intake.store([arrival("small", raw), arrival("large", raw * 512)])
    for row in await desk.operations.inbox():
        full = await desk.operations._row(row.id)
        assert (full.blob is None) == (row.bytes == 256)
        assert await raw_of(full, desk.blobs) == raw * (row.bytes // 256)


async def test_overlapping_batches_do_not_deadlock(store: Store) -> None:
    """Two instances that take in the same mails in another order both say yes to all."""
    databases = [Database(store.config().database) for _ in range(2)]
    dice = random.Random(7)
    names = [f"m{i}" for i in range(40)]

    async def instance(database: Database) -> None:
        for _ in range(6):
            chosen = dice.sample(names, 20)
            await inbox._insert(
                database,
                None,  # type: ignore[arg-type]
                [await inbox.row_of(arrival(n), None, database.clock) for n in chosen],  # type: ignore[arg-type]
            )

    try:
        async with asyncio.timeout(20):
            await asyncio.gather(*(instance(database) for database in databases for _ in range(2)))
    except SQLAlchemyError as exc:  # pragma: no cover
        pytest.fail(f"not taken: {exc}")
    finally:
        for database in databases:
            await database.close()
    taken = store.count("inbox")
    assert 20 <= taken <= 40
    assert taken == store.value("SELECT COUNT(DISTINCT inbox.key) FROM inbox")


async def test_a_caller_who_goes_does_not_take_the_others_along(desk: TestDesk, store: Store) -> None:
    """A client that hangs up in the middle changes nothing for the rest of the batch."""
    first = asyncio.create_task(desk.intake.store([arrival("first")]))
    others = [asyncio.create_task(desk.intake.store([arrival(f"m{i}")])) for i in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [1, 1, 1]
    assert store.count("inbox") >= 3


async def test_smtp_in_flight_goes_first(desk: TestDesk) -> None:
    """The worker waits while a mail is being taken in, never longer than it is told."""
    assert desk.intake.in_flight == 0
    with desk.intake.transaction(), desk.intake.transaction():
        assert desk.intake.in_flight == 2
        waiting = asyncio.create_task(desk.intake.quiet(timedelta(seconds=10)))
        await desk.intake.quiet(timedelta(milliseconds=1))
        assert not waiting.done()
    async with asyncio.timeout(2):
        await waiting


async def test_strange_letters_in_an_envelope_are_no_trouble(desk: TestDesk) -> None:
    """What a client put into its addresses comes back as it was, half a surrogate pair too."""
    await desk.intake.store([arrival("a", sender="\udcff\ud800é😀")])
    (row,) = await desk.operations.inbox()
    assert row.envelope == {"sender": "\udcff\ud800é😀"}


def test_shards_keep_names_together() -> None:
    """One name, one shard, of sixteen; strange names too."""
    assert {shard_of(f"n{i}") for i in range(500)} == set(range(16))
    assert shard_of("é\ud800") == shard_of("é\ud800")
