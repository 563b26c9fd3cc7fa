"""Messages that came after younger ones of their conversation, by more than a door waits for them.

On the desk they stand where they were written. What a channel has posted can't be moved, so their copies say it.
Only Slack tells reliably when something was written: a mail's Date is its sender's word.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import exists, select

from core.database import Tx
from core.shapes import Message
from core.tables import messages

TIMED = "slack"


def as_written(arrived: Iterable[Message]) -> list[Message]:
    """Put a ticket's messages, given as they came, into the order in which they were written. Pure."""
    placed: list[Message] = []
    for message in arrived:
        at = len(placed)
        while at and _before(message, placed[at - 1]):
            at -= 1
        placed.insert(at, message)
    return placed


def _before(message: Message, other: Message) -> bool:
    timed = message.channel == other.channel == TIMED
    return timed and message.source_time < other.source_time


async def overtaken(tx: Tx, message: Message, *, desk: bool) -> bool:
    """Whether a younger message of the same ticket came first, as far as this side sees it."""
    if message.channel != TIMED:
        return False
    seen = () if desk else (messages.c.visibility == "public", messages.c.outsider.is_(False))
    younger = exists().where(
        *seen,
        messages.c.ticket_id == message.ticket_id,
        messages.c.seq < message.seq,
        messages.c.channel == TIMED,
        messages.c.source_time > message.source_time,
        messages.c.created_at < message.created_at,  # a thread that was brought along came at one time
    )
    return bool(await tx.scalar(select(younger)))
