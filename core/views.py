"""What the desk shows: tickets, messages and events read from their rows, criteria and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import FromClause, Row, UnaryExpression, and_, func, or_, select, union_all
from sqlalchemy.sql.operators import custom_op

from core import searching
from core.database import Tx
from core.failures import Invalid
from core.lateness import as_written
from core.shapes import Actor, Attachment, Auth, Author, Event, Message, Priority, Visibility
from core.status import Status, Ticket
from core.tables import attachments, events, identities, links, messages, participants, tickets, users
from core.visibility import sees_event, sees_message, shown_email, shown_name

ROOTS: Final = 500  # tickets looked at together
FEW: Final = 2_000  # tickets of one address: these are looked through, whatever else is asked of them
ALL: Final = 2**31 - 1  # as many as there can be

# A label for the second use of `users` in one statement.
_assignee = users.alias("assignee")


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketCriteria:
    """Which tickets to list, newest activity first. `q`: a number, or words (`core.searching`)."""

    status: tuple[Status, ...] = ()
    queue: str | None = None
    assignee: str | None = None  # a username, "" for nobody
    requester: str | None = None  # a mail address
    q: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """One page of tickets; `cursor` asks for the next, None on the last."""

    tickets: list[Ticket]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDetail:
    """A ticket with what the viewer may see of its messages and history."""

    ticket: Ticket
    messages: list[Message]
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` (included) to `until` (excluded)."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """Something to tell the people of a ticket: `what` names a notice, `text` its words where they're free."""

    what: str
    text: str = ""


_TICKET = (
    tickets,
    users.c.name.label("requester_name"),
    _assignee.c.username.label("assignee"),
)


def _tickets_from() -> Any:
    return tickets.join(users, users.c.id == tickets.c.requester_id).outerjoin(
        _assignee, _assignee.c.id == tickets.c.assignee_id
    )


def ticket_of(row: Row[Any]) -> Ticket:
    """Return a row of `select_ticket` as a `Ticket`."""
    return Ticket(
        id=row.id,
        queue=row.queue,
        title=row.title,
        description=row.description,
        status=Status(row.status),
        priority=Priority(row.priority),
        channel=row.channel,
        requester_id=row.requester_id,
        requester_name=row.requester_name,
        requester_email=row.requester_address,
        assignee_id=row.assignee_id,
        assignee=row.assignee,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        public_updated_at=row.public_updated_at,
        waiting_since=row.waiting_since,
        first_response_at=row.first_response_at,
        resolved_at=row.resolved_at,
        closed_at=row.closed_at,
        snoozed_until=row.snoozed_until,
        pending_since=row.pending_since,
        reminded_at=row.reminded_at,
        clock_since=row.clock_since,
        clock_used=timedelta(seconds=int(row.clock_used)),
        first_due_at=row.first_due_at,
        next_due_at=row.next_due_at,
        resolve_due_at=row.resolve_due_at,
        targets_at=row.targets_at,
        targets_told=row.targets_told,
        merged_into=row.merged_into,
        unconfirmed=bool(row.unconfirmed),
        spam=bool(row.spam),
    )


def ticket_for(viewer: Actor, ticket: Ticket) -> Ticket:
    """Return the ticket as this viewer may see it: notes don't show in a requester's times."""
    if viewer.staff:
        return ticket
    own = ticket.requester_id == viewer.user_id
    email = shown_email(viewer, own=own, email=ticket.requester_email)
    name = shown_name(viewer, own=own, name=ticket.requester_name)
    at = ticket.public_updated_at
    return replace(ticket, updated_at=at, requester_email=email, requester_name=name)


def message_for(viewer: Actor, message: Message) -> Message:
    """Return the message as this viewer may see it: staff's and others' addresses are the desk's, so is what a mail
    server said of the sender, and what staff's mails quote (a notice to staff, with what only they may see)."""
    own = message.author_id == viewer.user_id
    email = shown_email(viewer, own=own, email=message.author.email)
    results = message.auth_results if viewer.staff else None
    full = message.full_text if viewer.staff or not message.author.staff else message.text
    name = shown_name(viewer, own=own, name=message.author.name)
    author = replace(message.author, name=name, email=email)
    return replace(message, author=author, auth_results=results, full_text=full)


async def ticket(tx: Tx, ticket_id: int) -> Ticket | None:
    """Return a ticket, or None."""
    row = await tx.first(select(*_TICKET).select_from(_tickets_from()).where(tickets.c.id == ticket_id))
    return None if row is None else ticket_of(row)


async def tickets_by_id(tx: Tx, ids: Sequence[int]) -> dict[int, Ticket]:
    """Return those of these tickets that exist."""
    if not ids:
        return {}
    rows = await tx.all(select(*_TICKET).select_from(_tickets_from()).where(tickets.c.id.in_(ids)))
    return {row.id: ticket_of(row) for row in rows}


