"""What is told of targets: once when three quarters of the time have passed, once when it is over.

The desk's thread and the card show it, the assignee hears of it, and of a missed one those whom the queue names
(`escalate_to`). Requesters hear nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select, update

from core import bundling, desk_texts, scenes, targets, units
from core.audience import Happened, News, Personal, Scene, newsworthy
from core.config import Config
from core.database import Tx
from core.failures import NotFound, Unavailable
from core.jobs import SOON, Job, Jobs
from core.staffing import StaffMember, staff_members
from core.status import ACTIVE, Ticket
from core.tables import settings, tickets
from core.targets import MISSED, Notice, Targets
from core.turns import MOST_ASIDE, TURN, Apart, TurnFailed, aside, more, set_aside, take
from core.units import Desk

log = structlog.get_logger(__name__)

SCOPE: Final = "targets"  # settings
_COUNTED: Final = "counted"  # in `SCOPE`: how far tickets of before there were targets have theirs
_WINDOW: Final = 2_000  # ticket numbers that one turn looks at for such


async def watch(jobs: Jobs) -> bool:
    """Tell of the targets whose time has come: a bounded turn of it."""
    limit = jobs.desk.config.scheduler.batch

    async def due(tx: Tx, apart: Apart) -> list[int]:
        rows = await tx.all(
            select(tickets.c.id)
            .where(tickets.c.targets_at <= await tx.now(), *apart)
            .order_by(tickets.c.targets_at)
            .limit(limit)
        )
        return [row.id for row in rows]

    step = partial(look_at, jobs)
    taken = await take(jobs.database, due, step, limit=limit, trouble="target_failed", seconds=TURN)
    if taken.worked and taken.left:
        return True
    return await count_older(jobs, taken.failed) or more([taken])


async def look_at(jobs: Jobs, ticket_id: int) -> None:
    """Tell what is to be told of one ticket whose time had come when somebody looked."""

    async def unit(tx: Tx) -> list[Notice]:
        try:
            ticket = await units.lock(tx, ticket_id)
        except NotFound:
            return []
        now, rules = await tx.now(), tx.targets
        if rules is None or ticket.targets_at is None or ticket.targets_at > now:
            return []  # somebody was quicker, or it changed meanwhile
        fresh = rules.again(ticket, now)
        passed = [one for one in rules.notices(fresh, now) if one.at <= now]
        if not passed:
            await _write(tx, fresh)
            return []
        return await _tell(tx, jobs.desk, rules, fresh, passed)

    for notice in await jobs.database.unit(unit):
        log.info("target_told", ticket=ticket_id, target=notice.target, percent=notice.percent)


async def _write(tx: Tx, ticket: Ticket) -> None:
    """Write clocks and dues alone: nothing happened to the ticket."""
    await tx.run(update(tickets).where(tickets.c.id == ticket.id).values(**targets.columns(ticket)))


async def _tell(tx: Tx, desk: Desk, rules: Targets, ticket: Ticket, passed: Sequence[Notice]) -> list[Notice]:
    """Note what the desk, its assignee and others are told, and that they were."""
    news = worst(passed)
    marks = [f"{one.target}:{percent}" for one in news for percent in (targets.NEAR, one.percent)]
    after = rules.looked_at(targets.told(ticket, marks), await tx.now())
    await _write(tx, after)
    for one in news:
        kind = "target_missed" if one.percent == MISSED else "target_near"
        data = {"target": one.target, "due": one.due.isoformat()}
        await units.add_event(tx, after, kind, None, public=False, data=data)
    zone = rules.schedule(after).zone.key
    text = "\n".join(worded(desk.config, one, zone) for one in news)
    missed = any(one.percent == MISSED for one in news)
    scene = await units.scene(tx, desk, after, None, data={"text": text, "missed": missed})
    await units.note(tx, desk, Happened.TARGET, scene)
    await _tell_people(tx, desk, scene, news, zone)
    return news


def worst(passed: Iterable[Notice]) -> list[Notice]:
    """Of each target the latest notice alone: what is missed isn't near any more."""
    found: dict[str, Notice] = {}
    for one in sorted(passed, key=lambda notice: notice.percent):
        found[one.target] = one
    return [found[name] for name in targets.NAMES if name in found]


def worded(config: Config, notice: Notice, zone: str) -> str:
    """Say it in one line, with the time as the queue's clocks show it."""
    key = "line_missed" if notice.percent == MISSED else "line_near"
    what = desk_texts.target(config, notice.target)
    return desk_texts.said(config, key, target=what, due=shown(notice, zone))


def shown(notice: Notice, zone: str) -> str:
    """Return when it is due, as the clocks of a zone show it."""
    return f"{notice.due.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


# -- to people --------------------------------------------------------------------------------------------------


