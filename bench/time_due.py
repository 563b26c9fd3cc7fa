"""100,000 tickets become due at once: reminders, then targets, worked off by the scheduler while the desk goes on.

`python -m bench time-due`. A person reads lists and tickets and a mail becomes a ticket, one after the other, first
alone and then beside the scheduler, in one process as in `relaydesk serve`: the longest of these acts tells by how much
anybody is held up. What is noted to be sent counts as sent a moment later, so that no job waits for a mail server. Not
all of them are worked off: the rate is measured for some seconds, with 100,000 due and with 1,000.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from sqlalchemy import delete, func, insert, select, text, update

from bench.figures import Figure
from core import reminding, target_watch
from core.database import Database, Tx
from core.jobs import JOBS, Job, Jobs
from core.outbox import lane_kind
from core.scheduler import Scheduler
from core.status import Status
from core.tables import deliveries, participants, tickets, work
from core.views import TicketCriteria
from tests.core.desk import TestDesk
from tests.core.filling import fill
from tests.mariadb import Run
from tests.stores import MariaDbStores, SqliteStores, Store

T = TypeVar("T")

DUE = 100_000
FEW = 1_000
SECONDS = 6.0  # that one measure goes on
HOLD_UP = 250.0  # milliseconds that somebody may be held up, on a machine that does everything else too
LONGEST = 2000.0  # milliseconds that a turn may take: what else is due is looked at in between
DAY = timedelta(days=1)
QUEUE: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "remind_after": "3d",
    "close_pending_after": "0s",
    "first_response_target": "4h",
    "resolution_target": "40h",
}


# -- what is measured ----------------------------------------------------------------------------------------------


class Timed(Database):
    """A database that notes how long each writing transaction took, from its first statement on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.took: list[float] = []

    async def _once(self, work: Callable[[Tx], Awaitable[T]], *, writes: bool, snapshot: bool) -> T:
        began = time.perf_counter()
        try:
            return await super()._once(work, writes=writes, snapshot=snapshot)
        finally:
            if writes:
                self.took.append(time.perf_counter() - began)


@dataclass
class Turns:
    """A job's turns, timed. `after`: what is to be done after each of them."""

    job: Job
    after: Callable[[], Awaitable[None]]
    took: list[float] = field(default_factory=list)

    def timed(self) -> Job:
        """The job, to be given to a scheduler."""

        async def turn(jobs: Jobs) -> bool:
            began = time.perf_counter()
            more = await self.job.turn(jobs)
            self.took.append(time.perf_counter() - began)
            await self.after()
            return more

        return Job(self.job.name, self.job.every, turn)


@dataclass(frozen=True)
class Worked:
    """What came of some seconds beside a job: milliseconds that each act of the desk took, and each turn; what was
    worked off in a second, and the longest transaction of the job in milliseconds."""

    acts: list[float]
    turns: list[float]
    rate: float
    longest: float


async def acts(desk: TestDesk, over: asyncio.Event) -> list[float]:
    """Read and write as a desk does, until it's over; milliseconds each."""
    ada = await desk.staff()
    took: list[float] = []
    newest = (await desk.write()).ticket_id or 0

    async def write() -> None:
        nonlocal newest
        newest = (await desk.write()).ticket_id or newest

    def each() -> tuple[Callable[[], Awaitable[Any]], ...]:
        return (
            write,
            lambda: desk.manager.view_tickets(ada, TicketCriteria(queue="support", limit=20)),
            lambda: desk.manager.view_ticket(ada, newest),
        )

    while not over.is_set():
        for act in each():
            began = time.perf_counter()
            await act()
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
    return took


async def beside(desk: TestDesk, job: Job | None) -> Worked:
    """Let the desk go on for some seconds, with the scheduler at work on a job, or alone."""
    over, database = asyncio.Event(), Timed(desk.config.database, desk.clock, desk.database._targets)
    database._writer = desk.database._writer  # of one process there is one writer
    turns = Turns(job, lambda: sent(desk)) if job else None
    jobs = [turns.timed(), *JOBS[:-2]] if turns else []  # without the sweepers, which are hourly
    scheduler = Scheduler(desk.desk, database, desk.blobs, jobs, span=SECONDS)
    task = asyncio.create_task(acts(desk, over))
    before, began = await left(desk), time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS and (job is None or before):
        await (scheduler.tick() if job else asyncio.sleep(SECONDS - spent))
        if job and not await left(desk):
            break
        await asyncio.sleep(0.02)
    rate = (before - await left(desk)) / (time.perf_counter() - began)
    over.set()
    took = await task
    await database.close()
    longest = max(database.took, default=0.0) * 1000
    return Worked(took, [one * 1000 for one in turns.took] if turns else [], rate, longest)


# -- what is due ---------------------------------------------------------------------------------------------------