async def takes_part(tx: Tx, ticket_id: int, user_id: int | None) -> bool:
    """Is this user the requester or a participant?"""
    if user_id is None:
        return False
    found = await tx.scalar(
        select(participants.c.ticket_id)
        .join(identities, identities.c.key == participants.c.identity_key)
        .where(
            participants.c.ticket_id == ticket_id,
            identities.c.user_id == user_id,
            participants.c.role.in_(("requester", "cc")),
        )
        .limit(1)
    )
    return found is not None


_MESSAGE = (messages, users.c.name.label("author_name"), users.c.role.label("author_role"))


def message_of(row: Row[Any], files: Iterable[Attachment] = ()) -> Message:
    """Return a row of messages (joined with its author) as a `Message`."""
    return Message(
        id=row.id,
        ticket_id=row.ticket_id,
        seq=row.seq,
        author=Author(name=row.author_name, email=row.author_address, staff=bool(row.author_staff)),
        author_id=row.author_id,
        visibility=Visibility(row.visibility),
        channel=row.channel,
        text="" if row.deleted_at else row.text,
        full_text="" if row.deleted_at else (row.full_text or row.text),
        source_time=row.source_time,
        created_at=row.created_at,
        attachments=() if row.deleted_at else tuple(files),
        mail_id=row.mail_id,
        mail_date=row.mail_date,
        outsider=bool(row.outsider),
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
        auth=Auth(row.auth),
        auth_results=row.auth_results,
        rich=None if row.deleted_at else row.rich,
    )


def attachment_of(row: Row[Any]) -> Attachment:
    """Return a row of attachments as an `Attachment`."""
    return Attachment(
        id=row.id,
        name=row.name,
        content_type=row.type,
        size=row.bytes,
        blob=row.blob,
        inline_cid=row.inline_cid,
        state=row.state,
    )


async def _files(tx: Tx, ids: Sequence[int]) -> dict[int, list[Attachment]]:
    found: dict[int, list[Attachment]] = {}
    if ids:
        for row in await tx.all(
            select(attachments).where(attachments.c.message_id.in_(ids)).order_by(attachments.c.id)
        ):
            found.setdefault(row.message_id, []).append(attachment_of(row))
    return found


async def message(tx: Tx, message_id: int) -> Message | None:
    """Return a message with its attachments, or None."""
    row = await tx.first(
        select(*_MESSAGE).join(users, users.c.id == messages.c.author_id).where(messages.c.id == message_id)
    )
    if row is None:
        return None
    return message_of(row, (await _files(tx, [message_id])).get(message_id, ()))


async def thread(tx: Tx, ticket_id: int, viewer: Actor) -> list[Message]:
    """Return a ticket's messages as this viewer may see them, in the order in which they were written."""
    rows = await tx.all(
        select(*_MESSAGE)
        .join(users, users.c.id == messages.c.author_id)
        .where(messages.c.ticket_id == ticket_id)
        .order_by(messages.c.seq)
    )
    seen = [
        row
        for row in rows
        if sees_message(viewer, visibility=Visibility(row.visibility), outsider=bool(row.outsider))
    ]
    files = await _files(tx, [row.id for row in seen])
    return as_written(message_for(viewer, message_of(row, files.get(row.id, ()))) for row in seen)


async def history(tx: Tx, ticket_id: int, viewer: Actor) -> list[Event]:
    """Return a ticket's events as this viewer may see them, in order."""
    rows = await tx.all(select(events).where(events.c.ticket_id == ticket_id).order_by(events.c.id))
    return [
        Event(
            id=row.id,
            ticket_id=row.ticket_id,
            at=row.at,
            kind=row.kind,
            actor=shown_name(viewer, own=row.actor_id == viewer.user_id, name=row.actor_name),
            public=bool(row.public),
            data=row.data,
        )
        for row in rows
        if sees_event(viewer, public=bool(row.public))
    ]


# -- lists ----------------------------------------------------------------------------------------------------


