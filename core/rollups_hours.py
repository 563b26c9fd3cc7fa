"""Hours as `core.rollups` reads and keeps them: read by the code that counts exactly, added up by blocks of six."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Row, delete, func, insert, select

from core.database import Database, Tx
from core.figures_read import read, read_hours
from core.figures_rows import Span, hour_column, hour_named, spanning
from core.figures_series import Series, joined
from core.tables import events, rollup_hours
from core.utc_days import HOUR, Block, Hour, block_of, hours_of_block, start_of_hour

SLICE: Final = 20_000  # events of an hour that are read at once

T = TypeVar("T")
Hourly = Mapping[Hour, Mapping[str, Series]]  # by queue


class Behind(Exception):
    """A node of a cluster lacks events that another one had."""


class _ReadIn(Protocol):
    async def __call__(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a reading transaction."""


async def read_hours_of(
    database: Database, hours: Sequence[Hour], looked: Collection[int] = ()
) -> tuple[datetime, Hourly]:
    """Return the series of these hours, of those in which something happened, and when they were read: some at once, a
    crowded one in slices, so that no transaction runs long. `looked`: events that must be there. Raises `Behind`."""
    hour = hour_column().label("hour")
    there = select(func.count()).where(events.c.id.in_(looked))

    async def read_in(work: Callable[[Tx], Awaitable[T]]) -> T:
        async def checked(tx: Tx) -> T:
            if looked and await tx.scalar(there) != len(looked):
                raise Behind
            return await work(tx)

        return await database.read(checked)

    sizes = select(hour, func.count().label("n")).where(*spanning(spans_of(hours), None)).group_by(hour)

    async def look(tx: Tx) -> tuple[datetime, dict[Hour, int]]:
        return await tx.now(), {hour_named(row.hour): int(row.n) for row in await tx.all(sizes)}

    at, counts = await read_in(look)
    found: dict[Hour, dict[str, Series]] = {}
    for some in portions(counts):
        if counts[some[0]] > SLICE:
            found[some[0]] = await _read_crowded(read_in, some[0], 1 + counts[some[0]] // SLICE)
        else:
            found |= await read_in(lambda tx, some=some: read_hours(tx, spans_of(some)))  # type: ignore[misc]
    return at, found


def portions(counts: Mapping[Hour, int]) -> list[list[Hour]]:
    """The hours in order, as many together as may be read at once. Pure."""
    portions: list[list[Hour]] = []
    room = 0
    for hour, n in sorted(counts.items()):
        if n > room:
            portions.append([])
            room = SLICE
        portions[-1].append(hour)
        room -= n
    return portions


def spans_of(hours: Sequence[Hour]) -> list[Span]:
    """The spans of these hours, which are in order; what follows without a gap is one. Pure."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        begin = start_of_hour(hour)
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, start_of_hour(hour) + HOUR))
    return list(spans)


async def _read_crowded(read_in: _ReadIn, hour: Hour, slices: int) -> dict[str, Series]:
    start = start_of_hour(hour)
    parts = []
    for n in range(slices):
        span = start + HOUR * n / slices, start + HOUR * (n + 1) / slices
        parts.append(await read_in(lambda tx, span=span: read(tx, [span])))  # type: ignore[misc]
    return together(parts)


def together(parts: Iterable[Mapping[str, Series]]) -> dict[str, Series]:
    whole: dict[str, Series] = {}
    for part in parts:
        for queue, series in part.items():
            whole.setdefault(queue, Series()).merge(series)
    return whole


async def store_hours(tx: Tx, hours: Sequence[Hour], hourly: Hourly) -> None:
    """Store what was read of these hours, and add up their blocks. Of a crowded hour the durations are stored in
    buckets alone, as its row would be long."""
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
    await store_blocks(tx, {block_of(hour) for hour in hours})


async def store_blocks(tx: Tx, blocks: Collection[Block]) -> None:
    """Add up the hours of each that are there. What lacks an hour isn't used."""
    table = rollup_hours.c
    await tx.run(delete(rollup_hours).where(table.hour.in_(blocks)))
    block_by = {hour: block for block in blocks for hour in hours_of_block(block)}
    columns = (table.hour, table.queue, table.series, table.durations)
    parts: dict[tuple[Block, str], list[Row[Any]]] = {}
    for row in await tx.all(
        select(*columns).where(table.hour.in_(block_by)).order_by(table.hour, table.queue)
    ):
        parts.setdefault((block_by[row.hour], row.queue), []).append(row)
    rows = [
        {
            "hour": block,
            "queue": queue,
            "series": added_up(some)[queue].as_json(),
            "durations": joined(row.durations for row in some),
        }
        for (block, queue), some in parts.items()
    ]
    if rows:
        await tx.run(insert(rollup_hours), rows)


def added_up(rows: Iterable[Row[Any]]) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for row in rows:
        found.setdefault(row.queue, Series()).add(row.series)
    return found
