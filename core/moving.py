"""A ticket goes on elsewhere: in another queue, or in the other triage channel that its queue has now.

Its card hangs in the new place then; the old one and a line below it point there. The requester hears nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import func, select

from core import desk_texts, units
from core.asked import nearest
from core.audience import Happened, Scene, Told
from core.config import Queue
from core.database import Tx
from core.failures import Conflict, Invalid, NotFound, Unavailable
from core.outbox import Noted, enqueue, on_hold
from core.places import conversation
from core.shapes import Actor, Kind
from core.status import ACTIVE, Ticket
from core.tables import attachments, deliveries, links, messages, settings, tickets
from core.units import Desk
from core.visibility import check_staff

if TYPE_CHECKING:
    from core.jobs import Jobs

log = structlog.get_logger(__name__)

NOTED: Final = "slack.triage"  # settings: in which channel the cards of a queue's open tickets are
MOVING: Final = "slack.moving"  # settings: how far a move to another one has come
MOST_CARRIED: Final = 20  # messages of a conversation that are shown again in the new thread
_STRIDE: Final = 20
_CARD, _REST = 5, 7  # priorities among the heads of a lane, as in `core.audience`


# -- to another queue -----------------------------------------------------------------------------------------------


async def move(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, name: str) -> Ticket:
    """Move a ticket to another queue. Raises `Conflict`, `Invalid`, `NotFound`."""
    check_staff(actor, "move tickets")
    queue = _named(desk, name)
    ticket = await units.lock(tx, ticket_id)
    if ticket.merged_into is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {ticket.merged_into}; move that one")
    if ticket.queue == queue.name:
        return ticket
    # The figures count the open ones: a ticket that has ended is in nobody's backlog.
    kinds = ("moved_out", "moved_in") if ticket.status in ACTIVE else ("moved", "moved")
    data = {"from": ticket.queue, "to": queue.name}
    await units.add_event(tx, ticket, kinds[0], actor, public=False, data=data)
    there = replace(ticket, queue=queue.name)
    await units.add_event(tx, there, kinds[1], actor, public=False, data=data)
    after = await units.save(tx, ticket, there, public=False)
    await _told(tx, desk, actor, ticket, after)
    return after


def _named(desk: Desk, name: str) -> Queue:
    names = [queue.name for queue in desk.config.queue]
    wanted = name.strip().lower()
    for known in names:
        if known.lower() == wanted:
            return desk.queue(known)
    near = nearest(wanted, names)
    hint = f"; did you mean {near}?" if near else ""
    raise Invalid(f"there is no queue '{name[:40]}'{hint}; there is: {', '.join(names)}")


async def _told(tx: Tx, desk: Desk, actor: Actor, before: Ticket, after: Ticket) -> None:
    """The new queue's people see it as a new one, and what was said so far; the old thread points there."""
    old, new = desk.triage(before.queue), desk.triage(after.queue)
    who = units.shown_name(actor)
    text = desk_texts.said(desk.config, "line_moved", who=who, before=before.queue, after=after.queue)
    scene = await units.scene(tx, desk, after, actor, data={"text": text})
    if old is not None and old == new:
        await units.note(tx, desk, Happened.CHANGED, scene)
        return
    opening, said = await _messages(tx, after.id)
    if opening is not None:
        fresh = replace(scene, listeners=(), acknowledge=False, long=await _long(tx, opening), data={})
        await units.note(tx, desk, Happened.OPENED, fresh, opening)
    if new is not None:
        here = replace(scene, listeners=(), agents=())
        await units.note(tx, desk, Happened.CHANGED, here, first=40)
        await _said_again(tx, desk, here, said, new[1])
    if old is not None:
        away = desk_texts.said(
            desk.config, "line_moved_away", who=who, before=before.queue, after=after.queue
        )
        pointer: dict[str, Any] = {"what": "line", "text": away}
        if new is not None:
            pointer = {"what": "moved", "channel": new[1], "queue": after.queue}
        await _point(tx, desk, after, old, pointer)


