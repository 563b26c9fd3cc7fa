"""The rows of jobs: which slot was taken by whom, how it went, what fails since when.

`job_runs` has a row for each slot that was taken. For an interval job it is finished when its turns are; for a cron job
the row, its result and the effect are one transaction. A cron's slot that failed has a row without `finished`.
`settings` notes when a job was first seen (slots before that aren't missed), and its failures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Database, Tx
from core.tables import job_runs, settings

if TYPE_CHECKING:
    from core.jobs import AnyJob, CronJob, Effect, Job

SEEN: Final = "jobs.seen"  # settings: since when a cron job is known, by its key and its schedule
TROUBLE: Final = "jobs.trouble"  # settings: failures by the job's key
FAILED: Final = "failed: "  # begins the result of what failed
SWEPT: Final = 500  # rows of one job that a sweep takes away at once
KEPT: Final = timedelta(days=2)  # how long slots are kept that mustn't run again
KEPT_SHORT: Final = timedelta(hours=1)  # and those that may
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
_LONGEST_KEY: Final = 40
_LONGEST_RESULT: Final = 500


def key_of_job(name: str) -> str:
    """Return what stands in `job_runs.job`: the name, or what is made of a long one."""
    if len(name) <= _LONGEST_KEY:
        return name
    return f"{name[:27]}~{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# -- what fails -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job's failures: `total` ever, `failing` in a row since `since`. `slot` and `retry_at`: of a cron job's last
    one, which is tried again then."""

    total: int = 0
    failing: int = 0
    since: datetime | None = None
    slot: datetime | None = None
    retry_at: datetime | None = None

    @classmethod
    def of(cls, value: dict[str, Any] | None) -> Trouble:
        """Read what `as_json` wrote."""
        value = value or {}
        moments = {
            name: datetime.fromisoformat(value[name])
            for name in ("since", "slot", "retry_at")
            if value.get(name)
        }
        return cls(total=int(value.get("total", 0)), failing=int(value.get("failing", 0)), **moments)

    def as_json(self) -> dict[str, Any]:
        """Return it as `settings` keeps it."""
        moments = {"since": self.since, "slot": self.slot, "retry_at": self.retry_at}
        told = {name: moment.isoformat() for name, moment in moments.items() if moment is not None}
        return {"total": self.total, "failing": self.failing, **told}

    def waits(self, slot: datetime, now: datetime) -> bool:
        """Has this slot failed, and is it too early to try again?"""
        return self.slot == slot and self.retry_at is not None and self.retry_at > now

    def another(self, slot: datetime, now: datetime, *, again: bool) -> Trouble:
        """Return it after one more failure. `again`: the same slot is to be tried again after a while."""
        tries = self.failing + 1 if self.slot == slot else 1
        return Trouble(
            total=self.total + 1,
            failing=self.failing + 1,
            since=self.since if self.failing else now,
            slot=slot if again else None,
            retry_at=now + wait_after(tries) if again else None,
        )


def wait_after(tries: int) -> timedelta:
    """Return how long to wait after so many failures (from 1): a minute, doubled each time, half an hour at most."""
    return min(_FIRST_WAIT * (1 << min(tries - 1, 10)), _LONGEST_WAIT)


async def trouble_of(tx: Tx, name: str, *, lock: bool = False) -> Trouble:
    """Return a job's failures; `lock`: to change them."""
    where = (settings.c.scope == TROUBLE, settings.c.key == key_of_job(name))
    query = select(settings.c.value).where(*where)
    return Trouble.of(await tx.scalar(query.with_for_update() if lock else query))


async def failed(tx: Tx, name: str, slot: datetime, error: str, *, again: bool) -> None:
    """Note that a slot failed: with its row, and counted. Of several who fail at one cron slot the first counts."""
    key, now = key_of_job(name), await tx.now()
    row = (job_runs.c.job == key, job_runs.c.slot == slot)
    result = f"{FAILED}{error}"[:_LONGEST_RESULT]
    if again:
        await tx.run(tx.insert_missing(job_runs).values(job=key, slot=slot, started=now))
        noted = update(job_runs).where(*row, job_runs.c.finished.is_(None)).values(result=result)
        if not await tx.changed(noted):
            return  # somebody else has done it meanwhile
    else:
        await tx.run(update(job_runs).where(*row).values(result=result, finished=now))
    await tx.run(tx.insert_missing(settings).values(scope=TROUBLE, key=key, value=Trouble().as_json()))
    trouble = await trouble_of(tx, name, lock=True)
    if not trouble.waits(slot, now):
        await _note(tx, key, trouble.another(slot, now, again=again))


