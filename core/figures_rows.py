"""What figures read of events that happened in some spans of time: as few rows as may be.

A day of a large desk has ten thousand events that are looked at one by one, for somebody who waits. So those of a kind
come as one row, what they tell joined to one text (the database reads none of it) that is parsed at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import (
    Integer,
    Row,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from core.database import Tx
from core.failures import Unavailable
from core.figures_shapes import EFFECT
from core.tables import events, ratings, tags, tickets
from core.utc_days import HOUR_KEY, Hour

log = structlog.get_logger(__name__)

ENDED: Final = ("answered", "resolved")  # what took some time
ACTED: Final = ("opened", "reopened", *ENDED)  # these are looked at one by one
COUNTED: Final = (
    *(kind for kind in EFFECT if kind not in ACTED),
    "message",
    "delivery_failed",
    "delivery_bounced",
)
TOGETHER: Final = 1_000  # events whose tickets' times are looked up at once
_GROUP: Final = 5_000  # ids whose events may come as one row: its text stays far below what a server sends
_MINUTE: Final = len("2026-03-29 01:30")  # of a time, as every store writes it

Queues = Sequence[str] | None
Span = tuple[datetime, datetime | None]  # from when (included) to when (excluded; None: for ever)
Part = tuple[Any, ...]  # what events are parted by, named so, or nothing


def hour_column() -> Any:
    """Return the hour that an event is in, as every store writes it: with a blank in place of the T."""
    return func.substr(events.c.at, 1, HOUR_KEY, type_=String(HOUR_KEY))


def hour_named(written: str) -> Hour:
    """Return the key of an hour that the database wrote."""
    return Hour(written.replace(" ", "T"))


def spanning(spans: Sequence[Span], queues: Queues) -> list[Any]:
    """Return the conditions on `events`: when, in any of these, and where."""
    conditions = [
        or_(false(), *(_between(*span) for span in spans)) if len(spans) != 1 else _between(*spans[0])
    ]
    if queues is not None:
        conditions.append(events.c.queue.in_(queues))
    return conditions


def _between(since: datetime, until: datetime | None) -> Any:
    return events.c.at >= since if until is None else and_(events.c.at >= since, events.c.at < until)


async def effects(tx: Tx, spans: Sequence[Span], most: int) -> Sequence[Row[Any]]:
    """Return how many (`n`) of the events by which the backlog grows or shrinks there were by queue and kind, counted
    by the database: of so many at most, whichever these are."""
    some = select(*_ALIKE).where(*spanning(spans, None), _HAS_EFFECT).limit(most).subquery()
    alike = (some.c.queue, some.c.kind)
    return await tx.all(select(*alike, func.count().label("n")).group_by(*alike))


async def count(tx: Tx, where: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    return await tx.all(_parted(_COUNT, part).where(*where))


def _joined(who: Any) -> tuple[Any, ...]:
    """What a row has of the events that come as one: how many they are, and of each `who`, whether its ticket is out,
    and its id and what it tells, or when it was, if it isn't one of `ENDED`."""
    ended = cast(events.c.id, String).concat(literal(",")).concat(type_coerce(events.c.data, Text))
    minute = literal('"').concat(func.substr(events.c.at, 1, _MINUTE)).concat(literal('"'))
    out = case((tickets.c.merged_into.is_not(None) | tickets.c.spam, literal('",1,')), else_=literal('",0,'))
    each = (
        literal('["')
        .concat(who)
        .concat(out)
        .concat(case((_IS_ENDED, ended), else_=minute))
        .concat(literal("]"))
    )
    return func.count().label("n"), func.group_concat(each).label("told")


