"""A ticket's way through the desk, for whoever wants to watch it: inbox rows, the messages they became, deliveries.

Reads only, by primary keys and the tickets' own indexes, each query bounded: inbox rows have no index by ticket, so
only the newest ones are looked through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, func, or_, select

from core.database import Tx
from core.tables import deliveries, inbox, messages, ratings, tickets, users

MOST_TICKETS: Final = 12
MOST_MESSAGES: Final = 12
MOST_DELIVERIES: Final = 60
MOST_ARRIVALS: Final = 30
LOOKED_THROUGH: Final = 400  # newest inbox rows
MOST_TEXT: Final = 90  # characters of a message, a failure
_SETTLED: Final = ("done", "ignored")  # an inbox row of no ticket that needs nothing more


@dataclass(frozen=True, slots=True)
class Heading:
    """A ticket in the list of the newest. `rated`: its score and when it was given, in seconds since 1970."""

    id: int
    title: str
    status: str
    queue: str
    assignee: str | None
    rated: tuple[int, float] | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """An inbox row: what a door took in, and what became of it."""

    id: int
    door: str
    state: str
    attempts: int
    at: float  # seconds since 1970
    reason: str | None
    ticket: int | None
    message: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the ticket, with the beginning of its text."""

    id: int
    seq: int
    channel: str
    visibility: str
    author: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Sending:
    """A delivery. `due_at`: when it's tried next, None where that's over or waits for another."""

    id: int
    channel: str
    kind: str
    state: str
    attempts: int
    error: str | None
    due_at: float | None


@dataclass(slots=True)
class Step:
    """What came in, what it became, what went out; each may be missing."""

    arrival: Arrival | None = None
    message: Said | None = None
    deliveries: list[Sending] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """The newest tickets, one's steps with the newest first, and arrivals that wait or failed and have no
    ticket."""

    tickets: list[Heading]
    ticket: int | None
    steps: list[Step]
    loose: list[Arrival]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain lists and dicts."""
        return asdict(self)


async def read(tx: Tx, ticket_id: int | None = None) -> Way:
    """Read the way of this ticket, or of the newest one."""
    newest = await _newest(tx)
    chosen = ticket_id or (newest[0].id if newest else None)
    arrived = await _arrivals(tx, chosen)
    loose = [row for row in arrived if row.ticket is None][:5]
    if chosen is None:
        return Way(newest, None, [], loose)
    said = await _messages(tx, chosen)
    sent = await _deliveries(tx, chosen)
    mine = [row for row in arrived if row.ticket == chosen]
    return Way(newest, chosen, steps(mine, said, sent), loose)


def steps(
    arrived: Sequence[Arrival], said: Sequence[Said], sent: Sequence[tuple[int | None, Sending]]
) -> list[Step]:
    """Join what belongs together by the message, newest first; deliveries of the ticket as a whole come at the end."""
    by_message = {row.message: row for row in arrived if row.message is not None}
    known = {message.id for message in said}
    found: list[tuple[float, Step]] = []
    for message in said:
        arrival = by_message.get(message.id)
        out = [sending for message_id, sending in sent if message_id == message.id]
        found.append((arrival.at if arrival else message.at, Step(arrival, message, out)))
    found += [(row.at, Step(row)) for row in arrived if row.message not in known]
    found.sort(key=lambda pair: pair[0], reverse=True)
    whole = [sending for message_id, sending in sent if message_id not in known]
    return [step for _, step in found] + ([Step(deliveries=whole)] if whole else [])


# -- the reading -------------------------------------------------------------------------------------------------


async def _newest(tx: Tx) -> list[Heading]:
    rows = await tx.all(
        select(
            tickets.c.id,
            tickets.c.title,
            tickets.c.status,
            tickets.c.queue,
            users.c.username,
            ratings.c.score,
            ratings.c.rated_at,
        )
        .select_from(
            tickets.outerjoin(users, users.c.id == tickets.c.assignee_id).outerjoin(
                ratings, ratings.c.ticket_id == tickets.c.id
            )
        )
        .order_by(tickets.c.id.desc())
        .limit(MOST_TICKETS)
    )
    return [
        Heading(
            row.id,
            row.title,
            row.status,
            row.queue,
            row.username,
            None if row.score is None else (row.score, row.rated_at.timestamp()),
        )
        for row in rows
    ]


async def _arrivals(tx: Tx, ticket_id: int | None) -> list[Arrival]:
    last = await tx.scalar(select(func.max(inbox.c.id))) or 0
    loose = and_(inbox.c.ticket_id.is_(None), inbox.c.state.not_in(_SETTLED))
    rows = await tx.all(
        select(
            inbox.c.id,
            inbox.c.channel,
            inbox.c.state,
            inbox.c.attempts,
            inbox.c.received_at,
            inbox.c.reason,
            inbox.c.ticket_id,
            inbox.c.message_id,
        )
        .where(inbox.c.id > last - LOOKED_THROUGH, or_(loose, inbox.c.ticket_id == ticket_id))
        .order_by(inbox.c.id.desc())
        .limit(MOST_ARRIVALS)
    )
    return [_arrival(row) for row in rows]


def _arrival(row: Row[Any]) -> Arrival:
    at = _seconds(row.received_at) or 0.0
    reason = _short(row.reason)
    return Arrival(row.id, row.channel, row.state, row.attempts, at, reason, row.ticket_id, row.message_id)


async def _messages(tx: Tx, ticket_id: int) -> list[Said]:
    rows = await tx.all(
        select(
            messages.c.id,
            messages.c.seq,
            messages.c.channel,
            messages.c.visibility,
            messages.c.created_at,
            messages.c.deleted_at,
            users.c.name,
            func.substr(messages.c.text, 1, MOST_TEXT).label("text"),
        )
        .join(users, users.c.id == messages.c.author_id)
        .where(messages.c.ticket_id == ticket_id)
        .order_by(messages.c.seq.desc())
        .limit(MOST_MESSAGES)
    )
    return [
        Said(
            row.id,
            row.seq,
            row.channel,
            row.visibility,
            row.name,
            "" if row.deleted_at else row.text,
            _seconds(row.created_at) or 0.0,
        )
        for row in rows
    ]


async def _deliveries(tx: Tx, ticket_id: int) -> list[tuple[int | None, Sending]]:
    rows = await tx.all(
        select(
            deliveries.c.id,
            deliveries.c.message_id,
            deliveries.c.channel,
            deliveries.c.kind,
            deliveries.c.state,
            deliveries.c.attempts,
            deliveries.c.last_error,
            deliveries.c.due_at,
        )
        .where(deliveries.c.ticket_id == ticket_id)
        .order_by(deliveries.c.id.desc())
        .limit(MOST_DELIVERIES)
    )
    return [(row.message_id, _sending(row)) for row in reversed(rows)]


def _sending(row: Row[Any]) -> Sending:
    error, due = _short(row.last_error), _seconds(row.due_at)
    return Sending(row.id, row.channel, row.kind, row.state, row.attempts, error, due)


def _short(text: str | None) -> str | None:
    return text[:MOST_TEXT] if text else None


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