async def _worked(tx: Tx, name: str) -> None:
    """It didn't fail: what failed before is over."""
    trouble = await trouble_of(tx, name)
    if trouble.failing:
        trouble = await trouble_of(tx, name, lock=True)
        await _note(tx, key_of_job(name), Trouble(total=trouble.total))


async def _note(tx: Tx, key: str, trouble: Trouble) -> None:
    where = (settings.c.scope == TROUBLE, settings.c.key == key)
    await tx.run(update(settings).where(*where).values(value=trouble.as_json()))


# -- slots of interval jobs -----------------------------------------------------------------------------------------


async def take(database: Database, job: Job, slot: datetime) -> bool:
    """Take a slot; False where somebody has it. A slot that comes again because the clock was put back is taken again
    where the job may repeat."""

    async def unit(tx: Tx) -> None:
        await tx.run(insert(job_runs).values(job=key_of_job(job.name), slot=slot, started=await tx.now()))

    try:
        await database.unit(unit)
    except IntegrityError:
        return job.repeats and await _went_back(database, job, slot)
    return True


async def _went_back(database: Database, job: Job, slot: datetime) -> bool:
    """Was the clock put back, so that slots to come are taken already?"""
    newest = select(func.max(job_runs.c.slot)).where(job_runs.c.job == key_of_job(job.name))
    last = await database.read(lambda tx: tx.scalar(newest))
    return last is not None and last - slot > job.every


async def finish(tx: Tx, name: str, slot: datetime) -> None:
    """Note that all turns of a slot are done."""
    await tx.run(
        update(job_runs)
        .where(job_runs.c.job == key_of_job(name), job_runs.c.slot == slot)
        .values(finished=await tx.now(), result="done")
    )
    await _worked(tx, name)


# -- slots of cron jobs ---------------------------------------------------------------------------------------------


async def first_seen(tx: Tx, job: CronJob) -> datetime:
    """Return since when a job with this schedule is known; the first who asks notes it."""
    key, now = f"{key_of_job(job.name)}/{_digest(f'{job.cron} {job.zone.key}')}", await tx.now()
    value = {"since": now.isoformat()}
    await tx.run(tx.insert_missing(settings).values(scope=SEEN, key=key, value=value))
    where = (settings.c.scope == SEEN, settings.c.key == key)
    since = datetime.fromisoformat((await tx.scalar(select(settings.c.value).where(*where)))["since"])
    if since <= now:
        return since
    await tx.run(update(settings).where(*where).values(value=value))  # the clock was put back
    return now


async def is_done(tx: Tx, name: str, slot: datetime) -> bool:
    """Has somebody run this slot?"""
    where = (job_runs.c.job == key_of_job(name), job_runs.c.slot == slot)
    return await tx.scalar(select(job_runs.c.finished).where(*where)) is not None


async def carry_out(database: Database, name: str, slot: datetime, effect: Effect) -> str | None:
    """Claim a slot and do its effect, in one transaction; return its result, None where somebody was quicker."""
    started = database.clock.now()
    where = (job_runs.c.job == key_of_job(name), job_runs.c.slot == slot)

    async def unit(tx: Tx) -> str | None:
        row = {"job": key_of_job(name), "slot": slot, "started": started}
        await tx.run(tx.insert_missing(job_runs).values(**row))
        claim = update(job_runs).where(*where, job_runs.c.finished.is_(None))
        if not await tx.changed(claim.values(started=started, finished=await tx.now())):
            return None
        result = (await effect(tx))[:_LONGEST_RESULT]
        await tx.run(update(job_runs).where(*where).values(result=result))
        await _worked(tx, name)
        return result

    return await database.unit(unit)


