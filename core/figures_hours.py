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

from sqlalchemy import Select, func, select, union

from core.database import Tx
from core.figures_read import ACTED, hour_column, hour_named
from core.rollups_state import State
from core.tables import events
from core.utc_days import BLOCK_HOURS, DAY, HOUR, Hour, block_of, day_of, days_from, hours_of, start_of_hour

# What makes something else of a ticket by which what happened (`ACTED`) was counted; a rating: by which it was rated.
CHANGES: Final = frozenset(
    (
        *("assigned", "priority", "tagged", "untagged"),
        *("merged", "merged_active", "spam", "spam_ended", "restored", "not_spam"),
    )
)
RATED: Final = "rated"
MOST_NEW: Final = 2_000  # ids of events that nobody has looked at yet; of more, no hour is used


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """Which hours are there: those of the days from `first` to `upto`, both included, without the days `bare`, and
    `open` ones after these; none that is `stale`."""

    first: date
    upto: date
    bare: frozenset[date]
    open: frozenset[Hour]
    stale: frozenset[Hour]

    def within(self, since: datetime, until: datetime) -> list[Hour]:
        """Return those of a span, in order."""
        days = days_from(max(self.first, day_of(since)), min(self.upto, day_of(until)) + DAY)
        hours = [hour for day in days if day not in self.bare for hour in hours_of(day)]
        hours += sorted(self.open)
        return [hour for hour in hours if hour not in self.stale and _is_in(hour, since, until)]


def keys_of(hours: Sequence[Hour]) -> list[str]:
    """Return the keys that hold these hours, those of blocks where all of one are among them. Pure."""
    counts = Counter(map(block_of, hours))
    return list(
        dict.fromkeys(block if counts[block := block_of(hour)] == BLOCK_HOURS else hour for hour in hours)
    )


def _is_in(hour: Hour, since: datetime, until: datetime) -> bool:
    begin = start_of_hour(hour)
    return since <= begin and begin + HOUR <= until


async def at_hand(tx: Tx, state: State) -> AtHand | None:
    """Return which hours are there, by the state of `core.rollups`. None are, too, while there's much to look at."""
    if state.hours_from > state.upto and not state.open:
        return None
    newest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    if newest - state.mark > MOST_NEW:
        return None
    return AtHand(
        first=state.hours_from,
        upto=state.upto,
        bare=state.bare,
        open=state.open,
        stale=await _stale(tx, state.mark) | state.touched,
    )


async def _stale(tx: Tx, mark: int) -> frozenset[Hour]:
    """The hours that the events after `mark` touch."""
    new = events.c.id > mark
    touched = union(
        select(hour_column()).where(new),
        *(select(hour_column()).where(*one) for one in counted_of(select(events.c.ticket_id).where(new))),
    )
    return frozenset(hour_named(row.hour) for row in await tx.all(touched))


def counted_of(changed: Select[tuple[int]]) -> tuple[tuple[Any, ...], ...]:
    """Return the conditions on events that are counted by what a ticket is, of tickets that became something else.
    `changed`: the ids of events' tickets; of these events those count that changed something."""
    kinds = events.c.kind
    by_ticket = changed.where(kinds.in_(sorted(CHANGES))), kinds.in_(ACTED)
    by_rating = changed.where(kinds == RATED), kinds == RATED
    return tuple((events.c.ticket_id.in_(ids), counted) for ids, counted in (by_ticket, by_rating))
