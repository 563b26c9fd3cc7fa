"""Jobs at the times of a cron: each slot once, whoever is there, whoever dies, whatever the clock does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert
from structlog.testing import capture_logs

from core import runs
from core.clock import Clock
from core.database import Database, Tx
from core.jobs import CronJob, Effect, Job, Jobs, Slot
from core.scheduler import Scheduler
from core.tables import settings
from tests.core.desk import TestDesk
from tests.stores import Store

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EIGHT = datetime(2031, 6, 2, 6, 0, tzinfo=UTC)  # a Monday, 8:00 in Berlin


class Daily:
    """A job that writes a row for each slot that it runs; `trouble` is raised while reading, `dies` in its effect."""

    def __init__(
        self, name: str = "digest:daily", cron: str = "0 8 * * *", max_late: timedelta = DAY
    ) -> None:
        self.slots: list[Slot] = []
        self.trouble: Exception | None = None
        self.dies: BaseException | None = None
        self.reached = asyncio.Event()
        self.job = CronJob(name, cron, BERLIN, max_late, self.run)

    async def run(self, jobs: Jobs, slot: Slot) -> Effect:
        self.slots.append(slot)
        if self.trouble is not None:
            raise self.trouble

        async def effect(tx: Tx) -> str:
            key = f"{self.job.cron} {slot.at.isoformat()}"
            await tx.run(insert(settings).values(scope="effect", key=key, value=slot.late))
            self.reached.set()
            if self.dies is not None:
                raise self.dies
            return "sent to 3"

        return effect


def done(store: Store) -> list[str]:
    """The slots whose effect is there."""
    rows = store.rows("SELECT * FROM settings WHERE scope = 'effect' ORDER BY 2")
    return [row["key"].rpartition(" ")[2][:16] for row in rows]


def scheduler(desk: TestDesk, *jobs: CronJob | Job, database: Database | None = None) -> Scheduler:
    return Scheduler(desk.desk, database or desk.database, desk.blobs, jobs)


def to(desk: TestDesk, moment: datetime) -> None:
    desk.clock.offset = moment - datetime.now(UTC)


async def known(desk: TestDesk, daily: Daily, since: datetime = EIGHT - HOUR) -> Scheduler:
    """A scheduler that knows the job since an hour before its slot."""
    one = scheduler(desk, daily.job)
    to(desk, since)
    await one.tick()
    assert daily.slots == []
    return one


async def row(desk: TestDesk, daily: Daily) -> runs.JobRow:
    (found,) = await runs.listed(desk.database, [daily.job])
    return found


async def test_a_slot_runs_once_in_time(desk: TestDesk, store: Store) -> None:
    """Not before, not again; what it did and when comes next is shown."""
    daily = Daily()
    one = await known(desk, daily)
    before = await row(desk, daily)
    assert (before.last_slot, before.result, before.next_slot) == (None, None, EIGHT)
    to(desk, EIGHT + timedelta(seconds=2))
    for _ in range(3):
        await one.tick()
    await scheduler(desk, daily.job).tick()
    assert daily.slots == [Slot(EIGHT, late=False)]
    assert done(store) == ["2031-06-02T06:00"]
    found = await row(desk, daily)
    assert (found.last_slot, found.result, found.next_slot) == (EIGHT, "sent to 3", EIGHT + DAY)
    assert found.started is not None
    assert found.last_success == found.finished is not None
    assert (found.schedule, found.zone, found.failures) == ("0 8 * * *", "Europe/Berlin", 0)


async def test_several_instances_do_it_once(desk: TestDesk, store: Store) -> None:
    """Five at the same time, each with a scheduler of its own."""
    daily = Daily()
    await known(desk, daily)
    to(desk, EIGHT + timedelta(seconds=1))
    await asyncio.gather(*(scheduler(desk, daily.job).tick() for _ in range(5)))
    assert done(store) == ["2031-06-02T06:00"]
    assert (await row(desk, daily)).failures_total == 0


async def test_who_dies_in_the_middle_leaves_it_to_the_next(desk: TestDesk, store: Store) -> None:
    """What it did is undone with its claim."""
    daily = Daily()
    await known(desk, daily)
    to(desk, EIGHT + timedelta(seconds=1))
    daily.dies = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await scheduler(desk, daily.job).tick()
    assert daily.reached.is_set()
    assert done(store) == []
    daily.dies = None
    await asyncio.gather(*(scheduler(desk, daily.job).tick() for _ in range(3)))
    assert done(store) == ["2031-06-02T06:00"]


async def test_after_downtime_the_newest_runs_late_and_older_ones_never(desk: TestDesk, store: Store) -> None:
    """Three were missed. It is marked as late; next morning all is as usual."""
    daily = Daily()
    await known(desk, daily)
    to(desk, EIGHT + 2 * DAY + 3 * HOUR)
    one = scheduler(desk, daily.job)
    await one.tick()
    assert daily.slots == [Slot(EIGHT + 2 * DAY, late=True)]
    to(desk, EIGHT + 3 * DAY + MINUTE)
    await one.tick()
    assert daily.slots[1:] == [Slot(EIGHT + 3 * DAY, late=False)]
    assert done(store) == ["2031-06-04T06:00", "2031-06-05T06:00"]


async def test_what_is_too_late_isn_t_run(desk: TestDesk, store: Store) -> None:
    """`max_late` is the end of it."""
    daily = Daily(max_late=2 * HOUR)
    await known(desk, daily)
    to(desk, EIGHT + 2 * HOUR + MINUTE)
    await scheduler(desk, daily.job).tick()
    assert done(store) == []
    to(desk, EIGHT + DAY + 2 * HOUR - MINUTE)
    await scheduler(desk, daily.job).tick()
    assert done(store) == ["2031-06-03T06:00"]


async def test_a_new_job_misses_nothing_from_before_it_was_there(desk: TestDesk, store: Store) -> None:
    """Nor does a job whose schedule is new: 8:30 was not a time of it yesterday."""
    daily = Daily()
    to(desk, EIGHT + MINUTE)
    await scheduler(desk, daily.job).tick()
    assert done(store) == []
    to(desk, EIGHT + DAY)
    await scheduler(desk, daily.job).tick()
    moved = Daily(cron="30 8 * * *")
    to(desk, EIGHT + DAY + HOUR)
    await scheduler(desk, moved.job).tick()
    assert done(store) == ["2031-06-03T06:00"]
    to(desk, EIGHT + 2 * DAY + HOUR)
    await scheduler(desk, moved.job).tick()
    assert done(store) == ["2031-06-03T06:00", "2031-06-04T06:30"]


async def test_a_clock_that_jumps_repeats_and_loses_nothing(desk: TestDesk, store: Store) -> None:
    """Forth over a slot and back; far ahead and back, also for who comes new: each slot of four days once."""
    daily = Daily()
    one = await known(desk, daily)
    days = [EIGHT + i * DAY for i in range(4)]
    jumps = [EIGHT + HOUR, EIGHT - HOUR, EIGHT + MINUTE, days[2] + HOUR, EIGHT + 2 * HOUR, days[1] - MINUTE]
    jumps += [
        days[1],
        days[1] - 10 * MINUTE,
        days[1] + MINUTE,
        days[2] + MINUTE,
        days[3] - HOUR,
        days[3] + MINUTE,
    ]
    for moment in jumps:
        to(desk, moment)
        await one.tick()
        await scheduler(desk, daily.job).tick()
    assert done(store) == [f"{day:%Y-%m-%dT%H:%M}" for day in days]


async def test_one_that_was_first_seen_in_the_future_loses_nothing(desk: TestDesk, store: Store) -> None:
    """The clock was wrong by a year when the job was new."""
    daily = Daily()
    one = await known(desk, daily, EIGHT + 365 * DAY + HOUR)
    to(desk, EIGHT - HOUR)
    await one.tick()
    to(desk, EIGHT)
    await one.tick()
    assert done(store) == ["2031-06-02T06:00"]


class Wrong(Clock):
    """The clock of a machine that is off by `error`."""

    def __init__(self, error: timedelta, offset: timedelta) -> None:
        self.error = error
        super().__init__(offset)

    def now(self) -> datetime:
        return super().now() + self.error

    def database_says(self, moment: datetime) -> None:
        super().database_says(moment - self.error)


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_instances_whose_clocks_are_five_minutes_apart(desk: TestDesk, store: Store) -> None:
    """The database's clock decides: one that is ahead doesn't begin early, one that is behind doesn't repeat."""
    daily = Daily()
    await known(desk, daily)
    to(desk, EIGHT - MINUTE)
    databases = [
        Database(desk.config.database, Wrong(error * MINUTE, desk.clock.offset)) for error in (5, -5)
    ]
    try:
        ahead, behind = (scheduler(desk, daily.job, database=database) for database in databases)
        await ahead.tick()
        assert done(store) == []
        for database in databases:
            database.clock.offset += 2 * MINUTE
        await ahead.tick()
        await behind.tick()
        await ahead.tick()
    finally:
        for database in databases:
            await database.close()
    assert done(store) == ["2031-06-02T06:00"]
    assert daily.slots == [Slot(EIGHT, late=False)]


