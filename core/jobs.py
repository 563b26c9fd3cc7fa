"""What the clock makes happen: small jobs, each turn bounded, each effect guarded by the row that it changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, select

from core import moving, snoozing, units, work
from core.audience import Happened
from core.blobs import Blobs
from core.database import Database, Tx
from core.failures import NotFound, Unavailable
from core.outbox import lane_kind
from core.status import Did, Status
from core.sweeping import sweep_folder
from core.tables import job_runs, tickets
from core.units import Desk

log = structlog.get_logger(__name__)


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


async def close_resolved(jobs: Jobs) -> bool:
    """Close what has been resolved for `close_resolved_after`; staff are told, the requester was told before."""
    limit = jobs.desk.config.scheduler.batch
    more = False
    for queue in jobs.desk.config.queue:

        async def due(
            tx: Tx, name: str = queue.name, age: timedelta = queue.close_resolved_after
        ) -> list[int]:
            before = await tx.now() - age
            rows = await tx.all(
                select(tickets.c.id)
                .where(
                    tickets.c.status == Status.RESOLVED,
                    tickets.c.resolved_at <= before,
                    tickets.c.queue == name,
                )
                .order_by(tickets.c.resolved_at, tickets.c.id)
                .limit(limit)
            )
            return [row.id for row in rows]

        ids = await jobs.database.read(due)
        for ticket_id in ids:
            try:
                await _close(jobs, ticket_id, queue.close_resolved_after)
            except Unavailable:
                raise
            except Exception:  # one ticket's trouble holds up no other
                log.exception("auto_close_failed", ticket=ticket_id)
        more = more or len(ids) == limit
    return more


async def _close(jobs: Jobs, ticket_id: int, age: timedelta) -> None:
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
        days = f"{age.days} days" if age.days > 1 else "a while"
        scene = await units.scene(
            tx,
            jobs.desk,
            after,
            None,
            was=ticket.status,
            timer=True,
            data={"text": f"Closed: it was resolved {days} ago."},
        )
        await units.note(tx, jobs.desk, Happened.STATUS_SET, scene)

    await jobs.database.unit(unit)
    log.info("auto_closed", ticket=ticket_id)


async def sweep(jobs: Jobs) -> bool:
    """Drop idle lanes older than a day and old slots."""
    before = jobs.database.clock.now() - timedelta(days=1)
    kinds = [lane_kind(name) for name in jobs.desk.specs]
    dropped = await work.drop_idle(jobs.database, kinds, before)

    async def forget(tx: Tx) -> None:
        await tx.run(delete(job_runs).where(job_runs.c.slot < await tx.now() - timedelta(days=2)))

    await jobs.database.unit(forget)
    return dropped >= 500


async def sweep_blobs(jobs: Jobs) -> bool:
    """Remove blobs that no row names, and what was left half-written."""
    return await sweep_folder(jobs.database, jobs.blobs)


JOBS: Final = (
    Job("close_resolved", timedelta(seconds=5), close_resolved),
    Job("wake", timedelta(seconds=5), snoozing.wake),
    Job("move_cards", timedelta(seconds=10), moving.move_cards),
    Job("sweep", timedelta(hours=1), sweep),
    Job("sweep_blobs", timedelta(hours=1), sweep_blobs),
)
