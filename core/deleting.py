"""A ticket is deleted with all that hangs on it: in one unit, so that nobody ever sees half of one.

The outside names of its messages and posts stay as tombstones: what answers them later opens a ticket of its own, and
what comes in once more is no new message. Tickets that were merged into it go with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, or_, select, update

from core.database import Rerun, Tx
from core.desk import Desk
from core.inbox import TOMBSTONE
from core.status import Status
from core.tables import (
    attachments,
    deliveries,
    events,
    links,
    messages,
    participants,
    ratings,
    search,
    search_due,
    tags,
    tickets,
)

_NAMED: Final = (
    "received",
    "sent",
    "card",
    "mention",
    TOMBSTONE,
)  # links of other kinds say nothing afterwards


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows went, and the blobs that they named."""

    rows: int = 0
    blobs: tuple[str, ...] = ()


async def delete_ticket(tx: Tx, *, desk: Desk, ticket_id: int, before: datetime) -> Deleted:
    """Delete a ticket that was closed `before`, if nothing has happened to it since and nothing of it is being sent."""
    merged = await _merged(tx, ticket_id)
    family = sorted([ticket_id, *merged])
    locked = await tx.all(
        select(tickets.c.id, tickets.c.status, tickets.c.updated_at, tickets.c.merged_into)
        .where(tickets.c.id.in_(family))
        .order_by(tickets.c.id)
        .with_for_update()
    )
    if await _merged(tx, ticket_id) != merged:
        raise Rerun
    own = next((row for row in locked if row.id == ticket_id), None)
    if own is None or own.status != Status.CLOSED or own.updated_at > before or own.merged_into is not None:
        return Deleted()
    if await _goes_out(tx, family, await tx.now() - desk.config.courier.give_up_after):
        return Deleted()
    rows = await _bury(tx, family)
    blobs = await _blobs(tx, family)
    ids = select(messages.c.id).where(messages.c.ticket_id.in_(family))
    rows += await tx.changed(delete(attachments).where(attachments.c.message_id.in_(ids)))
    for table in (messages, events, deliveries, participants, ratings, tags, search, search_due):
        rows += await tx.changed(delete(table).where(table.c.ticket_id.in_(family)))
    if merged:
        rows += await tx.changed(delete(tickets).where(tickets.c.id.in_(merged)))
    rows += await tx.changed(delete(tickets).where(tickets.c.id == ticket_id))
    return Deleted(rows, tuple(blobs))


async def _merged(tx: Tx, ticket_id: int) -> list[int]:
    rows = await tx.all(select(tickets.c.id).where(tickets.c.merged_into == ticket_id).order_by(tickets.c.id))
    return [row.id for row in rows]


async def _goes_out(tx: Tx, family: Sequence[int], young: datetime) -> bool:
    """Is something being sent, or may it still be? What has waited for longer than it is tried never goes."""
    waits = (deliveries.c.state == "queued") & (deliveries.c.created_at > young)
    found: Any = await tx.scalar(
        select(deliveries.c.id)
        .where(deliveries.c.ticket_id.in_(family), or_(deliveries.c.state == "sending", waits))
        .limit(1)
    )
    return found is not None


async def _bury(tx: Tx, family: Sequence[int]) -> int:
    """Leave of the outside names that they were there; returns how many went altogether."""
    rows = await tx.all(
        select(links.c.key, links.c.kind).where(links.c.ticket_id.in_(family)).order_by(links.c.key)
    )
    kept = [row.key for row in rows if row.kind in _NAMED]
    gone = [row.key for row in rows if row.kind not in _NAMED]
    if kept:
        nothing = {"ticket_id": None, "message_id": None, "delivery_id": None, "remote": None}
        await tx.run(update(links).where(links.c.key.in_(kept)).values(kind=TOMBSTONE, **nothing))
    return await tx.changed(delete(links).where(links.c.key.in_(gone))) if gone else 0


async def _blobs(tx: Tx, family: Sequence[int]) -> list[str]:
    """The blobs that their rows name."""
    asked = (
        select(attachments.c.blob)
        .join(messages, messages.c.id == attachments.c.message_id)
        .where(messages.c.ticket_id.in_(family), attachments.c.blob.is_not(None)),
        select(messages.c.html_blob).where(
            messages.c.ticket_id.in_(family), messages.c.html_blob.is_not(None)
        ),
        select(deliveries.c.rendered).where(
            deliveries.c.ticket_id.in_(family), deliveries.c.rendered.is_not(None)
        ),
    )
    return [str(row[0]) for query in asked for row in await tx.all(query)]
