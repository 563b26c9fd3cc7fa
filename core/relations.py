"""Tickets that have to do with each other: linked by staff, or said by the requester to be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import select

from core import actions, merging, snoozing, units, views
from core.audience import Happened
from core.database import Tx
from core.desk_texts import said
from core.failures import Conflict, Invalid, NotAllowed, NotFound
from core.shapes import Actor
from core.status import Did, Ticket
from core.tables import events, messages
from core.units import Desk
from core.visibility import check_staff

MOST_CARRIED: Final = 40  # messages of a merged ticket that are shown in the thread of the other one
NOT_YOURS: Final = "That isn't a ticket of yours, so nothing was done."
_STRIDE: Final = 20  # deliveries that one of them may be: the words and its files


async def link(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, other_id: int) -> None:
    """Note in two tickets that they have to do with each other, once. Raises `Invalid`, `NotFound`."""
    check_staff(actor, "link tickets")
    if ticket_id == other_id:
        raise Invalid("a ticket can't be linked with itself")
    locked = {i: await units.lock(tx, i) for i in sorted((ticket_id, other_id))}
    if other_id in await related(tx, ticket_id):
        return
    for one, another in ((ticket_id, other_id), (other_id, ticket_id)):
        data = {"ticket": another, "because": "staff linked them"}
        await units.add_event(tx, locked[one], "related", actor, public=False, data=data)
    for one, another in ((ticket_id, other_id), (other_id, ticket_id)):
        after = await units.save(tx, locked[one], locked[one], public=False)
        who, title = units.shown_name(actor), locked[another].title
        text = said(desk.config, "line_linked", who=who, other=another, title=title)
        scene = await units.scene(tx, desk, after, actor, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, scene)


async def related(tx: Tx, ticket_id: int) -> set[int]:
    """Return the tickets that one is linked with."""
    rows = await tx.all(
        select(events.c.data).where(events.c.ticket_id == ticket_id, events.c.kind == "related")
    )
    return {int(row.data["ticket"]) for row in rows if row.data.get("ticket")}


async def belongs(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, into: int) -> str:
    """A requester says that a ticket of theirs is a part of another one of theirs: it is merged, and its words are
    shown in the other's thread, once. Returns what they are told. Raises `Conflict`, `Invalid`, `NotAllowed`."""
    if ticket_id == into:
        raise Invalid("a ticket can't be a part of itself")
    try:
        target = await actions.target(tx, into)
    except NotFound:  # missing and somebody else's look alike
        raise NotAllowed(NOT_YOURS) from None
    if target.id == ticket_id:  # that one was merged into this one
        raise Conflict("they are one ticket already")
    locked = {i: await units.lock(tx, i) for i in sorted((ticket_id, target.id))}
    ticket, target = locked[ticket_id], locked[target.id]
    if actor.user_id is None or {ticket.requester_id, target.requester_id} != {actor.user_id}:
        raise NotAllowed(NOT_YOURS)
    if ticket.merged_into == target.id:
        return await _told(tx, ticket_id, target)
    queue = desk.queue_or_first(target.queue)
    if target.spam or units.closed_too_long(target, queue, await tx.now()):
        raise Conflict(f"ticket {target.id} has been closed for too long, so this stays a ticket of its own")
    await merging.merge_locked(tx, desk, actor, ticket, target)
    await _wrote(tx, desk, actor, ticket, target.id)
    return await _told(tx, ticket_id, target)


async def _told(tx: Tx, ticket_id: int, target: Ticket) -> str:
    """Where they are answered: where they wrote the merged one, if that was to us alone."""
    here = await merging.answered_together(tx, ticket_id, target.id, target.requester_id)
    where = "We answer here" if here else "We answer there; you can go on writing here too"
    return f"This is a part of #{target.id} now: {target.title}. {where}."


async def _wrote(tx: Tx, desk: Desk, actor: Actor, gone: Ticket, target_id: int) -> None:
    """What its requester wrote in the merged ticket counts as written in the target: it may reopen that, and the desk
    reads it there. The rows stay where they are."""
    target = await views.ticket(tx, target_id)
    assert target is not None
    moved = await units.move(tx, target, Did.PARTICIPANT_WROTE, actor)
    waiting = target.waiting_since or gone.waiting_since or await tx.now()
    moved, woke = await snoozing.ended_by_message(tx, moved, actor)
    after = await units.save(tx, target, replace(moved, waiting_since=waiting), public=True)
    for place, message_id in enumerate(await _words(tx, gone)):
        scene = await units.scene(tx, desk, after, actor)
        alone = replace(scene, listeners=())  # its people wrote it, or were told
        await units.note(tx, desk, Happened.WROTE, alone, message_id, first=10 + place * _STRIDE)
    await snoozing.say(tx, desk, after, woke, first=900)


async def _words(tx: Tx, ticket: Ticket) -> Sequence[int]:
    """The ids of the newest public messages of a ticket's requester, in order."""
    rows = await tx.all(
        select(messages.c.id)
        .where(
            messages.c.ticket_id == ticket.id,
            messages.c.author_id == ticket.requester_id,
            messages.c.visibility == "public",
            messages.c.outsider.is_(False),
            messages.c.deleted_at.is_(None),
        )
        .order_by(messages.c.seq.desc())
        .limit(MOST_CARRIED)
    )
    return [row.id for row in reversed(rows)]
