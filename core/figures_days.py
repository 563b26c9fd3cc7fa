"""A span put together: whole months, weeks, days and hours of UTC as they were rolled up, what is left from the tables.

A row of `rollups` is a day ("2026-03-29"), a week ("2026-03W30") or a month ("2026-03") of one queue; the one whose
queue is "" says that the day is there, and by how much each queue's backlog grew. A day that isn't there, or to which
something was added since it was made (an archive that was read in), is counted from its hours (`core.figures_hours`)
and from the tables until `core.rollups` has made it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Row, func, null, select

from core.database import Tx
from core.failures import Unavailable
from core.figures_hours import AtHand, above_mark, at_hand
from core.figures_read import read, read_apart
from core.figures_rows import ACTED, Queues, Span, effects, spanning
from core.figures_series import Series
from core.figures_shapes import EFFECT
from core.rollups_state import State
from core.tables import events, rollup_hours, rollups, settings
from core.utc_days import (
    DAY,
    HOUR,
    Hour,
    day_of,
    days_from,
    days_of,
    month_of,
    start_of,
    start_of_hour,
    sums_of,
    week_of,
)

SCOPE: Final = "rollups"  # settings: how far `core.rollups` has come
STATE: Final = "state"
WHOLE: Final = ""  # in place of a queue
MOST_READ: Final = 200_000  # events that are looked at one by one for somebody who waits
MOST_SUMMED: Final = 2_000_000  # that the database counts for them
MOST_PIECES: Final = 40  # spans that are read at once; where hours leave more of one, all of it is read

_COME_AGAIN: Final = "the figures are being counted; try again in a while"

Held = tuple[datetime, datetime]


class Counting(Unavailable):
    """So much isn't rolled up yet that counting it would take too long; `core.rollups` is at it."""


async def put_together(
    tx: Tx, wanted: Sequence[Held], queues: Queues = None, *, exact: bool, rolled: Rolled | None = None
) -> list[dict[str, Series]]:
    """Return the series of each queue in each of these spans, from whenever (included) to whenever (excluded); no two
    overlap. What they need is asked for together.

    `exact`: out of the tables, and of hours, whose durations are kept as they were read, unless that's too much.
    `rolled`: what other spans of the same transaction were put together by. Raises `Counting`."""
    rolled = rolled or Rolled(tx)
    if exact:
        plans = [await _with_hours(rolled, Plan([], [span])) for span in wanted]
        if not await _too_much(tx, plans):
            return await _put_together(tx, plans, queues, exact=True)
    plans = [await _with_hours(rolled, await _plan(rolled, *span)) for span in wanted]
    if await _too_much(tx, plans):
        raise Counting(_COME_AGAIN)
    return await _put_together(tx, plans, queues, exact=False)


async def _too_much(tx: Tx, plans: Sequence[Plan]) -> bool:
    spans = [span for plan in plans for span in plan.spans]
    return await _crowded(tx, spans, ACTED, MOST_READ * len(plans))


async def _put_together(
    tx: Tx, plans: Sequence[Plan], queues: Queues, *, exact: bool
) -> list[dict[str, Series]]:
    found: list[dict[str, Series]] = [defaultdict(Series) for _ in plans]
    number = {key: n for n, plan in enumerate(plans) for key in (*plan.keys, *plan.hours)}
    conditions = [rollups.c.queue != WHOLE] if queues is None else [rollups.c.queue.in_(queues)]
    for row in await _rows(tx, [key for plan in plans for key in plan.keys], conditions):
        found[number[row.day]][row.queue].add(row.series)
    for row in await _hours(tx, [key for plan in plans for key in plan.hours], queues, exact=exact):
        found[number[row.hour]][row.queue].add(row.series, row.durations)
    async for n, parts in _read(tx, plans, queues):
        for queue, series in parts.items():
            found[n][queue].merge(series)
    return [dict(one) for one in found]


async def _read(
    tx: Tx, plans: Sequence[Plan], queues: Queues
) -> AsyncIterator[tuple[int, Mapping[str, Series]]]:
    """What the tables say of their spans, with the number of each plan: of two at once, where these aren't many."""
    if len(plans) == 2 and all(plan.spans for plan in plans):
        first, second = plans
        between = max(first.spans[0][0], second.spans[0][0])
        if len(first.spans) + len(second.spans) <= MOST_PIECES:
            earlier, later = await read_apart(tx, [*first.spans, *second.spans], queues, between)
            turned = first.spans[0][0] == between
            yield 0, later if turned else earlier
            yield 1, earlier if turned else later
            return
    for n, plan in enumerate(plans):
        for some in _together(plan.spans):
            yield n, await read(tx, some, queues)


