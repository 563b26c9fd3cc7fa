"""Each day's series, made once it is over by the code that counts exactly, kept in `rollups`, and added up by month;
and those of its hours in `rollup_hours`, made as each is over.

What changes a day afterwards is noticed by the ids of events: those above `mark` are looked at a minute after they were
first seen, when no transaction that wrote one below them is left. A day to which one was added is made anew, and so are
the days of a ticket whose priority, assignee, tags or rating changed, or that was merged or found to be spam: the
figures go by what it is now. Where closed tickets are deleted, days of which some may be gone stay as they are. Days
that were made before there were hours are made anew, the newest first, when there's nothing else to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, delete, func, insert, select

from core.database import Database, Tx
from core.figures_days import SCOPE, STATE, WHOLE, flow
from core.figures_hours import CHANGES, COUNTED_BY, hour_column, hour_named
from core.figures_read import read, spanning
from core.figures_series import Series
from core.jobs import Job, Jobs
from core.status import ACTIVE
from core.tables import events, rollup_hours, rollups, settings, tickets
from core.utc_days import (
    DAY,
    HOUR,
    Hour,
    day_of,
    days_from,
    days_of,
    hour_of,
    hours_of,
    month_of,
    start_of,
    start_of_hour,
)

log = structlog.get_logger(__name__)

DELAY: Final = timedelta(minutes=10)  # after a day's or an hour's end; what comes later is noticed
SETTLED: Final = timedelta(minutes=1)  # longer than any transaction runs
LOOK: Final = 2_000  # events looked at in a turn
SLICE: Final = 20_000  # events of an hour that are read at once
TURN: Final = 0.5  # seconds after which a turn begins no further day
EARLIEST: Final = date(1995, 1, 1)  # a mail can bear any date

Hourly = Mapping[Hour, Mapping[str, Series]]  # by queue


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far it has come. `seen`: the highest id when last looked. `first` and `upto`: the days made, both included;
    of these `added` (something was added to them) and `changed` are to be made anew, and `months` to be added up. The
    days from `hours_from` on were made with their hours; of those after `upto`, the hours made are `open`."""

    mark: int
    seen: int
    seen_at: datetime
    first: date
    upto: date
    checked: date
    added: frozenset[date] = frozenset()
    changed: frozenset[date] = frozenset()
    months: frozenset[str] = frozenset()
    hours_from: date
    open: frozenset[Hour] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return it as it's stored."""
        times = ("first", "upto", "checked", "seen_at", "hours_from")
        days = {name: getattr(self, name).isoformat() for name in times}
        lists = {
            name: sorted(day.isoformat() for day in getattr(self, name)) for name in ("added", "changed")
        }
        names = {"months": sorted(self.months), "open": sorted(self.open)}
        return {"mark": self.mark, "seen": self.seen, **days, **lists, **names}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> State:
        """Return what `as_json` gave, also that of older code, which knew of no hours."""
        upto = date.fromisoformat(stored["upto"])
        return cls(
            mark=stored["mark"],
            seen=stored["seen"],
            seen_at=datetime.fromisoformat(stored["seen_at"]),
            first=date.fromisoformat(stored["first"]),
            upto=upto,
            checked=date.fromisoformat(stored["checked"]),
            added=frozenset(map(date.fromisoformat, stored["added"])),
            changed=frozenset(map(date.fromisoformat, stored["changed"])),
            months=frozenset(stored["months"]),
            hours_from=date.fromisoformat(stored.get("hours_from") or (upto + DAY).isoformat()),
            open=frozenset(map(Hour, stored.get("open", ()))),
        )

    def due(self, now: datetime, least: date) -> date | Hour | None:
        """Return the day or hour to make next: a day to which something was added, the next that is over, an hour of
        the one after it, a day that changed, and one from `least` on that was made without its hours."""
        if self.added:
            return max(self.added)
        if start_of(self.upto + 2 * DAY) + DELAY <= now:
            return self.upto + DAY
        hours = (hour for hour in hours_of(self.upto + DAY) if hour not in self.open)
        hour = next(hours, None)
        if hour is not None and start_of_hour(hour) + HOUR + DELAY <= now:
            return hour
        if self.changed:
            return max(self.changed)
        return self.hours_from - DAY if self.hours_from > max(self.first, least) else None

    def made(self, day: date) -> State:
        """Return it with a day made, and its hours."""
        return replace(
            self,
            upto=max(self.upto, day),
            added=self.added - {day},
            changed=self.changed - {day},
            months=self.months | {month_of(day)},
            hours_from=day if day == self.hours_from - DAY else self.hours_from,
            open=self.open.difference(hours_of(day)),
        )

    def made_hour(self, hour: Hour) -> State:
        """Return it with an hour made, of the day that isn't over."""
        return replace(self, open=self.open | {hour})

    def due_months(self) -> list[str]:
        """Return the months whose days are all there, and are to be added up."""
        busy = {month_of(day) for day in self.added | self.changed}
        return sorted(m for m in self.months - busy if days_of(m)[-1] <= self.upto)


