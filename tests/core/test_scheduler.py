"""The scheduler: what is due is done once, by whoever is there, whatever the clock does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from apscheduler.schedulers import base

from core import clock, reminding, runs, target_watch
from core import scheduler as scheduling
from core.config_time import LONGEST_TICK
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


def scheduler(desk: TestDesk, *jobs: Job, span: float = 5) -> Scheduler:
    return Scheduler(desk.desk, desk.database, desk.blobs, jobs, span=span)


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
    assert store.value("SELECT result FROM job_runs WHERE job = 'broken'") == "failed: KeyError"


async def test_failures_are_counted_until_a_run_goes_well(desk: TestDesk) -> None:
    """In a row, since when, and all that ever were; also where slots were taken already (the clock was put back)."""
    broken = [True]

    async def turn(jobs: Jobs) -> bool:
        if broken[0]:
            raise KeyError("x")
        return False

    job = Job("moody", timedelta(seconds=5), turn)
    one = scheduler(desk, job)

    async def row() -> runs.JobRow:
        await one.tick()
        (found,) = await runs.listed(desk.database, [job])
        return found

    first = await row()
    assert (first.failures, first.failures_total, first.last_success) == (1, 1, None)
    for seconds in (10, 20):
        desk.clock.offset = timedelta(seconds=seconds)
        found = await row()
    assert (found.failures, found.failures_total, found.result) == (3, 3, "failed: KeyError")
    assert found.failing_since == first.started or found.failing_since is not None
    desk.clock.offset = timedelta()
    assert (await row()).failures == 4
    broken[0] = False
    desk.clock.offset = timedelta(seconds=30)
    found = await row()
    assert (found.failures, found.failing_since, found.failures_total) == (0, None, 4)
    assert (found.result, found.last_success) == ("done", found.finished)


async def test_one_that_never_ends_leaves_time_for_others(desk: TestDesk) -> None:
    """A tick has its time; the next goes on with it, and others have their turns in between."""
    endless, after = Counting(more=10**9), Counting(SECOND)
    after.job = Job("after", SECOND, after.turn)
    one = scheduler(desk, endless.job, after.job, span=0.05)
    await one.tick()
    assert endless.turns >= 1
    assert after.turns >= 1
    turns = endless.turns
    desk.clock.offset = timedelta(seconds=5)
    before = after.turns
    await one.tick()
    assert endless.turns > turns
    assert after.turns > before


async def test_a_hundred_thousand_due_rows_hold_up_nothing(desk: TestDesk) -> None:
    """They are worked off in batches; each slot of another job begins within seconds of its time."""
    left, rounds = [100_000], [0]
    late: list[timedelta] = []
    every = timedelta(seconds=5)
    desk.clock.offset = timedelta(seconds=5 - desk.clock.now().timestamp() % 5)

    async def work_off(jobs: Jobs) -> bool:
        left[0] -= 500
        rounds[0] += 1
        desk.clock.offset += timedelta(seconds=0.5)  # what such a batch may take
        return left[0] > 0

    async def other(jobs: Jobs) -> bool:
        now = desk.clock.now()
        late.append(now - quick.slot(now))
        return False

    quick = Job("quick", every, other)
    one = scheduler(desk, Job("many", timedelta(hours=1), work_off), quick, span=60)
    await one.tick()
    while left[0] > 0:
        await one.tick()
    assert rounds[0] == 200
    assert len(late) >= 20  # of the 100 s that it took
    assert max(late) < timedelta(seconds=2)


async def test_a_turn_that_hangs_is_given_up(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a failure like any other."""
    monkeypatch.setattr(scheduling, "LONGEST", 0.05)

    async def hang(jobs: Jobs) -> bool:
        await asyncio.Event().wait()
        return False

    counting = Counting()
    await scheduler(desk, Job("hangs", timedelta(hours=1), hang), counting.job).tick()
    (row,) = await runs.listed(desk.database, [Job("hangs", timedelta(hours=1), hang)])
    assert (row.result, counting.turns) == ("failed: TimeoutError", 1)


async def test_old_slots_are_swept_but_the_last(desk: TestDesk, store: Store) -> None:
    """Also the last that went well stays, and those of jobs that are gone; a batch at a time."""
    counting = Counting(SECOND, repeats=True)
    one = scheduler(desk, counting.job)
    for seconds in range(3):
        desk.clock.offset = timedelta(seconds=10 * seconds)
        await one.tick()
    store.execute("INSERT INTO job_runs (job, slot, started) SELECT 'gone', slot, started FROM job_runs")
    store.execute(
        "UPDATE job_runs SET result = 'failed: X' WHERE slot = (SELECT * FROM (SELECT max(slot) FROM job_runs) AS t)"
    )
    desk.clock.offset = timedelta(minutes=30)
    assert not await runs.sweep(desk.database, [counting.job])
    assert store.count("job_runs") == 6
    desk.clock.offset = timedelta(days=3)
    assert not await runs.sweep(desk.database, [counting.job])
    assert store.count("job_runs", "job = 'counting'") == 2, "the last, and the last that went well"
    assert store.count("job_runs", "job = 'gone'") == 1


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


class Shifted(datetime):
    """A wall clock that jumps."""

    by = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + cls.by


@pytest.mark.parametrize("store_name", ["sqlite"])
@pytest.mark.parametrize("hours", [-20_000, -7, 7, 20_000])
async def test_what_is_due_is_noticed_soon_after_the_wall_clock_jumped(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Hours or years forth or back, for the scheduler's library and for us: the next slots are done within seconds."""
    modules: tuple[ModuleType, ...] = (base, scheduling, clock)
    for module in modules:
        monkeypatch.setattr(module, "datetime", Shifted)
    monkeypatch.setattr(Shifted, "by", timedelta())
    monkeypatch.setitem(desk.desk.config.scheduler.__dict__, "tick", timedelta(milliseconds=100))
    counting = Counting(timedelta(milliseconds=10), repeats=True)
    one = scheduler(desk, counting.job)
    await one.start()
    try:
        await until(lambda: counting.turns >= 3)
        Shifted.by = timedelta(hours=hours)
        before = counting.turns
        await until(lambda: counting.turns >= before + 3, timeout=5)
    finally:
        await one.stop()


def test_slots() -> None:
    """A slot begins at a multiple of its length since the epoch."""
    job = Counting(timedelta(seconds=5)).job
    moment = datetime(2026, 3, 1, 12, 0, 7, 500, tzinfo=UTC)
    assert job.slot(moment) == datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def test_what_is_due_is_looked_for_every_five_seconds() -> None:
    """By a single instance, however the length of its ticks and of the slots fall together."""
    timed = [job for job in (*JOBS, *target_watch.JOBS, *reminding.JOBS) if job.every < timedelta(seconds=10)]
    assert {job.name for job in timed} == {"close_resolved", "wake", "targets", "remind", "close_pending"}
    start = datetime(2026, 3, 1, 12, 0, 0, 700_000, tzinfo=UTC)
    for job in timed:
        for tick in (timedelta(milliseconds=ms) for ms in range(100, 5_001, 100)):
            looked, slot = [start], job.slot(start)
            for number in range(1, 400):
                now = start + number * tick
                if job.slot(now) != slot:
                    looked.append(now)
                    slot = job.slot(now)
            gaps = [later - before for before, later in pairwise(looked)]
            assert max(gaps) <= LONGEST_TICK, (job.name, tick)
