"""Small things to tell: a whisper to one person, a sign on a message, a failure to the ticket's staff.

They are noted like every delivery, as the last step of the unit that calls for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select

from core import bundling, units, views
from core.audience import Happened, Scene, Told, alerts, personal
from core.database import Tx
from core.desk_texts import in_words
from core.outbox import Noted, enqueue
from core.shapes import Kind, Person
from core.status import Ticket
from core.tables import tickets
from core.units import Desk


async def _note_one(tx: Tx, desk: Desk, ticket_id: int, one: Told, message_id: int | None = None) -> None:
    if desk.quiet:
        return
    now = await tx.now()
    noted = Noted(
        ticket_id=ticket_id,
        version=int(now.timestamp() * 1000),  # small signs order by time, apart from the ticket's versions
        message_id=message_id,
        domain=desk.domain(desk.config.queue[0].name),
    )
    if await enqueue(tx, desk.specs, noted, [one]):
        tx.after_commit.append(desk.signals.outbox.set)


async def whisper(tx: Tx, desk: Desk, ticket_id: int, person: Person, text: str, *, place: str = "") -> None:
    """Tell one person something that nobody else sees, at most once."""
    user = person.address.rpartition("/")[2]
    told = Told(
        channel=person.kind,
        place=place or person.place,
        kind=Kind.WHISPER,
        desk=True,
        priority=1,
        data={"user": user, "text": text},
    )
    if person.kind in desk.specs and desk.specs[person.kind].edits:
        await _note_one(tx, desk, ticket_id, told)


async def mark(
    tx: Tx,
    desk: Desk,
    ticket: Ticket,
    remote: str,
    sign: str,
    message_id: int | None = None,
    *,
    remove: bool = False,
) -> None:
    """Put a small sign on a message in the triage thread, or take it off: sent, note, failed, done."""
    told = Told(
        channel="slack",
        place=remote.rpartition("/")[0],
        kind=Kind.MARK,
        desk=True,
        priority=7,
        data={"mark": sign, "target": remote, **({"remove": True} if remove else {})},
    )
    await _note_one(tx, desk, ticket.id, told, message_id)


async def card_again(tx: Tx, desk: Desk, ticket: Ticket) -> None:
    """Let the ticket's card show the present state."""
    triage = desk.triage(ticket.queue)
    if triage is not None:
        channel, place = triage
        await _note_one(
            tx, desk, ticket.id, Told(channel=channel, place=place, kind=Kind.CARD, desk=True, priority=5)
        )


async def held_no_longer(tx: Tx, desk: Desk, row: Row[Any]) -> None:
    """The card says that somebody is answering while this delivery is held: now it goes, or never will."""
    if row.kind != Kind.MESSAGE or row.desk or row.wait_until is None:
        return
    ticket = await views.ticket(tx, row.ticket_id)
    if ticket is not None:
        await card_again(tx, desk, ticket)


async def tell_failure(
    tx: Tx, desk: Desk, ticket: Ticket, delivery_id: int, to: str, reason: str, *, scene: Scene | None = None
) -> None:
    """Tell staff that something didn't arrive: in the ticket's thread, with a way to retry; else by mail. `scene`: of
    before, where that changed who can be told."""
    if desk.quiet:
        return
    scene = scene or await units.scene(tx, desk, ticket, None)
    reason = in_words(desk.config, reason)
    data = {"what": "failed", "delivery_id": delivery_id, "to": to, "reason": reason}
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == ticket.id))
    noted = Noted(
        ticket_id=ticket.id, version=int(version), message_id=None, domain=desk.domain(ticket.queue)
    )
    if await enqueue(tx, desk.specs, noted, alerts(scene, data), first=500):
        tx.after_commit.append(desk.signals.outbox.set)
    heard = replace(scene, data={"to": to, "reason": reason})
    await bundling.tell(tx, desk, personal(Happened.FAILED, heard, desk.specs))