async def roll_up(jobs: Jobs) -> bool:
    """Make days for half a second, then the months that they complete. The next slot goes on where this one ends."""
    database = jobs.database
    least = least_of(jobs.desk.config.retention.closed_tickets, database.clock.now())
    state = await database.unit(lambda tx: _look(tx, least))
    began = time.monotonic()
    while state is not None and (due := state.due(database.clock.now(), least)) is not None:
        make = _make_hour(database, state, due) if isinstance(due, str) else _make_day(database, state, due)
        state = await make
        if time.monotonic() - began > TURN:
            return False
    for month in state.due_months() if state is not None else ():
        await database.unit(lambda tx, month=month: make_month(tx, month))  # type: ignore[misc]
    if state is not None and state.checked < state.upto:
        await _check(database)
    return False


def least_of(keep: timedelta, now: datetime) -> date:
    """Return the first day that may be made: where closed tickets are kept so long, of those before some are gone, and
    of that day itself some may be."""
    return day_of(now - keep) + DAY if keep else EARLIEST


# -- what is to be done -------------------------------------------------------------------------------------------


async def _load(tx: Tx) -> State | None:
    """The state, its row locked."""
    stored = await tx.scalar(
        select(settings.c.value).where(settings.c.scope == SCOPE, settings.c.key == STATE).with_for_update()
    )
    return None if stored is None else State.of_json(stored)


async def _save(tx: Tx, state: State) -> State:
    value = state.as_json()
    await tx.run(tx.upsert(settings, {"scope": SCOPE, "key": STATE, "value": value}, {"value": value}))
    return state


async def _look(tx: Tx, least: date) -> State | None:
    """Note which days and hours the newest events belong to. None while there's nothing to begin with."""
    state, now = await _load(tx), await tx.now()
    if state is None:
        await _begin(tx, now)
        return None
    if timedelta() <= now - state.seen_at < SETTLED:
        return state if state.upto >= state.first else None
    rows = await tx.all(
        select(events.c.id, events.c.at, events.c.kind, events.c.ticket_id)
        .where(events.c.id > state.mark, events.c.id <= state.seen)
        .order_by(events.c.id)
        .limit(LOOK)
    )
    counted = await _counted_of_changed(tx, rows)
    added = {day for row in rows if least <= (day := day_of(row.at)) <= state.upto}
    changed = {day for at in counted if max(least, state.first) <= (day := day_of(at)) <= state.upto}
    touched = {hour_of(at) for at in (*(row.at for row in rows), *counted)}
    earliest = min(added, default=state.first)
    if earliest < state.first:  # the days between are there, empty ones too
        added |= set(days_from(earliest, state.first))
        state = replace(state, first=earliest)
    state = replace(
        state,
        added=state.added | added,
        changed=(state.changed | changed) - added,
        open=state.open - touched,
    )
    if len(rows) == LOOK:
        return await _save(tx, replace(state, mark=rows[-1].id))
    highest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    return await _save(tx, replace(state, mark=state.seen, seen=highest, seen_at=now))


async def _begin(tx: Tx, now: datetime) -> None:
    """Note where to begin. Nothing is made before those have ended who write events of lower ids now."""
    earliest = await tx.scalar(select(func.min(events.c.at)).where(events.c.at >= start_of(EARLIEST)))
    if earliest is None:
        return
    first = day_of(earliest)
    highest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    before = first - DAY
    begun = State(
        mark=highest,
        seen=highest,
        seen_at=now,
        first=first,
        upto=before,
        checked=before,
        hours_from=first,
    )
    await _save(tx, begun)


async def _counted_of_changed(tx: Tx, rows: Iterable[Row[Any]]) -> list[datetime]:
    """When something was counted of the tickets that are something else now."""
    ids = {row.ticket_id for row in rows if row.kind in CHANGES}
    found = await tx.all(
        select(events.c.at).where(events.c.ticket_id.in_(ids), events.c.kind.in_(COUNTED_BY))
    )
    return [row.at for row in found]


# -- making -------------------------------------------------------------------------------------------------------


async def _make_day(database: Database, state: State, day: date) -> State | None:
    """Make a day and its hours, also anew. None where somebody has looked at later events meanwhile."""
    at, hourly = await read_day(database, day)

    async def unit(tx: Tx) -> State | None:
        current = await _load(tx)
        if current is None or current.mark != state.mark:
            return None
        await tx.run(delete(rollups).where(rollups.c.day == month_of(day)))
        await _store(tx, day.isoformat(), _together(hourly), at)
        await store_hours(tx, hours_of(day), hourly)
        return await _save(tx, current.made(day))

    return await database.unit(unit)


