"""Spans of time counted from the tables, exactly: their events as they happened, in the queue that each was in then.

A ticket that was merged or is spam has no durations. What older events don't tell (they are from before targets, or
from an archive) is taken from the tickets' times, where these tell it; then there's no duration in business hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, case, literal

from core import figures_rows
from core.database import Tx
from core.figures_rows import ENDED, Part, Queues, Span, hour_column, hour_named, spanning
from core.figures_series import Series
from core.tables import events
from core.utc_days import Hour

AT_ONCE: Final = 1.0  # seconds: an archive that was read in without its dates was answered as it was opened
_SPREADS: Final = {"first": "first_response", "resolved": "resolution"}
_QUARTERS: Final = {f"{minute:02}": f"{minute - minute % 15:02}" for minute in range(60)}  # of an hour

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
    found = await _read(tx, spans, None, (hour_column().label("part"),))
    return {hour_named(written): series for written, series in found.items()}


async def read_apart(
    tx: Tx, spans: Sequence[Span], queues: Queues, at: datetime
) -> tuple[dict[str, Series], dict[str, Series]]:
    """Return what `read` does, of before this time and from it on. Raises `Unavailable`."""
    later = case((events.c.at >= at, literal("later")), else_=literal("earlier"))
    found = await _read(tx, spans, queues, (later.label("part"),))
    return found.get("earlier", {}), found.get("later", {})


async def _read(tx: Tx, spans: Sequence[Span], queues: Queues, part: Part) -> dict[str, dict[str, Series]]:
    """The series by what they are parted by, and queue."""
    found: dict[str, dict[str, Series]] = defaultdict(lambda: defaultdict(Series))
    tallies: dict[str, tuple[_Tally, _Tally]] = defaultdict(lambda: (_Tally(), _Tally()))
    where = spanning(spans, queues)
    for row in await figures_rows.count(tx, [*where, figures_rows.IS_COUNTED], part):
        found[_part_of(row, part)][row.queue].count(row.kind, n=int(row.n))
    for row in await figures_rows.acts(tx, where, part):
        _told(tallies[_part_of(row, part)][0], row)
    for row in await figures_rows.tagged(tx, where, part):
        keys = (("tag", row.tag),)
        _told(tallies[_part_of(row, part)][1], row, lambda _, keys=keys: keys)  # type: ignore[misc]
    for which, (tally, tagged) in tallies.items():
        if tally.untimed:
            times = await figures_rows.times_of(tx, list(tally.untimed))
            _timed(tally, tagged, times, await figures_rows.tags_of(tx, {time.ticket_id for time in times}))
        _part(tally, tagged, found[which])
    for row in await figures_rows.rated(tx, where, part):
        found[_part_of(row, part)][row.queue].count(f"rated:{row.score}", n=int(row.n))
    return {which: dict(series) for which, series in found.items()}


def _part_of(row: Row[Any], part: Part) -> str:
    return str(row.part) if part else ""


# -- one by one -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def _keys(who: str) -> Keys:
    channel, priority, assignee = who.split(figures_rows.SIGN)
    return ("channel", channel), ("priority", priority), ("assignee", assignee)


def _told(tally: _Tally, row: Row[Any], keys_of: Callable[[str], Keys] = _keys) -> None:
    """Count a row of events of one kind, but those that don't tell all. `keys_of`: what a ticket is by whose it is."""
    queue, kind, told = row.queue, row.kind, figures_rows.parsed(row)
    if kind in ENDED:
        _ended(tally, queue, kind, told, keys_of)
        return
    for who, n in Counter(who for who, _, _ in told).items():
        tally.acts[queue, kind, keys_of(who), None] += n
    for minute, n in Counter(at for _, _, at in told).items() if kind == "opened" else ():
        tally.arrivals[queue, minute[:-2] + _QUARTERS[minute[-2:]]] += n


def _ended(
    tally: _Tally, queue: str, kind: str, told: Iterable[Sequence[Any]], keys_of: Callable[[str], Keys]
) -> None:
    """Count what took some time, by whose it is, whether it's out, its id and what it tells."""
    acts: Counter[tuple[str, str, int | None]] = Counter()
    places = _places(tally, queue)
    for who, out, number, data in told:
        first, what = data.get("first"), kind
        if first is None and (kind == "answered" or not ("wall" in data or out)):
            tally.untimed[number] = _Untimed(queue, kind, keys_of(who), bool(out), data)
            continue
        if kind == "answered":
            what = "first" if first else "next"
        acts[who, what, None if out else data.get("met")] += 1
        if what != "next" and not out:
            _took(places[what], data)
    for (who, what, met), n in acts.items():
        tally.acts[queue, what, keys_of(who), met] += n


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
