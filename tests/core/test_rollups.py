"""Figures of any span are those of a plain recount, whatever of it is rolled up, and whatever comes late."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from core import figures, figures_rows
from core.config_time import Retention
from core.figures import Figures, Spread
from core.figures_days import SCOPE
from core.histogram import WITHIN
from core.jobs import Jobs
from core.rollups import JOBS, roll_up
from core.rollups_state import EARLIEST, State
from core.tables import events, settings, tickets, users
from core.utc_days import DAY, day_of, month_of, start_of, week_of
from core.views import Period
from tests.core.desk import TestDesk
from tests.core.figures_world import QUEUES, Life, World, write
from tests.stores import Store

STATE = select(settings.c.value).where(settings.c.scope == SCOPE)
ZONES = [ZoneInfo(name) for name in ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")]
DESK = {
    "queue": [{"name": name, "addresses": [f"{name}@example.com"]} for name in QUEUES],
    "slack": {"enabled": False},
}


class Lived:
    """A desk that has lived for some months."""

    def __init__(self, desk: TestDesk, world: World, start: datetime) -> None:
        self.desk, self.world, self.start = desk, world, start

    @classmethod
    async def open(
        cls, store: Store, seed: int, days: int = 75, count: int = 220, at: timedelta | None = None
    ) -> Lived:
        """`at`: the time of the day that it is there, of UTC."""
        desk = await TestDesk.open(store, **DESK)
        if at is not None:
            there = desk.clock.now()
            desk.clock.offset += (start_of(day_of(there)) + at - there) % DAY
        columns = (users.c.id, users.c.username, users.c.name)
        people = await desk.database.read(lambda tx: tx.all(select(*columns).order_by(users.c.id)))
        ids = [row.id for row in people]
        NAMES.update({str(row.id): row.username or row.name for row in people})
        now = desk.clock.now()
        world = World(random.Random(seed), ids)
        await write(desk, *world.live(count, now - timedelta(days=days), now), ids[0])
        return cls(desk, world, now - timedelta(days=days))

    async def roll(self) -> State:
        """Roll up until nothing is left to do."""
        jobs = Jobs(self.desk.desk, self.desk.database, self.desk.blobs)
        if not await self.desk.database.read(lambda tx: tx.scalar(STATE)):
            await roll_up(jobs)
            self.desk.clock.offset += timedelta(minutes=2)
        for _ in range(300):
            await roll_up(jobs)
            state = await self.state()
            if state.due(self.desk.clock.now(), EARLIEST) is None and not state.due_sums():
                return state
        raise AssertionError("it never ends")

    async def notice(self) -> State:
        """Let time go on until what was added has been noticed, and roll that up."""
        for _ in range(2):
            self.desk.clock.offset += timedelta(minutes=2)
            await roll_up(Jobs(self.desk.desk, self.desk.database, self.desk.blobs))
        return await self.roll()

    async def state(self) -> State:
        return State.of_json(await self.desk.database.read(lambda tx: tx.scalar(STATE)))

    def periods(self, count: int) -> list[Period]:
        """Spans of a few hours up to all of it, some of them of whole days and months."""
        dice, now = self.world.dice, self.desk.clock.now()
        day = (now - dice.randint(30, 60) * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        found = [
            Period(self.start - 9 * DAY, now + DAY),
            Period(day, day + DAY),
            Period(day, day + 7 * DAY),
            Period(datetime.min.replace(tzinfo=UTC), day),
        ]
        for _ in range(count):
            length = timedelta(hours=dice.choice([3, 24, 24.9, 60, 600, 2000]))
            since = self.start + (now - self.start) * dice.random()
            found.append(Period(since, since + length))
        return found

    async def check(self, periods: Sequence[Period]) -> None:
        """Compare the figures of these with a recount, of all queues, of one and of two."""
        for period in periods:
            zone = self.world.dice.choice(ZONES)
            for queue in (None, "support", ("billing", "sales")):
                queues = QUEUES if queue is None else (queue,) if isinstance(queue, str) else queue
                found = await self.desk.database.read(
                    lambda tx, p=period, q=queue, z=zone: figures.of(tx, p, q, zone=z)  # type: ignore[misc]
                )
                compare(found, self.world.recount(period, queues, zone))


def compare(found: Figures, expected: dict[str, Any]) -> None:
    """Each figure is what a recount says; percentiles are within what the figures say of themselves."""
    assert found.balance == 0
    for name, value in expected.items():
        shown: Any = getattr(found, name)
        if isinstance(value, Spread):
            assert near(shown, value, found.within), (name, shown, value)
        elif name == "targets":
            for which, (met, of) in value.items():
                share = getattr(shown, which)
                assert (share.met, share.of) == (met, of), which
                assert (share.percent is None) == (of < 5)
        elif name == "rating":
            assert list(shown.distribution) == value
        elif name.startswith("by_"):
            groups = {g.name: (g.came_in, g.answered, g.resolved, g.reopened) for g in shown}
            assert {k: v for k, v in groups.items() if any(v)} == named(name, value), name
        else:
            assert shown == value, name


def named(what: str, groups: dict[str, Any]) -> dict[str, Any]:
    """With usernames, where these are assignees."""
    return {NAMES.get(key, key): v for key, v in groups.items()} if what == "by_assignee" else groups


NAMES: dict[str, str] = {}


def near(found: Spread, exact: Spread, within: float) -> bool:
    """Is it the same, or off by as little as was said?"""
    if found.n != exact.n or exact.median is None or exact.p90 is None:
        return found == exact
    assert found.median is not None
    assert found.p90 is not None
    pairs = ((found.median, exact.median), (found.p90, exact.p90))
    return all(abs(mine - real) <= within * real + 1e-6 for mine, real in pairs)


@pytest.fixture
async def lived(store: Store) -> Any:
    opened = await Lived.open(store, seed=7)
    yield opened
    await opened.desk.close()


async def test_from_tables_and_from_rollups(lived: Lived, store: Store) -> None:
    """The same before anything is rolled up, when some of it is, and when all is; short spans are exact ever."""
    periods = lived.periods(4)
    await lived.check(periods)
    state = await lived.roll()
    yesterday = day_of(lived.desk.clock.now() - timedelta(minutes=10)) - DAY
    assert state.upto == yesterday
    single = "queue = '' AND LENGTH(day) = 10 AND day NOT LIKE '%W%'"
    assert store.count("rollups", single) == (yesterday - state.first).days + 1
    weeks = store.rows("SELECT day FROM rollups WHERE queue = '' AND day LIKE '%W%'")
    assert len(weeks) >= (yesterday - state.first).days // 7 - 1
    # Older code, which may run beside this one, reads so from which month to which there are days.
    first, last = [store.value(f"SELECT {end}(day) FROM rollups")[:7] for end in ("MIN", "MAX")]
    assert first in (month_of(state.first), week_of(state.first)[:7])
    assert last == month_of(yesterday)
    assert store.count("rollups", "queue = '' AND LENGTH(day) = 7") >= 2
    await lived.check(periods)
    store.execute("DELETE FROM rollups WHERE day LIKE '____-__-1%' OR LENGTH(day) = 7")
    await lived.check(periods)
    short = await lived.desk.database.read(lambda tx: figures.of(tx, periods[1], None))
    assert short.within == 0
    whole = await lived.desk.database.read(lambda tx: figures.of(tx, periods[0], None))
    assert whole.within == WITHIN


@pytest.mark.parametrize("size", [1, 7])
async def test_events_come_in_rows_of_any_size(
    lived: Lived, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Those of like tickets come as one row, or as several."""
    monkeypatch.setattr(figures_rows, "_GROUP", size)
    await lived.check(lived.periods(1))


