"""A ticket is put aside for a while: until a time, until staff take it up again, or until its people write.

Whoever waits goes on waiting (`waiting_since` stays), and the requester hears nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from core import units
from core.audience import Happened
from core.database import Tx
from core.desk_texts import said
from core.durations import parse_duration
from core.failures import Conflict, Invalid, NotFound
from core.shapes import Actor
from core.status import ACTIVE, Ticket
from core.tables import tickets
from core.turns import TURN, Apart, more, take
from core.units import Desk
from core.visibility import check_staff

if TYPE_CHECKING:
    from core.jobs import Jobs

log = structlog.get_logger(__name__)

USAGE: Final = "!snooze 2d, !snooze until 2026-12-01, !snooze until 2026-12-01 14:00 or !snooze off"
LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Until:
    """When to take it up again: after a while, or at a moment of the queue's own clocks."""

    after: timedelta | None = None
    moment: datetime | None = None  # naive: as the queue's clocks show it

    def at(self, now: datetime, zone: str) -> datetime:
        """Return the moment. Raises `Invalid` where it has passed, or is too far away."""
        if self.after is not None:
            until = now + self.after
        else:
            assert self.moment is not None
            # Nearer the ends of time there are zones without it. Both are leap years, for a 29th of February.
            year = min(max(self.moment.year, 1972), 8000)
            until = self.moment.replace(year=year, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if until <= now:
            raise Invalid("that has passed already")
        if until > now + LONGEST:
            raise Invalid(f"that is too far away: at most {LONGEST.days} days")
        return until


def wanted(words: Sequence[str]) -> Until:
    """Read `2d`, `1h30m`, `until 2026-12-01`, `2026-12-01 14:00`. Raises `Invalid`."""
    rest = [word for word in words if word]
    if rest and rest[0].lower() == "until":
        rest = rest[1:]
    text = " ".join(rest)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return Until(after=_duration(text))
    if moment.tzinfo is not None:
        raise Invalid(f"write the time without its zone: {USAGE}")
    return Until(moment=moment)


def _duration(text: str) -> timedelta:
    try:
        after = parse_duration("".join(text.split()))
    except ValueError:
        raise Invalid(f"'{text[:40]}' is no time; write it like: {USAGE}") from None
    assert isinstance(after, timedelta)
    if not timedelta(minutes=1) <= after <= LONGEST:
        raise Invalid(f"a ticket is put aside for a minute at least, {LONGEST.days} days at most")
    return after


def zone_of(desk: Desk, ticket: Ticket) -> str:
    """Return the time zone of a ticket's queue."""
    return desk.queue_or_first(ticket.queue).timezone or desk.config.service.timezone


async def snooze(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, until: Until | None) -> Ticket:
    """Put a ticket aside, None: take it up again. Raises `Conflict`, `Invalid`, `NotFound`."""
    check_staff(actor, "put tickets aside")
    ticket = await units.lock(tx, ticket_id)
    if until is None:
        if ticket.snoozed_until is None:
            return ticket
        text = said(desk.config, "line_unsnoozed", who=units.shown_name(actor))
        return await _awake(tx, desk, ticket, actor, text)
    if ticket.status not in ACTIVE:
        raise Conflict(f"a {ticket.status} ticket can't be put aside: nobody has to do anything")
    zone = zone_of(desk, ticket)
    at = until.at(await tx.now(), zone)
    if ticket.snoozed_until == at:
        return ticket
    await units.add_event(tx, ticket, "snoozed", actor, public=False, data={"until": at.isoformat()})
    after = await units.save(tx, ticket, replace(ticket, snoozed_until=at), public=False)
    shown = at.astimezone(ZoneInfo(zone))
    then = f"{shown:%Y-%m-%d %H:%M} ({zone})"
    text = said(desk.config, "line_snoozed", who=units.shown_name(actor), until=then)
    scene = await units.scene(tx, desk, after, actor, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


async def _awake(tx: Tx, desk: Desk, ticket: Ticket, actor: Actor | None, text: str) -> Ticket:
    """It is taken up again: a line says so; whoever is told of this queue by mail hears of it where time did it."""
    await units.add_event(tx, ticket, "woke", actor, public=False, data={})
    after = await units.save(tx, ticket, replace(ticket, snoozed_until=None), public=False)
    scene = await units.scene(tx, desk, after, actor, data={"text": text})
    await units.note(tx, desk, Happened.TOLD if actor is None else Happened.CHANGED, scene)
    return after


async def ended_by_message(tx: Tx, ticket: Ticket, actor: Actor) -> tuple[Ticket, str]:
    """Its people wrote: return a locked ticket as it is then, and who ended its snooze (`say` tells), "" for nobody."""
    if ticket.snoozed_until is None:
        return ticket, ""
    await units.add_event(tx, ticket, "woke", actor, public=False, data={})
    return replace(ticket, snoozed_until=None), units.shown_name(actor)


async def say(tx: Tx, desk: Desk, ticket: Ticket, who: str, *, first: int = 300) -> None:
    """A line in the thread, below the message by which somebody ended the snooze."""
    if who:
        text = said(desk.config, "line_woken", who=who)
        scene = await units.scene(tx, desk, ticket, None, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, scene, first=first)


async def wake(jobs: Jobs) -> bool:
    """Take up what was put aside until now: a bounded turn of it."""
    limit = jobs.desk.config.scheduler.batch

    async def due(tx: Tx, apart: Apart) -> list[int]:
        rows = await tx.all(
            select(tickets.c.id)
            .where(tickets.c.snoozed_until <= await tx.now(), *apart)
            .order_by(tickets.c.snoozed_until)
            .limit(limit)
        )
        return [row.id for row in rows]

    step = partial(take_up, jobs)
    return more([await take(jobs.database, due, step, limit=limit, trouble="wake_failed", seconds=TURN)])


async def take_up(jobs: Jobs, ticket_id: int) -> None:
    """One ticket whose time had come when somebody looked."""

    async def unit(tx: Tx) -> bool:
        try:
            ticket = await units.lock(tx, ticket_id)
        except NotFound:
            return False
        if ticket.snoozed_until is None or ticket.snoozed_until > await tx.now():
            return False  # somebody was quicker
        await _awake(tx, jobs.desk, ticket, None, said(jobs.desk.config, "line_woke"))
        return True

    if await jobs.database.unit(unit):
        log.info("woke", ticket=ticket_id)
