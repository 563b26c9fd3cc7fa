"""Who takes part in a ticket and can be reached: outsiders admitted, dead addresses tried again."""

from __future__ import annotations

from sqlalchemy import select, update

from core import searching, units
from core.actions import locked
from core.audience import Happened
from core.database import Rerun, Tx
from core.desk_texts import said
from core.failures import Conflict
from core.people import ensure, mail_person
from core.shapes import Actor, Person
from core.status import Ticket
from core.suppression import lift
from core.tables import messages, tickets
from core.units import Desk
from core.visibility import check_staff


async def admit(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, address: str, *, from_thread: bool = False
) -> Ticket:
    """Let an outsider (or anybody with a mail address) take part; their earlier words become visible."""
    return await let_in(tx, desk, actor, ticket_id, mail_person(address), from_thread=from_thread)


async def let_in(
    tx: Tx,
    desk: Desk,
    actor: Actor,
    ticket_id: int,
    person: Person,
    *,
    kind: str = "admitted",
    from_thread: bool = False,
) -> Ticket:
    """Let somebody take part, as `admit` does. `kind`: the event, "participant" where they didn't write yet."""
    check_staff(actor, "admit people")
    merged = await tx.scalar(select(tickets.c.merged_into).where(tickets.c.id == ticket_id))
    if merged is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {merged}; admit them there")
    known = await ensure(tx, person)
    ticket, _ = await locked(tx, actor, ticket_id)
    if ticket.merged_into is not None:
        raise Rerun
    seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
    joined = await units.join(tx, ticket.id, person.key, "cc", person.place, int(seq))
    # Also of somebody who takes part already: what they wrote to the note address, or before they did.
    shown = await tx.changed(
        update(messages)
        .where(
            messages.c.ticket_id == ticket.id,
            messages.c.author_id == known.user_id,
            messages.c.outsider.is_(True),
        )
        .values(outsider=False)
    )
    if not joined and not shown:
        return ticket
    if shown:
        await searching.changed(tx, ticket.id)
    data = {"address": person.address, **({"staff": True} if kind == "participant" else {})}
    await units.add_event(tx, ticket, kind, actor, public=False, data=data)
    after = await units.save(tx, ticket, ticket, public=True)
    name = person.address if person.kind == "email" else known.name or person.address.rpartition("/")[2]
    did = "line_admitted" if kind == "admitted" else "line_added"
    key = did if joined else f"{did}_shown"
    text = said(desk.config, key, who=units.shown_name(actor), name=name)
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


async def unsuppress(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, address: str, *, from_thread: bool = False
) -> Ticket:
    """Let mail go to an address again although it bounced for good. Raises `Conflict` where nothing was in the way."""
    check_staff(actor, "let mail go to an address again")
    person = mail_person(address)
    ticket, _ = await locked(tx, actor, ticket_id)
    if not await lift(tx, person.key):
        raise Conflict(f"mail to {person.address} isn't suppressed")
    await units.add_event(tx, ticket, "unsuppressed", actor, public=False, data={"address": person.address})
    after = await units.save(tx, ticket, ticket, public=False)
    text = said(desk.config, "line_unsuppressed", who=units.shown_name(actor), address=person.address)
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after
