"""The scheduler: what is due is done once, by whoever is there, whatever the clock does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.jobs import JOBS, Job, Jobs
from core.scheduler import Scheduler
from core.status import Status
from tests.core.desk import TestDesk
from tests.core.received import event_kinds, noted, opened, status
from tests.stores import Store
from tests.waiting import until

SECOND = timedelta(seconds=1)


class Counting:
    """A job that counts its turns."""

    def __init__(
        self, every: timedelta = timedelta(hours=1), *, repeats: bool = False, more: int = 0
    ) -> None:
        self.turns, self.more = 0, more
        self.job = Job("counting", every, self.turn, repeats)

    async def turn(self, jobs: Jobs) -> bool:
        self.turns += 1
        return self.turns <= self.more


def scheduler(desk: TestDesk, *jobs: Job) -> Scheduler:
    return Scheduler(desk.desk, desk.database, desk.blobs, jobs)


async def test_resolved_tickets_are_closed_once(desk: TestDesk, store: Store) -> None:
    """After `close_resolved_after`, by two instances at once; staff are told, the requester was told before."""
    ticket, _ = await opened(desk)
    young = (await desk.write()).ticket_id
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    desk.clock.offset = timedelta(days=6)
    await desk.manager.assign_status(ada, young or 0, Status.RESOLVED)
    both = [scheduler(desk, *JOBS) for _ in range(2)]
    await asyncio.gather(*(one.tick() for one in both))
    assert await status(desk, ticket) is Status.RESOLVED, "not yet"
    store.execute("DELETE FROM deliveries")
    desk.clock.offset = timedelta(days=7, minutes=1)
    await asyncio.gather(*(one.tick() for one in both))
    assert await status(desk, ticket) is Status.CLOSED
    assert await status(desk, young) is Status.RESOLVED
    assert (await event_kinds(desk, ticket)).count("closed") == 1
    assert noted(store) == ["desk slack card", "desk slack notice:line"]


async def test_a_reply_in_time_keeps_it_open(desk: TestDesk) -> None:
    """The age counts from the last resolving."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    desk.clock.offset = timedelta(days=5)
    await desk.write("Still", signed=(ticket,))
    await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    desk.clock.offset = timedelta(days=8)
    await scheduler(desk, *JOBS).tick()
    assert await status(desk, ticket) is Status.RESOLVED


async def test_a_slot_is_one_instances(desk: TestDesk, store: Store) -> None:
    """Of many that tick at once one runs it; the next slot is a new one."""
    counting = Counting(SECOND)
    await asyncio.gather(*(scheduler(desk, counting.job).tick() for _ in range(4)))
    assert counting.turns <= 2  # a second may have ended meanwhile
    assert counting.turns == store.count("job_runs")
    desk.clock.offset = timedelta(seconds=10)
    before = counting.turns
    await scheduler(desk, counting.job).tick()
    assert counting.turns == before + 1
    assert store.count("job_runs", "finished IS NOT NULL AND result = 'done'") == counting.turns


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_put_back_stops_no_timer(desk: TestDesk, restarted: bool) -> None:
    """What may run again goes on at once though its slots are taken; what must not, doesn't."""
    every = timedelta(seconds=5)
    guarded, once = Counting(every, repeats=True), Counting(every)
    once.job = Job("once", every, once.turn, repeats=False)
    one = scheduler(desk, guarded.job, once.job)
    # Begin at the start of a slot, so that none ends while the test takes its time.
    start = timedelta(seconds=5 - desk.clock.now().timestamp() % 5)
    for offset in (0, 10, 20, 30):
        desk.clock.offset = start + timedelta(seconds=offset)
        await one.tick()
    assert (guarded.turns, once.turns) == (4, 4)
    if restarted:
        one = scheduler(desk, guarded.job, once.job)
    for offset in (0, 10):
        desk.clock.offset = start + timedelta(seconds=offset)
        await one.tick()
    assert (guarded.turns, once.turns) == (6, 4)


async def test_one_that_fails_stops_no_other(desk: TestDesk, store: Store) -> None:
    """The failure is noted with its slot, and the next slot tries again."""

    async def broken(jobs: Jobs) -> bool:
        raise KeyError("x")

    counting = Counting(more=3)
    await scheduler(desk, Job("broken", timedelta(hours=1), broken), counting.job).tick()
    assert counting.turns == 4, "while there is more"
    assert store.value("SELECT result FROM job_runs WHERE job = 'broken'") == "KeyError"


async def test_one_that_never_ends_leaves_time_for_others(desk: TestDesk) -> None:
    """A job has so many turns a slot."""
    endless, after = Counting(more=10**9), Counting()
    after.job = Job("after", timedelta(hours=1), after.turn)
    await scheduler(desk, endless.job, after.job).tick()
    assert (endless.turns, after.turns) == (50, 1)


async def test_what_is_due_at_the_start_is_done_at_once(desk: TestDesk) -> None:
    """Not after the first interval; stopping waits for a turn in hand."""
    counting = Counting()
    one = scheduler(desk, counting.job)
    await one.start()
    await until(lambda: counting.turns == 1, timeout=5)
    await one.stop()


@pytest.mark.parametrize("store_name", ["sqlite"])
async def test_ticks_go_on_when_the_clock_went_back(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A next tick that hangs hours ahead is brought forward."""
    monkeypatch.setitem(desk.desk.config.scheduler.__dict__, "tick", timedelta(milliseconds=50))
    counting = Counting(timedelta(milliseconds=1), repeats=True)
    one = scheduler(desk, counting.job)
    await one.start()
    try:
        await until(lambda: counting.turns >= 1)
        one._scheduler.get_job("tick").modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))
        before = counting.turns
        await until(lambda: counting.turns > before + 1, timeout=5)
    finally:
        await one.stop()


def test_slots() -> None:
    """A slot begins at a multiple of its length since the epoch."""
    job = Counting(timedelta(seconds=5)).job
    moment = datetime(2026, 3, 1, 12, 0, 7, 500, tzinfo=UTC)
    assert job.slot(moment) == datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
