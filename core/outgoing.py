"""A delivery as its channel gets it: loaded from the rows when it is sent, so that it shows the present state."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, or_, select

from core import views
from core.database import Tx
from core.failures import PermanentFailure, Suppressed
from core.shapes import Author, Kind, Outgoing, Person
from core.status import Ticket
from core.suppression import how_to_lift, is_suppressed
from core.tables import deliveries, identities, links, messages, participants, users
from core.visibility import goes_out

MOST_COPIED = 20
MOST_REFERENCES = 100


async def load(tx: Tx, row: Row[Any]) -> Outgoing:
    """Return the delivery of this row. Raises `PermanentFailure` where it must not go (any more)."""
    ticket = await views.ticket(tx, row.ticket_id) if row.ticket_id else None
    message_id = row.message_id
    message = await views.message(tx, message_id) if message_id else None
    if row.kind == Kind.EDIT and row.data.get("deleted"):
        message = None  # taken back: nothing of it is shown
    if message is not None:
        if not goes_out(desk=bool(row.desk), visibility=message.visibility, outsider=message.outsider):
            raise PermanentFailure("a note or an outsider's words: not for this side")
        if message.deleted_at is not None and row.kind in (Kind.MESSAGE, Kind.FILE) and not row.desk:
            raise PermanentFailure("deleted before it went")
    public = not row.desk
    # Whom of the desk to tell was decided when it was noted: where nobody else is left, also at a dead address.
    if public and row.channel == "email" and await is_suppressed(tx, row.to_key):
        reason = f"{row.place}: mail there bounced; to try it again: {how_to_lift(row.ticket_id, row.place)}"
        raise (Suppressed if row.kind == Kind.MESSAGE else PermanentFailure)(reason)
    return Outgoing(
        delivery_id=row.id,
        kind=Kind(row.kind),
        place=row.place,
        desk=bool(row.desk),
        attempts=row.attempts,
        sending_at=row.sending_at or await tx.now(),
        created_at=row.created_at,
        queue=ticket.queue if ticket else "",
        ticket=ticket,
        requester=_requester(ticket),
        assignee=await _assignee(tx, ticket),
        message=message,
        data=row.data,
        to=await _person(tx, row.to_key),
        cc=await _copied(tx, row) if row.channel == "email" and public and row.kind == Kind.MESSAGE else (),
        mail_ids=await _mail_ids(tx, row.ticket_id, message.seq if message else None)
        if row.channel == "email" and ticket is not None
        else (),
        anchor=await _card(tx, row.ticket_id, row.place) if row.desk and ticket is not None else None,
        target=await _target(tx, row),
        earlier=await _card(tx, row.ticket_id, row.place) if row.kind == Kind.CARD else None,
        language=await _language(tx, row.to_key, ticket) if public else "",
        thread_index=await _thread_index(tx, row.ticket_id, message.seq if message else None)
        if row.channel == "email" and public and ticket is not None
        else "",
    )


def _requester(ticket: Ticket | None) -> Author | None:
    if ticket is None:
        return None
    return Author(name=ticket.requester_name, email=ticket.requester_email, staff=False)


async def _assignee(tx: Tx, ticket: Ticket | None) -> str | None:
    if ticket is None or ticket.assignee_id is None:
        return None
    name = await tx.scalar(select(users.c.name).where(users.c.id == ticket.assignee_id))
    return str(name or ticket.assignee or "")


async def _person(tx: Tx, key: bytes | None) -> Person | None:
    if key is None:
        return None
    row = await tx.first(
        select(identities.c.kind, identities.c.address, users.c.name)
        .join(users, users.c.id == identities.c.user_id)
        .where(identities.c.key == key)
    )
    return None if row is None else Person(kind=row.kind, address=row.address, name=row.name)


async def _language(tx: Tx, key: bytes | None, ticket: Ticket | None) -> str:
    """In which language the recipient writes, else the requester; "" where we know neither."""
    found = None
    if key is not None:
        found = await tx.scalar(
            select(users.c.locale)
            .join(identities, identities.c.user_id == users.c.id)
            .where(identities.c.key == key)
        )
    if not found and ticket is not None:
        found = await tx.scalar(select(users.c.locale).where(users.c.id == ticket.requester_id))
    return str(found or "")


async def _copied(tx: Tx, row: Row[Any]) -> tuple[Person, ...]:
    """The mail participants beside the one it is addressed to."""
    rows = await tx.all(
        select(identities.c.kind, identities.c.address, users.c.name)
        .join(participants, participants.c.identity_key == identities.c.key)
        .join(users, users.c.id == identities.c.user_id)
        .where(
            participants.c.ticket_id == row.ticket_id,
            participants.c.role.in_(("requester", "cc")),
            identities.c.kind == "email",
            identities.c.key.not_in([row.to_key or b"", *map(bytes.fromhex, row.data.get("had", ()))]),
            identities.c.suppressed_at.is_(None),
        )
        .order_by(participants.c.since_seq, identities.c.address)
        .limit(MOST_COPIED)
    )
    return tuple(Person(kind=r.kind, address=r.address, name=r.name) for r in rows)


async def _mail_ids(tx: Tx, ticket_id: int, before: int | None) -> tuple[str, ...]:
    """Message-IDs of the ticket's public messages before this one, oldest first."""
    conditions = [
        messages.c.ticket_id == ticket_id,
        messages.c.visibility == "public",
        messages.c.outsider.is_(False),
        messages.c.mail_id.is_not(None),
    ]
    if before is not None:
        conditions.append(messages.c.seq < before)
    rows = await tx.all(
        select(messages.c.mail_id).where(*conditions).order_by(messages.c.seq.desc()).limit(MOST_REFERENCES)
    )
    return tuple(str(row.mail_id) for row in reversed(rows))


