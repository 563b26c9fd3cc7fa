"""Spans of time counted from the tables, exactly: their events as they happened, in the queue that each was in then.

A ticket that was merged or is spam has no durations. What older events don't tell (they are from before targets, or
from an archive) is taken from the tickets' times, where these tell it; then there's no duration in business hours.

A day of a large desk has ten thousand events that are looked at one by one, for somebody who waits. So those of like
tickets come as one row, what they tell joined to one text (the database reads none of it) that is parsed at once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import (
    Row,
    String,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
)

from core.database import Tx
from core.failures import Unavailable
from core.figures_series import Series
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
AT_ONCE: Final = 1.0  # seconds: an archive that was read in without its dates was answered as it was opened
TOGETHER: Final = 1_000  # events whose tickets' times are looked up at once
_GROUP: Final = 5_000  # ids whose events may come as one row: its text stays far below what a server sends
_SPREADS: Final = {"first": "first_response", "resolved": "resolution"}
_MINUTE: Final = len("2026-03-29 01:30")  # of a time, as every store writes it
_QUARTERS: Final = {f"{minute:02}": f"{minute - minute % 15:02}" for minute in range(60)}  # of an hour

Queues = Sequence[str] | None
Span = tuple[datetime, datetime | None]  # from when (included) to when (excluded; None: for ever)
Part = tuple[Any, ...]  # what events are parted by: their hour, or nothing
Keys = tuple[tuple[str, str], ...]  # dimensions, and what a ticket is by them


class _Untimed(NamedTuple):
    """An answer or a resolution of which the ticket's times must say what it doesn't tell itself."""

    queue: str
    kind: str
    keys: Keys
    out: bool
    told: Mapping[str, Any]


@dataclass(slots=True)
class _Tally:
    """What was counted of a span. `acts`: how often in a queue what happened to tickets of such keys, and whether in
    time (None: no target). `durations`: seconds, by queue and spread. `arrivals`: by queue and quarter of an hour.
    `untimed`: by the events' ids."""

    acts: Counter[tuple[str, str, Keys, int | None]] = field(default_factory=Counter)
    durations: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    arrivals: Counter[tuple[str, str]] = field(default_factory=Counter)
    untimed: dict[int, _Untimed] = field(default_factory=dict)


async def read(tx: Tx, spans: Sequence[Span], queues: Queues = None) -> dict[str, Series]:
    """Return the series of each queue in these spans, of which no two overlap. Raises `Unavailable` where the database
    cuts lists."""
    return (await _read(tx, spans, queues, ())).get("", {})


async def read_hours(tx: Tx, spans: Sequence[Span]) -> dict[Hour, dict[str, Series]]:
    """Return the same of all queues, by the hour. Raises `Unavailable`."""
    found = await _read(tx, spans, None, (hour_column(),))
    return {hour_named(written): series for written, series in found.items()}


async def _read(tx: Tx, spans: Sequence[Span], queues: Queues, part: Part) -> dict[str, dict[str, Series]]:
    """The series by hour, where that is what they are parted by, and queue."""
    found: dict[str, dict[str, Series]] = defaultdict(lambda: defaultdict(Series))
    tallies: dict[str, tuple[_Tally, _Tally]] = defaultdict(lambda: (_Tally(), _Tally()))
    where = spanning(spans, queues)
    for row in await _counted(tx, [*where, events.c.kind.in_(COUNTED)], part):
        found[_hour(row, part)][row.queue].count(row.kind, n=int(row.n))
    for row in await _acts(tx, where, part):
        _told(tallies[_hour(row, part)][0], row, _keys(row))
    for row in await _tagged(tx, where, part):
        _told(tallies[_hour(row, part)][1], row, (("tag", row.tag),))
    for hour, (tally, tagged) in tallies.items():
        if tally.untimed:
            times = await _times(tx, list(tally.untimed))
            _timed(tally, tagged, times, await _tags(tx, {time.ticket_id for time in times}))
        _part(tally, tagged, found[hour])
    for row in await _rated(tx, where, part):
        found[_hour(row, part)][row.queue].count(f"rated:{row.score}", n=int(row.n))
    return {hour: dict(series) for hour, series in found.items()}


def _hour(row: Row[Any], part: Part) -> str:
    return str(row.hour) if part else ""


