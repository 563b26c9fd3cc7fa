"""Whom the words of somebody who takes part are passed on to, beside the desk; and when mail goes out no more.

Participants who weren't on that mail hear of it where they are reached. A copy by mail carries words that we didn't
write to people who didn't ask us, so it goes only where staff have joined the conversation, for a mail that proves
itself, to people who wrote into the ticket themselves or whom staff brought in, and so often: else a stranger could
open a ticket with others in Cc and write to them through us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import or_, select

from core.audience import Happened, Listener, Scene, noticed, told
from core.brakes import allow, network_of
from core.database import Tx
from core.desk_texts import counted
from core.people import identity_keys
from core.shapes import Kind, Role, canonical_address
from core.tables import events, messages, tickets, users
from core.units import Desk

_HOUR: Final = timedelta(hours=1)


async def passed_on(tx: Tx, desk: Desk, scene: Scene, *, proven: bool, source: str) -> Scene:
    """Return the scene with those whom no copy may be mailed to among those who had it; the others are counted.
    `source`: the network address that the mail came from, "" where it didn't come by network."""
    if scene.automatic:
        return scene
    had = set(scene.had)
    if scene.actor_id is not None:
        had |= await identity_keys(tx, scene.actor_id)
    mailed = proven and scene.ticket.first_response_at is not None
    agents = {agent.user_id for agent in noticed(Happened.WROTE, scene)}
    reached = [x for x in scene.listeners if x.channel == "email" and x.key not in had]
    staff = await _staff(tx, reached)
    joined = await _joined(tx, scene, reached) if mailed else frozenset()
    for one in reached:
        wanted = mailed and (one.role == "requester" or one.key in joined)
        if (
            one.suppressed
            or one.user_id in agents
            or not (wanted or one.user_id in staff)
            or not await _counted(tx, desk, scene, one, network_of(source))
        ):
            had.add(one.key)
    return replace(scene, had=frozenset(had))


async def _staff(tx: Tx, people: Sequence[Listener]) -> frozenset[int]:
    """Those of staff, who may read whatever is written on a ticket."""
    rows = await tx.all(
        select(users.c.id).where(
            users.c.id.in_([one.user_id for one in people]), users.c.role != Role.REQUESTER
        )
    )
    return frozenset(row.id for row in rows)


async def _joined(tx: Tx, scene: Scene, people: Sequence[Listener]) -> frozenset[bytes]:
    """The identities of those who wrote here themselves, or whom staff admitted or copied; others were only named."""
    wrote = await tx.all(
        select(messages.c.author_id)
        .join(tickets, tickets.c.id == messages.c.ticket_id)
        .where(
            or_(tickets.c.id == scene.ticket.id, tickets.c.merged_into == scene.ticket.id),
            messages.c.author_id.in_([one.user_id for one in people]),
            messages.c.outsider.is_(False),
            messages.c.automatic.is_(None),
        )
        .distinct()
    )
    writers = {row.author_id for row in wrote}
    brought = await tx.all(
        select(events.c.kind, events.c.data).where(
            events.c.ticket_id == scene.ticket.id, events.c.kind.in_(("admitted", "participant"))
        )
    )
    admitted = {
        canonical_address(str(row.data.get("address", "")))
        for row in brought
        if row.kind == "admitted" or row.data.get("staff")
    }
    return frozenset(
        one.key for one in people if one.user_id in writers or canonical_address(one.place) in admitted
    )


async def _counted(tx: Tx, desk: Desk, scene: Scene, one: Listener, network: str) -> bool:
    """Count a copy by its reader, its writer, where it came from, and in all. False where that is too many."""
    brakes, window = desk.config.brakes, desk.config.brakes.acknowledgement_window
    if not await allow(tx, f"copy:{one.key.hex()}", brakes.copies_per_address, window):
        return False
    if not await allow(tx, f"copy-from:{scene.actor_id}", brakes.copies_per_writer, window):
        return False
    if network and not await allow(
        tx, f"copy-from:source:{network}", brakes.copies_per_source, window, spread=True
    ):
        return False
    return await allow(tx, "copy-from:all", brakes.copies_in_all, window, spread=True)


async def braked(tx: Tx, desk: Desk, happened: Happened, scene: Scene) -> tuple[Scene, str]:
    """Return the scene of a mail that came in, without mail to the requester's side where too much went out of this
    ticket in this hour, and what to tell staff of that: once an hour, else "".

    Two programs that answer each other through us and don't say that they are programs end by this.
    """
    mails = [
        x for x in told(happened, scene) if x.channel == "email" and x.kind is Kind.MESSAGE and not x.desk
    ]
    if not mails:
        return scene, ""
    limit = desk.config.brakes.mails_per_ticket
    if await allow(tx, f"mails:{scene.ticket.id}", limit, _HOUR):
        return scene, ""
    listeners = [x for x in scene.listeners if x.channel != "email"]
    text = ""
    if await allow(tx, f"mails:told:{scene.ticket.id}", 1, _HOUR):
        text = counted(desk.config, "line_braked", limit)
    return replace(scene, listeners=listeners), text
