"""Each hour's series, made once it is over by the code that counts exactly, kept in `rollup_hours`; added up by day,
by week and month in `rollups`, and by block of six in `rollup_hours`.

What changes a day afterwards is noticed by the ids of events: those above `mark` are looked at, each once, and `mark`
follows a minute later, when no transaction that wrote one below it is left. An hour to which one was added is read
anew, and so are those of a ticket whose priority, assignee, tags or rating changed, or that was merged or found to be
spam: the figures go by what it is now. Where closed tickets are deleted, days of which some may be gone stay as they
are. Days that were made before there were hours get theirs, the newest first, when there's nothing else to do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, delete, func, insert, select

from core.database import Database, Tx
from core.figures_days import SCOPE, STATE, WHOLE, flow
from core.figures_hours import LOOKED_AT, above_mark, counted_of_changed, touched_by
from core.figures_series import Series
from core.jobs import Job, Jobs
from core.rollups_hours import Behind, Hourly, added_up, read_hours_of, store_blocks, store_hours, together
from core.rollups_state import EARLIEST, Due, State, least_of, noted
from core.status import ACTIVE
from core.tables import events, rollup_hours, rollups, settings, tickets
from core.utc_days import (
    DAY,
    Hour,
    block_of,
    day_of,
    days_of,
    hours_of,
    start_of,
    sums_of,
)

log = structlog.get_logger(__name__)

SETTLED: Final = timedelta(minutes=1)  # at least, and longer than any transaction runs
GRACE: Final = timedelta(seconds=10)  # longer than that
LOOK: Final = 2_000  # events looked at in a turn
TURN: Final = 0.5  # seconds after which a turn begins no further day; as long, no further week or month
MOST_LOOKED: Final = 2_000  # events above the mark of which it's noted that they were looked at


async def roll_up(jobs: Jobs) -> bool:
    """Make days for half a second, then the weeks and months that they complete for as long again. The next slot goes
    on where this one ends."""
    database = jobs.database
    config = jobs.desk.config
    least = least_of(config.retention.closed_tickets, database.clock.now())
    settled = max(SETTLED, config.database.timeout + GRACE)
    state = await database.unit(lambda tx: _look(tx, least, settled))
    began = time.monotonic()
    while state is not None and (due := state.due(database.clock.now(), least)) is not None:
        state = await _make(database, state, due)
        if time.monotonic() - began > TURN:
            break
    began = time.monotonic()
    for key in state.due_sums() if state is not None else ():
        await database.unit(lambda tx, key=key: add_up(tx, key))  # type: ignore[misc]
        if time.monotonic() - began > TURN:
            return False
    if state is not None and state.checked < state.upto and state.due(database.clock.now(), least) is None:
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


async def _look(tx: Tx, least: date, settled: timedelta = SETTLED) -> State | None:
    """Note which days and hours the newest events belong to. None while there's nothing to begin with."""
    state, now = await _load(tx), await tx.now()
    if state is None:
        await _begin(tx, now)
        return None
    begun = state.upto >= state.first
    waits = timedelta() <= now - state.seen_at < settled
    if waits and not begun:
        return None
    above = await above_mark(tx, state)
    new = [] if above is None else state.unlooked(above)
    if waits and (above is None or not new or len(above) > MOST_LOOKED):
        return state
    if above is None:  # an archive that is read in
        rows = await _settled(tx, state)
        state = await _noted(tx, state, least, state.unlooked(rows))
        if len(rows) == LOOK:
            return await _save(tx, state.moved_on(rows[-1].id))
    else:
        state = await _noted(tx, state, least, new)
        state = replace(state, looked=frozenset(row.id for row in above))
    if waits:
        return await _save(tx, state)
    highest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    return await _save(tx, replace(state.moved_on(state.seen), seen=highest, seen_at=now))


async def _settled(tx: Tx, state: State) -> Sequence[Row[Any]]:
    """The first of the events that no other one comes before."""
    ids = events.c.id
    some = select(*LOOKED_AT).where(ids > state.mark, ids <= state.seen).order_by(ids).limit(LOOK)
    return await tx.all(some)


