"""Tags: short words that staff put on a ticket, by which the figures tell kinds of tickets apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, insert, select

from core import actions, units
from core.audience import Happened
from core.database import Tx
from core.desk_texts import said
from core.failures import Conflict, Invalid
from core.shapes import Actor
from core.status import Ticket
from core.tables import tags
from core.units import Desk
from core.visibility import check_staff

MOST: Final = 20  # of one ticket
LONGEST: Final = 40  # characters


def tag_of(word: str) -> str:
    """Return the tag that somebody wrote, in lower case, with or without a `#`. Raises `Invalid`."""
    tag = unicodedata.normalize("NFC", word.strip().lower()).removeprefix("#")
    if not 1 <= len(tag) <= LONGEST or not all(c.isalnum() or c in "-_" for c in tag):
        raise Invalid(f"a tag has 1 to {LONGEST} letters, digits, - or _; '{word[:60]}' is none")
    return tag


async def of(tx: Tx, ticket_id: int) -> tuple[str, ...]:
    """Return a ticket's tags, in order."""
    rows = await tx.all(select(tags.c.tag).where(tags.c.ticket_id == ticket_id).order_by(tags.c.tag))
    return tuple(row.tag for row in rows)


async def add(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, words: Sequence[str], *, from_thread: bool = False
) -> None:
    """Put tags on a ticket; those that it has already change nothing. Raises `Conflict`, `Invalid`, `NotFound`."""
    check_staff(actor, "tag tickets")
    wanted = dict.fromkeys(map(tag_of, words))
    ticket, _ = await actions.locked(tx, actor, ticket_id)
    has = await of(tx, ticket.id)
    new = [tag for tag in wanted if tag not in has]
    if len(has) + len(new) > MOST:
        raise Conflict(f"a ticket has at most {MOST} tags; this one has {len(has)}")
    if new:
        await tx.run(insert(tags), [{"ticket_id": ticket.id, "tag": tag} for tag in new])
        await _told(tx, desk, actor, ticket, "tagged", new, from_thread=from_thread)


async def remove(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, words: Sequence[str], *, from_thread: bool = False
) -> None:
    """Take tags off a ticket. Raises `Conflict` where it hasn't one of them, `Invalid`, `NotFound`."""
    check_staff(actor, "tag tickets")
    gone = list(dict.fromkeys(map(tag_of, words)))
    ticket, _ = await actions.locked(tx, actor, ticket_id)
    has = await of(tx, ticket.id)
    if missing := [tag for tag in gone if tag not in has]:
        there = f"its tags: {', '.join(has)}" if has else "it has none"
        raise Conflict(f"this ticket isn't tagged {missing[0]}; {there}")
    await tx.run(delete(tags).where(tags.c.ticket_id == ticket.id, tags.c.tag.in_(gone)))
    await _told(tx, desk, actor, ticket, "untagged", gone, from_thread=from_thread)


async def _told(
    tx: Tx, desk: Desk, actor: Actor, ticket: Ticket, kind: str, changed: Sequence[str], *, from_thread: bool
) -> None:
    for tag in changed:
        await units.add_event(tx, ticket, kind, actor, public=False, data={"tag": tag})
    after = await units.save(tx, ticket, ticket, public=False)
    text = said(desk.config, f"line_{kind}", who=units.shown_name(actor), tags=", ".join(changed))
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
