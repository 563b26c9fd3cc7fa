"""A message gets another text, or is taken back: wherever it was posted hears of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_, select, update

from core import units, views
from core.audience import Happened
from core.database import Tx
from core.outbox import cancel, lane_kind, rehead
from core.shapes import Actor, Visibility
from core.tables import deliveries, messages, tickets
from core.units import Desk
from core.work import enqueue as enqueue_work


async def edit(
    tx: Tx,
    desk: Desk,
    message_id: int,
    ticket_id: int,
    text: str | None,
    actor: Actor,
    *,
    in_thread: bool,
    rich: str | None = None,
) -> None:
    """Give a message a new text (None: it was deleted) with its formatting, and carry that to where it was posted."""
    ticket = await units.lock(tx, ticket_id)
    message = await views.message(tx, message_id)
    if message is None or message.deleted_at is not None or message.text == text:
        return
    now = await tx.now()
    values: dict[str, Any] = {"full_text": None, "rich": None}
    values |= {"deleted_at": now} if text is None else {"edited_at": now, "text": text, "rich": rich}
    await tx.run(
        update(messages)
        .where(messages.c.id == message_id)
        .values(**values)
    )
    kind = "deleted" if text is None else "edited"
    public = message.visibility is Visibility.PUBLIC and not message.outsider
    await units.add_event(tx, ticket, kind, actor, public=False, data={"message": message_id})
    after = await units.save(tx, ticket, ticket, public=public)
    if message.seq == 1:  # the ticket shows its opening message
        opening = {"description": text or ""}
        if message.channel == "slack":  # whose title is made of its words
            opening["title"] = units.title_of("", text) if text else "(deleted)"
        await tx.run(update(tickets).where(tickets.c.id == ticket_id).values(**opening))
    await _stop_unsent(tx, message_id, deleted=text is None)
    # A note that was an answer once: what the requester has of that stays taken back.
    copies = [copy for copy in await _copies(tx, message_id) if public or copy[3]]
    happened = Happened.DELETED if text is None else Happened.EDITED
    scene = await units.scene(tx, desk, after, actor, copies=copies, from_thread=in_thread)
    await units.note(tx, desk, happened, scene, message_id)


async def into_note(tx: Tx, desk: Desk, message_id: int, ticket_id: int, text: str, actor: Actor) -> bool:
    """A staff's answer was edited into a note: what hasn't gone doesn't go, what can be taken back is. Returns
    whether some of it had reached the requester already."""
    ticket = await units.lock(tx, ticket_id)
    await tx.run(
        update(messages)
        .where(messages.c.id == message_id)
        .values(visibility=Visibility.NOTE, text=text, full_text=None, rich=None, edited_at=await tx.now())
    )
    await units.add_event(tx, ticket, "became_note", actor, public=False, data={"message": message_id})
    after = await units.save(tx, ticket, ticket, public=True)
    await _stop_unsent(tx, message_id, deleted=True)
    gone = [copy for copy in await _copies(tx, message_id) if not copy[3]]
    scene = await units.scene(tx, desk, after, actor, copies=gone, from_thread=True)
    await units.note(tx, desk, Happened.TAKEN_BACK, scene, message_id)
    return bool(gone)


async def _stop_unsent(tx: Tx, message_id: int, *, deleted: bool) -> None:
    """A message deleted before it went doesn't go; one edited before it went goes as it now is; a correction
    that still waits is replaced by the newer one."""
    waiting = select(deliveries).where(
        deliveries.c.message_id == message_id, deliveries.c.state.in_(("queued", "held"))
    )
    # The lanes' rows come first: a courier that marks one of these has then either committed that, or will see
    # the new text.
    lanes = {row.lane: lane_kind(row.channel) for row in await tx.all(waiting)}
    await enqueue_work(tx, lanes, await tx.now())
    for row in await tx.all(waiting):
        correction = row.data.get("what") == "correction"
        if (deleted or correction) and await cancel(
            tx, row.id, "deleted before it went" if deleted else "newer text"
        ):
            await rehead(tx, row.lane, row.channel, row.ticket_id)


async def _copies(tx: Tx, message_id: int) -> list[tuple[str, str, str, bool]]:
    """Return where the message was posted: channel, place, remote id, desk. What was rendered once goes as it
    was, so it counts."""
    rows = await tx.all(
        select(deliveries.c.channel, deliveries.c.place, deliveries.c.remote_id, deliveries.c.desk)
        .where(
            deliveries.c.message_id == message_id,
            deliveries.c.kind == "message",
            deliveries.c.state.in_(("sent", "sending"))
            | and_(
                deliveries.c.state == "queued",
                or_(deliveries.c.rendered.is_not(None), deliveries.c.rendered_raw.is_not(None)),
            ),
        )
        .order_by(deliveries.c.id)
    )
    return [(r.channel, r.place, r.remote_id or "", bool(r.desk)) for r in rows]
