"""How it went: one to five by the requester of a ticket that has ended, with a comment. One row a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select

from core import desk_texts, units
from core.audience import Happened, thanked
from core.blank import is_blank
from core.brakes import allow
from core.database import Tx
from core.failures import Conflict, Invalid, NotAllowed, TooMany
from core.shapes import Actor
from core.status import ACTIVE, Ticket
from core.tables import ratings, users
from core.units import Desk

MOST: Final = 5
MOST_COMMENT: Final = 10_000  # characters
MOST_TOLD: Final = (
    5  # changes of a rating in an hour that the desk hears of, and its requester is thanked for
)
MOST_KEPT: Final = 100  # further ones


def score_of(words: Sequence[str]) -> int | None:
    """Return the score that the words give, None where they give none (a comment alone). Raises `Invalid`."""
    if not words:
        return None
    word = words[0].strip()
    if len(word) != 1 or word not in "12345":
        raise Invalid(f"a rating is a number from 1 to {MOST}")
    return int(word)


async def of(tx: Tx, ticket_id: int) -> Row[Any] | None:
    """Return a ticket's rating, or None."""
    return await tx.first(select(ratings).where(ratings.c.ticket_id == ticket_id))


async def rate(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, score: int | None, comment: str = ""
) -> str | None:
    """Rate a ticket and return what its requester is told beside the notice in their thread: None where there is one. A
    second score replaces the first, a comment joins the score that is there. Of somebody who presses on and on the last
    score is kept, and nobody is told. Raises `NotAllowed`, `Conflict`, `Invalid`, `TooMany`."""
    ticket = await units.lock(tx, ticket_id)
    if actor.user_id is None or ticket.requester_id != actor.user_id:
        raise NotAllowed("only the requester can rate a ticket")
    comment = "" if is_blank(comment) else comment.strip()
    if len(comment) > MOST_COMMENT:
        raise Invalid(f"a comment has at most {MOST_COMMENT} characters")
    row = await of(tx, ticket_id)
    _check_ended(ticket, rated=row is not None)
    before = (row.score, row.comment) if row is not None else (None, None)
    after = (score or before[0], comment or before[1])
    if after[0] is None:
        raise Invalid(f"choose a number from 1 to {MOST} first, then comment on it")
    hour = timedelta(hours=1)
    told = after == before or await allow(tx, f"rating:{ticket_id}", MOST_TOLD, hour)
    if not told and row is not None:
        if comment or not await allow(tx, f"rating-kept:{ticket_id}", MOST_KEPT, hour):
            raise TooMany(
                "you have rated this ticket very often in the last hour; please write what is to be said"
            )
        await _keep(tx, actor, ticket_id, after[0], after[1], at=await tx.now())
        data = {"score": after[0], "comment": None}
        await units.add_event(tx, ticket, "rated", actor, public=False, data=data)  # figures find it by this
        return None
    if after != before:
        again = after[0] == before[0]  # a comment alone: the score was told
        if await _write(tx, desk, actor, ticket, after[0], after[1], said=comment, again=again):
            return None
    theirs = await tx.scalar(select(users.c.locale).where(users.c.id == actor.user_id))
    languages = (desk.queue_or_first(ticket.queue).language, theirs)
    return desk_texts.heard(desk.config, "noted", languages, score=after[0])


def _check_ended(ticket: Ticket, *, rated: bool) -> None:
    """A ticket is rated once it has ended; of one that was opened again the rating may still be changed."""
    if ticket.merged_into is not None:
        raise Conflict(f"this is a part of ticket {ticket.merged_into} now; it's rated there")
    if ticket.status in ACTIVE and not rated:
        raise Conflict("your ticket is still being worked on; you can rate it once it's resolved")


async def _keep(
    tx: Tx, actor: Actor, ticket_id: int, score: int, comment: str | None, *, at: datetime
) -> None:
    values = {"user_id": actor.user_id, "score": score, "comment": comment, "rated_at": at}
    await tx.run(tx.upsert(ratings, {"ticket_id": ticket_id, **values}, values))


async def _write(
    tx: Tx,
    desk: Desk,
    actor: Actor,
    ticket: Ticket,
    score: int,
    comment: str | None,
    *,
    said: str,
    again: bool,
) -> bool:
    """Keep it and tell the desk. Returns whether its requester is thanked in their thread."""
    await _keep(tx, actor, ticket.id, score, comment, at=await tx.now())
    data = {"score": score, "comment": said or None}
    await units.add_event(tx, ticket, "rated", actor, public=False, data=data)
    after = await units.save(tx, ticket, ticket, public=False)
    key = "line_commented" if said else "line_rated"
    text = desk_texts.said(desk.config, key, who=units.shown_name(actor), score=score, comment=said)
    scene = await units.scene(tx, desk, after, actor, data={"text": text, "score": score})
    await units.note(tx, desk, Happened.CHANGED if again else Happened.RATED, scene)
    return not again and thanked(scene)
