"""The signs on staff's messages in the desk's threads: an answer has gone to everybody, or failed for somebody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from core import units
from core.database import Tx
from core.outgoing import written_at_desk
from core.shapes import Kind
from core.tables import deliveries
from core.tell import mark
from core.units import Desk

SENT, FAILED = "sent", "failed"


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign to put on a message, or to take off it."""

    name: str
    remove: bool = False


def sign_of(states: Iterable[str]) -> str | None:
    """Return what the deliveries of an answer, by their states, come to: failed where one did, sent once all have gone,
    None while some are on their way or where none was to go."""
    found = set(states) - {"cancelled"}
    if found & {"failed", "bounced"}:
        return FAILED
    return SENT if found == {"sent"} else None


def changes(wanted: str | None, shown: frozenset[str]) -> tuple[Sign, ...]:
    """Return what is to change where these signs stand. A failure goes once all has gone; nothing else is taken off, as
    what is on its way again hasn't gone yet."""
    if wanted is None:
        return ()
    off = [Sign(FAILED, remove=True)] if wanted == SENT and FAILED in shown else []
    return (*off, *([] if wanted in shown else [Sign(wanted)]))


async def show(tx: Tx, desk: Desk, row: Row[Any]) -> None:
    """Show on a staff's message what came of it, now that one of its deliveries is settled."""
    remote = await written_at_desk(tx, row.message_id)
    if remote is None:
        return
    ticket = await units.lock(tx, row.ticket_id)  # of two that settle at once, one puts the sign
    rows = await tx.all(
        select(deliveries.c.state)
        .where(
            deliveries.c.message_id == row.message_id,
            deliveries.c.kind.in_((Kind.MESSAGE, Kind.FILE)),
            deliveries.c.desk.is_(False),
        )
        .order_by(deliveries.c.id)
    )
    for sign in changes(sign_of(one.state for one in rows), await _shown(tx, row.message_id)):
        await mark(tx, desk, ticket, remote, sign.name, row.message_id, remove=sign.remove)


async def _shown(tx: Tx, message_id: int) -> frozenset[str]:
    """The signs that stand on a message, or will."""
    rows: Sequence[Row[Any]] = await tx.all(
        select(deliveries.c.data)
        .where(
            deliveries.c.message_id == message_id,
            deliveries.c.kind == Kind.MARK,
            deliveries.c.state.not_in(("cancelled", "failed")),
        )
        .order_by(deliveries.c.seq, deliveries.c.id)
    )
    shown: set[str] = set()
    for row in rows:
        (shown.discard if row.data.get("remove") else shown.add)(row.data["mark"])
    return frozenset(shown)