async def _messages(tx: Tx, ticket_id: int) -> tuple[int | None, Sequence[int]]:
    """The opening message, and the newest of the others, in order."""
    opening = await tx.scalar(
        select(messages.c.id).where(messages.c.ticket_id == ticket_id).order_by(messages.c.seq).limit(1)
    )
    rows = await tx.all(
        select(messages.c.id)
        .where(
            messages.c.ticket_id == ticket_id,
            messages.c.id != (opening or 0),
            messages.c.deleted_at.is_(None),
        )
        .order_by(messages.c.seq.desc())
        .limit(MOST_CARRIED)
    )
    return (None if opening is None else int(opening)), [row.id for row in reversed(rows)]


async def _long(tx: Tx, message_id: int) -> bool:
    """Does it need a post of its own beside the card?"""
    text = await tx.scalar(select(messages.c.text).where(messages.c.id == message_id))
    files = await tx.scalar(select(func.count()).where(attachments.c.message_id == message_id))
    return len(text or "") > units.CARD_WORDS or bool(files)


async def _said_again(tx: Tx, desk: Desk, scene: Scene, said: Sequence[int], place: str) -> None:
    """What was said so far, in the new thread: each once, and nothing that stands there already."""
    there = await _standing(tx, said, place)
    for number, message_id in enumerate(said):
        if message_id not in there:
            first = 60 + number * _STRIDE
            await units.note(tx, desk, Happened.OUTSIDER_WROTE, scene, message_id, first=first)


async def _standing(tx: Tx, ids: Sequence[int], place: str) -> set[int]:
    """Which of these messages stand in a triage channel: posted there, or written there."""
    posted = await tx.all(
        select(deliveries.c.message_id).where(
            deliveries.c.message_id.in_(ids), deliveries.c.kind == Kind.MESSAGE, deliveries.c.place == place
        )
    )
    written = await tx.all(
        select(links.c.message_id, links.c.remote).where(
            links.c.message_id.in_(ids), links.c.kind == "received", links.c.remote.is_not(None)
        )
    )
    where = conversation(place)
    here = {row.message_id for row in written if conversation(row.remote.rpartition("/")[0]) == where}
    return here | {row.message_id for row in posted}


async def _point(
    tx: Tx, desk: Desk, ticket: Ticket, old: tuple[str, str], pointer: dict[str, Any], *, card: bool = True
) -> None:
    """The card in the old place, which shows where the ticket is now, and a line below it."""
    told = [_card(old)] if card else []
    told.append(Told(channel=old[0], place=old[1], kind=Kind.NOTICE, desk=True, priority=_REST, data=pointer))
    await _note(tx, desk, ticket, told, first=900)


def _card(place: tuple[str, str]) -> Told:
    return Told(channel=place[0], place=place[1], kind=Kind.CARD, desk=True, priority=_CARD)


