"""What only requesters do, on their own tickets: by clicks, and told to the desk in its thread."""

from __future__ import annotations

from core import ratings, relations
from core.asked import Asked, number


async def belongs(asked: Asked) -> str:
    """This ticket is a part of an earlier one of theirs."""
    into = number(asked, "belongs 12")
    return await relations.belongs(asked.tx, asked.desk, asked.actor, asked.ticket_id, into)


async def rate(asked: Asked) -> str | None:
    """So many of five, and a comment where they wrote one."""
    score = ratings.score_of(asked.words)
    return await ratings.rate(asked.tx, asked.desk, asked.actor, asked.ticket_id, score, asked.text)