async def _noted(tx: Tx, state: State, least: date, rows: Sequence[Row[Any]]) -> State:
    return noted(state, least, [row.at for row in rows], await counted_of_changed(tx, rows))


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


# -- making -------------------------------------------------------------------------------------------------------


async def _make(database: Database, state: State, due: Due) -> State | None:
    """Make what is due. None where somebody has looked at later events of it meanwhile, or where the node of a cluster
    that was asked lacks some of those that were looked at."""
    if due.blocks:
        return await database.unit(lambda tx: _make_blocks(tx, state, due.day))
    hours = [due.hour] if due.hour else hours_of(due.day) if due.past else state.to_read(due.day)
    try:
        at, read = await read_hours_of(database, hours, state.looked)
    except Behind:
        return None

    async def unit(tx: Tx) -> State | None:
        current = await _current(tx, state, [due.hour] if due.hour else hours_of(due.day))
        if current is None:
            return None
        if due.past:
            bare = not await _adds_up(tx, due.day, read)
            if not bare:
                await store_hours(tx, hours, read)
            return await _save(tx, current.made_past(due.day, bare=bare))
        await store_hours(tx, hours, read)
        if due.hour:
            return await _save(tx, current.made_hour(due.hour))
        kept = await _kept(tx, [hour for hour in hours_of(due.day) if hour not in hours])
        await tx.run(delete(rollups).where(rollups.c.day.in_(sums_of(due.day))))
        await _store(tx, due.day.isoformat(), together([kept, *read.values()]), at)
        return await _save(tx, current.made(due.day))

    return await database.unit(unit)


async def _make_blocks(tx: Tx, state: State, day: date) -> State | None:
    current = await _current(tx, state, ())
    if current is None:
        return None
    await store_blocks(tx, {block_of(hour) for hour in hours_of(day)})
    return await _save(tx, current.made_blocks(day))


async def _current(tx: Tx, state: State, hours: Sequence[Hour]) -> State | None:
    """The state as it is now, its row locked. None where what was read of these hours by an earlier one is no use."""
    current = await _load(tx)
    if current is None or not current.is_that_of(state):
        return None
    if later := current.looked - state.looked:
        rows = await tx.all(select(*LOOKED_AT).where(events.c.id.in_(later)))
        if not (await touched_by(tx, rows)).isdisjoint(hours):
            return None
    return current


async def _kept(tx: Tx, hours: Sequence[Hour]) -> dict[str, Series]:
    """The series of these hours by queue, as they are kept."""
    columns = (rollup_hours.c.queue, rollup_hours.c.series)
    return added_up(await tx.all(select(*columns).where(rollup_hours.c.hour.in_(hours))) if hours else ())


async def _adds_up(tx: Tx, day: date, read: Hourly) -> bool:
    """Does a day have what its hours say now? Some of it may have been deleted since it was made."""
    columns = (rollups.c.queue, rollups.c.series)
    rows = await tx.all(select(*columns).where(rollups.c.day == day.isoformat(), rollups.c.queue != WHOLE))
    made = {row.queue: +Counter(row.series["counts"]) for row in rows}
    now = {queue: +series.counts for queue, series in together(read.values()).items()}
    return {k: v for k, v in made.items() if v} == {k: v for k, v in now.items() if v}


async def add_up(tx: Tx, key: str) -> None:
    """Add the days of a month or a week up, where none of them is to be made first."""
    state = await _load(tx)
    if state is None or key not in state.due_sums():
        return
    keys = [day.isoformat() for day in days_of(key)]
    rows = await tx.all(
        select(rollups.c.queue, rollups.c.series).where(rollups.c.day.in_(keys), rollups.c.queue != WHOLE)
    )
    # What the first day is in lacks the days before: nothing happened on them.
    await _store(tx, key, added_up(rows), await tx.now())
    await _save(tx, replace(state, sums=state.sums - {key}))


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
