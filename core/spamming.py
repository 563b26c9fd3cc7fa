"""A ticket is spam: it closes, nobody outside hears of it, and what we send by ourselves stays here. And back again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Row, select

from core import units
from core.audience import Happened
from core.database import Tx
from core.desk_texts import said
from core.failures import Conflict
from core.outbox import cancel, lane_kind, rehead
from core.shapes import Actor
from core.status import ACTIVE, Did, Status, Ticket
from core.tables import deliveries, events
from core.units import Desk
from core.visibility import check_staff
from core.work import enqueue as enqueue_work

# What the figures count is a ticket that somebody still had to do something about; another one is marked no less.
COUNTED, UNCOUNTED = ("spam", "restored"), ("spam_ended", "not_spam")


async def mark(tx: Tx, desk: Desk, actor: Actor, ticket_id: int) -> Ticket:
    """Close a ticket as spam. Raises `Conflict`, `NotFound`."""
    check_staff(actor, "call something spam")
    ticket = await units.lock(tx, ticket_id)
    if ticket.merged_into is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {ticket.merged_into}; do that there")
    if ticket.spam:
        return ticket
    kind = COUNTED[0] if ticket.status in ACTIVE else UNCOUNTED[0]
    waiting = ticket.waiting_since.isoformat() if ticket.waiting_since else None
    data = {"from": ticket.status, "waiting_since": waiting}
    await units.add_event(tx, ticket, kind, actor, public=False, data=data)
    gone = replace(ticket.update_status(Did.SET_CLOSED, await tx.now()), spam=True)
    after = await units.save(tx, ticket, gone, public=False)
    await _stop_automatic(tx, ticket.id)
    text = said(desk.config, "line_spam", who=units.shown_name(actor))
    scene = await units.scene(tx, desk, after, actor, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


async def unmark(tx: Tx, desk: Desk, actor: Actor, ticket_id: int) -> Ticket:
    """It is no spam after all: it stands where it stood before. Raises `NotFound`."""
    check_staff(actor, "say that something is no spam")
    ticket = await units.lock(tx, ticket_id)
    if not ticket.spam:
        return ticket
    if ticket.merged_into is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {ticket.merged_into}; do that there")
    event = await tx.first(
        select(events.c.data)
        .where(events.c.ticket_id == ticket_id, events.c.kind.in_((COUNTED[0], UNCOUNTED[0])))
        .order_by(events.c.id.desc())
        .limit(1)
    )
    back = _as_before(ticket, event, await tx.now())
    kind = COUNTED[1] if back.status in ACTIVE else UNCOUNTED[1]
    await units.add_event(tx, ticket, kind, actor, public=False, data={"to": back.status})
    after = await units.save(tx, ticket, back, public=False)
    text = said(desk.config, "line_no_spam", who=units.shown_name(actor), status=back.status)
    scene = await units.scene(tx, desk, after, actor, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


def _as_before(ticket: Ticket, event: Row[tuple[object]] | None, now: datetime) -> Ticket:
    """The ticket as it stood when it was marked; without a note of that it is open. Where its requester's answer is
    waited for, they have all the time for it again: they are reminded, and it is closed, as if it had begun now."""
    data = event.data if event is not None else {}
    was = Status(data.get("from", Status.OPEN))
    waiting = data.get("waiting_since")
    return replace(
        ticket,
        spam=False,
        status=was,
        closed_at=ticket.closed_at if was is Status.CLOSED else None,
        waiting_since=datetime.fromisoformat(waiting) if waiting else None,
        pending_since=now if was is Status.PENDING else None,
    )


async def _stop_automatic(tx: Tx, ticket_id: int) -> None:
    """What we'd send to the requester by ourselves and hasn't gone doesn't go; staff's answers do."""
    waiting = select(deliveries).where(
        deliveries.c.ticket_id == ticket_id,
        deliveries.c.desk.is_(False),
        deliveries.c.state.in_(("queued", "held")),
    )
    # The lanes' rows come first, as wherever something is taken out of them (`core.editing`).
    lanes = {row.lane: lane_kind(row.channel) for row in await tx.all(waiting) if row.data.get("automatic")}
    await enqueue_work(tx, lanes, await tx.now())
    for row in await tx.all(waiting):
        if row.data.get("automatic") and await cancel(tx, row.id, "its ticket is spam"):
            await rehead(tx, row.lane, row.channel, ticket_id)
