"""Which arrivals wait so that earlier ones of their conversation come first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.order import BEHIND, Order
from core.blobs import Blobs
from core.database import Database
from core.inbox import SETTLE, Arrival, Intake, shard_of, window
from core.signals import Signal
from tests.stores import Store

NONE = timedelta()


def test_each_event_waits_a_moment() -> None:
    order = Order()
    assert [order.settle("T1/C1", now) for now in (0.0, 0.1, 9.0)] == [SETTLE] * 3


def test_what_comes_live_lets_the_catch_up_go_first_and_so_does_what_follows() -> None:
    order = Order()
    assert order.settle("T1/C1", 0.0, behind=True) == BEHIND
    assert order.settle("T1/C1", 1.0) == BEHIND - timedelta(seconds=1)
    assert order.settle("T1/C2", 1.0) == SETTLE
    assert order.settle("T1/C1", 4.9) == SETTLE


def arrival(name: bytes, order: str, settle: timedelta = NONE) -> Arrival:
    return Arrival(
        key=name.ljust(32),
        channel="slack",
        shard_by="T1/C1",
        source_order=order,
        envelope={},
        raw=name,
        settle=settle,
    )


class Shard:
    """One shard of the inbox: what can be read of it now."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.database = Database(store.config().database)
        blobs = Blobs(store.config().service.data_dir / "blobs")
        self.intake = Intake(self.database, blobs, Signal())

    async def orders(self, limit: int = 10) -> list[str]:
        rows = await self.database.read(lambda tx: window(tx, shard_of("T1/C1"), limit, ["slack"]))
        known = {r["id"]: r["source_order"] for r in self.store.rows("SELECT id, source_order FROM inbox")}
        return [known[row.id] for row in rows]


@pytest.fixture
async def shard(store: Store) -> AsyncIterator[Shard]:
    one = Shard(store)
    yield one
    await one.database.close()


async def test_a_row_that_waits_is_read_after_earlier_ones_that_come_meanwhile(shard: Shard) -> None:
    """And it waits without holding up what else is in its shard."""
    await shard.intake.store([arrival(b"late", "17.000003", timedelta(seconds=0.5))])
    await shard.intake.store([arrival(b"early", "17.000001")])
    assert await shard.orders() == ["17.000001"]
    async with asyncio.timeout(5):
        while len(await shard.orders()) < 2:
            await asyncio.sleep(0.05)
    assert await shard.orders() == ["17.000001", "17.000003"]


async def test_what_came_out_of_order_is_read_in_order_once_the_first_of_it_is_due(shard: Shard) -> None:
    """The elder came later, and so it would be due later: it is read with what waited for it."""
    await shard.intake.store([arrival(b"younger", "17.000003", timedelta(seconds=0.2))])
    await shard.intake.store([arrival(b"elder", "17.000001", SETTLE)])
    await shard.intake.store([arrival(b"youngest", "17.000004", SETTLE)])
    assert await shard.orders() == []
    async with asyncio.timeout(5):
        while not (seen := await shard.orders()):
            await asyncio.sleep(0.01)
    assert seen[:2] == ["17.000001", "17.000003"]


async def test_a_click_is_read_after_what_was_written_before_it(shard: Shard) -> None:
    await shard.intake.store([arrival(b"written", "17.000001", SETTLE)])
    await shard.intake.store([arrival(b"after", "17.000003", SETTLE)])
    await shard.intake.store([arrival(b"click", "17.000002")])
    assert await shard.orders() == ["17.000001", "17.000002"]


async def test_many_that_settle_hold_up_nothing(shard: Shard) -> None:
    """A window that is full of them is read: what is due may be behind it."""
    await shard.intake.store([arrival(b"%d" % n, f"17.{n:06d}", SETTLE) for n in range(4)])
    await shard.intake.store([arrival(b"due", "17.000009")])
    assert await shard.orders(limit=4) == ["17.000000", "17.000001", "17.000002", "17.000003"]