@pytest.mark.parametrize("where", ["reading", "effect"])
async def test_one_that_fails_is_tried_again_ever_more_rarely(
    desk: TestDesk, store: Store, where: str
) -> None:
    """It is counted and shown, doesn't stop the others, and ends with `max_late`; then the next slot begins anew."""
    daily, other = Daily(max_late=100 * MINUTE), Daily("other", "1 8 * * *")
    to(desk, EIGHT - HOUR)
    one = scheduler(desk, daily.job, other.job)
    await one.tick()
    if where == "reading":
        daily.trouble = KeyError("x")
    else:
        daily.dies = KeyError("x")
    tries = []
    with capture_logs() as logs:
        for turn in range(120):
            to(desk, EIGHT + turn * timedelta(seconds=61))  # a little more than the shortest wait
            before = len(daily.slots)
            await one.tick()
            tries += [turn] * (len(daily.slots) - before)
    assert tries == [0, 1, 3, 7, 15, 31, 61, 91]
    assert len([line for line in logs if line["event"] == "job_failed"]) == len(tries)
    assert done(store) == ["2031-06-02T06:01"], "the other's"
    found = await row(desk, daily)
    assert (found.result, found.finished, found.failures) == ("failed: KeyError", None, len(tries))
    assert found.failing_since is not None
    assert abs(found.failing_since - EIGHT) < MINUTE
    daily.trouble = daily.dies = None
    to(desk, EIGHT + DAY + timedelta(seconds=1))
    await one.tick()
    found = await row(desk, daily)
    assert (found.result, found.failures, found.failures_total) == ("sent to 3", 0, len(tries))