async def _make_hour(database: Database, state: State, hour: Hour) -> State | None:
    """Make an hour of the day that isn't over; None as for `_make_day`."""
    begin = start_of_hour(hour)
    _, hourly = await _read(database, begin, begin + HOUR)

    async def unit(tx: Tx) -> State | None:
        current = await _load(tx)
        if current is None or current.mark != state.mark:
            return None
        await store_hours(tx, [hour], hourly)
        return await _save(tx, current.made_hour(hour))

    return await database.unit(unit)


async def read_day(database: Database, day: date) -> tuple[datetime, Hourly]:
    """Return the series of a day's hours in which something happened, and when they were read."""
    return await _read(database, start_of(day), start_of(day + DAY))


async def _read(database: Database, since: datetime, until: datetime) -> tuple[datetime, Hourly]:
    """Read whole hours, a crowded one in slices, so that no transaction runs long."""
    hour = hour_column()
    sizes = select(hour, func.count().label("n")).where(*spanning(since, until, None)).group_by(hour)

    async def look(tx: Tx) -> tuple[datetime, dict[Hour, int]]:
        return await tx.now(), {hour_named(row.hour): int(row.n) for row in await tx.all(sizes)}

    at, counts = await database.read(look)
    return at, {hour: await _read_hour(database, hour, 1 + n // SLICE) for hour, n in counts.items()}


async def _read_hour(database: Database, hour: Hour, slices: int) -> dict[str, Series]:
    start = start_of_hour(hour)
    parts: dict[str, Series] = {}
    for n in range(slices):
        since, until = start + HOUR * n / slices, start + HOUR * (n + 1) / slices
        found = await database.read(lambda tx, since=since, until=until: read(tx, since, until))  # type: ignore[misc]
        for queue, series in found.items():
            parts.setdefault(queue, Series()).merge(series)
    return parts


def _together(hourly: Hourly) -> dict[str, Series]:
    parts: dict[str, Series] = {}
    for hour in hourly.values():
        for queue, series in hour.items():
            parts.setdefault(queue, Series()).merge(series)
    return parts


async def make_month(tx: Tx, month: str) -> None:
    """Add a month's days up, where none of them is to be made first."""
    state = await _load(tx)
    if state is None or month not in state.due_months():
        return
    keys = [day.isoformat() for day in days_of(month)]
    rows = await tx.all(
        select(rollups.c.queue, rollups.c.series).where(rollups.c.day.in_(keys), rollups.c.queue != WHOLE)
    )
    parts: dict[str, Series] = {}
    for row in rows:
        parts.setdefault(row.queue, Series()).add(row.series)
    # A month that the first day is in lacks the days before: nothing happened on them.
    await _store(tx, month, parts, await tx.now())
    await _save(tx, replace(state, months=state.months - {month}))


async def store_hours(tx: Tx, hours: Sequence[Hour], hourly: Hourly) -> None:
    """Store what was read of these hours: of a crowded one the durations in buckets alone, as its row would be long."""
    await tx.run(delete(rollup_hours).where(rollup_hours.c.hour.in_(hours)))
    rows = [
        {
            "hour": hour,
            "queue": queue,
            "series": series.as_json(),
            "durations": series.as_read() if series.size <= SLICE else None,
        }
        for hour, parts in sorted(hourly.items())
        for queue, series in sorted(parts.items())
    ]
    if rows:
        await tx.run(insert(rollup_hours), rows)


async def _store(tx: Tx, key: str, parts: Mapping[str, Series], at: datetime) -> None:
    await tx.run(delete(rollups).where(rollups.c.day == key))
    whole = {"effect": {queue: series.effect for queue, series in parts.items()}}
    rows = [{"day": key, "queue": WHOLE, "series": whole, "made_at": at}]
    rows += [
        {"day": key, "queue": queue, "series": series.as_json(), "made_at": at}
        for queue, series in sorted(parts.items())
    ]
    await tx.run(insert(rollups), rows)


# -- does it add up -----------------------------------------------------------------------------------------------


async def _check(database: Database) -> None:
    """What all events say is open must be open. Told once a day; events written while we look are no difference."""
    found: set[int] = set()
    for _ in range(3):
        found.add(await database.read(_difference))
        if 0 in found:
            break
    if len(found) == 1 and 0 not in found:
        log.warning("figures_do_not_add_up", open_without_events=found.pop())

    async def note(tx: Tx) -> None:
        state = await _load(tx)
        if state is not None:
            await _save(tx, replace(state, checked=state.upto))

    await database.unit(note)


async def _difference(tx: Tx) -> int:
    grown = await flow(tx, start_of(date.min), None)
    active = await tx.scalar(select(func.count()).where(tickets.c.status.in_(ACTIVE)))
    return int(active or 0) - sum(grown.values())


JOBS: Final = (Job("roll_up", timedelta(seconds=10), roll_up),)