def _together(spans: Sequence[Span]) -> Iterable[Sequence[Span]]:
    for at in range(0, len(spans), MOST_PIECES):
        yield spans[at : at + MOST_PIECES]


async def flow(
    tx: Tx,
    since: datetime,
    until: datetime | None,
    queues: Queues = None,
    rolled: Rolled | None = None,
) -> dict[str, int]:
    """Return by how much each queue's backlog grew, from `since` (included) to `until` (excluded; None: for ever).
    `rolled`: as of `put_together`. Raises `Counting`."""
    found: Counter[str] = Counter()
    plan = await _plan(rolled or Rolled(tx), since, until)
    for row in await _rows(tx, plan.keys, [rollups.c.queue == WHOLE]):
        for queue, by in row.series["effect"].items():
            if queues is None or queue in queues:
                found[queue] += by
    left = MOST_SUMMED
    for some in _together(plan.spans):
        for row in await effects(tx, some, left + 1):
            left -= row.n
            if queues is None or row.queue in queues:
                found[row.queue] += int(row.n) * EFFECT[row.kind]
        if left < 0:
            raise Counting(_COME_AGAIN)
    return dict(found)


async def _crowded(tx: Tx, spans: Sequence[Span], kinds: Sequence[str], most: int) -> bool:
    """Do these spans hold more events of these kinds? Looks at one more of them at most, by their index."""
    left = most
    for those in _together(spans):
        some = select(events.c.at).where(*spanning(those, None), events.c.kind.in_(kinds))
        found = some.limit(left + 1).subquery()
        left -= int(await tx.scalar(select(func.count()).select_from(found)) or 0)
        if left < 0:
            return True
    return False


async def _rows(tx: Tx, keys: list[str], conditions: list[Any]) -> Any:
    if not keys:
        return ()
    columns = (rollups.c.day, rollups.c.queue, rollups.c.series)
    return await tx.all(select(*columns).where(rollups.c.day.in_(keys), *conditions))


async def _hours(tx: Tx, keys: Sequence[str], queues: Queues, *, exact: bool) -> Any:
    if not keys:
        return ()
    conditions = [rollup_hours.c.hour.in_(keys)]
    if queues is not None:
        conditions.append(rollup_hours.c.queue.in_(queues))
    durations = rollup_hours.c.durations if exact else null().label("durations")
    columns = (rollup_hours.c.hour, rollup_hours.c.queue, rollup_hours.c.series, durations)
    return await tx.all(select(*columns).where(*conditions))


# -- which rows, and which spans beside them ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """Of what a span is put together: keys of `rollups` and of `rollup_hours`, and the spans to be counted from the
    tables."""

    keys: list[str]
    spans: list[Span]
    hours: Sequence[str] = ()


class Rolled:
    """What is rolled up, as one transaction sees it: each thing is asked for once, of however many spans."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._late: frozenset[date] = frozenset()
        self._at_hand: AtHand | None = None
        self._state: State | None = None
        self._new: Sequence[Row[Any]] | None = None
        self._noted: set[str] = set()
        self._made: dict[str, bool] = {}

    async def bounds(self) -> tuple[date, date] | None:
        """From which day to which (excluded) there may be rows; None where there are none. A month or a week that the
        first day is in has its days before, too."""
        state = await self.state()
        if state is None or state.upto < state.first:
            return None
        return min(days_of(key)[0] for key in sums_of(state.first)), state.upto + DAY

    async def late(self) -> frozenset[date]:
        """The days that something was added to, since `core.rollups` looked last."""
        if self._first("late") and (state := await self.state()) is not None:
            new = await self._unseen(state)
            days = await _days_after(self._tx, state) if new is None else {day_of(row.at) for row in new}
            self._late = state.added.union(day for day in days if day <= state.upto)
        return self._late

    async def at_hand(self) -> AtHand | None:
        """Which hours are there."""
        if self._first("hours") and (state := await self.state()) is not None:
            self._at_hand = await at_hand(self._tx, state, await self._unseen(state))
        return self._at_hand

    async def _unseen(self, state: State) -> Sequence[Row[Any]] | None:
        if self._first("unseen"):
            rows = await above_mark(self._tx, state)
            self._new = None if rows is None else state.unlooked(rows)
        return self._new

    async def state(self) -> State | None:
        """How far `core.rollups` has come."""
        if self._first("state"):
            stored = select(settings.c.value).where(settings.c.scope == SCOPE, settings.c.key == STATE)
            found = await self._tx.scalar(stored)
            self._state = None if found is None else State.of_json(found)
        return self._state

    def _first(self, what: str) -> bool:
        """Is this the first time that it's asked for?"""
        known = what in self._noted
        self._noted.add(what)
        return not known

    async def made(self, keys: Iterable[str]) -> set[str]:
        """Those of these days, weeks and months that are there."""
        wanted = list(keys)
        if unknown := [key for key in wanted if key not in self._made]:
            there = rollups.c.day.in_(unknown), rollups.c.queue == WHOLE
            found = {row.day for row in await self._tx.all(select(rollups.c.day).where(*there))}
            self._made |= {key: key in found for key in unknown}
        return {key for key in wanted if self._made[key]}


