"""The scheduler: APScheduler ticks in every instance; a row per (job, slot) makes what a slot does happen once.

APScheduler's interval jobs stall for as long as the wall clock was put back, so a guard on the monotonic clock brings
the tick forward when it hangs in the future.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.blobs import Blobs
from core.database import Database, Tx
from core.failures import Unavailable
from core.jobs import JOBS, Job, Jobs
from core.tables import job_runs
from core.units import Desk

log = structlog.get_logger(__name__)

TURNS = 50  # turns of one job per slot, so that none holds up the others for ever


class Scheduler:
    """Runs the jobs. One per process; any number of processes."""

    def __init__(self, desk: Desk, database: Database, blobs: Blobs, jobs: tuple[Job, ...] = JOBS) -> None:
        self._desk = desk
        self._database = database
        self._blobs = blobs
        self._jobs = jobs
        self._tick = desk.config.scheduler.tick
        self._scheduler: Any = AsyncIOScheduler(timezone=UTC)
        self._guard: asyncio.Task[None] | None = None
        self._last: dict[str, datetime] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Begin to tick; what is due is done at once."""
        self._scheduler.add_job(
            self.tick,
            "interval",
            seconds=self._tick.total_seconds(),
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
        """Run each job whose slot nobody has taken yet. A failing job doesn't stop the others."""
        self._idle.clear()
        try:
            for job in self._jobs:
                try:
                    await self._run(job)
                except Unavailable:
                    log.warning("job_waits", job=job.name)
                except Exception:
                    log.exception("job_failed", job=job.name)
        finally:
            self._idle.set()

    async def _run(self, job: Job) -> None:
        slot = job.slot(self._database.clock.now())
        if self._last.get(job.name) == slot:
            return
        taken = await self._take(job, slot)
        self._last[job.name] = slot
        if not taken:
            return
        result = "done"
        try:
            for _ in range(TURNS):
                if not await job.turn(Jobs(self._desk, self._database, self._blobs)):
                    break
        except Exception as exc:
            result = type(exc).__name__
            raise
        finally:
            await self._note(job, slot, result)

    async def _take(self, job: Job, slot: datetime) -> bool:
        async def unit(tx: Tx) -> None:
            await tx.run(insert(job_runs).values(job=job.name, slot=slot, started=await tx.now()))

        try:
            await self._database.unit(unit)
        except IntegrityError:
            return job.repeats and await self._went_back(job, slot)
        return True

    async def _went_back(self, job: Job, slot: datetime) -> bool:
        """Was the clock put back, so that slots to come are taken already?"""
        last = await self._database.read(
            lambda tx: tx.scalar(select(func.max(job_runs.c.slot)).where(job_runs.c.job == job.name))
        )
        return last is not None and last - slot > job.every

    async def _note(self, job: Job, slot: datetime, result: str) -> None:
        async def unit(tx: Tx) -> None:
            await tx.run(
                update(job_runs)
                .where(job_runs.c.job == job.name, job_runs.c.slot == slot)
                .values(finished=await tx.now(), result=result)
            )

        await self._database.unit(unit)
