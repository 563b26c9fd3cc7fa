"""Each day's series, made once it is over by the code that counts exactly, kept in `rollups`, and added up by month.

What changes a day afterwards is noticed by the ids of events: those above `mark` are looked at a minute after they were
first seen, when no transaction that wrote one below them is left. A day to which one was added is made anew, and so are
the days of a ticket whose priority, assignee, tags or rating changed, or that was merged or found to be spam: the
figures go by what it is now. Where closed tickets are deleted, days of which some may be gone stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, delete, func, insert, select

from core.database import Database, Tx
from core.figures_days import (
    DAY,
    SCOPE,
    STATE,
    WHOLE,
    day_of,
    days_from,
    days_of,
    flow,
    month_of,
    start_of,
)
from core.figures_read import ACTED, read, spanning
from core.figures_series import Series
from core.jobs import Job, Jobs
from core.status import ACTIVE
from core.tables import events, rollups, settings, tickets

log = structlog.get_logger(__name__)

DELAY: Final = timedelta(minutes=10)  # after a day's end; what comes later is noticed
SETTLED: Final = timedelta(minutes=1)  # longer than any transaction runs
LOOK: Final = 2_000  # events looked at in a turn
SLICE: Final = 20_000  # events of a day that are read at once
TURN: Final = 0.5  # seconds after which a turn begins no further day
EARLIEST: Final = date(1995, 1, 1)  # a mail can bear any date
CHANGES: Final = frozenset(
    (
        *("assigned", "priority", "tagged", "untagged", "rated"),
        *("merged", "merged_active", "spam", "spam_ended", "restored", "not_spam"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far it has come. `seen`: the highest id when last looked. `first` and `upto`: the days made, both included;
    of these `added` (something was added to them) and `changed` are to be made anew, and `months` to be added up."""

    mark: int
    seen: int
    seen_at: datetime
    first: date
    upto: date
    checked: date
    added: frozenset[date] = frozenset()
    changed: frozenset[date] = frozenset()
    months: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return it as it's stored."""
        days = {name: getattr(self, name).isoformat() for name in ("first", "upto", "checked", "seen_at")}
        lists = {
            name: sorted(day.isoformat() for day in getattr(self, name)) for name in ("added", "changed")
        }
        return {"mark": self.mark, "seen": self.seen, **days, **lists, "months": sorted(self.months)}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> State:
        """Return what `as_json` gave."""
        return cls(
            mark=stored["mark"],
            seen=stored["seen"],
            seen_at=datetime.fromisoformat(stored["seen_at"]),
            first=date.fromisoformat(stored["first"]),
            upto=date.fromisoformat(stored["upto"]),
            checked=date.fromisoformat(stored["checked"]),
            added=frozenset(map(date.fromisoformat, stored["added"])),
            changed=frozenset(map(date.fromisoformat, stored["changed"])),
            months=frozenset(stored["months"]),
        )

    def due(self, now: datetime) -> date | None:
        """Return the day to make next: one to which something was added, the next that is over, one that changed."""
        if self.added:
            return max(self.added)
        if start_of(self.upto + 2 * DAY) + DELAY <= now:
            return self.upto + DAY
        return max(self.changed, default=None)

    def made(self, day: date) -> State:
        """Return it with a day made."""
        return replace(
            self,
            upto=max(self.upto, day),
            added=self.added - {day},
            changed=self.changed - {day},
            months=self.months | {month_of(day)},
        )

    def due_months(self) -> list[str]:
        """Return the months whose days are all there, and are to be added up."""
        busy = {month_of(day) for day in self.added | self.changed}
        return sorted(m for m in self.months - busy if days_of(m)[-1] <= self.upto)


async def roll_up(jobs: Jobs) -> bool:
    """Make days for half a second, then the months that they complete. The next slot goes on where this one ends."""
    database = jobs.database
    keep = jobs.desk.config.retention.closed_tickets
    state = await database.unit(lambda tx: _look(tx, keep))
    began = time.monotonic()
    while state is not None and (day := state.due(database.clock.now())) is not None:
        state = await _make_day(database, day)
        if time.monotonic() - began > TURN:
            return False
    for month in state.due_months() if state is not None else ():
        await database.unit(lambda tx, month=month: make_month(tx, month))  # type: ignore[misc]
    if state is not None and state.checked < state.upto:
        await _check(database)
    return False


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


async def _look(tx: Tx, keep: timedelta) -> State | None:
    """Note which days the newest events belong to. None while there's nothing to begin with."""
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
    least = day_of(now - keep) + DAY if keep else EARLIEST  # of that day itself some may be gone
    added = {day for row in rows if least <= (day := day_of(row.at)) <= state.upto}
    changed = {
        day for day in await _days_of_changed(tx, rows) if max(least, state.first) <= day <= state.upto
    }
    earliest = min(added, default=state.first)
    if earliest < state.first:  # the days between are there, empty ones too
        added |= set(days_from(earliest, state.first))
        state = replace(state, first=earliest)
    state = replace(state, added=state.added | added, changed=(state.changed | changed) - added)
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
    await _save(tx, State(mark=highest, seen=highest, seen_at=now, first=first, upto=before, checked=before))


async def _days_of_changed(tx: Tx, rows: Iterable[Row[Any]]) -> set[date]:
    """On which days something was counted of the tickets that are something else now."""
    ids = {row.ticket_id for row in rows if row.kind in CHANGES}
    found = await tx.all(
        select(events.c.at).where(events.c.ticket_id.in_(ids), events.c.kind.in_((*ACTED, "rated")))
    )
    return {day_of(row.at) for row in found}


# -- making -------------------------------------------------------------------------------------------------------


async def _make_day(database: Database, day: date) -> State | None:
    """Make a day, also anew. None where somebody made it meanwhile from later events than were read here."""
    at, parts = await read_day(database, day)

    async def unit(tx: Tx) -> State | None:
        state = await _load(tx)
        newest = await tx.scalar(
            select(rollups.c.made_at).where(rollups.c.day == day.isoformat(), rollups.c.queue == WHOLE)
        )
        if state is None or (newest is not None and at < newest <= await tx.now()):
            return None
        await tx.run(delete(rollups).where(rollups.c.day == month_of(day)))
        await _store(tx, day.isoformat(), parts, at)
        return await _save(tx, state.made(day))

    return await database.unit(unit)


async def read_day(database: Database, day: date) -> tuple[datetime, dict[str, Series]]:
    """Return a day's series, and when they were read: a crowded day in slices, so that no transaction runs long."""
    start = start_of(day)

    async def size(tx: Tx) -> tuple[datetime, int]:
        count = select(func.count()).where(*spanning(start, start + DAY, None))
        return await tx.now(), int(await tx.scalar(count) or 0)

    at, count = await database.read(size)
    slices = 1 + count // SLICE
    parts: dict[str, Series] = {}
    for n in range(slices):
        since, until = start + DAY * n / slices, start + DAY * (n + 1) / slices
        found = await database.read(lambda tx, since=since, until=until: read(tx, since, until))  # type: ignore[misc]
        for queue, series in found.items():
            parts.setdefault(queue, Series()).merge(series)
    return at, parts


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
