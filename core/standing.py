"""What waits in the inbox and in the outbox, since when, and what the schema is: for the page of the operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Table, func, select

from core.database import Tx
from core.parts import Parts
from core.schema import CODE, HEAD
from core.shapes import Actor
from core.skew import Skew, measure
from core.tables import deliveries, inbox, schema_state
from core.visibility import check_staff

INBOX: Final = ("new", "held", "unreadable")
OUTBOX: Final = ("queued", "sending", "held", "failed", "bounced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heap:
    """How many rows are in a state, and when the oldest of them came (None where there is none)."""

    state: str
    n: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the queues and the schema are. `head`: the newest migration that this code knows; `oldest_code`: the oldest
    code that may run on the database; `generation`: how often the service was started on it."""

    inbox: tuple[Heap, ...]
    outbox: tuple[Heap, ...]
    head: str
    code: int
    oldest_code: int
    generation: int
    skew: Skew

    @property
    def undelivered(self) -> int:
        """How many deliveries failed for good."""
        return sum(heap.n for heap in self.outbox if heap.state in ("failed", "bounced"))

    @property
    def unread(self) -> int:
        """How many mails and messages couldn't be read."""
        return sum(heap.n for heap in self.inbox if heap.state == "unreadable")


async def standing(parts: Parts, actor: Actor) -> Standing:
    """Return how it stands. Raises `NotAllowed` for who is no staff, `Unavailable`."""
    check_staff(actor, "see how the service does")

    skew = await measure(parts.database)

    async def look(tx: Tx) -> Standing:
        schema = await tx.first(select(schema_state.c.oldest_code, schema_state.c.generation).limit(1))
        return Standing(
            inbox=await _heaps(tx, inbox, INBOX, "received_at"),
            outbox=await _heaps(tx, deliveries, OUTBOX, "created_at"),
            head=HEAD,
            code=CODE,
            oldest_code=int(schema.oldest_code) if schema else 0,
            generation=int(schema.generation) if schema else 0,
            skew=skew,
        )

    return await parts.database.read(look)


async def _heaps(tx: Tx, table: Table, states: Sequence[str], came: str) -> tuple[Heap, ...]:
    """Count each state by its index; ids rise with time, so the lowest is the oldest."""
    rows = await tx.all(
        select(table.c.state, func.count().label("n"), func.min(table.c.id).label("first"))
        .where(table.c.state.in_(states))
        .group_by(table.c.state)
    )
    counted = {row.state: row for row in rows}
    ids = [row.first for row in rows]
    times = {row.id: row.came for row in await _times(tx, table, came, ids)} if ids else {}
    return tuple(
        Heap(state=state, n=int(counted[state].n), oldest=times.get(counted[state].first))
        if state in counted
        else Heap(state=state, n=0)
        for state in states
    )


async def _times(tx: Tx, table: Table, came: str, ids: Sequence[int]) -> Sequence[Row[Any]]:
    return await tx.all(select(table.c.id, table.c[came].label("came")).where(table.c.id.in_(ids)))