# -- what is shown --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as an operator sees it: its schedule, its last slot and how that went, the next one, what fails."""

    name: str
    schedule: str
    zone: str | None
    last_slot: datetime | None
    started: datetime | None
    finished: datetime | None
    result: str | None
    next_slot: datetime
    failures: int  # in a row, up to now
    failing_since: datetime | None
    retry_at: datetime | None
    failures_total: int
    last_success: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` and `/status` show it."""
        moments = (
            "last_slot",
            "started",
            "finished",
            "next_slot",
            "failing_since",
            "retry_at",
            "last_success",
        )
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in moments:
            if values[name] is not None:
                values[name] = values[name].isoformat().replace("+00:00", "Z")
        return values


async def listed(database: Database, jobs: Sequence[AnyJob]) -> list[JobRow]:
    """Return all jobs with their last and next runs. Raises `Unavailable`."""
    return await database.read(partial(_listed, jobs=jobs))


async def _listed(tx: Tx, jobs: Sequence[AnyJob]) -> list[JobRow]:
    now = await tx.now()
    return [await _shown(tx, job, now) for job in jobs]


async def _shown(tx: Tx, job: AnyJob, now: datetime) -> JobRow:
    cron, zone, every = (getattr(job, name, None) for name in ("cron", "zone", "every"))
    last, good = await _newest(tx, job.name, now), await _newest(tx, job.name, now, good=True)
    trouble = await trouble_of(tx, job.name)
    return JobRow(
        name=job.name,
        schedule=cron if cron is not None else f"every {_words(every or timedelta())}",
        zone=zone.key if zone is not None else None,
        last_slot=last.slot if last else None,
        started=last.started if last else None,
        finished=last.finished if last else None,
        result=(last.result or "running") if last else None,
        next_slot=job.next(now),
        failures=trouble.failing,
        failing_since=trouble.since,
        retry_at=trouble.retry_at,
        failures_total=trouble.total,
        last_success=good.finished if good else None,
    )


def _words(every: timedelta) -> str:
    """Say how long: `5 s`, `1 min`, `2 h`."""
    seconds = every.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


async def _newest(tx: Tx, name: str, now: datetime, *, good: bool = False) -> Row[Any] | None:
    """Return the row of the newest slot until `now` (one to come is there where the clock was put back)."""
    query = select(job_runs).where(job_runs.c.job == key_of_job(name), job_runs.c.slot <= now)
    if good:
        query = query.where(job_runs.c.finished.is_not(None), job_runs.c.result.not_like(f"{FAILED}%"))
    return await tx.first(query.order_by(job_runs.c.slot.desc()).limit(1))


# -- what is swept --------------------------------------------------------------------------------------------------


async def sweep(database: Database, jobs: Sequence[AnyJob]) -> bool:
    """Take away a batch of old slots of each job, but never its last, nor the last that went well; also of jobs that
    aren't there any more. Returns whether there is more."""
    kept = {key_of_job(job.name): _kept(job) for job in jobs}
    names = await database.read(lambda tx: tx.all(select(job_runs.c.job).distinct()))
    more = False
    for name in (row.job for row in names):
        gone = await database.unit(partial(_sweep, name=name, kept=kept.get(name, KEPT)))
        more = more or gone == SWEPT
    return more


def _kept(job: AnyJob) -> timedelta:
    """How long slots are kept: a cron's for as long as it could still find them missed."""
    max_late: timedelta | None = getattr(job, "max_late", None)
    if max_late is not None:
        return max_late + KEPT
    return KEPT_SHORT if getattr(job, "repeats", False) else KEPT


async def _sweep(tx: Tx, name: str, kept: timedelta) -> int:
    now = await tx.now()
    newest = [await _newest(tx, name, now), await _newest(tx, name, now, good=True)]
    stay = [row.slot for row in newest if row is not None]
    old = await tx.all(
        select(job_runs.c.slot)
        .where(job_runs.c.job == name, job_runs.c.slot < now - kept, job_runs.c.slot.not_in(stay))
        .order_by(job_runs.c.slot)
        .limit(SWEPT)
    )
    slots = [row.slot for row in old]
    if slots:
        await tx.run(delete(job_runs).where(job_runs.c.job == name, job_runs.c.slot.in_(slots)))
    return len(slots)