async def test_days_do_come_from_rollups(lived: Lived, store: Store) -> None:
    """Without their events the figures of past days stay as they were: what is deleted was counted."""
    await lived.roll()
    period = Period(lived.start - DAY, lived.desk.clock.now() - 3 * DAY)
    before = await lived.desk.database.read(lambda tx: figures.of(tx, period, None))
    midnight = (lived.desk.clock.now() - 4 * DAY).strftime("%Y-%m-%d 00:00:00")
    assert store.execute("DELETE FROM events WHERE at < :at", at=midnight) > 100
    after = await lived.desk.database.read(lambda tx: figures.of(tx, period, None))
    assert after.came_in == before.came_in > 100
    assert (after.first_response, after.busiest_hours) == (before.first_response, before.busiest_hours)


async def test_what_comes_late(lived: Lived) -> None:
    """An archive read in with its dates: its days are counted anew, at once from the tables, then in their rollups;
    those before the first day too."""
    await lived.roll()
    now = lived.desk.clock.now()
    more = lived.world.live(25, lived.start - 40 * DAY, now - 20 * DAY)
    await write(lived.desk, *more, lived.world.users[0])
    periods = [*lived.periods(2), Period(lived.start - 50 * DAY, now)]
    await lived.check(periods)
    state = await lived.notice()
    assert state.first < day_of(lived.start)
    assert not state.added
    await lived.check(periods)
    whole = await lived.desk.database.read(lambda tx: figures.of(tx, periods[-1], None))
    assert whole.within == WITHIN