# Prepared once: to put these together takes as long as to send them.
_IS_ACT: Final = events.c.kind.in_(ACTED)
_IS_ENDED: Final = events.c.kind.in_(ENDED)
_ALIKE: Final = (events.c.queue, events.c.kind)
_BLOCK: Final = events.c.id - events.c.id % bindparam("group", type_=Integer)
SIGN: Final = "|"
_WHO: Final = (
    tickets.c.channel.concat(literal(SIGN))
    .concat(tickets.c.priority)
    .concat(literal(SIGN))
    .concat(func.coalesce(cast(tickets.c.assignee_id, String), literal("")))
)
_ACTS: Final = (
    select(*_ALIKE, *_joined(_WHO))
    .join(tickets, tickets.c.id == events.c.ticket_id)
    .where(_IS_ACT)
    .group_by(*_ALIKE, _BLOCK)
)
_TAGGED: Final = (
    select(*_ALIKE, tags.c.tag, *_joined(literal("")))
    .select_from(tags)
    .join(events, events.c.ticket_id == tags.c.ticket_id)
    .join(tickets, tickets.c.id == events.c.ticket_id)
    .where(_IS_ACT)
    .group_by(*_ALIKE, tags.c.tag, _BLOCK)
)


_RATED: Final = (
    select(events.c.queue, ratings.c.score, func.count(ratings.c.ticket_id.distinct()).label("n"))
    .join(ratings, (ratings.c.ticket_id == events.c.ticket_id) & (ratings.c.rated_at == events.c.at))
    .where(events.c.kind == "rated")
    .group_by(events.c.queue, ratings.c.score)
)
_COUNT: Final = select(*_ALIKE, func.count().label("n")).group_by(*_ALIKE)
_HAS_EFFECT: Final = events.c.kind.in_(tuple(EFFECT))
IS_COUNTED: Final = events.c.kind.in_(COUNTED)


async def acts(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """What happened."""
    return await tx.all(_parted(_ACTS, part).where(*span), {"group": _GROUP})


async def tagged(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """The same by each tag."""
    return await tx.all(_parted(_TAGGED, part).where(*span), {"group": _GROUP})


def _parted(rows: Select[Any], part: Part) -> Select[Any]:
    return rows.add_columns(*part).group_by(*part) if part else rows


async def times_of(tx: Tx, numbers: Sequence[int]) -> list[Row[Any]]:
    """When these events happened, in that order, and what the times of their tickets are."""
    columns = (
        events.c.id,
        events.c.ticket_id,
        events.c.at,
        tickets.c.created_at,
        tickets.c.first_response_at,
    )
    found: list[Row[Any]] = []
    for start in range(0, len(numbers), TOGETHER):
        found += await tx.all(
            select(*columns)
            .join(tickets, tickets.c.id == events.c.ticket_id)
            .where(events.c.id.in_(numbers[start : start + TOGETHER]))
        )
    return sorted(found, key=lambda row: (row.at, row.id))


async def tags_of(tx: Tx, ticket_ids: Collection[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    numbers = sorted(ticket_ids)
    for start in range(0, len(numbers), TOGETHER):
        some = tags.c.ticket_id.in_(numbers[start : start + TOGETHER])
        for row in await tx.all(select(tags.c.ticket_id, tags.c.tag).where(some)):
            found.setdefault(row.ticket_id, []).append(row.tag)
    return found


async def rated(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """The ratings that stand: of one that was changed, the last."""
    return await tx.all(_parted(_RATED, part).where(*span))


def parsed(row: Row[Any]) -> list[list[Any]]:
    """What each event of a row tells. Raises `Unavailable`."""
    try:
        parsed: list[list[Any]] = json.loads(f"[{row.told}]")
    except json.JSONDecodeError:  # cut inside of one
        raise _cut() from None
    if len(parsed) != row.n:
        raise _cut()
    return parsed


def _cut() -> Unavailable:
    """A proxy between us and the database may give connections away that lack what each is opened with."""
    log.error(
        "database_cuts_lists",
        mend="set group_concat_max_len = 67108864 on the server: something between it and us drops our session's own",
    )
    return Unavailable("the database cuts lists: group_concat_max_len isn't what our sessions set")
