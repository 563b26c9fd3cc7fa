"""What somebody sees at a glance: the tickets they asked for, and staff's lists with their pages.

Each list is read by an index and cut to a page, so it costs the same however many tickets there are: a requester's is
picked from their latest, staff's are counted to a thousand and no further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Subquery, func, or_, select, union_all

from core.database import Tx
from core.shapes import Actor, Kind, Visibility
from core.status import ACTIVE, Status, Ticket
from core.tables import deliveries, identities, messages, participants, tickets, users
from core.views import ticket_for, tickets_by_id

PAGE: Final = 10
MOST: Final = 1_000  # tickets of a list that are counted and paged through
LATEST: Final = 200  # of a requester's tickets, the last in which something happened
MOST_OPEN: Final = 10
MOST_RESOLVED: Final = 5
LATELY: Final = timedelta(days=14)
FIRST_WORDS: Final = 400  # characters read of an answer


class Tab(StrEnum):
    """Staff's lists."""

    MINE = "mine"
    UNASSIGNED = "unassigned"
    WAITING = "waiting"  # the longest first
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which list, of which queue and status (None: of all that aren't done), and which page of it, from 1."""

    tab: Tab = Tab.MINE
    queue: str | None = None
    status: Status | None = None
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketList:
    """A page of a list. `count`: how many there are, `MOST` for that many or more. `page`: the one that it is, where
    there aren't as many as were asked for."""

    tickets: tuple[Ticket, ...]
    page: int
    count: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // PAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A ticket as its requester sees it: the latest answer's beginning, and where the conversation is: the place of
    theirs in the channel, or (`anchor`) the first post of ours there."""

    ticket: Ticket
    answer: str = ""
    answered_by: str = ""
    place: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What somebody asked for: what is open, and what was resolved lately. `more`: there is more that is open."""

    open: tuple[Request, ...] = ()
    resolved: tuple[Request, ...] = ()
    more: bool = False


# -- staff ----------------------------------------------------------------------------------------------------------


async def staff_list(tx: Tx, user_id: int, wanted: Wanted) -> TicketList:
    """Return a page of one of the lists of staff; `user_id`: whose tickets are "mine"."""
    now = await tx.now()
    conditions: list[Any] = []
    if wanted.queue is not None:
        conditions.append(tickets.c.queue == wanted.queue)
    if wanted.tab is Tab.MINE:
        conditions.append(tickets.c.assignee_id == user_id)
    elif wanted.tab is Tab.UNASSIGNED:
        conditions.append(tickets.c.assignee_id.is_(None))
    elif wanted.tab is Tab.WAITING:
        conditions.append(tickets.c.waiting_since.is_not(None))
    if wanted.tab in (Tab.UNASSIGNED, Tab.WAITING):  # what was put aside waits for nobody
        conditions.append(or_(tickets.c.snoozed_until.is_(None), tickets.c.snoozed_until <= now))
    statuses = (wanted.status,) if wanted.status else ACTIVE
    count = await _count(tx, statuses, conditions)
    page = max(1, min(wanted.page, -(-count // PAGE)))
    ids = await _page(tx, statuses, conditions, page, oldest=wanted.tab is Tab.WAITING)
    found = await tickets_by_id(tx, ids)
    return TicketList(tickets=tuple(found[i] for i in ids if i in found), page=page, count=count)


async def _count(tx: Tx, statuses: Sequence[Status], conditions: Sequence[Any]) -> int:
    """How many there are, to `MOST`. By their time: it is in the indexes of such lists, but not in the one of how all
    stands, which SQLite would take where it need read nothing else."""
    count = 0
    for status in statuses:
        if count < MOST:
            some = select(tickets.c.updated_at).where(tickets.c.status == status, *conditions)
            limited = some.limit(MOST - count).subquery()
            count += int(await tx.scalar(select(func.count(limited.c.updated_at))) or 0)
    return count


def _part(status: Status, conditions: Sequence[Any], order: Sequence[Any], most: int) -> Subquery:
    return (
        select(tickets.c.id, tickets.c.updated_at, tickets.c.waiting_since)
        .where(tickets.c.status == status, *conditions)
        .order_by(*order)
        .limit(most)
        .subquery()
    )


async def _page(
    tx: Tx, statuses: Sequence[Status], conditions: Sequence[Any], page: int, *, oldest: bool
) -> list[int]:
    """The ids of a page: one limited query a status, joined, each by its index."""
    end = page * PAGE
    order = (tickets.c.waiting_since, tickets.c.id) if oldest else _newest(tickets.c)
    whole = union_all(*(select(_part(status, conditions, order, end)) for status in statuses)).subquery()
    then = (whole.c.waiting_since, whole.c.id) if oldest else _newest(whole.c)
    rows = await tx.all(select(whole.c.id).order_by(*then).limit(PAGE).offset(end - PAGE))
    return [row.id for row in rows]


def _newest(columns: Any) -> tuple[Any, Any]:
    return columns.updated_at.desc(), columns.id.desc()


# -- requesters -----------------------------------------------------------------------------------------------------


async def requests_of(tx: Tx, actor: Actor, channel: str, hold: timedelta = timedelta()) -> Requests:
    """Return what somebody asked for. `channel`: where their conversations are looked for. `hold`: so long staff may
    take an answer of theirs back; it isn't shown before."""
    if actor.user_id is None:
        return Requests()
    opened, resolved = await _latest(tx, actor.user_id)
    ids = [*opened[:MOST_OPEN], *resolved[:MOST_RESOLVED]]
    found = await tickets_by_id(tx, ids)
    answers = await _answers(tx, ids, hold)
    places = await _places(tx, actor.user_id, ids, channel)

    def request(ticket_id: int) -> Request:
        answer, by = answers.get(ticket_id, ("", ""))
        place, anchor = places.get(ticket_id, ("", ""))
        ticket = ticket_for(actor, found[ticket_id])
        return Request(ticket=ticket, answer=answer, answered_by=by, place=place, anchor=anchor)

    return Requests(
        open=tuple(request(i) for i in opened[:MOST_OPEN] if i in found),
        resolved=tuple(request(i) for i in resolved[:MOST_RESOLVED] if i in found),
        more=len(opened) > MOST_OPEN,
    )


async def _latest(tx: Tx, user_id: int) -> tuple[list[int], list[int]]:
    """The ids of what is open and what was resolved lately, among the latest of theirs."""
    since = await tx.now() - LATELY
    rows = await tx.all(
        select(tickets.c.id, tickets.c.status, tickets.c.resolved_at)
        .where(tickets.c.requester_id == user_id)
        .order_by(tickets.c.public_updated_at.desc(), tickets.c.id.desc())
        .limit(LATEST)
    )
    opened = [row.id for row in rows if row.status in ACTIVE]
    resolved = [
        row.id
        for row in rows
        if row.status == Status.RESOLVED and row.resolved_at and row.resolved_at > since
    ]
    return opened, resolved


async def _answers(tx: Tx, ids: Sequence[int], hold: timedelta) -> Mapping[int, tuple[str, str]]:
    """The beginning of the latest answer of each of these tickets, and who wrote it."""
    if not ids:
        return {}
    before = await tx.now() - hold
    parts = [
        select(
            messages.c.ticket_id,
            func.substr(messages.c.text, 1, FIRST_WORDS).label("words"),
            users.c.name,
        )
        .join(users, users.c.id == messages.c.author_id)
        .where(
            messages.c.ticket_id == ticket_id,
            messages.c.visibility == Visibility.PUBLIC,
            messages.c.author_staff.is_(True),
            messages.c.outsider.is_(False),
            messages.c.deleted_at.is_(None),
            messages.c.created_at <= before,
        )
        .order_by(messages.c.seq.desc())
        .limit(1)
        .subquery()
        for ticket_id in ids
    ]
    rows = await tx.all(union_all(*(select(part) for part in parts)))
    return {row.ticket_id: (row.words, row.name) for row in rows}


async def _places(tx: Tx, user_id: int, ids: Sequence[int], channel: str) -> Mapping[int, tuple[str, str]]:
    """Where the conversation about each of these tickets is, and the first post of ours there."""
    if not ids:
        return {}
    rows = await tx.all(
        select(participants.c.ticket_id, participants.c.place)
        .join(identities, identities.c.key == participants.c.identity_key)
        .where(
            identities.c.user_id == user_id,
            identities.c.kind == channel,
            participants.c.ticket_id.in_(ids),
        )
    )
    places = {row.ticket_id: row.place for row in rows}
    first = (
        select(func.min(deliveries.c.id).label("id"))
        .where(
            deliveries.c.ticket_id.in_(list(places)),
            deliveries.c.channel == channel,
            deliveries.c.kind.in_((Kind.MESSAGE, Kind.NOTICE)),
            deliveries.c.place.in_(set(places.values())),
            deliveries.c.remote_id.is_not(None),
        )
        .group_by(deliveries.c.ticket_id)
        .subquery()
    )
    posted = await tx.all(
        select(deliveries.c.ticket_id, deliveries.c.remote_id).join(first, first.c.id == deliveries.c.id)
    )
    anchors = {row.ticket_id: str(row.remote_id) for row in posted}
    return {ticket_id: (place, anchors.get(ticket_id, "")) for ticket_id, place in places.items()}