async def test_what_is_something_else_now(lived: Lived, store: Store) -> None:
    """A ticket gets another priority, assignee and tags, or turns out to be spam: its past days follow."""
    await lived.roll()
    now = lived.desk.clock.now()
    old = [life for life in lived.world.lives if life.created < now - 40 * DAY and life.status == "resolved"]
    assert len(old) > 5
    for number, life in enumerate(old):
        await change(lived, life, spam=number % 2 == 0, at=now)
    await lived.notice()
    await lived.check(lived.periods(2))


async def change(lived: Lived, life: Life, *, spam: bool, at: datetime) -> None:
    """Make spam of a ticket, or an urgent one that nobody has."""
    kind = "spam_ended" if spam else "priority"
    values: dict[str, Any] = {"spam": True} if spam else {"priority": "urgent", "assignee_id": None}
    if spam:
        life.status = "spam"
    else:
        life.priority, life.assignee = "urgent", None
    event = {"ticket_id": life.id, "at": at, "kind": kind, "actor_name": "ada", "public": False, "data": {}}

    async def unit(tx: Any) -> None:
        await tx.run(update(tickets).where(tickets.c.id == life.id).values(**values))
        await tx.run(events.insert().values(**event, queue=life.queue))

    await lived.desk.database.unit(unit)


@pytest.mark.parametrize("back", [10, 20])
async def test_deleted_tickets_stay_counted(store: Store, back: int) -> None:
    """Where closed tickets are deleted after a while, a day that old isn't made anew: it would be less than it was.
    Nor is the one in which that while began."""
    lived = await Lived.open(store, seed=3, days=30, count=60)
    try:
        await lived.roll()
        object.__setattr__(lived.desk.config, "retention", Retention(closed_tickets=10 * DAY))
        day = day_of(lived.desk.clock.now()) - back * DAY
        made = store.value("SELECT made_at FROM rollups WHERE day = :d AND queue = ''", d=day.isoformat())
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        life = lived.world.lives[0]
        row = {
            "ticket_id": life.id,
            "at": at,
            "kind": "message",
            "actor_name": "ann",
            "public": True,
            "data": {},
        }
        await lived.desk.database.unit(lambda tx: tx.run(events.insert().values(**row, queue=life.queue)))
        await lived.notice()
        assert (
            store.value("SELECT made_at FROM rollups WHERE day = :d AND queue = ''", d=day.isoformat())
            == made
        )
    finally:
        await lived.desk.close()


async def test_it_says_when_events_are_missing(
    lived: Lived, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Something is open of which no event tells: a warning, with by how much it doesn't add up."""
    await lived.roll()
    assert "figures_do_not_add_up" not in capsys.readouterr().out
    assert store.execute("UPDATE tickets SET status = 'open' WHERE status = 'closed'") > 3
    lived.desk.clock.offset += timedelta(days=1)
    await lived.roll()
    assert "figures_do_not_add_up" in capsys.readouterr().out


async def test_an_empty_desk(desk: TestDesk, store: Store) -> None:
    """Nothing to roll up is no trouble, before the first event and on days without any."""
    jobs = Jobs(desk.desk, desk.database, desk.blobs)
    assert await roll_up(jobs) is False
    assert store.count("rollups") == 0
    await desk.write()
    for _ in range(2):
        desk.clock.offset += timedelta(days=3)
        await roll_up(jobs)
    assert store.count("rollups", "queue = ''") >= 3
    period = Period(desk.clock.now() - timedelta(days=9), desk.clock.now())
    found = await desk.manager.analyze_data(await desk.staff(), period)
    assert (found.came_in, found.backlog_start, found.backlog_end, found.balance) == (1, 0, 1, 0)


def test_its_job() -> None:
    """It bears the name that the operators see."""
    assert [job.name for job in JOBS] == ["roll_up"]
