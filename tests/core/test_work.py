"""The lease: many workers and enqueuers, holders killed and stalled at every step, rate limits in between.

Nothing may be stranded, doubled or out of order.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from core import outbox, work
from core.audience import Told
from core.database import Database
from core.failures import StaleLease, Unavailable
from core.outbox import Noted
from core.shapes import Kind
from core.tables import deliveries
from core.tables import work as rows
from tests.core.desk import SLACK
from tests.stores import Store

LANES, TICKETS, EACH = 3, 2, 14
STEPS = ("claimed", "before marking", "marked", "sent", "settled", "before finishing")


class Killed(Exception):
    """The holder is gone, with whatever it held."""


class Worlds:
    """What was accepted outside, and the dice that decide where holders die."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.dice = random.Random(seed)
        self.accepted: list[tuple[str, int, int]] = []  # lane, ticket, delivery
        self.happened: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.rough = True

    async def step(self, name: str) -> None:
        """A holder may die here, or stall past its lease (not while sending: sends time out before)."""
        if not self.rough:
            return
        roll = self.dice.random()
        if roll < 0.08:
            self.happened[f"killed {name}"] += 1
            raise Killed
        if roll < 0.11 and name not in ("marked",):
            self.happened[f"stalled {name}"] += 1
            await asyncio.sleep(work.LEASE.total_seconds() * 1.5)

    async def worker(self) -> None:
        while True:
            try:
                lease = await work.claim(self.database, "lane.slack")
                if lease is None:
                    await asyncio.sleep(0.01)
                    continue
                await self._hold(lease)
            except (Killed, StaleLease, Unavailable) as exc:
                self.happened[type(exc).__name__] += 1

    async def _hold(self, lease: work.Lease) -> None:
        await self.step("claimed")
        database = self.database
        for row in await database.read(lambda tx: outbox.sending(tx, lease.name)):
            there = any(one[2] == row.id for one in self.accepted)
            await self._settle(lease, row, "sent" if there else "queued")
        for _ in range(4):
            heads = await database.read(lambda tx: outbox.heads(tx, lease.name))
            if not heads:
                break
            row = heads[0]
            await self.step("before marking")

            async def mark(tx: outbox.Tx, row_id: int = row.id) -> bool:
                marked = await outbox.mark_sending(tx, row_id, {})
                await work.fence(tx, lease)
                return marked

            if not await database.unit(mark):
                continue
            await self.step("marked")
            if self.rough and self.dice.random() < 0.1:  # 429: known not sent, the lane rests
                self.happened["429"] += 1
                await self._settle(lease, row, "queued")
                rest = database.clock.now() + timedelta(milliseconds=30)
                await work.finish_lane(database, lease, rest)
                return
            self.accepted.append((row.lane, row.ticket_id, row.id))
            await self.step("sent")
            await self._settle(lease, row, "sent")
            await self.step("settled")
        await self.step("before finishing")
        await work.finish_lane(database, lease)

    async def _settle(self, lease: work.Lease, row, state: str) -> None:
        async def unit(tx: outbox.Tx) -> None:
            due = await tx.now() if state == "queued" else None
            await outbox.settle(tx, row.id, state, due_at=due)
            await work.fence(tx, lease)
            await outbox.promote(tx, row.lane, row.ticket_id)

        await self.database.unit(unit)

    async def enqueuer(self, ticket: int, lock: asyncio.Lock) -> None:
        for _ in range(EACH):
            place = f"C{self.dice.randrange(LANES)}"
            told = Told(channel="slack", place=place, kind=Kind.MESSAGE, desk=True)
            async with lock:  # the ticket's row serialises its units
                self.versions[ticket] += 1
                version = self.versions[ticket]
                noted = Noted(ticket_id=ticket, version=version, message_id=None, domain="example.com")
                await self.database.unit(
                    lambda tx, n=noted, t=told: outbox.enqueue(tx, {"slack": SLACK}, n, [t])
                )
            await asyncio.sleep(self.dice.random() * 0.02)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_stranded_doubled_or_out_of_order(
    store: Store, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Eight workers and four enqueuers, with holders that die and stall at every step."""
    monkeypatch.setattr(work, "LEASE", timedelta(milliseconds=400))
    database = Database(store.config().database)
    worlds = Worlds(database, seed)
    workers = [asyncio.create_task(worlds.worker()) for _ in range(8)]
    try:
        lock = {t: asyncio.Lock() for t in range(1, TICKETS + 1)}
        await asyncio.gather(*(worlds.enqueuer(t, lock[t]) for t in lock for _ in range(2)))
        async with asyncio.timeout(20):
            while store.count("deliveries", "state <> 'sent'") > LANES * TICKETS:
                await asyncio.sleep(0.05)
            worlds.rough = False
            while store.count("deliveries", "state <> 'sent'"):
                await asyncio.sleep(0.05)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await database.close()
    total = TICKETS * 2 * EACH
    assert store.count("deliveries", "state = 'sent'") == total
    assert len(worlds.accepted) == len({one[2] for one in worlds.accepted}) == total, "sent twice"
    order: dict[tuple[str, int], list[int]] = {}
    for lane, ticket, delivery in worlds.accepted:
        order.setdefault((lane, ticket), []).append(delivery)
    seq = {row["id"]: row["seq"] for row in store.rows("SELECT id, seq FROM deliveries")}
    for ids in order.values():
        assert [seq[i] for i in ids] == sorted(seq[i] for i in ids), "out of order"
    assert worlds.happened["Killed"] > 3, worlds.happened


@pytest.fixture
async def database(store: Store):
    opened = Database(store.config().database)
    yield opened
    await opened.close()


async def _make(database: Database, name: str = "lane", kind: str = "k", **values) -> None:
    async def unit(tx: outbox.Tx) -> None:
        await work.enqueue(tx, {name: kind}, await tx.now())
        if values:
            await tx.run(update(rows).where(rows.c.name == name).values(**values))

    await database.unit(unit)


async def test_one_of_many_claims(database: Database) -> None:
    """Of twenty that try at once, one gets it."""
    await _make(database)
    leases = await asyncio.gather(*(work.claim(database, "k") for _ in range(20)))
    assert len([lease for lease in leases if lease]) == 1


async def test_an_expired_lease_is_stolen_and_fenced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stalls past the lease loses it, and its next transaction is refused whole."""
    await _make(database)
    monkeypatch.setattr(work, "LEASE", timedelta(milliseconds=50))
    first = await work.claim(database, "k")
    assert first is not None
    await asyncio.sleep(0.1)
    monkeypatch.setattr(work, "LEASE", timedelta(seconds=20))
    second = await work.claim(database, "k")
    assert second is not None

    async def late(tx: outbox.Tx) -> None:
        await tx.run(update(rows).where(rows.c.name == "lane").values(data={"written": "late"}))
        await work.fence(tx, first)

    with pytest.raises(StaleLease):
        await database.unit(late)
    with pytest.raises(StaleLease):
        await work.finish(database, first, due=None, not_before=None)
    await work.renew(database, second)
    assert await work.remembered(database, "lane") == {}


async def test_not_before_holds_a_lane_up_whatever_is_enqueued(database: Database) -> None:
    """A rate-limited lane isn't woken by what joins it."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    await _make(database, not_before=later)
    await _make(database)
    assert await work.claim(database, "k") is None


async def test_a_wake_up_during_the_finish_is_not_lost(database: Database, store: Store) -> None:
    """What is enqueued while a holder finishes is due afterwards, whichever commits first."""
    for round_number in range(15):
        lane = SLACK.lane(f"C{round_number}", None)
        noted = Noted(ticket_id=round_number + 1, version=1, message_id=None, domain="example.com")
        told = Told(channel="slack", place=f"C{round_number}", kind=Kind.MESSAGE, desk=True)
        await _make(database, lane, "lane.slack")
        lease = await work.claim_named(database, lane, "lane.slack")
        assert lease is not None
        await asyncio.gather(
            work.finish_lane(database, lease),
            database.unit(lambda tx, n=noted, t=told: outbox.enqueue(tx, {"slack": SLACK}, n, [t])),
        )
        assert store.value("SELECT due_at FROM work WHERE name = :n", n=lane) is not None


async def test_idle_lanes_go_busy_ones_stay(database: Database, store: Store) -> None:
    """The sweep drops lanes that have nothing, and none that has."""
    idle, busy = SLACK.lane("C8", None), SLACK.lane("C9", None)
    noted = Noted(ticket_id=1, version=1, message_id=None, domain="example.com")
    told = Told(channel="slack", place="C9", kind=Kind.MESSAGE, desk=True)
    await database.unit(lambda tx: outbox.enqueue(tx, {"slack": SLACK}, noted, [told]))
    await _make(database, idle, "lane.slack", due_at=None)
    await database.unit(lambda tx: tx.run(update(rows).where(rows.c.name == busy).values(due_at=None)))
    dropped = await work.drop_idle(database, ["lane.slack"], datetime.now(UTC) + timedelta(days=1))
    assert dropped == 1
    assert store.count("work", "name = :n", n=busy) == 1


async def test_what_a_dead_instance_held_is_free_at_once(database: Database, store: Store, tmp_path) -> None:
    """After kill -9 the next start on the same data folder frees its predecessor's leases."""
    from core.instances import Instance

    await _make(database)
    dead = Instance(tmp_path)
    dead.register()
    database.instance = dead.id
    assert await work.claim(database, "k") is not None
    assert await work.claim(database, "k") is None
    import os

    os.close(dead._file)  # as the kernel does when the process is gone
    heir = Instance(tmp_path)
    await heir.bury(database, heir.register())
    assert await work.claim(database, "k") is not None
    heir.leave()


def test_lane_names_hold_no_address_and_fit() -> None:
    """At most 120 ASCII characters; threads of one channel share its lane, tickets of one address don't."""
    assert SLACK.lane("T1/C1#1.2", 1) == SLACK.lane("C1", 2)
    from tests.core.desk import MAIL

    lane = MAIL.lane("some.body@example.com" * 10, 2**62)
    assert lane.isascii()
    assert len(lane) <= 120
    assert "example" not in lane
    assert MAIL.lane("a@b.c", 1) != MAIL.lane("a@b.c", 2)


async def test_the_head_alone_is_due(database: Database) -> None:
    """Followers of a (lane, ticket) have no due time; another ticket in the lane has its own head."""
    told = [Told(channel="slack", place="C1", kind=Kind.MESSAGE, desk=True)] * 3
    for ticket in (1, 2):
        noted = Noted(ticket_id=ticket, version=1, message_id=None, domain="example.com")
        await database.unit(lambda tx, n=noted: outbox.enqueue(tx, {"slack": SLACK}, n, told))
    from sqlalchemy import select

    found = await database.read(
        lambda tx: tx.all(select(deliveries.c.ticket_id, deliveries.c.seq, deliveries.c.due_at))
    )
    due = sorted((row.ticket_id, row.seq) for row in found if row.due_at is not None)
    assert due == [(1, 1000), (2, 1000)]
