"""The words that a ticket shows as its own: those of its opening message. Once that was taken back, those of the first
message of its people that still stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import select, update

from core import units, views
from core.database import Tx
from core.shapes import Message, Visibility
from core.status import Ticket
from core.tables import events, messages, tickets

GONE: Final = "(deleted)"  # the title of a ticket of whose words nothing stands


async def shown(tx: Tx, ticket_id: int) -> int | None:
    """Return the id of the message whose words a ticket shows as its own, None where none of them stands."""
    opening = await _opening(tx, ticket_id)
    if opening is not None and opening.deleted_at is None:
        return opening.id
    found = await tx.scalar(
        select(messages.c.id)
        .where(
            messages.c.ticket_id == ticket_id,
            messages.c.deleted_at.is_(None),
            messages.c.author_staff.is_(False),
            messages.c.outsider.is_(False),
            messages.c.automatic.is_(None),
            messages.c.visibility == Visibility.PUBLIC.value,
        )
        .order_by(messages.c.seq)
        .limit(1)
    )
    return None if found is None else int(found)


async def _opening(tx: Tx, ticket_id: int) -> Message | None:
    data = await tx.scalar(
        select(events.c.data)
        .where(events.c.ticket_id == ticket_id, events.c.kind == "opened")
        .order_by(events.c.id)
        .limit(1)
    )
    number = (data or {}).get("message")
    if number is None:
        first = select(messages.c.id).where(messages.c.ticket_id == ticket_id, messages.c.seq == 1)
        number = await tx.scalar(first)
    return None if number is None else await views.message(tx, int(number))


async def changed(tx: Tx, was: Message) -> None:
    """A message that was a ticket's own words (`was`) has other ones now or was taken back: show what stands."""
    title = await tx.scalar(select(tickets.c.title).where(tickets.c.id == was.ticket_id))
    number = await shown(tx, was.ticket_id)
    now = await views.message(tx, number) if number is not None else None
    values = {"description": now.text if now is not None else ""}
    # In Slack the title is made of its words, unless it was written by itself.
    if was.channel == "slack" and _letters(was.text).startswith(_letters(str(title).rstrip("…"))):
        values["title"] = _title(now) if now is not None else GONE
    await tx.run(update(tickets).where(tickets.c.id == was.ticket_id).values(**values))


async def begun_again(tx: Tx, ticket: Ticket, message_id: int) -> Ticket:
    """A message came in: where it is the first that stands, the (locked) ticket shows its words. Returns the ticket."""
    if ticket.description or await shown(tx, ticket.id) != message_id:
        return ticket
    message = await views.message(tx, message_id)
    assert message is not None
    title = _title(message) if ticket.title == GONE else ticket.title
    await tx.run(
        update(tickets).where(tickets.c.id == ticket.id).values(description=message.text, title=title)
    )
    return replace(ticket, description=message.text, title=title)


def _title(message: Message) -> str:
    return units.title_of("", message.text or next((file.name for file in message.attachments), ""))


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())
