"""What the clock makes happen: small jobs, each turn bounded, each effect guarded by the row that it changes; and jobs
at times of a cron, whose effect commits together with the claim of its slot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from core import left_queues, moving, runs, snoozing, units, work
from core.audience import Happened
from core.blobs import Blobs
from core.cron import latest_due, next_due
from core.database import Database, Tx
from core.desk_texts import said
from core.failures import NotFound
from core.outbox import lane_kind
from core.status import Did, Status
from core.sweeping import sweep_folder
from core.tables import tickets
from core.turns import TURN as TURN
from core.turns import Apart, more, take
from core.units import Desk

if TYPE_CHECKING:
    from core.config import Config

log = structlog.get_logger(__name__)

SOON: Final = timedelta(seconds=2.5)  # slots of what is to be noticed within 5 s, by ticks of up to 5 s
LATE: Final = timedelta(minutes=5)  # a slot that runs so long after its time is marked as late


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the jobs work with."""

    desk: Desk
    database: Database
    blobs: Blobs


@dataclass(frozen=True, slots=True)
class Job:
    """A job: how long its slots are, and one bounded turn of it, which says whether there is more.

    `repeats`: each effect is guarded by the row that it changes, so a second run of a slot harms nobody (after the
    clock was put back, slots that were done come again).
    """

    name: str
    every: timedelta
    turn: Callable[[Jobs], Awaitable[bool]]
    repeats: bool = True

    def slot(self, now: datetime) -> datetime:
        """Return the slot that `now` is in."""
        length = self.every.total_seconds()
        return datetime.fromtimestamp(now.timestamp() // length * length, UTC)

    def next(self, now: datetime) -> datetime:
        """Return when the next slot begins."""
        return self.slot(now) + self.every


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which a cron fired, in UTC. `late`: it runs more than `LATE` after that."""

    at: datetime
    late: bool


Effect = Callable[[Tx], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class CronJob:
    """A job at the times of a cron in a zone. After downtime the newest missed slot runs, if it is under `max_late`
    old; older ones never do.

    `run` reads what it needs and returns the effect, which runs in one transaction with the claim of the slot: it
    happens once, however many instances there are and wherever one dies. What the effect returns `jobs list` shows.
    """

    name: str
    cron: str
    zone: ZoneInfo
    max_late: timedelta
    run: Callable[[Jobs, Slot], Awaitable[Effect]]

    def due(self, since: datetime, now: datetime) -> Slot | None:
        """Return the slot that is to be run at `now` for a job that is known since `since`."""
        at = latest_due(self.cron, self.zone, max(since, now - self.max_late), now)
        return None if at is None else Slot(at, now - at > LATE)

    def next(self, now: datetime) -> datetime:
        """Return when the next slot begins."""
        return next_due(self.cron, self.zone, now)


AnyJob = Job | CronJob


async def close_resolved(jobs: Jobs) -> bool:
    """Close what has been resolved for `close_resolved_after`; staff are told, the requester was told before."""
    config = jobs.desk.config
    ruled = await jobs.database.read(lambda tx: left_queues.ruled(tx, config, Status.RESOLVED))
    queues = [(name, queue.close_resolved_after) for name, queue in ruled if queue.close_resolved_after]
    taken = [
        await take(
            jobs.database,
            partial(_resolved, name=name, age=age, limit=config.scheduler.batch),
            partial(_close, jobs, age=age),
            limit=config.scheduler.batch,
            trouble="auto_close_failed",
            seconds=TURN / len(queues),
        )
        for name, age in queues
    ]
    return more(taken)


async def _resolved(tx: Tx, apart: Apart, *, name: str, age: timedelta, limit: int) -> list[int]:
    rows = await tx.all(
        select(tickets.c.id)
        .where(
            tickets.c.status == Status.RESOLVED,
            tickets.c.resolved_at <= await tx.now() - age,
            tickets.c.queue == name,
            *apart,
        )
        .order_by(tickets.c.resolved_at, tickets.c.id)
        .limit(limit)
    )
    return [row.id for row in rows]


async def _close(jobs: Jobs, ticket_id: int, *, age: timedelta) -> None:
    async def unit(tx: Tx) -> None:
        try:
            ticket = await units.lock(tx, ticket_id)
        except NotFound:
            return
        now = await tx.now()
        still = ticket.status is Status.RESOLVED and ticket.resolved_at is not None
        if not still or ticket.resolved_at is None or ticket.resolved_at > now - age:
            return  # somebody was quicker
        moved = await units.move(tx, ticket, Did.TIMED_OUT, None)
        after = await units.save(tx, ticket, moved, public=True)
        key = "line_closed_resolved" if age.days > 1 else "line_closed_resolved_while"
        scene = await units.scene(
            tx,
            jobs.desk,
            after,
            None,
            was=ticket.status,
            timer=True,
            data={"text": said(jobs.desk.config, key, days=age.days)},
        )
        await units.note(tx, jobs.desk, Happened.STATUS_SET, scene)

    await jobs.database.unit(unit)
    log.info("auto_closed", ticket=ticket_id)


async def sweep(jobs: Jobs) -> bool:
    """Drop idle lanes older than a day and old slots: a batch of them."""
    before = jobs.database.clock.now() - timedelta(days=1)
    kinds = [lane_kind(name) for name in jobs.desk.specs]
    dropped = await work.drop_idle(jobs.database, kinds, before)
    more = await runs.sweep(jobs.database, jobs_of(jobs.desk.config))
    return more or dropped >= 500


async def sweep_blobs(jobs: Jobs) -> bool:
    """Remove blobs that no row names, and what was left half-written."""
    return await sweep_folder(jobs.database, jobs.blobs)


JOBS: Final = (
    Job("close_resolved", SOON, close_resolved),
    Job("wake", SOON, snoozing.wake),
    Job("move_cards", timedelta(seconds=10), moving.move_cards),
    Job("sweep", timedelta(hours=1), sweep),
    Job("sweep_blobs", timedelta(hours=1), sweep_blobs),
)


def jobs_of(config: Config) -> tuple[AnyJob, ...]:
    """Return all jobs of a service, those of the configuration too. (Their modules need this one.)"""
    from core import digests, indexing, reminding, retention, rollups, target_watch, unassigned

    timers = (*target_watch.JOBS, *reminding.JOBS, *rollups.JOBS, *retention.JOBS, *indexing.JOBS)
    return (*JOBS, *timers, *unassigned.jobs_of(config), *digests.jobs_of(config))
