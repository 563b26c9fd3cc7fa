"""What nobody has taken for a while is listed in the queue's triage channel, once a working day.

On it is whose requester waits, and what staff opened again and left to nobody: there no requester waits. What came out
of an archive is left out until something is told of it: nothing goes out because of an archive.

One message names at most `MOST` tickets, who waits longest first. Without such a channel (or while strangers would read
it) the queue's agents get it by mail. Nothing is said where there is nothing to list, or on a free day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, ScalarSelect, func, or_, select

from core import left_queues
from core.audience import Agent, Told, mailed
from core.config import Config, Queue
from core.database import Tx
from core.desk_texts import counted, said, speech_of
from core.hours import schedule_of
from core.jobs import CronJob, Effect, Jobs, Slot
from core.outbox import Noted, enqueue, on_hold
from core.report_words import plain
from core.scenes import agents, exposed
from core.shapes import Kind
from core.status import Status
from core.tables import deliveries, events, tickets
from core.units import Desk

MOST: Final = 20  # lines of a list
TITLE: Final = 80  # characters of a title
MAX_LATE: Final = timedelta(hours=12)  # a list that is later says nothing: the next comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A ticket that waits. `again`: staff opened it again, so that its requester doesn't."""

    id: int
    title: str
    priority: str
    since: datetime
    again: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Tickets that wait for somebody to take them: the first `MOST`, and how many there are. `now`: as of when."""

    first: Sequence[Line]
    count: int
    now: datetime


def jobs_of(config: Config) -> tuple[CronJob, ...]:
    """Return the job of each queue that wants a list."""
    return tuple(
        CronJob(
            name=f"unassigned:{queue.name}",
            cron=queue.unassigned_at,
            zone=_zone(config, queue),
            max_late=MAX_LATE,
            run=partial(run, queue=queue),
        )
        for queue in config.queue
        if queue.unassigned_after
    )


async def run(jobs: Jobs, slot: Slot, *, queue: Queue) -> Effect:
    """Look what is to be listed, and return what posts it."""
    desk = jobs.desk
    if not works(desk.config, queue, slot.at):
        return partial(_nothing, "skipped: a free day")
    found = await jobs.database.read(partial(waiting, config=desk.config, queue=queue))
    if not found.count:
        return partial(_nothing, "nothing to list")
    return partial(_post, desk=desk, queue=queue, found=found)


def works(config: Config, queue: Queue, at: datetime) -> bool:
    """Does a queue work on the day that this moment is on, by its own clocks?"""
    zone = _zone(config, queue)
    day = at.astimezone(zone).date()
    start, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return schedule_of(config, queue).between(start, end) > timedelta()


async def waiting(tx: Tx, config: Config, queue: Queue) -> Waiting:
    """Return what has waited for staff for `unassigned_after`, is nobody's, and isn't put aside."""
    now, names = await tx.now(), [queue.name]
    if queue.name == config.queue[0].name:
        names += await left_queues.left(tx, config, Status.NEW, Status.OPEN)
    nobodys, before = _nobodys(names, now), now - queue.unassigned_after
    waits = (tickets.c.status.in_((Status.NEW, Status.OPEN)), tickets.c.waiting_since <= before, *nobodys)
    opened, answered = _newest("reopened", "status"), _newest("answered")
    left = (
        tickets.c.status == Status.OPEN,
        tickets.c.waiting_since.is_(None),
        opened <= before,
        or_(answered.is_(None), answered < opened),
        *nobodys,
    )
    found, count = list[Line](), 0
    for since, where in ((tickets.c.waiting_since, waits), (opened, left)):
        rows = await tx.all(
            select(tickets.c.id, tickets.c.title, tickets.c.priority, since.label("since"))
            .where(*where)
            .order_by(since, tickets.c.id)
            .limit(MOST)
        )
        again = since is opened
        found += [Line(id=r.id, title=r.title, priority=r.priority, since=r.since, again=again) for r in rows]
        more = len(rows)
        if more == MOST:
            more = int(await tx.scalar(select(func.count()).select_from(tickets).where(*where)) or 0)
        count += max(more, len(rows))
    return Waiting(sorted(found, key=lambda line: (line.since, line.id))[:MOST], count, now)


def _newest(*kinds: str) -> ScalarSelect[Any]:
    """When one of these happened last to a ticket."""
    found = select(func.max(events.c.at)).where(events.c.ticket_id == tickets.c.id, events.c.kind.in_(kinds))
    return found.correlate(tickets).scalar_subquery()


def _nobodys(names: Sequence[str], now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of these queues, nobody's, not put aside, and one that counts."""
    told = select(deliveries.c.id).where(deliveries.c.ticket_id == tickets.c.id).exists()
    return (
        tickets.c.queue.in_(names),
        tickets.c.assignee_id.is_(None),
        or_(tickets.c.snoozed_until.is_(None), tickets.c.snoozed_until <= now),
        tickets.c.spam.is_(False),
        tickets.c.unconfirmed.is_(False),
        tickets.c.merged_into.is_(None),
        or_(tickets.c.targets_told.not_like("%imported%"), told),
    )


def worded(config: Config, found: Waiting, queue: str) -> str:
    """Return the list: a line a ticket."""
    speech = speech_of(config)
    lines = [counted(config, "list_head", found.count, queue=queue)]
    for line in found.first:
        special = f", {line.priority}" if line.priority != "normal" else ""
        time = speech.duration((found.now - line.since).total_seconds())
        how = said(config, "list_again" if line.again else "list_waits", time=time)
        lines.append(f"#{line.id} {plain(line.title, TITLE)} ({how}{special})")
    if more := found.count - len(found.first):
        lines.append(counted(config, "list_more", more))
    return "\n".join(lines)


async def _post(tx: Tx, *, desk: Desk, queue: Queue, found: Waiting) -> str:
    if desk.quiet or await on_hold(tx, desk.config.service.outbound):
        return "skipped: everything outgoing is on hold"
    text, triage = worded(desk.config, found, queue.name), desk.triage(queue.name)
    if triage is not None and not await exposed(tx, desk, triage[1]):
        channel, place = triage
        told = [Told(channel=channel, place=place, kind=Kind.NOTICE, desk=True, data={"text": text})]
        where = "the triage channel"
    else:
        subject = said(desk.config, "list_subject", queue=queue.name)
        told = [_mail(agent, text, subject) for agent in await agents(tx, desk, queue.name, triage)]
        where = f"{len(told)} {'agent' if len(told) == 1 else 'agents'} by mail"
    noted = Noted(
        ticket_id=0,
        version=int(found.now.timestamp() * 1000),
        message_id=None,
        domain=desk.domain(queue.name),
    )
    if not await enqueue(tx, desk.specs, noted, told):
        return f"nobody is there to be told of {found.count}"
    tx.after_commit.append(desk.signals.outbox.set)
    return f"listed {found.count} to {where}"


def _mail(agent: Agent, text: str, subject: str) -> Told:
    return mailed(agent, Kind.NOTICE, {"what": "staff_told", "text": text, "subject": subject})


async def _nothing(why: str, tx: Tx) -> str:
    return why


def _zone(config: Config, queue: Queue) -> ZoneInfo:
    return ZoneInfo(queue.timezone or config.service.timezone)