async def _thread_index(tx: Tx, ticket_id: int, before: int | None) -> str:
    """The newest thread index that a public message up to this one brought."""
    conditions = [
        messages.c.ticket_id == ticket_id,
        messages.c.visibility == "public",
        messages.c.outsider.is_(False),
        messages.c.thread_index.is_not(None),
    ]
    if before is not None:
        conditions.append(messages.c.seq <= before)
    found = await tx.scalar(
        select(messages.c.thread_index).where(*conditions).order_by(messages.c.seq.desc()).limit(1)
    )
    return str(found or "")


async def _card(tx: Tx, ticket_id: int, place: str) -> str | None:
    """The remote id of the ticket's card in this place, where one hangs."""
    conversation = place.partition("#")[0].rpartition("/")[2]
    rows = await tx.all(
        select(links.c.remote)
        .join(deliveries, deliveries.c.id == links.c.delivery_id)
        .where(links.c.ticket_id == ticket_id, links.c.kind == "card", links.c.remote.is_not(None))
        .order_by(deliveries.c.id.desc())
    )
    for row in rows:
        if str(row.remote).rpartition("/")[0].rpartition("/")[2] == conversation:
            return str(row.remote)
    return None


async def _target(tx: Tx, row: Row[Any]) -> str | None:
    """The remote id of what a delivery changes: known when it was noted, or by now, as that was being sent then.
    Raises `PermanentFailure` where it never got there."""
    target: str | None = row.data.get("target")
    if row.kind != Kind.EDIT or target or row.message_id is None:
        return target
    target = await tx.scalar(
        select(deliveries.c.remote_id)
        .where(
            deliveries.c.message_id == row.message_id,
            deliveries.c.kind == Kind.MESSAGE,
            deliveries.c.channel == row.channel,
            deliveries.c.place == row.place,
            deliveries.c.remote_id.is_not(None),
        )
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    if not target:
        raise PermanentFailure("what it changes was never posted")
    return target


async def written_at_desk(tx: Tx, message_id: int) -> str | None:
    """The remote id of a message that staff wrote in a triage thread, None where it came another way."""
    remote: str | None = await tx.scalar(
        select(links.c.remote)
        .join(messages, messages.c.id == links.c.message_id)
        .where(
            links.c.message_id == message_id,
            links.c.kind == "received",
            messages.c.channel == "slack",
            or_(messages.c.author_staff.is_(True), messages.c.visibility == "note"),
        )
        .limit(1)
    )
    return remote
