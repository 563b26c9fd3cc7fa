"""What a mail may quote: the last public texts of the ticket that it answers. They prove what is quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select

from core.database import Tx
from core.shapes import Ref, Visibility, key_of
from core.tables import links, messages, tickets

MOST_TEXTS: Final = 5
LONGEST_TEXT: Final = 65_536  # characters


async def quotable_texts(tx: Tx, signed: Sequence[int], references: Sequence[Ref]) -> list[str]:
    """Return public texts, latest first, of the ticket named by a signed address, else by a reference; [] without one.

    A number in a subject isn't enough: anybody can write one. An outsider's words are none: they would hide the same
    words of whoever takes part.
    """
    ticket_id = await _ticket(tx, signed, references)
    if ticket_id is None:
        return []
    rows = await tx.all(
        select(func.substr(messages.c.text, 1, LONGEST_TEXT).label("text"))
        .where(
            messages.c.ticket_id == ticket_id,
            messages.c.visibility == Visibility.PUBLIC.value,
            messages.c.outsider.is_(False),
            messages.c.deleted_at.is_(None),
        )
        .order_by(messages.c.seq.desc())
        .limit(MOST_TEXTS)
    )
    return [row.text for row in rows]


async def _ticket(tx: Tx, signed: Sequence[int], references: Sequence[Ref]) -> int | None:
    found = next(iter(signed), None)
    if found is None and references:
        keys = {key_of(name): place for place, ref in enumerate(references) for name in ref.names}
        rows = await tx.all(
            select(links.c.key, links.c.ticket_id).where(
                links.c.key.in_(list(keys)), links.c.ticket_id.is_not(None)
            )
        )
        nearest = min(rows, key=lambda row: keys[bytes(row.key)], default=None)
        found = None if nearest is None else int(nearest.ticket_id)
    if found is None:
        return None
    kept = await tx.scalar(
        select(func.coalesce(tickets.c.merged_into, tickets.c.id)).where(tickets.c.id == found)
    )
    return None if kept is None else int(kept)