def cursor_of(at: datetime, ticket_id: int) -> str:
    """Return the opaque cursor that continues after this ticket."""
    raw = json.dumps([at.isoformat(), ticket_id]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def parse_cursor(cursor: str) -> tuple[datetime, int]:
    """Read a cursor of ours. Raises `Invalid`."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, ticket_id = json.loads(raw)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(ticket_id, int) or not 0 <= ticket_id < 2**63:
            raise ValueError(cursor)
        return moment.astimezone(UTC), ticket_id
    except (ValueError, TypeError, OverflowError) as exc:
        raise Invalid("cursor: not one of ours; start again without it") from exc


async def list_tickets(tx: Tx, actor: Actor, criteria: TicketCriteria) -> TicketPage:
    """Return a page of tickets, newest activity first: one limited query a status, joined by UNION ALL; of tickets that
    are picked one by one all statuses at once.

    Requesters' lists are ordered by public activity, so that notes don't show in the order.
    """
    picked = await _picked(tx, actor, criteria)
    source: FromClause = tickets if picked is None else picked
    columns = source.c
    at = columns.updated_at if actor.staff else columns.public_updated_at
    conditions = await _conditions(tx, actor, criteria, columns)
    if criteria.cursor:  # the time alone first: by that an index is entered where the page begins
        moment, last = parse_cursor(criteria.cursor)
        conditions += [at <= moment, or_(at < moment, columns.id < last)]
    limit = max(1, min(criteria.limit, 200))
    statuses = criteria.status or tuple(Status)
    together = [(status,) for status in statuses] if picked is None else [statuses]
    parts = [
        select(columns.id, at.label("at"))
        .where(columns.status.in_(some), *conditions)
        .order_by(at.desc(), columns.id.desc())
        .limit(limit + 1)
        .subquery()
        for some in together
    ]
    whole = union_all(*(select(part) for part in parts)).subquery()
    rows = await tx.all(select(whole).order_by(whole.c.at.desc(), whole.c.id.desc()).limit(limit + 1))
    ids = [row.id for row in rows[:limit]]
    found = await tickets_by_id(tx, ids)
    more = cursor_of(rows[limit - 1].at, rows[limit - 1].id) if len(rows) > limit else None
    return TicketPage(tickets=[ticket_for(actor, found[i]) for i in ids if i in found], cursor=more)


async def _picked(tx: Tx, actor: Actor, criteria: TicketCriteria) -> FromClause | None:
    """The tickets that somebody takes part in, that were found by words, or both; None where neither is asked. The
    limit, which nothing reaches, keeps them apart: else SQLite goes through all tickets of a status to find them."""
    conditions: list[Any] = []
    if not actor.staff:
        mine = (
            select(participants.c.ticket_id)
            .join(identities, identities.c.key == participants.c.identity_key)
            .where(identities.c.user_id == (actor.user_id or 0), participants.c.role.in_(("requester", "cc")))
        )
        conditions.append(tickets.c.id.in_(mine))
    if criteria.q and criteria.q.strip():
        conditions.append(await searching.condition(tx, actor, criteria.q))
    if not conditions:
        return None
    names = ("id", "status", "queue", "assignee_id", "requester_id", "requester_address")
    columns = (tickets.c[name] for name in (*names, "updated_at", "public_updated_at"))
    return select(*columns).where(*conditions).limit(ALL).subquery("picked")


async def _conditions(tx: Tx, actor: Actor, criteria: TicketCriteria, columns: Any) -> list[Any]:
    conditions: list[Any] = []
    queue, assignee, address = columns.queue, columns.assignee_id, columns.requester_address
    narrowed = criteria.queue is not None or criteria.assignee is not None
    if criteria.requester is not None and actor.staff and narrowed and tx.sqlite:  # servers know what is few
        if await _few(tx, criteria.requester):
            queue, assignee = unsought(queue), unsought(assignee)
        else:
            address = unsought(address)
    if criteria.queue is not None:
        conditions.append(queue == criteria.queue)
    if criteria.assignee is not None:
        conditions.append(await _assignee_condition(tx, criteria.assignee, assignee))
    if criteria.requester is not None and not actor.staff:
        conditions.append(columns.requester_id == (actor.user_id or 0))  # whose address it is stays hidden
    if criteria.requester is not None:
        conditions.append(address == _address(criteria.requester))
    return conditions


def _address(requester: str) -> str:
    return requester.strip().lower()


async def _few(tx: Tx, requester: str) -> bool:
    """Has this address so few tickets that all may be looked through? A machine's may have any number."""
    some = select(tickets.c.id).where(tickets.c.requester_address == _address(requester)).limit(FEW + 1)
    return int(await tx.scalar(select(func.count()).select_from(some.subquery())) or 0) <= FEW


def unsought(column: Any) -> Any:
    """The column, but so that SQLite takes no index for it: it has no statistics, and takes the first that would do
    (https://www.sqlite.org/optoverview.html, the unary plus)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


async def _assignee_condition(tx: Tx, name: str, assignee: Any) -> Any:
    if not name:
        return assignee.is_(None)
    user_id = await tx.scalar(select(users.c.id).where(users.c.username == name))
    return assignee == (user_id if user_id is not None else -1)


async def open_roots(tx: Tx) -> list[str]:
    """Return the remote ids of the cards of tickets that aren't closed, however old: their threads are read again
    after an absence. Reads as much as there are such tickets, however many are closed."""
    found: list[str] = []
    for status in Status:
        if status is not Status.CLOSED:
            found += await _roots(tx, status)
    return found


async def _roots(tx: Tx, status: Status) -> list[str]:
    found: list[str] = []
    wanted = tickets.c.status == status
    while rows := await tx.all(
        select(tickets.c.id, tickets.c.updated_at)
        .where(wanted)
        .order_by(tickets.c.updated_at, tickets.c.id)
        .limit(ROOTS)
    ):
        cards = select(links.c.remote).where(
            links.c.ticket_id.in_([row.id for row in rows]),
            links.c.kind == "card",
            links.c.remote.is_not(None),
        )
        found += [str(row.remote) for row in await tx.all(cards)]
        last = rows[-1]
        same = and_(tickets.c.updated_at == last.updated_at, tickets.c.id > last.id)
        wanted = and_(tickets.c.status == status, or_(tickets.c.updated_at > last.updated_at, same))
    return found
