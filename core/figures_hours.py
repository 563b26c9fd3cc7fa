"""Whole hours of UTC, kept in `rollup_hours` beside the days: of a span that begins or ends within a day they leave
minutes to be read.

Their durations are kept as they were read, too, so what they make up is exact. An hour isn't used while something in it
may be other than when it was made: an event was added, or a ticket of which something is counted there got another
priority, assignee or tag, was merged, rated or found to be spam. `core.rollups` makes it anew soon after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import String, func, select, union

from core.database import Tx
from core.figures_read import ACTED
from core.tables import events
from core.utc_days import DAY, HOUR, HOUR_KEY, Hour, day_of, days_from, hours_of, start_of_hour

CHANGES: Final = frozenset(
    (
        *("assigned", "priority", "tagged", "untagged", "rated"),
        *("merged", "merged_active", "spam", "spam_ended", "restored", "not_spam"),
    )
)
COUNTED_BY: Final = (*ACTED, "rated")  # what is counted by what its ticket is now
MOST_NEW: Final = 20_000  # events that nobody has looked at yet; of more, no hour is used


def hour_column() -> Any:
    """Return the hour that an event is in, as every store writes it: with a blank in place of the T."""
    return func.substr(events.c.at, 1, HOUR_KEY, type_=String(HOUR_KEY)).label("hour")


def hour_named(written: str) -> Hour:
    """Return the key of an hour that the database wrote."""
    return Hour(written.replace(" ", "T"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """Which hours are there: those of the days from `first` to `upto`, both included, without the days `but`, and
    `open` ones after these; none that is `stale`."""

    first: date
    upto: date
    but: frozenset[date]
    open: frozenset[Hour]
    stale: frozenset[Hour]

    def within(self, since: datetime, until: datetime) -> list[Hour]:
        """Return those of a span, in order."""
        days = days_from(max(self.first, day_of(since)), min(self.upto, day_of(until)) + DAY)
        hours = [hour for day in days if day not in self.but for hour in hours_of(day)]
        hours += sorted(self.open)
        return [hour for hour in hours if hour not in self.stale and _is_in(hour, since, until)]


def _is_in(hour: Hour, since: datetime, until: datetime) -> bool:
    begin = start_of_hour(hour)
    return since <= begin and begin + HOUR <= until


async def at_hand(tx: Tx, state: Mapping[str, Any]) -> AtHand | None:
    """Return which hours are there, by the state of `core.rollups`. None are, too, while there's much to look at."""
    upto = date.fromisoformat(state["upto"])
    first = date.fromisoformat(state.get("hours_from") or (upto + DAY).isoformat())
    if first > upto and not state.get("open"):
        return None
    newest = int(await tx.scalar(select(func.max(events.c.id))) or 0)
    if newest - state["mark"] > MOST_NEW:
        return None
    return AtHand(
        first=first,
        upto=upto,
        but=frozenset(date.fromisoformat(day) for day in (*state["added"], *state["changed"])),
        open=frozenset(Hour(hour) for hour in state.get("open", ())),
        stale=await _stale(tx, state["mark"]),
    )


async def _stale(tx: Tx, mark: int) -> frozenset[Hour]:
    """The hours that the events after `mark` touch."""
    changes = select(events.c.ticket_id).where(events.c.id > mark, events.c.kind.in_(sorted(CHANGES)))
    counted = events.c.ticket_id.in_(changes), events.c.kind.in_(COUNTED_BY)
    touched = union(select(hour_column()).where(events.c.id > mark), select(hour_column()).where(*counted))
    return frozenset(hour_named(row.hour) for row in await tx.all(touched))
