"""A delivery that failed gets another try."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from core.database import Tx
from core.failures import Conflict, NotFound
from core.mailed_keys import FORGOTTEN, GONE
from core.outbox import rehead
from core.tables import deliveries
from core.tell import held_no_longer
from core.units import Desk


async def retry_delivery(tx: Tx, desk: Desk, delivery_id: int, of: Collection[int] = ()) -> bool:
    """Queue a failed or bounced delivery again, at once. `of`: only of these tickets. False where it is none. Raises
    `NotFound`; `Conflict` where what it said is forgotten."""
    row = await tx.first(select(deliveries).where(deliveries.c.id == delivery_id))
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    if of and row.ticket_id not in of:
        raise NotFound(f"delivery {delivery_id} isn't this ticket's")
    if row.data.get(FORGOTTEN):
        raise Conflict(f"delivery {delivery_id}: {GONE}")
    changed = await tx.changed(
        update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.state.in_(("failed", "bounced", "queued")),
        )
        .values(state="queued", wait_until=None, due_at=None, attempts=0, created_at=await tx.now())
    )
    if changed:
        await rehead(tx, row.lane, row.channel, row.ticket_id)
        await held_no_longer(tx, desk, row)
    return changed == 1
