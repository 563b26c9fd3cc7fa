"""What forms and buttons want to know of the desk, once they are open or pressed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select

from bot.directory import Directory
from core import actions, brakes, views
from core.database import Tx
from core.parts import Parts
from core.people import Known, actor_of
from core.shapes import Auth, Ref
from core.status import ACTIVE, Ticket
from core.tables import deliveries, tickets
from core.tell import card_again
from core.threads import LinkFact

THEIRS: Final = 15  # of the requester's other tickets that are offered to merge into
NEAR: Final = 40  # of the queue's
DAY: Final = timedelta(days=1)


class Facts:
    """Reads them through the desk's parts."""

    def __init__(self, parts: Parts, directory: Directory) -> None:
        self._parts, self._directory = parts, directory

    async def who(self, user: str) -> Known:
        """Return who somebody is at the desk. Raises `Unavailable`."""
        return await self._parts.people.known(await self._directory.person(user))

    async def linked(self, ref: Ref) -> LinkFact | None:
        """Return what is known of an outside name."""
        return await self._parts.database.read(lambda tx: actions.linked(tx, ref))

    async def ticket(self, ticket_id: int) -> Ticket | None:
        """Return a ticket."""
        return await self._parts.database.read(lambda tx: views.ticket(tx, ticket_id))

    async def beside(self, ticket_id: int, asker: Known) -> list[Ticket]:
        """Return the tickets into which one is likely merged: its requester's latest, then those that are open in its
        queue."""

        async def look(tx: Tx) -> list[Ticket]:
            ticket = await views.ticket(tx, ticket_id)
            if ticket is None:
                return []
            rows = await tx.all(
                select(tickets.c.id)
                .where(tickets.c.requester_id == ticket.requester_id, tickets.c.merged_into.is_(None))
                .order_by(tickets.c.public_updated_at.desc(), tickets.c.id.desc())
                .limit(THEIRS + 1)
            )
            theirs = await views.tickets_by_id(tx, [row.id for row in rows])
            criteria = views.TicketCriteria(queue=ticket.queue, status=ACTIVE, limit=NEAR)
            page = await views.list_tickets(tx, actor_of(asker, "slack", Auth.VERIFIED), criteria)
            found = {one.id: one for one in (*(theirs[r.id] for r in rows if r.id in theirs), *page.tickets)}
            found.pop(ticket_id, None)
            return list(found.values())

        return await self._parts.database.read(look)

    async def card_again(self, ticket_id: int) -> None:
        """Let a ticket's card be shown anew, with nothing chosen in its menu. Raises `Unavailable`."""

        async def unit(tx: Tx) -> None:
            ticket = await views.ticket(tx, ticket_id)
            if ticket is not None:
                await card_again(tx, self._parts.desk, ticket)

        await self._parts.database.unit(unit)

    async def delivered(self, delivery_id: int) -> bool:
        """Return whether a delivery has gone out."""
        state = select(deliveries.c.state).where(deliveries.c.id == delivery_id)
        found: str | None = await self._parts.database.read(lambda tx: tx.scalar(state))
        return found == "sent"

    async def merged(self, ticket_id: int) -> bool:
        """Return whether a ticket was merged away."""
        ticket = await self.ticket(ticket_id)
        return ticket is not None and ticket.merged_into is not None

    async def once_a_day(self, what: str) -> bool:
        """Count that something is about to be done; False where it was, today."""
        return await self._parts.database.unit(lambda tx: brakes.allow(tx, what, 1, DAY))
