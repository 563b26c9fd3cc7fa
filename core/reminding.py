"""Who lets a ticket wait for their answer is reminded of it once; where none comes, the ticket is closed.

A ticket is reminded `remind_after` after it became pending, and closed `close_pending_after` after the reminder was
sent. Where it couldn't be sent, staff hear of it, and it counts from when that was noted. What the row says decides, so
it happens once, whoever looks. A new status forgets both (`Ticket.update_status`); after what an outsider writes both
begin again (`core.joining`): staff have to look first. While much waits to be sent, or all of it is on hold, nobody is
reminded and nothing is closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, Row, select, update

from core import left_queues, units
from core.audience import Happened, Scene
from core.config import Queue
from core.database import Tx
from core.desk_texts import Phrase, phrase, said
from core.failures import NotFound
from core.jobs import SOON, Job, Jobs
from core.outbox import lane_kind, on_hold
from core.shapes import Kind
from core.status import Did, Status, Ticket
from core.suppression import how_to_lift
from core.tables import deliveries, tickets, work
from core.turns import TURN, Apart, more, take
from core.units import Desk

log = structlog.get_logger(__name__)

ROOM: Final = 3  # batches that may wait to be sent in a channel before more is added
UNSENT: Final = ("queued", "sending", "held")
_Due = Callable[..., Awaitable[list[int]]]
_Step = Callable[[Tx, Desk, Queue, int], Awaitable[bool]]


async def remind(jobs: Jobs) -> bool:
    """Remind who is due: a bounded turn of it."""
    return await _turn(jobs, "reminded", lambda queue: queue.remind_after, _to_remind, remind_one)


async def close_pending(jobs: Jobs) -> bool:
    """Close what was reminded of and is due: a bounded turn of it."""
    return await _turn(jobs, "auto_closed", lambda queue: queue.close_pending_after, _to_close, close_one)


async def _turn(jobs: Jobs, word: str, age: Callable[[Queue], timedelta], due: _Due, step: _Step) -> bool:
    desk, database = jobs.desk, jobs.database
    ruled = await database.read(lambda tx: left_queues.ruled(tx, desk.config, Status.PENDING))
    queues = [(name, queue) for name, queue in ruled if age(queue)]
    channels = await database.read(partial(open_channels, desk=desk))
    if not queues or not channels:
        return False
    share = max(desk.config.scheduler.batch // len(queues), 1)

    async def one(ticket_id: int, *, queue: Queue) -> None:
        if await database.unit(lambda tx: step(tx, desk, queue, ticket_id)):
            log.info(word, ticket=ticket_id)

    taken = []
    for name, queue in queues:
        taken.append(
            await take(
                database,
                partial(due, queue=name, age=age(queue), where=_reached(desk, channels), limit=share),
                partial(one, queue=queue),
                limit=share,
                trouble="timer_failed",
                name=word,
                seconds=TURN / len(queues),
            )
        )
    return more(taken)


# -- what may be sent now ------------------------------------------------------------------------------------------


async def open_channels(tx: Tx, desk: Desk) -> frozenset[str]:
    """Return the channels in which not much waits to be sent: none while everything is on hold."""
    if desk.quiet or await on_hold(tx, desk.config.service.outbound):
        return frozenset()
    most = ROOM * desk.config.scheduler.batch
    return frozenset([name for name in desk.specs if not await _crowded(tx, name, most)])


async def _crowded(tx: Tx, channel: str, most: int) -> bool:
    """Are so many deliveries of a channel due, and not gone yet? Lanes first: they are quickly counted."""
    now = await tx.now()
    lanes = select(work.c.name).where(work.c.kind == lane_kind(channel), work.c.due_at <= now).limit(most)
    if len(await tx.all(lanes)) < most:
        return False
    waiting = select(deliveries.c.id).where(
        deliveries.c.state == "queued", deliveries.c.channel == channel, deliveries.c.due_at <= now
    )
    return len(await tx.all(waiting.limit(most))) >= most


def _reached(desk: Desk, channels: frozenset[str]) -> list[ColumnElement[bool]]:
    """Leave out tickets whose requester's channel is crowded. Who asked elsewhere (a page) is reached by mail."""
    crowded = set(desk.specs) - channels
    if not crowded:
        return []
    if "email" in crowded:
        return [tickets.c.channel.in_(sorted(channels))]
    return [tickets.c.channel.not_in(sorted(crowded))]


# -- reminding -----------------------------------------------------------------------------------------------------


async def _to_remind(
    tx: Tx,
    apart: Apart,
    *,
    queue: str,
    age: timedelta,
    where: list[ColumnElement[bool]],
    limit: int,
) -> list[int]:
    rows = await tx.all(
        select(tickets.c.id)
        .where(
            tickets.c.status == Status.PENDING,
            tickets.c.queue == queue,
            tickets.c.reminded_at.is_(None),
            tickets.c.pending_since <= await tx.now() - age,
            *apart,
            *_COUNTS,
            *where,
        )
        .order_by(tickets.c.pending_since, tickets.c.id)
        .limit(limit)
    )
    return [row.id for row in rows]


_COUNTS: Final = (
    tickets.c.spam.is_(False),
    tickets.c.unconfirmed.is_(False),
    tickets.c.merged_into.is_(None),
)


def _counts(desk: Desk, ticket: Ticket, queue: Queue) -> bool:
    """Is it still one that waits for its requester, of this queue's (the first
    one's are those too whose queue isn't configured)?"""
    left_out = ticket.spam or ticket.unconfirmed or ticket.merged_into is not None
    return (
        ticket.status is Status.PENDING
        and desk.queue_or_first(ticket.queue).name == queue.name
        and not left_out
    )