async def left(desk: TestDesk) -> int:
    """How many tickets are due, to be reminded of or to be told a target."""

    async def count(tx: Tx) -> int:
        now = await tx.now()
        unreminded = (
            tickets.c.status == Status.PENDING,
            tickets.c.reminded_at.is_(None),
            tickets.c.pending_since <= now - 3 * DAY,
        )
        pending = await tx.scalar(select(func.count()).where(*unreminded))
        watched = await tx.scalar(select(func.count()).where(tickets.c.targets_at <= now))
        return int(pending or 0) + int(watched or 0)

    return await desk.database.read(count)


async def sent(desk: TestDesk) -> None:
    """What waited to be sent has been."""

    async def unit(tx: Tx) -> None:
        waits = deliveries.c.state == "queued"
        values = {"state": "sent", "due_at": None, "settled_at": await tx.now()}
        await tx.run(update(deliveries).where(waits).values(**values))
        await tx.run(delete(work).where(work.c.kind.in_([lane_kind("email"), lane_kind("slack")])))

    await desk.database.unit(unit)


async def pending(desk: TestDesk) -> None:
    """100,000 tickets of one requester that have waited for them for nine days."""
    first = (await desk.write("My screen is dark")).ticket_id
    requester = await desk.database.read(
        lambda tx: tx.scalar(select(tickets.c.requester_id).where(tickets.c.id == first))
    )
    since = desk.clock.now() - 9 * DAY
    row = {"status": "pending", "waiting_since": None, "pending_since": since, "targets_told": "on"}
    await fill(desk, DUE, requester, lambda n: {**row, "created_at": since})
    copied = ("identity_key", "role", "place", "since_seq")
    each = participants.join(tickets, tickets.c.status == "pending")
    whose = (
        select(tickets.c.id, *(participants.c[name] for name in copied))
        .select_from(each)
        .where(participants.c.ticket_id == first)
    )
    names = ["ticket_id", *copied]
    await desk.database.unit(lambda tx: tx.run(insert(participants).from_select(names, whose)))
    await sent(desk)


async def targets(desk: TestDesk) -> None:
    """The same tickets are up to staff, and a target of each is over."""

    async def unit(tx: Tx) -> None:
        at = await tx.now() - DAY
        values = {"status": "open", "pending_since": None, "waiting_since": at, "targets_told": "on"}
        dues = {"clock_since": at - DAY, "first_due_at": at, "targets_at": at}
        await tx.run(update(tickets).where(tickets.c.status == "pending").values(**values, **dues))

    await desk.database.unit(unit)
    await sent(desk)


async def only(desk: TestDesk, count: int, **values: Any) -> None:
    """All but so many aren't due any more."""

    async def unit(tx: Tx) -> None:
        ids = await tx.all(
            select(tickets.c.id)
            .where(tickets.c.targets_at <= await tx.now())
            .order_by(tickets.c.id)
            .limit(count)
        )
        if not ids:
            ids = await tx.all(
                select(tickets.c.id)
                .where(tickets.c.status == "pending", tickets.c.reminded_at.is_(None))
                .order_by(tickets.c.id)
                .limit(count)
            )
        rest = tickets.c.id > ids[-1].id
        await tx.run(update(tickets).where(rest).values(**values))

    await desk.database.unit(unit)


# -- the figures ---------------------------------------------------------------------------------------------------


async def _of_job(
    desk: TestDesk, name: str, what: str, job: Job, alone: Worked, done: dict[str, Any]
) -> list[Figure]:
    many = await beside(desk, job)
    await only(desk, FEW, **done)
    few = await beside(desk, job)
    hold, least = max(many.acts), max(alone.acts)
    minutes, usual = DUE / many.rate / 60, median(many.acts)
    return [
        Figure(f"{name}: {what} a second", many.rate, beside=f"{DUE:,} in {minutes:.0f} min"),
        Figure(f"{name}: slower than with {FEW:,} due", few.rate / many.rate, "x", most=2),
        Figure(f"{name}: a turn of {what}", median(many.turns), "ms"),
        Figure(f"{name}: the longest of them", max(many.turns), "ms", most=LONGEST),
        Figure(f"{name}: the longest transaction of {what}", many.longest, "ms", most=HOLD_UP),
        Figure(f"{name}: an act beside them", usual, "ms", beside=f"alone {median(alone.acts):.1f}"),
        Figure(f"{name}: the longest act", hold, "ms", most=HOLD_UP + least, beside=f"alone {least:.0f}"),
    ]


async def _on(store: Store) -> list[Figure]:
    desk = await TestDesk.open(store, queue=[QUEUE], slack={"enabled": False}, database={"timeout": "120s"})
    try:
        await pending(desk)
        if not store.sqlite:
            await desk.database.unit(lambda tx: tx.run(text("ANALYZE TABLE tickets, participants")))
        alone = await beside(desk, None)
        reminders, watch = reminding.JOBS[0], target_watch.JOBS[0]
        now = desk.clock.now()
        found = await _of_job(desk, store.name, "reminders", reminders, alone, {"reminded_at": now})
        await targets(desk)
        return found + await _of_job(desk, store.name, "targets", watch, alone, {"targets_at": None})
    finally:
        await desk.close()


async def measure(run: Run) -> list[Figure]:
    """Measure on both stores."""
    found: list[Figure] = []
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
