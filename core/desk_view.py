"""What staff see beside a ticket: what it can be set to, who takes part, what of it didn't arrive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, select

from core import canned, snoozing, tagging, views
from core.config import Canned
from core.database import Tx
from core.failures import Conflict, Invalid, NotFound
from core.parts import Parts
from core.shapes import Actor
from core.staffing import StaffMember, staff_members
from core.status import MOVES, SETS, Status, Ticket
from core.tables import deliveries, identities, participants, tickets, users
from core.visibility import check_staff

FAILED: Final = ("failed", "bounced")
MOST_PEOPLE: Final = 30
MOST_UNDELIVERED: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTaker:
    """Somebody who takes part in a ticket. `suppressed`: mail to them bounced for good."""

    name: str
    address: str
    kind: str
    role: str
    suppressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A delivery that failed. `what`: its kind."""

    id: int
    ticket_id: int
    title: str
    channel: str
    what: str
    place: str
    reason: str
    attempts: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What staff see beside a ticket. `statuses`: what it can be set to. `me`: the viewer's username, "" for none.
    `outsiders`: addresses of who wrote and takes no part. `zone`: whose clocks a time is read by."""

    statuses: tuple[Status, ...]
    staff: tuple[StaffMember, ...]
    me: str
    queues: tuple[str, ...]
    canned: tuple[Canned, ...]
    tags: tuple[str, ...]
    people: tuple[PartTaker, ...]
    outsiders: tuple[str, ...]
    undelivered: tuple[Undelivered, ...]
    zone: str


async def beside(parts: Parts, actor: Actor, detail: views.TicketDetail) -> Beside:
    """Return what staff see beside a ticket that they see. Raises `NotAllowed`."""
    check_staff(actor, "see that")
    ticket = detail.ticket

    async def look(tx: Tx) -> Beside:
        staff = await staff_members(tx)
        people = await _people(tx, ticket.id)
        known = {one.address for one in people}
        strangers = dict.fromkeys(m.author.email for m in detail.messages if m.outsider and m.author.email)
        return Beside(
            statuses=tuple(s for s, did in SETS.items() if ticket.status in MOVES[did]),
            staff=tuple(staff),
            me=next((one.username for one in staff if one.user_id == actor.user_id), ""),
            queues=tuple(queue.name for queue in parts.config.queue),
            canned=tuple(canned.offered(parts.config.canned, ticket.queue)),
            tags=await tagging.of(tx, ticket.id),
            people=tuple(people),
            outsiders=tuple(address for address in strangers if address not in known),
            undelivered=tuple(await undelivered(tx, ticket_id=ticket.id, limit=MOST_UNDELIVERED)),
            zone=snoozing.zone_of(parts.desk, ticket),
        )

    return await parts.database.read(look)


async def _people(tx: Tx, ticket_id: int) -> list[PartTaker]:
    rows = await tx.all(
        select(
            participants.c.role,
            identities.c.kind,
            identities.c.address,
            identities.c.suppressed_at,
            users.c.name,
        )
        .join(identities, identities.c.key == participants.c.identity_key)
        .join(users, users.c.id == identities.c.user_id)
        .where(participants.c.ticket_id == ticket_id, participants.c.role.in_(("requester", "cc")))
        .order_by(participants.c.role.desc(), identities.c.address)
        .limit(MOST_PEOPLE)
    )
    return [
        PartTaker(
            name=row.name,
            address=row.address,
            kind=row.kind,
            role=row.role,
            suppressed=row.suppressed_at is not None,
        )
        for row in rows
    ]


async def undelivered(
    tx: Tx, *, ticket_id: int | None = None, before: int | None = None, limit: int
) -> list[Undelivered]:
    """Return deliveries that failed, the newest first: of one ticket, or all that are older than `before`."""
    where: list[ColumnElement[bool]] = [deliveries.c.state.in_(FAILED)]
    if ticket_id is not None:
        where.append(deliveries.c.ticket_id == ticket_id)
    if before is not None:
        where.append(deliveries.c.id < before)
    rows = await tx.all(
        select(deliveries, tickets.c.title)
        .outerjoin(tickets, tickets.c.id == deliveries.c.ticket_id)
        .where(*where)
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    return [
        Undelivered(
            id=row.id,
            ticket_id=row.ticket_id,
            title=row.title or "",
            channel=row.channel,
            what=row.kind,
            place=row.place,
            reason=row.last_error or "",
            attempts=row.attempts,
            since=row.settled_at or row.created_at,
        )
        for row in rows
    ]


async def answer(parts: Parts, actor: Actor, ticket: Ticket, name: str) -> str:
    """Return a canned answer, filled in for a ticket. Raises `Invalid`, `NotAllowed`."""
    check_staff(actor, "see canned answers")
    chosen = canned.chosen(parts.config.canned, name, ticket.queue)
    return canned.filled(chosen.text, ticket, actor.name)


async def version(parts: Parts, actor: Actor, ticket_id: int) -> int:
    """Return `version_of` a ticket: one row of it is read. Raises `NotAllowed`, `NotFound`."""
    check_staff(actor, "see that")
    found = await parts.database.read(
        lambda tx: tx.scalar(select(tickets.c.updated_at).where(tickets.c.id == ticket_id))
    )
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return _microseconds(found)


def version_of(ticket: Ticket) -> int:
    """Return a number that another change of the ticket makes another one. Its row's `version` counts more: who only
    looked at it under a lock. Pure."""
    return _microseconds(ticket.updated_at)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


async def one(parts: Parts, actor: Actor, ticket_id: int) -> Ticket:
    """Return a ticket without its messages. Raises `NotAllowed`, `NotFound`."""
    check_staff(actor, "see that")
    found = await parts.database.read(lambda tx: views.ticket(tx, ticket_id))
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return found


async def to_merge(parts: Parts, actor: Actor, ticket_id: int, into: int) -> tuple[Ticket, Ticket]:
    """Return two tickets as they are before the first is merged into the second. Raises as `core.merging.merge`."""
    if ticket_id == into:
        raise Invalid("a ticket can't be merged into itself")
    gone, target = await one(parts, actor, ticket_id), await one(parts, actor, into)
    if gone.merged_into is not None:
        raise Conflict(f"ticket {ticket_id} is merged into {gone.merged_into} already")
    if target.merged_into is not None:
        raise Conflict(f"ticket {into} is merged into {target.merged_into}; merge into that one")
    return gone, target