async def remind_one(tx: Tx, desk: Desk, queue: Queue, ticket_id: int) -> bool:
    """Remind one requester, where that is still due. False where somebody was quicker."""
    try:
        ticket = await units.lock(tx, ticket_id)
    except NotFound:
        return False
    now, since = await tx.now(), ticket.pending_since
    if not _counts(desk, ticket, queue) or ticket.reminded_at is not None:
        return False
    if since is None or since > now - queue.remind_after:
        return False
    scene = await units.scene(tx, desk, ticket, None)
    noted, why = replace(ticket, reminded_at=now), unreachable(scene, desk)
    if why:
        text = _unsent(desk, why, queue, now)
        await units.add_event(tx, ticket, "remark", None, public=False, data={"text": text})
        after = await units.save(tx, ticket, noted, public=False)
        await units.note(tx, desk, Happened.TOLD, replace(scene, ticket=after, data={"text": text}))
        return False
    await units.add_event(tx, ticket, "reminded", None, public=True)
    after = await units.save(tx, ticket, noted, public=True)
    closes = {"closes": bool(queue.close_pending_after)}
    await units.note(tx, desk, Happened.REMINDED, replace(scene, ticket=after, data=closes))
    return True


def unreachable(scene: Scene, desk: Desk) -> Phrase | None:
    """Return why a ticket's requester can't be reminded, None where they can."""
    found = next((one for one in scene.listeners if one.role == "requester"), None)
    if found is None:
        return phrase("reason_nobody_left")
    if found.channel not in desk.specs:
        return phrase("reason_channel_off", channel=found.channel)
    if found.suppressed:
        lift = how_to_lift(scene.ticket.id, found.place)
        return phrase("reason_mail_bounced", address=found.place, lift=lift)
    return None


def _unsent(desk: Desk, why: Phrase, queue: Queue, now: datetime) -> str:
    if not queue.close_pending_after:
        return said(desk.config, "line_reminder_unsent", why=why)
    zone = queue.timezone or desk.config.service.timezone
    at = (now + queue.close_pending_after).astimezone(ZoneInfo(zone))
    then = f"{at:%Y-%m-%d %H:%M} ({zone})"
    return said(desk.config, "line_reminder_unsent_closes", why=why, at=then)


# -- closing -------------------------------------------------------------------------------------------------------


async def _to_close(
    tx: Tx,
    apart: Apart,
    *,
    queue: str,
    age: timedelta,
    where: list[ColumnElement[bool]],
    limit: int,
) -> list[int]:
    unsent = (
        select(deliveries.c.id)
        .where(
            deliveries.c.ticket_id == tickets.c.id,
            deliveries.c.desk.is_(False),
            deliveries.c.kind == Kind.NOTICE,
            deliveries.c.state.in_(UNSENT),
        )
        .exists()
    )
    rows = await tx.all(
        select(tickets.c.id)
        .where(
            tickets.c.status == Status.PENDING,
            tickets.c.queue == queue,
            tickets.c.reminded_at <= await tx.now() - age,
            *apart,
            *_COUNTS,
            *where,
            ~unsent,
        )
        .order_by(tickets.c.reminded_at, tickets.c.pending_since, tickets.c.id)
        .limit(limit)
    )
    return [row.id for row in rows]


async def close_one(tx: Tx, desk: Desk, queue: Queue, ticket_id: int) -> bool:
    """Close one ticket whose requester was reminded, where that is still due. False where it isn't (yet)."""
    try:
        ticket = await units.lock(tx, ticket_id)
    except NotFound:
        return False
    now, reminded = await tx.now(), ticket.reminded_at
    age = queue.close_pending_after
    if not _counts(desk, ticket, queue) or reminded is None or reminded > now - age:
        return False
    sent = await _reminder(tx, ticket)
    if sent is not None and sent.state in UNSENT:
        return False
    if sent is not None and sent.state == "sent" and sent.settled_at and sent.settled_at > reminded:
        reminded = sent.settled_at
        if reminded > now - age:  # it went later than it was noted: from then on it counts
            await tx.run(update(tickets).where(tickets.c.id == ticket.id).values(reminded_at=reminded))
            return False
    moved = await units.move(tx, ticket, Did.TIMED_OUT, None)
    after = await units.save(tx, ticket, moved, public=True)
    days = (now - reminded).days
    key = "line_closed_unanswered" if days > 1 else "line_closed_unanswered_while"
    if sent is None or sent.state != "sent":
        key = "line_closed_unreminded"
    text = said(desk.config, key, days=days)
    scene = await units.scene(tx, desk, after, None, was=ticket.status, timer=True, data={"text": text})
    await units.note(tx, desk, Happened.STATUS_SET, scene)
    return True


async def _reminder(tx: Tx, ticket: Ticket) -> Row[Any] | None:
    """The reminder that was noted since the ticket is pending."""
    rows = await tx.all(
        select(deliveries.c.state, deliveries.c.settled_at, deliveries.c.data)
        .where(
            deliveries.c.ticket_id == ticket.id,
            deliveries.c.desk.is_(False),
            deliveries.c.kind == Kind.NOTICE,
            deliveries.c.created_at >= (ticket.pending_since or ticket.created_at),
        )
        .order_by(deliveries.c.id.desc())
    )
    return next((row for row in rows if row.data.get("what") == "reminder"), None)


JOBS: Final = (Job("remind", SOON, remind), Job("close_pending", SOON, close_pending))