async def test_it_goes_well_the_second_time(desk: TestDesk, store: Store) -> None:
    """Several instances fail at once: that is one failure, and one effect a minute later."""
    daily = Daily()
    await known(desk, daily)
    daily.trouble = OSError("x")
    to(desk, EIGHT)
    several = [scheduler(desk, daily.job) for _ in range(3)]
    await asyncio.gather(*(one.tick() for one in several))
    found = await row(desk, daily)
    assert found.failures == 1
    assert found.retry_at is not None
    assert timedelta() < found.retry_at - EIGHT < 2 * MINUTE
    daily.trouble = None
    to(desk, EIGHT + 2 * MINUTE)
    await asyncio.gather(*(one.tick() for one in several))
    assert done(store) == ["2031-06-02T06:00"]
    found = await row(desk, daily)
    assert (found.failures, found.result, found.retry_at) == (0, "sent to 3", None)


async def test_sweeping_lets_no_slot_come_again(desk: TestDesk, store: Store) -> None:
    """A weekly one that may be six days late is still known as done on the sixth day."""
    weekly = Daily(cron="0 8 * * 1", max_late=6 * DAY)
    one = await known(desk, weekly)
    to(desk, EIGHT + MINUTE)
    await one.tick()
    store.execute(
        "INSERT INTO job_runs (job, slot, started, finished, result) "
        "SELECT job, :later, :later, :later, 'x' FROM job_runs",
        later=str(EIGHT + timedelta(days=5))[:19],
    )
    to(desk, EIGHT + 5 * DAY + MINUTE)
    await runs.sweep(desk.database, [weekly.job])
    await scheduler(desk, weekly.job).tick()
    assert len(weekly.slots) == 1
    to(desk, EIGHT + 30 * DAY)
    await runs.sweep(desk.database, [weekly.job])
    assert store.count("job_runs") == 1


async def test_long_names_have_rows_of_their_own(desk: TestDesk, store: Store) -> None:
    """A row's key is short; the name that is shown isn't."""
    both = [Daily("unassigned:" + "q" * 40 + end) for end in "ab"]
    jobs = [one.job for one in both]
    to(desk, EIGHT - HOUR)
    await scheduler(desk, *jobs).tick()
    to(desk, EIGHT)
    await scheduler(desk, jobs[0]).tick()
    first, second = await runs.listed(desk.database, jobs)
    assert (first.name, first.result, second.result) == (jobs[0].name, "sent to 3", None)
    assert all(len(runs.key_of_job(job.name)) <= 40 for job in jobs)
