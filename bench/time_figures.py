"""What figures cost: a year out of rollups, a day out of the tables, a day's roll-up; on SQLite and on MariaDB.

`python -m bench time-figures`. The year has 365 days of five queues as a desk with a million tickets a year has them;
the tables hold 3,000 tickets of one day beside some others, then beside five times as many, so that what grows shows.
(Beside fewer, the day is most of the table, and MariaDB reads it whole, which is quicker than by an index.)
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from bench.figures import Figure
from core import figures
from core.clock import Clock
from core.database import Database, Tx
from core.figures_days import SCOPE, STATE, WHOLE
from core.figures_series import Series
from core.figures_shapes import spread
from core.histogram import WITHIN, Histogram
from core.people import People
from core.rollups import add_up
from core.rollups_hours import read_hours_of, store_hours
from core.rollups_state import State
from core.tables import events, rollups, settings, tickets, users
from core.utc_days import DAY, days_of, hours_of, start_of, sums_of
from core.views import Period
from tests.mariadb import Run
from tests.stores import MariaDbStores, SqliteStores, Store

QUEUES = ("support", "billing", "sales", "returns", "it")
A_DAY = 3_000  # tickets: a million a year
FEW, MANY = 20_000, 100_000  # other tickets: 100,000 and 500,000 events
OPEN = 2_000  # of them
TIMES = 7
ALIKE = 40  # days of a queue that are made; the others are like one of these


def series(dice: random.Random, count: int, start: datetime) -> Series:
    """A day of a queue with so many tickets."""
    made = Series()
    made.count("answered", n=2 * count)
    for _ in range(count):
        keys = (
            ("channel", dice.choice(["email", "slack", "web"])),
            ("priority", dice.choice(["low", "normal", "high", "urgent"])),
            ("assignee", str(dice.randint(1, 20))),
            ("tag", f"t{dice.randint(1, 15)}"),
        )
        for what in ("opened", "first", "resolved", "first:of", "first:met"):
            made.count(what, keys)
        made.exact["first_response"].append(dice.lognormvariate(8, 1.2))
        made.exact["first_response_business"].append(dice.lognormvariate(7.5, 1.2))
        made.exact["resolution"].append(dice.lognormvariate(11, 1.2))
        made.exact["resolution_business"].append(dice.lognormvariate(10.5, 1.2))
        made.arrived(start + DAY * dice.random())
    return made


def _on_day(made: dict[str, Any], day: str) -> dict[str, Any]:
    """The same, but of that day."""
    (quarters,) = made["arrivals"].values()
    return {**made, "arrivals": {day: quarters}}


async def make_year(database: Database, end: datetime, dice: random.Random) -> datetime:
    """A year of rollups that ends on a day; its weeks and months are added up by the job's own code."""
    days = [(end - (n + 1) * DAY).date() for n in range(365)]
    alike = [series(dice, A_DAY // len(QUEUES), end).as_json() for _ in range(ALIKE)]
    rows: list[dict[str, Any]] = []
    for day in days:
        key = day.isoformat()
        whole = {"effect": dict.fromkeys(QUEUES, 0)}
        rows.append({"day": key, "queue": WHOLE, "series": whole, "made_at": end})
        for queue in QUEUES:
            made = dice.choice(alike)
            rows.append({"day": key, "queue": queue, "series": _on_day(made, key), "made_at": end})
    sums = {key for day in days for key in sums_of(day) if all(d in days for d in days_of(key))}
    upto = days[0]
    state = State(
        mark=10**9,
        seen=10**9,
        seen_at=end,
        first=days[-1],
        upto=upto,
        checked=upto,
        sums=frozenset(sums),
        hours_from=upto + DAY,
    )

    async def unit(tx: Tx) -> None:
        for at in range(0, len(rows), 100):
            await tx.run(insert(rollups), rows[at : at + 100])
        await tx.run(insert(settings).values(scope=SCOPE, key=STATE, value=state.as_json()))

    await database.unit(unit)
    for key in sorted(sums):
        await database.unit(lambda tx, key=key: add_up(tx, key))  # type: ignore[misc]
    return start_of(days[-1])


async def _fill(database: Database, first: int, count: int, since: datetime, span: timedelta) -> None:
    """So many tickets of a span, each opened, answered twice, written to and resolved (the first ones stay open)."""
    who = int(await database.read(lambda tx: tx.scalar(users.select().limit(1))))
    for start in range(first, first + count, 2_000):
        ids = range(start, min(start + 2_000, first + count))
        rows, told = [], []
        for n in ids:
            at = since + span * ((n - first) / count)
            rows.append(_ticket(n, at, who, still=n <= OPEN))
            told += events_of(n, at, still=n <= OPEN)

        async def unit(tx: Tx, rows: Any = rows, told: Any = told) -> None:
            await tx.run(insert(tickets), rows)
            await tx.run(insert(events), told)

        await database.unit(unit)


def _ticket(n: int, at: datetime, who: int, *, still: bool) -> dict[str, Any]:
    return {
        "id": n,
        "queue": QUEUES[n % 5],
        "title": "A ticket",
        "description": "d " * 100,
        "status": "open" if still else "closed",
        "priority": "normal",
        "channel": "email",
        "requester_id": who,
        "requester_address": "x@y.example",
        "assignee_id": who if n % 3 else None,
        "created_at": at,
        "updated_at": at,
        "public_updated_at": at,
        "waiting_since": at if still else None,
        "first_response_at": at,
    }


def events_of(n: int, at: datetime, *, still: bool) -> list[dict[str, Any]]:
    """What happened to a ticket within seconds of a time: the last is that it was resolved, unless it is open still."""
    took = {"wall": 900 + n % 4_000, "business": 600, "met": n % 7 > 0}
    happened: list[tuple[str, dict[str, Any]]] = [
        ("opened", {"message": 1, "channel": "email"}),
        ("answered", {"message": 2, "first": True, **took}),
        ("message", {"message": 3}),
        ("answered", {"message": 4, "first": False, **took}),
    ]
    happened += [] if still else [("resolved", {"from": "open", "to": "resolved", **took})]
    return [
        {
            "ticket_id": n,
            "at": at + timedelta(seconds=second),
            "kind": kind,
            "actor_id": None,
            "actor_name": "somebody",
            "public": True,
            "queue": QUEUES[n % 5],
            "data": data,
        }
        for second, (kind, data) in enumerate(happened)
    ]


async def _timed(act: Callable[[], Awaitable[Any]]) -> float:
    """The best of some runs, in milliseconds: what else the machine does only adds to it."""
    await act()
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await act()
        took.append((time.perf_counter() - began) * 1000)
    return min(took)


async def _on(store: Store) -> list[Figure]:
    config = store.config(database={"timeout": "120s"})
    database = Database(config.database, Clock())
    try:
        await People(database, config).sync()
        return await _measured(database, store.name)
    finally:
        await database.close()


async def _measured(database: Database, name: str) -> list[Figure]:
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # A day that isn't rolled up, beside the year that is: today of a desk, whole.
    year = await make_year(database, today, random.Random(1))
    day = Period(today, today + DAY)

    def of(period: Period, queue: str | None = None) -> Callable[[], Awaitable[Any]]:
        return lambda: database.read(lambda tx: figures.of(tx, period, queue))

    await _fill(database, 1, FEW, today - 300 * DAY, 299 * DAY)
    await _fill(database, MANY + 1, A_DAY, today, DAY)
    few = await _timed(of(day))
    await _fill(database, FEW + 1, MANY - FEW, today - 300 * DAY, 299 * DAY)
    many = await _timed(of(day))
    whole = await _timed(of(Period(year, today)))
    one = await _timed(of(Period(year, today), "support"))
    edges = await _timed(of(Period(year + DAY / 2, today + DAY / 2)))
    old = await _timed(of(Period(year + 20 * DAY, year + 21 * DAY)))
    rolled = await _timed(lambda: read_hours_of(database, hours_of(today.date())))
    await _keep_hours(database, today)
    kept = await _timed(of(day))
    return [
        Figure(f"{name}: a year of a million tickets", whole, "ms", most=100, beside="365 days x 5 queues"),
        Figure(f"{name}: the same, one queue", one, "ms", most=100),
        Figure(f"{name}: the same and half a day of today", edges, "ms", beside="1,500 tickets exactly"),
        Figure(f"{name}: a day of {A_DAY:,} tickets, by its hours", kept, "ms", beside="exactly, too"),
        Figure(f"{name}: the same, one by one", many, "ms", beside=f"among {MANY:,}"),
        Figure(f"{name}: that among {MANY:,} / {FEW:,}", many / few, "x", most=1.5),
        Figure(f"{name}: a day eleven months ago", old, "ms", beside="its backlog by what came since"),
        Figure(f"{name}: reading a day to roll it up", rolled, "ms"),
    ]


async def _keep_hours(database: Database, today: datetime) -> None:
    """Keep the hours of the day that isn't rolled up, as the job does when each is over."""
    hours = hours_of(today.date())
    _, hourly = await read_hours_of(database, hours_of(today.date()))

    async def unit(tx: Tx) -> None:
        where = settings.c.scope == SCOPE, settings.c.key == STATE
        await store_hours(tx, hours, hourly)
        state = replace(
            State.of_json(await tx.scalar(select(settings.c.value).where(*where))), open=frozenset(hours)
        )
        await tx.run(update(settings).where(*where).values(value=state.as_json()))

    await database.unit(unit)


def _off() -> Figure:
    """By how much percentiles of histograms are off at most, over many sets of durations, each of some days merged."""
    dice, worst = random.Random(3), 0.0
    for _ in range(300):
        middle, width = dice.uniform(0, 13), dice.uniform(0.05, 2.5)
        days = [
            [max(1.0, dice.lognormvariate(middle, width)) for _ in range(dice.randint(1, 400))]
            for _ in range(3)
        ]
        whole, exact = Histogram(), spread([one for day in days for one in day])
        for day in days:
            part = Histogram()
            part.add(day)
            whole.add_json(part.as_json())
        found = whole.spread()
        for mine, real in ((found.median, exact.median), (found.p90, exact.p90)):
            assert mine is not None
            assert real is not None
            worst = max(worst, abs(mine - real) / real)
    return Figure("percentiles out of histograms are off by at most", worst * 100, "%", most=WITHIN * 100)


async def measure(run: Run) -> list[Figure]:
    """Measure on both stores."""
    found = [_off()]
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        root = Path(folder)
        home = root / "var"
        home.mkdir()
        found += await _on(SqliteStores(root / "template").migrated(home))
        stores = MariaDbStores(await asyncio.to_thread(run.shared_server))
        store, kept = await asyncio.to_thread(stores.take, home)
        try:
            return found + await _on(store)
        finally:
            await asyncio.to_thread(stores.drop, kept.name)
