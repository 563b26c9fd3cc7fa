"""Whole hours of UTC, kept in `rollup_hours` beside the days: of a span that begins or ends within a day they leave
minutes to be read. Six that are one of a day's blocks are kept together, too.

Their durations are kept as they were read, too, so what they make up is exact. An hour isn't used while something in it
may be other than when it was made: an event was added, or a ticket of which something is counted there got another
priority, assignee or tag, was merged, rated or found to be spam. `core.rollups` makes it anew soon after. Of some days
("bare") there are no hours: they were made before hours were, or aren't made anew whatever touches them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Row, select

from core.database import Tx
from core.figures_rows import ACTED
from core.rollups_state import State
from core.tables import events
from core.utc_days import (
    BLOCK_HOURS,
    DAY,
    HOUR,
    Hour,
    block_of,
    day_of,
    days_from,
    hour_of,
    hours_of,
    start_of_hour,
)

# What makes something else of a ticket by which what happened (`ACTED`) was counted; a rating: by which it was rated.
CHANGES: Final = frozenset(
    (
        *("assigned", "priority", "tagged", "untagged"),
        *("merged", "merged_active", "spam", "spam_ended", "restored", "not_spam"),
    )
)
RATED: Final = "rated"
LOOKED_AT: Final = (events.c.id, events.c.at, events.c.ticket_id, events.c.kind)  # of events that are new
MOST_NEW: Final = 2_000  # events that are looked at one by one; of more, no hour is used


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """Which hours are there: those of the days from `first` to `upto`, both included, without the days `bare`, and
    `open` ones after these; none that is `stale`. From `blocks_from` on they are kept by the block, too."""

    first: date
    upto: date
    bare: frozenset[date]
    open: frozenset[Hour]
    stale: frozenset[Hour]
    blocks_from: date = date.min

    def within(self, since: datetime, until: datetime) -> list[Hour]:
        """Return those of a span, in order."""
        days = days_from(max(self.first, day_of(since)), min(self.upto, day_of(until)) + DAY)
        hours = [hour for day in days if day not in self.bare for hour in hours_of(day)]
        hours += sorted(self.open)
        return [hour for hour in hours if hour not in self.stale and _is_in(hour, since, until)]

    def keys_of(self, hours: Sequence[Hour]) -> list[str]:
        """Return the keys that hold these hours, those of blocks where all of one are among them."""
        first = self.blocks_from.isoformat()
        counts = Counter(block_of(hour) for hour in hours if hour >= first)
        keys = (block if counts[block := block_of(hour)] == BLOCK_HOURS else hour for hour in hours)
        return list(dict.fromkeys(keys))


def _is_in(hour: Hour, since: datetime, until: datetime) -> bool:
    begin = start_of_hour(hour)
    return since <= begin and begin + HOUR <= until


async def above_mark(tx: Tx, state: State) -> Sequence[Row[Any]] | None:
    """Return the events above the mark, by their ids. None where `core.rollups` hasn't looked at so many that nobody is
    to look at each."""
    rows = select(*LOOKED_AT).where(events.c.id > state.mark).order_by(events.c.id)
    found = await tx.all(rows.limit(len(state.looked) + MOST_NEW + 1))
    return None if len(state.unlooked(found)) > MOST_NEW else found


async def at_hand(tx: Tx, state: State, new: Sequence[Row[Any]] | None) -> AtHand | None:
    """Return which hours are there, by the state of `core.rollups` and what it hasn't looked at. None are, too, while
    that is much."""
    if new is None or (state.hours_from > state.upto and not state.open):
        return None
    return AtHand(
        first=state.hours_from,
        upto=state.upto,
        bare=state.bare,
        open=state.open,
        stale=state.touched | await touched_by(tx, new),
        blocks_from=state.blocks_from,
    )


async def touched_by(tx: Tx, new: Sequence[Row[Any]]) -> frozenset[Hour]:
    """Return the hours that are other than they were since these events."""
    return frozenset(map(hour_of, [row.at for row in new] + await counted_of_changed(tx, new)))


async def counted_of_changed(tx: Tx, new: Sequence[Row[Any]]) -> list[datetime]:
    """Return when something was counted of the tickets that these events made something else of: by what a ticket is,
    or by how it was rated."""
    found: list[datetime] = []
    for changes, counted in ((CHANGES, ACTED), ((RATED,), (RATED,))):
        changed = {row.ticket_id for row in new if row.kind in changes}
        if changed:
            where = events.c.ticket_id.in_(changed), events.c.kind.in_(counted)
            found += [row.at for row in await tx.all(select(events.c.at).where(*where))]
    return found
