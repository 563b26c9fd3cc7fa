"""What would become of something that came in: the functions by which `receive` decides are asked, nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from core.changes import delivery_behind
from core.database import Tx
from core.decide import decide, known_already
from core.evidence import look_up
from core.inbox import deleted_keys
from core.people import Known, find
from core.shapes import DeliveryReport, Held, Ignored, Inbound, NewMessage, Role
from core.tables import inbox
from core.units import Desk

_NOBODY = 0  # no user has this id


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`ticket_id`: where it would go, None for a new ticket or none at all. `rule`: why."""

    ticket_id: int | None
    rule: str


async def foresee(tx: Tx, desk: Desk, inbound: Inbound, keys: Collection[bytes] = ()) -> Foreseen:
    """Return what would become of it now. `keys`: under which the inbox would have it already. Only reads."""
    row = await tx.first(select(inbox.c.id, inbox.c.ticket_id).where(inbox.c.key.in_(list(keys))).limit(1))
    if row is not None:
        return Foreseen(row.ticket_id, f"it came in before (inbox row {row.id}): nothing happens")
    if await deleted_keys(tx, keys):
        return Foreseen(None, "it came in before, and its row was deleted since: nothing happens")
    if isinstance(inbound, Held):
        return Foreseen(None, f"held: {inbound.reason}; no ticket until staff say that it is no spam")
    if isinstance(inbound, Ignored):
        return Foreseen(None, f"ignored: {inbound.reason}")
    if isinstance(inbound, NewMessage) and inbound.automatic == "bounce":
        return Foreseen(None, "ignored: a bounce of nothing that we sent")
    if isinstance(inbound, DeliveryReport):
        row = await delivery_behind(tx, inbound)
        if row is None or not row.ticket_id:
            return Foreseen(None, "ignored: a bounce of nothing that we sent")
        return Foreseen(int(row.ticket_id), f"a bounce of delivery {row.id}: noted in its ticket")
    if isinstance(inbound, NewMessage):
        return await _message(tx, desk, inbound)
    return Foreseen(None, f"a {type(inbound).__name__}")


async def _message(tx: Tx, desk: Desk, new: NewMessage) -> Foreseen:
    sender = await find(tx, new.sender.key) or Known(
        user_id=_NOBODY,
        name=new.sender.name,
        username=None,
        role=Role.REQUESTER,
        identity=new.sender.key,
    )
    known = await look_up(tx, desk, new, sender)
    if (receipt := known_already(new, known)) is not None:
        return Foreseen(receipt.ticket_id, receipt.because)
    decided = await decide(tx, desk, new, sender, known)
    allowed, ticket = decided.admission, decided.ticket
    if allowed.how == "ignore" and not new.desk:
        return Foreseen(None, f"{allowed.because}: ignored")
    if allowed.how == "new" or ticket is None:
        related = f" (related to ticket {allowed.ticket_id})" if allowed.ticket_id is not None else ""
        return Foreseen(None, f"{allowed.because}: a new one{related}")
    how = {
        "staff": "by staff",
        "outsider": "by somebody who takes no part: staff alone see it",
    }.get(allowed.how, "")
    return Foreseen(ticket.id, ", ".join(filter(None, (allowed.because, how))))