async def _note(tx: Tx, desk: Desk, ticket: Ticket, told: Sequence[Told], *, first: int) -> None:
    if desk.quiet:
        return
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == ticket.id))
    noted = Noted(
        ticket_id=ticket.id,
        version=int(version),
        message_id=None,
        domain=desk.domain(ticket.queue),
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    if await enqueue(tx, desk.specs, noted, told, first):
        tx.after_commit.append(desk.signals.outbox.set)


# -- to another channel ---------------------------------------------------------------------------------------------


async def move_cards(jobs: Jobs) -> bool:
    """Where a queue has another triage channel than before, give its open tickets a card there: a bounded turn."""
    more = False
    for queue in jobs.desk.config.queue:
        triage = jobs.desk.triage(queue.name)
        if triage is not None:
            more = await _move_queue(jobs, queue.name, triage) or more
    return more


async def _move_queue(jobs: Jobs, queue: str, new: tuple[str, str]) -> bool:
    """One batch of a queue's tickets; whether there are more. Whoever comes second finds what the first did."""
    noted = await jobs.database.read(lambda tx: _noted(tx, queue))
    if noted == new[1]:
        return False
    began = jobs.database.clock.began
    if noted is None:
        await jobs.database.unit(lambda tx: _settle(tx, queue, new[1]))
        return False
    at = await jobs.database.unit(lambda tx: _begin(tx, queue, new[1], began))
    if at is None:
        return False
    limit = jobs.desk.config.scheduler.batch
    ids = await jobs.database.read(lambda tx: _open(tx, queue, at["after"], limit))
    for ticket_id in ids:
        try:
            await _move_card(jobs, ticket_id, queue, new, at["mark"])
        except Unavailable:
            raise
        except Exception:  # one ticket's trouble holds up no other
            log.exception("move_card_failed", ticket=ticket_id)
    if len(ids) == limit:
        await jobs.database.unit(lambda tx: _advance(tx, queue, {**at, "after": ids[-1]}))
        return True
    await jobs.database.unit(lambda tx: _settle(tx, queue, new[1]))
    log.info("cards_moved", queue=queue, channel=new[1])
    return False


async def _move_card(jobs: Jobs, ticket_id: int, queue: str, new: tuple[str, str], mark: int) -> None:
    await jobs.database.unit(lambda tx: _anchor(tx, jobs.desk, ticket_id, queue, new, mark))


async def _noted(tx: Tx, queue: str) -> str | None:
    value = await tx.scalar(
        select(settings.c.value).where(settings.c.scope == NOTED, settings.c.key == queue)
    )
    return None if value is None else str(value)


async def _begin(tx: Tx, queue: str, channel: str, began: datetime) -> dict[str, Any] | None:
    """How far the move to this channel has come, a new one where none goes on. None: somebody who started after us
    moved it, so ours is an older configuration."""
    row = await tx.scalar(select(settings.c.value).where(settings.c.scope == MOVING, settings.c.key == queue))
    if row is not None and row["to"] == channel and not row["done"]:
        return dict(row)
    now = await tx.now()
    if row is not None and datetime.fromisoformat(row["since"]) > began:
        return None
    mark = int(await tx.scalar(select(func.max(deliveries.c.id))) or 0)
    at = {"to": channel, "since": now.isoformat(), "mark": mark, "after": 0, "done": False}
    await _advance(tx, queue, at)
    return at


async def _advance(tx: Tx, queue: str, at: dict[str, Any]) -> None:
    values = {"scope": MOVING, "key": queue, "value": at}
    await tx.run(tx.upsert(settings, values, {"value": at}))


async def _settle(tx: Tx, queue: str, channel: str) -> None:
    """Note in which channel a queue's cards are."""
    row = await tx.scalar(select(settings.c.value).where(settings.c.scope == MOVING, settings.c.key == queue))
    if row is not None:
        if row["to"] != channel:  # somebody moves them elsewhere meanwhile
            return
        await _advance(tx, queue, {**row, "done": True})
    await tx.run(tx.upsert(settings, {"scope": NOTED, "key": queue, "value": channel}, {"value": channel}))


async def _open(tx: Tx, queue: str, after: int, limit: int) -> list[int]:
    rows = await tx.all(
        select(tickets.c.id)
        .where(tickets.c.queue == queue, tickets.c.status.in_(ACTIVE), tickets.c.id > after)
        .order_by(tickets.c.id)
        .limit(limit)
    )
    return [row.id for row in rows]


async def _anchor(tx: Tx, desk: Desk, ticket_id: int, queue: str, new: tuple[str, str], mark: int) -> None:
    """Give one ticket its card in the new place and a line in its old thread, each once since the move began."""
    try:
        ticket = await units.lock(tx, ticket_id)
    except NotFound:
        return
    if ticket.queue != queue or ticket.status not in ACTIVE:
        return
    rows = await tx.all(
        select(deliveries.c.id, deliveries.c.kind, deliveries.c.place, deliveries.c.data)
        .where(deliveries.c.ticket_id == ticket_id, deliveries.c.kind.in_((Kind.CARD, Kind.NOTICE)))
        .order_by(deliveries.c.id.desc())
    )
    since = [row for row in rows if row.id > mark]
    if not any(row.kind == Kind.CARD and row.place == new[1] for row in since):
        await _note(tx, desk, ticket, [_card(new)], first=0)
    old = next((row.place for row in rows if row.kind == Kind.CARD and row.place != new[1]), None)
    pointed = any(row.data.get("what") == "moved" and row.data.get("channel") == new[1] for row in since)
    if old is not None and not pointed:
        pointer = {"what": "moved", "channel": new[1], "queue": queue}
        await _point(tx, desk, ticket, (new[0], old), pointer)