def heard(
    scene: Scene, members: Sequence[StaffMember], escalate_to: Sequence[str], *, missed: bool
) -> list[StaffMember]:
    """Return who of the staff hears of it beside the desk's thread: the assignee, where there is none whoever hears of
    this queue by mail; of a missed one those to whom it is escalated, too."""
    if scene.ticket.assignee_id is not None:
        wanted = {scene.ticket.assignee_id}
    else:
        wanted = {agent.user_id for agent in scene.agents}
    above = {name.lower() for name in escalate_to} if missed else set()
    return [m for m in members if m.user_id in wanted or m.username.lower() in above]


async def _tell_people(tx: Tx, desk: Desk, scene: Scene, told: Sequence[Notice], zone: str) -> None:
    """What is missed to whom it is escalated, too; what is near to the others alone."""
    members = await staff_members(tx)
    escalate_to = desk.queue_or_first(scene.ticket.queue).escalate_to
    people = {one.user_id: one for one in await scenes.heard_by(tx, desk, members)}
    news: list[Personal] = []
    for notice in told:
        missed = notice.percent == MISSED
        wanted = [people[m.user_id] for m in heard(scene, members, escalate_to, missed=missed)]
        data = {"target": notice.target, "due": shown(notice, zone)}
        what = News.MISSED if missed else News.NEAR
        news += newsworthy(what, scene.ticket, wanted, desk.specs, data)
    await bundling.tell(tx, desk, news)


# -- tickets of before there were targets -----------------------------------------------------------------------


async def count_older(jobs: Jobs, failed: Collection[int] = ()) -> bool:
    """Give open tickets of before there were targets theirs: a bounded turn of it, and whether there are more. Nobody
    hears of what they have missed by then. One that raises is kept in mind and tried again by and by; `failed`: what
    else did in this turn. Raises `TurnFailed`, `Unavailable`."""
    at = await jobs.database.read(_how_far)
    if at is None:
        at = await jobs.database.unit(_begin)
    before, skipped = list(at.get("failed", ())), set(aside(jobs.database, _COUNTED))
    again = [one for one in before if one not in skipped][: jobs.desk.config.scheduler.batch]
    ended = at["after"] >= at["until"]
    if ended and not again:
        if before:
            raise TurnFailed({*before, *failed})
        return False
    ids, upto = ([], at["after"]) if ended else await _next(jobs, at)
    bad = {one for one in [*again, *ids] if not await _counted(jobs, one)} | (set(before) - set(again))
    done = {**at, "after": upto, "failed": sorted(bad)[:MOST_ASIDE]}
    await jobs.database.unit(lambda tx: _note(tx, done))
    if not ended and upto >= at["until"]:
        log.info("targets_counted", until=at["until"], failed=len(bad))
    if bad:
        raise TurnFailed({*bad, *failed})
    return bool(upto < at["until"])


async def _next(jobs: Jobs, at: dict[str, Any]) -> tuple[list[int], int]:
    """The next tickets that have none, and how far one is with them."""
    limit, last = jobs.desk.config.scheduler.batch, min(at["after"] + _WINDOW, at["until"])

    async def uncounted(tx: Tx) -> list[int]:
        rows = await tx.all(
            select(tickets.c.id)
            .where(
                tickets.c.id > at["after"],
                tickets.c.id <= last,
                tickets.c.status.in_(ACTIVE),
                tickets.c.targets_told == "",
                tickets.c.spam.is_(False),
            )
            .order_by(tickets.c.id)
            .limit(limit)
        )
        return [row.id for row in rows]

    ids = await jobs.database.read(uncounted)
    return ids, ids[-1] if len(ids) == limit else last


async def _counted(jobs: Jobs, ticket_id: int) -> bool:
    """Count one ticket; False where it raises."""
    try:
        await jobs.database.unit(lambda tx: _count(tx, ticket_id))
    except Unavailable:
        raise
    except Exception:
        log.exception("target_failed", ticket=ticket_id)
        set_aside(jobs.database, _COUNTED, ticket_id)
        return False
    return True


async def _count(tx: Tx, ticket_id: int) -> None:
    try:
        ticket = await units.lock(tx, ticket_id)
    except NotFound:
        return
    if tx.targets is not None and not ticket.targets_told:
        await _write(tx, tx.targets.again(ticket, await tx.now()))


async def _how_far(tx: Tx) -> dict[str, Any] | None:
    value = await tx.scalar(
        select(settings.c.value).where(settings.c.scope == SCOPE, settings.c.key == _COUNTED)
    )
    return None if value is None else dict(value)


async def _begin(tx: Tx) -> dict[str, Any]:
    """Newer tickets than the newest of now have targets from the beginning."""
    newest = int(await tx.scalar(select(func.max(tickets.c.id))) or 0)
    await tx.run(
        tx.insert_missing(settings).values(scope=SCOPE, key=_COUNTED, value={"after": 0, "until": newest})
    )
    return await _how_far(tx) or {"after": 0, "until": newest}


async def _note(tx: Tx, at: dict[str, Any]) -> None:
    await tx.run(
        update(settings).where(settings.c.scope == SCOPE, settings.c.key == _COUNTED).values(value=at)
    )


JOBS: Final = (Job("targets", SOON, watch),)
