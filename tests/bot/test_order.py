"""Which arrivals wait so that earlier ones of their conversation come first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.order import BEHIND, SETTLE, Order
from core.blobs import Blobs
from core.database import Database
from core.inbox import Arrival, Intake, shard_of, window
from core.signals import Signal
from tests.stores import Store

NONE = timedelta()


def test_nothing_waits_that_comes_in_order() -> None:
    order = Order()
    assert [order.settle("T1/C1", f"17.{n:06d}", float(n)) for n in (1, 2, 2, 3)] == [NONE] * 4


def test_what_is_older_than_the_newest_waits_and_so_does_what_follows_meanwhile() -> None:
    order = Order()
    order.settle("T1/C1", "17.000002", 0.0)
    assert order.settle("T1/C1", "17.000001", 0.0) == timedelta(seconds=SETTLE)
    assert order.settle("T1/C2", "17.000001", 0.0) == NONE
    assert order.settle("T1/C1", "17.000003", 0.1) == timedelta(seconds=SETTLE - 0.1)
    assert order.settle("T1/C1", "17.000004", 0.5) == NONE


def test_what_comes_live_lets_the_catch_up_go_first() -> None:
    order = Order()
    assert order.settle("T1/C1", "17.000005", 0.0, behind=True) == timedelta(seconds=BEHIND)
    assert order.settle("T1/C1", "17.000006", 1.0) == timedelta(seconds=BEHIND - 1)


def test_what_has_no_ts_waits_for_nobody() -> None:
    order = Order()
    order.settle("T1/C1", "17.000002", 0.0)
    assert order.settle("T1/C1", "", 0.0) == NONE


async def test_a_row_that_waits_is_read_after_earlier_ones_that_come_meanwhile(store: Store) -> None:
    """And it waits without holding up what else is in its shard."""
    database = Database(store.config().database)
    intake = Intake(database, Blobs(store.config().service.data_dir / "blobs"), Signal())

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

    async def orders() -> list[str]:
        rows = await database.read(lambda tx: window(tx, shard_of("T1/C1"), 10, ["slack"]))
        known = {r["id"]: r["source_order"] for r in store.rows("SELECT id, source_order FROM inbox")}
        return [known[row.id] for row in rows]

    await intake.store([arrival(b"late", "17.000003", timedelta(seconds=0.5))])
    await intake.store([arrival(b"early", "17.000001")])
    assert await orders() == ["17.000001"]
    async with asyncio.timeout(5):
        while len(await orders()) < 2:
            await asyncio.sleep(0.05)
    assert await orders() == ["17.000001", "17.000003"]
    await database.close()
