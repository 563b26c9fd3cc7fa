"""A ticket is merged away: it closes, and everything that follows goes to the one in which it goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update

from core import units
from core.audience import Happened
from core.database import Tx
from core.desk_texts import phrase, said
from core.failures import Conflict, Invalid
from core.places import direct
from core.shapes import Actor
from core.status import ACTIVE, Did, Ticket
from core.tables import identities, participants, tickets, users
from core.units import Desk
from core.visibility import check_staff


async def merge(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, into: int) -> Ticket:
    """Merge a ticket away: it closes, later mail goes to the target. Raises `Conflict`, `NotFound`."""
    check_staff(actor, "merge tickets")
    if ticket_id == into:
        raise Invalid("a ticket can't be merged into itself")
    locked = {i: await units.lock(tx, i) for i in sorted((ticket_id, into))}
    return await merge_locked(tx, desk, actor, locked[ticket_id], locked[into])


async def merge_locked(tx: Tx, desk: Desk, actor: Actor, ticket: Ticket, target: Ticket) -> Ticket:
    """Merge a ticket into another one, both locked by this unit. Raises `Conflict`."""
    ticket_id, into = ticket.id, target.id
    if ticket.merged_into is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {ticket.merged_into} already")
    if target.merged_into is not None:
        raise Conflict(f"ticket {into} is merged into {target.merged_into}; merge into that one")
    now = await tx.now()
    await tx.run(update(tickets).where(tickets.c.merged_into == ticket_id).values(merged_into=into))
    moved = await _brought_along(tx, desk, ticket_id, into)
    gone = replace(ticket.update_status(Did.MERGED, now), merged_into=into)
    kind = "merged_active" if ticket.status in ACTIVE else "merged"  # the figures count the first
    await units.add_event(tx, ticket, kind, actor, public=True, data={"into": into, "from": ticket.status})
    await units.add_event(tx, target, "merged_in", actor, public=False, data={"ticket": ticket_id})
    after = await units.save(tx, ticket, gone, public=True)
    await units.save(tx, target, target, public=False)
    theirs = ticket.requester_id == target.requester_id  # of another's ticket they learn no number
    who = units.shown_name(actor)
    gone_to = said(desk.config, "line_merged", who=who, into=into)
    came = " ".join((said(desk.config, "line_merged_here", who=who, other=ticket_id), *moved))
    news: tuple[tuple[Ticket, Happened, str, dict[str, Any]], ...] = (
        (after, Happened.MERGED, gone_to, {"into": into} if theirs else {}),
        (target, Happened.CHANGED, came, {}),
    )
    for one, happened, text, data in news:
        scene = await units.scene(tx, desk, one, actor, from_thread=False, data={"text": text, **data})
        await units.note(tx, desk, happened, scene)
    return after


async def _brought_along(tx: Tx, desk: Desk, ticket_id: int, into: int) -> list[str]:
    """Who took part in the one takes part in the other. Who was written to alone still is, although they asked for the
    other where others read along. Returns what staff should know of that."""
    there = {row.identity_key: row for row in await _taking_part(tx, into)}
    told = []
    for row in await _taking_part(tx, ticket_id):
        has = there.get(row.identity_key)
        await units.join(tx, into, row.identity_key, "cc", row.place, 0)
        if has is None or direct(has.place) or not direct(row.place):
            continue
        theirs = (participants.c.ticket_id == into, participants.c.identity_key == row.identity_key)
        await tx.run(update(participants).where(*theirs).values(place=row.place))
        others = any(one is not has and one.place == has.place for one in there.values())
        key = "line_brought_also" if others else "line_brought_not"
        told.append(said(desk.config, key, name=row.name or phrase("somebody")))
    return told


async def _taking_part(tx: Tx, ticket_id: int) -> list[Row[Any]]:
    rows = await tx.all(
        select(participants.c.identity_key, participants.c.place, users.c.name)
        .join(identities, identities.c.key == participants.c.identity_key)
        .join(users, users.c.id == identities.c.user_id)
        .where(participants.c.ticket_id == ticket_id, participants.c.role.in_(("requester", "cc")))
    )
    return list(rows)


async def answered_together(tx: Tx, one: int, other: int, user_id: int) -> bool:
    """Do two tickets have the same place for what somebody is answered?"""
    rows = await tx.all(
        select(participants.c.ticket_id, participants.c.place)
        .join(identities, identities.c.key == participants.c.identity_key)
        .where(participants.c.ticket_id.in_((one, other)), identities.c.user_id == user_id)
    )
    places = {number: {row.place for row in rows if row.ticket_id == number} for number in (one, other)}
    return bool(places[one] & places[other])