async def _plan(rolled: Rolled, since: datetime, until: datetime | None) -> Plan:
    first = day_of(since)
    if start_of(first) < since:
        first += DAY
    bounds = await rolled.bounds()
    if bounds is None:
        return Plan([], [(since, until)])
    first, end = max(first, bounds[0]), bounds[1]
    if until is not None:
        end = min(end, day_of(until))
    if first >= end:
        return Plan([], [(since, until)])
    keys = await _stored(rolled, first, end)
    return Plan(list(keys), _rest(since, until, sorted(keys.values())))


async def _with_hours(rolled: Rolled, plan: Plan) -> Plan:
    """The same with hours in place of what they hold of its spans."""
    at_hand = await rolled.at_hand() if plan.spans else None
    if at_hand is None:
        return plan
    hours: list[Hour] = []
    spans: list[Span] = []
    for since, until in plan.spans:
        assert until is not None
        within = at_hand.within(since, until)
        hours += within
        begins = [start_of_hour(hour) for hour in within]
        spans += _rest(since, until, [(begin, begin + HOUR) for begin in begins])
    return Plan(plan.keys, spans, at_hand.keys_of(hours)) if len(spans) <= MOST_PIECES else plan


async def _stored(rolled: Rolled, first: date, end: date) -> dict[str, Held]:
    """The keys that hold these days, a month's or a week's where it's there, and what each holds."""
    state, late, days = await rolled.state(), await rolled.late(), days_from(first, end)
    assert state is not None

    def usable(some: Iterable[date], sum_of: Callable[[date], str]) -> dict[str, list[date]]:
        whole = _whole(some, sum_of).items()
        return {key: held for key, held in whole if key not in state.sums and late.isdisjoint(held)}

    months = usable(days, month_of)
    sums = months | usable(sorted(set(days).difference(*months.values())), week_of)
    alone = set(days).difference(late, *sums.values())  # asked for at once with these
    made = await rolled.made([*sums, *(day.isoformat() for day in sorted(alone))])
    keys = {key: held for key, held in sums.items() if key in made}
    taken = late.union(*keys.values())
    single = {day.isoformat(): [day] for day in days if day not in taken}
    made = await rolled.made(single)  # more than these where a sum isn't there
    keys |= {key: held for key, held in single.items() if key in made}
    return {key: (start_of(held[0]), start_of(held[-1] + DAY)) for key, held in keys.items()}


def _whole(days: Iterable[date], sum_of: Callable[[date], str]) -> dict[str, list[date]]:
    """The months or weeks all of whose days are among these, which are in order. Pure."""
    found: dict[str, list[date]] = {}
    for day in days:
        found.setdefault(sum_of(day), []).append(day)
    return {key: some for key, some in found.items() if some == days_of(key)}


async def _days_after(tx: Tx, state: State) -> set[date]:
    """The days of all events that are new, of those that are made."""
    day = func.date(events.c.at)  # text on SQLite
    # Compared by its day, so that no index of times is taken for it: by that all that ever happened would be read.
    made = day < (state.upto + DAY).isoformat()
    rows = await tx.all(select(day.label("day")).where(events.c.id > state.mark, made).distinct())
    return {date.fromisoformat(str(row.day)) for row in rows}


def _rest(since: datetime, until: datetime | None, held: Iterable[Held]) -> list[Span]:
    """What these, in order, leave of a span."""
    spans: list[Span] = []
    at = since
    for begin, end in held:
        if at < begin:
            spans.append((at, begin))
        at = end
    if until is None or at < until:
        spans.append((at, until))
    return spans
