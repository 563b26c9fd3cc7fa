"""The scheduler: APScheduler ticks in every instance; a row per (job, slot) makes what a slot does happen once.

The database's clock decides what is due. Interval jobs work in turns, one of each after the other; what a tick doesn't
finish the next goes on with. APScheduler's interval jobs stall for as long as the wall clock was put back, so a guard
on the monotonic clock brings the tick forward when it hangs in the future.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from core import runs
from core.blobs import Blobs
from core.database import Database
from core.failures import Unavailable
from core.jobs import AnyJob, CronJob, Job, Jobs, jobs_of
from core.turns import TurnFailed
from core.units import Desk

log = structlog.get_logger(__name__)

SPAN: Final = 30.0  # seconds after which a tick begins no further round of turns
LONGEST: Final = 120.0  # seconds after which a turn, or a cron job's reading, is given up


class _Every(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """So long after the last time that was looked. The library's own interval counts each one that a clock jumped over:
    minutes, in which nothing else happens, where it jumped by years."""

    def __init__(self, tick: timedelta) -> None:
        self._tick = tick

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now if previous is None else now + self._tick


class Scheduler:
    """Runs the jobs. One per process; any number of processes."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        blobs: Blobs,
        jobs: Sequence[AnyJob] | None = None,
        *,
        span: float = SPAN,
    ) -> None:
        self._database = database
        self._with = Jobs(desk, database, blobs)
        self._jobs = jobs_of(desk.config) if jobs is None else tuple(jobs)
        self._tick = desk.config.scheduler.tick
        self._span = span
        self._scheduler: Any = AsyncIOScheduler(timezone=UTC)
        self._guard: asyncio.Task[None] | None = None
        self._last: dict[str, datetime] = {}  # the slot of each job that we know to be taken
        self._since: dict[str, datetime] = {}  # since when each cron job is known
        self._in_hand: dict[str, tuple[Job, datetime]] = {}  # interval jobs with turns left, and their slots
        self._failing: dict[str, str] = {}  # what the log has of jobs that fail slot by slot
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Begin to tick; what is due is done at once."""
        self._scheduler.add_job(
            self.tick,
            _Every(self._tick),
            id="tick",
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.start()
        self._guard = asyncio.create_task(self._keep_ticking(), name="scheduler-guard")

    async def stop(self, grace: timedelta = timedelta(seconds=4)) -> None:
        """Tick no more; let a turn in hand finish within `grace`."""
        self._stopping = True
        if self._guard is not None:
            self._guard.cancel()
        if self._scheduler.running:
            self._scheduler.pause()
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self._idle.wait()
        except TimeoutError:
            log.warning("jobs_left")
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(self._tick.total_seconds())
            job = self._scheduler.get_job("tick")
            now = datetime.now(UTC)
            if job is not None and job.next_run_time is not None and job.next_run_time - now > 2 * self._tick:
                log.warning("clock_went_back", next_tick=job.next_run_time.isoformat())
                job.modify(next_run_time=now)

    async def tick(self) -> None:
        """Do what is due: cron jobs, and rounds of one turn of each interval job, until nothing is left or the tick
        has taken its time. What becomes due meanwhile joins in."""
        self._idle.clear()
        try:
            ends = time.monotonic() + self._span
            while not self._stopping:
                await self._database.read(lambda tx: tx.now())  # our clock follows the database's
                for job in self._jobs:
                    await self._guarded(job.name, partial(self._look_at, job))
                for name in list(self._in_hand):
                    await self._guarded(name, partial(self._turn, name))
                if not self._in_hand or time.monotonic() >= ends:
                    break
        except Unavailable:
            log.warning("scheduler_waits")
        finally:
            self._idle.set()

    async def _guarded(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do something for one job. Its trouble doesn't stop the others."""
        if self._stopping:
            return
        try:
            await step()
        except Unavailable:
            log.warning("job_waits", job=name)
        except Exception:
            log.exception("job_failed", job=name)

    async def _look_at(self, job: AnyJob) -> None:
        if isinstance(job, CronJob):
            await self._cron(job)
        elif job.name not in self._in_hand:
            slot = job.slot(self._database.clock.now())
            if self._last.get(job.name) == slot:
                return
            taken = await runs.take(self._database, job, slot)
            self._last[job.name] = slot
            if taken:
                self._in_hand[job.name] = (job, slot)

    async def _turn(self, name: str) -> None:
        """One turn of an interval job that is in hand."""
        job, slot = self._in_hand.pop(name)
        try:
            async with asyncio.timeout(LONGEST):
                more = await job.turn(self._with)
        except Exception as exc:
            await self._failed(job, slot, exc)
            return
        if more:
            self._in_hand[name] = (job, slot)  # behind the others
        else:
            self._failing.pop(name, None)
            await self._database.unit(lambda tx: runs.finish(tx, name, slot))

    async def _cron(self, job: CronJob) -> None:
        """Run a cron job's slot that is due, unless somebody has, or it failed a moment ago."""
        now = self._database.clock.now()
        slot = job.due(await self._known_since(job, now), now)
        if slot is None or self._last.get(job.name) == slot.at:
            return
        if await self._database.read(lambda tx: runs.is_done(tx, job.name, slot.at)):
            self._last[job.name] = slot.at
            return
        trouble = await self._database.read(lambda tx: runs.trouble_of(tx, job.name))
        if trouble.waits(slot.at, now):
            return
        try:
            async with asyncio.timeout(LONGEST):
                effect = await job.run(self._with, slot)
            result = await runs.carry_out(self._database, job.name, slot.at, effect)
        except Exception as exc:
            await self._failed(job, slot.at, exc)
            return
        self._last[job.name] = slot.at
        if result is not None:
            log.info("job_done", job=job.name, slot=slot.at.isoformat(), late=slot.late, result=result)

    async def _known_since(self, job: CronJob, now: datetime) -> datetime:
        since = self._since.get(job.name)
        if since is None or since > now:
            since = await self._database.unit(lambda tx: runs.first_seen(tx, job))
            self._since[job.name] = since
        return since

    async def _failed(self, job: AnyJob, slot: datetime, exc: Exception) -> None:
        """Log and count a failure. A cron job's slot is tried again after a while, an interval job's isn't: the next
        one comes soon. Raises `Unavailable`."""
        error = type(exc).__name__
        if isinstance(exc, Unavailable):
            log.warning("job_waits", job=job.name)
        elif isinstance(exc, TurnFailed):  # each ticket's own trouble is logged
            error = str(exc)
            if self._failing.get(job.name) != error:
                log.error("job_failed", job=job.name, slot=slot.isoformat(), error=error)
            self._failing[job.name] = error
        else:
            log.error("job_failed", job=job.name, slot=slot.isoformat(), exc_info=exc)
        again = isinstance(job, CronJob)
        await self._database.unit(lambda tx: runs.failed(tx, job.name, slot, error, again=again))