def hour_column() -> Any:
    """Return the hour that an event is in, as every store writes it: with a blank in place of the T."""
    return func.substr(events.c.at, 1, HOUR_KEY, type_=String(HOUR_KEY)).label("hour")


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


async def counted(
    tx: Tx, spans: Sequence[Span], queues: Queues, kinds: Sequence[str] = tuple(EFFECT)
) -> dict[str, dict[str, int]]:
    """Return how many events of these kinds each queue had, counted by the database."""
    found: dict[str, dict[str, int]] = {}
    where = [*spanning(spans, queues), events.c.kind.in_(kinds)]
    for row in await _counted(tx, where, ()):
        found.setdefault(row.queue, {})[row.kind] = int(row.n)
    return found


async def _counted(tx: Tx, where: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    alike = (events.c.queue, events.c.kind, *part)
    return await tx.all(select(*alike, func.count().label("n")).where(*where).group_by(*alike))


def _joined() -> tuple[Any, ...]:
    """What a row has of the events that come as one: how many they are; of what ended its id and what it tells; of what
    was opened the minute."""
    pair = literal("[").concat(cast(events.c.id, String)).concat(literal(","))
    pair = pair.concat(type_coerce(events.c.data, Text)).concat(literal("]"))
    minute = func.substr(events.c.at, 1, _MINUTE)
    return (
        func.count().label("n"),
        func.group_concat(case((events.c.kind.in_(ENDED), pair), else_=null())).label("told"),
        func.group_concat(case((events.c.kind == "opened", minute), else_=null())).label("at"),
    )


async def _acts(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """What happened, by what the tickets are."""
    alike = (
        events.c.queue,
        events.c.kind,
        *part,
        tickets.c.channel,
        tickets.c.priority,
        tickets.c.assignee_id,
    )
    out = tickets.c.merged_into.is_not(None) | tickets.c.spam
    return await tx.all(
        select(*alike, out.label("out"), *_joined())
        .join(tickets, tickets.c.id == events.c.ticket_id)
        .where(*span, events.c.kind.in_(ACTED))
        .group_by(*alike, out, events.c.id - events.c.id % _GROUP)
    )


async def _tagged(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """The same by each tag."""
    alike = (events.c.queue, events.c.kind, *part, tags.c.tag)
    out = tickets.c.merged_into.is_not(None) | tickets.c.spam
    return await tx.all(
        select(*alike, out.label("out"), *_joined())
        .select_from(tags)
        .join(events, events.c.ticket_id == tags.c.ticket_id)
        .join(tickets, tickets.c.id == events.c.ticket_id)
        .where(*span, events.c.kind.in_(ACTED))
        .group_by(*alike, out, events.c.id - events.c.id % _GROUP)
    )


async def _times(tx: Tx, numbers: Sequence[int]) -> list[Row[Any]]:
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


async def _tags(tx: Tx, ticket_ids: Collection[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    numbers = sorted(ticket_ids)
    for start in range(0, len(numbers), TOGETHER):
        some = tags.c.ticket_id.in_(numbers[start : start + TOGETHER])
        for row in await tx.all(select(tags.c.ticket_id, tags.c.tag).where(some)):
            found.setdefault(row.ticket_id, []).append(row.tag)
    return found


async def _rated(tx: Tx, span: Sequence[Any], part: Part) -> Sequence[Row[Any]]:
    """The ratings that stand: of one that was changed, the last."""
    alike = (events.c.queue, *part, ratings.c.score)
    return await tx.all(
        select(*alike, func.count(ratings.c.ticket_id.distinct()).label("n"))
        .join(ratings, (ratings.c.ticket_id == events.c.ticket_id) & (ratings.c.rated_at == events.c.at))
        .where(*span, events.c.kind == "rated")
        .group_by(*alike)
    )


# -- one by one -----------------------------------------------------------------------------------------------------


def _keys(row: Row[Any]) -> Keys:
    assignee = "" if row.assignee_id is None else str(row.assignee_id)
    return ("channel", row.channel), ("priority", row.priority), ("assignee", assignee)


def _told(tally: _Tally, row: Row[Any], keys: Keys) -> None:
    """Count a row of events of one kind, but those that don't tell all."""
    queue, kind, out = row.queue, row.kind, bool(row.out)
    if kind not in ENDED:
        tally.acts[queue, kind, keys, None] += row.n
        for minute, n in Counter(_minutes(row) if kind == "opened" else ()).items():
            tally.arrivals[queue, minute[:-2] + _QUARTERS[minute[-2:]]] += n
        return
    acts: Counter[tuple[str, int | None]] = Counter()
    places = _places(tally, queue)
    for number, told in _parsed(row):
        first, what = told.get("first"), kind
        if first is None and (kind == "answered" or not ("wall" in told or out)):
            tally.untimed[number] = _Untimed(queue, kind, keys, out, told)
            continue
        if kind == "answered":
            what = "first" if first else "next"
        acts[what, None if out else told.get("met")] += 1
        if what != "next" and not out:
            _took(places[what], told)
    for (what, met), n in acts.items():
        tally.acts[queue, what, keys, met] += n


def _minutes(row: Row[Any]) -> list[str]:
    """When each event of a row of "opened" was. Raises `Unavailable`."""
    minutes: list[str] = (row.at or "").split(",")
    if len(minutes) != row.n or len(minutes[-1]) != _MINUTE:
        raise _cut()
    return minutes


def _parsed(row: Row[Any]) -> list[tuple[int, dict[str, Any]]]:
    """The id of each event of a row of what ended, and what it tells. Raises `Unavailable`."""
    try:
        parsed: list[tuple[int, dict[str, Any]]] = json.loads(f"[{row.told or ''}]")
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


def _places(tally: _Tally, queue: str) -> dict[str, tuple[list[float], list[float]]]:
    """Where a queue's durations go, of first answers and resolutions: by the wall clock and in business hours."""
    durations = tally.durations
    return {
        what: (durations[queue, spread], durations[queue, f"{spread}_business"])
        for what, spread in _SPREADS.items()
    }


def _took(
    place: tuple[list[float], list[float]], told: Mapping[str, Any], by_times: float | None = None
) -> None:
    """How long it took. `by_times`: seconds by the ticket's times, where they are asked."""
    if "wall" in told:
        place[0].append(float(told["wall"]))
        if (business := told.get("business")) is not None:
            place[1].append(float(business))
    elif by_times is not None and by_times >= AT_ONCE:
        place[0].append(by_times)


def _timed(
    tally: _Tally, tagged: _Tally, times: Iterable[Row[Any]], names: Mapping[int, Sequence[str]]
) -> None:
    """Count by the tickets' times, in the order in which it happened: of a ticket's answers the first one counts."""
    found: set[int] = set()
    for time in times:  # of those that are there still
        one, what = tally.untimed[time.id], "resolved"
        if one.kind == "answered":
            first = time.first_response_at == time.at and time.ticket_id not in found
            found.add(time.ticket_id)
            what = "first" if first else "next"
        met = None if one.out else one.told.get("met")
        tally.acts[one.queue, what, one.keys, met] += 1
        for tag in names.get(time.ticket_id, ()):
            tagged.acts[one.queue, what, (("tag", tag),), met] += 1
        if what != "next" and not one.out:
            wall = None if "first" in one.told else (time.at - time.created_at).total_seconds()
            _took(_places(tally, one.queue)[what], one.told, wall)


def _part(tally: _Tally, tagged: _Tally, found: Mapping[str, Series]) -> None:
    """Count in each queue's series what was counted of it; what isn't there yet is made."""
    for queue, what, keys, n in _counts(tally):
        found[queue].count(what, keys, n)
    for queue, what, keys, n in _counts(tagged):
        if keys:
            found[queue].below(what, keys, n)
    for (queue, spread), durations in tally.durations.items():
        if durations:
            found[queue].exact[spread] += durations
    for (queue, quarter), n in tally.arrivals.items():
        found[queue].arrived(datetime.fromisoformat(quarter), n)


def _counts(tally: _Tally) -> Iterator[tuple[str, str, Keys, int]]:
    """What each of these is counted as, with its queue, below which keys, and how often."""
    for (queue, what, keys, met), n in tally.acts.items():
        if what in ("first", "next"):
            yield queue, "answered", (), n
        if what != "next":  # of further answers those that had a target are counted, and no more
            yield queue, what, keys, n
        if met is not None:
            target = "resolution" if what == "resolved" else what
            yield queue, f"{target}:of", keys, n
            yield queue, f"{target}:met", keys, n * int(met)


__all__ = [
    "ACTED",
    "COUNTED",
    "Queues",
    "Span",
    "counted",
    "hour_column",
    "hour_named",
    "read",
    "read_hours",
    "spanning",
]
