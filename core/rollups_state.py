"""How far `core.rollups` has come, and what it is to make next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from core.utc_days import (
    DAY,
    HOUR,
    Hour,
    day_of,
    days_from,
    days_of,
    hour_of,
    hours_of,
    is_week,
    start_of,
    start_of_hour,
    sums_of,
    week_of,
)

if TYPE_CHECKING:
    from sqlalchemy import Row

DELAY: Final = timedelta(minutes=10)  # after a day's or an hour's end; what comes later is noticed
EARLIEST: Final = date(1995, 1, 1)  # a mail can bear any date


@dataclass(frozen=True, slots=True)
class Due:
    """What to make: a day, an hour of it, (`past`) the hours alone of a day that is made, or the `blocks` of hours that
    are."""

    day: date
    hour: Hour | None = None
    past: bool = False
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far it has come. `looked`: the events above `mark` that it looked at already. `seen`: the highest id when
    `mark` was moved on, at `seen_at`. `first` and `upto`: the days made, both included; of these `added` (something was
    added to them) and `changed` are to be made anew, and of months and weeks `sums` are to be added up. The days from
    `hours_from` on have hours, but the `bare` ones; of these hours those are to be read anew that were `touched`. Of
    days after `upto` the hours made are `open`. From `blocks_from` on hours have their blocks."""

    mark: int
    looked: frozenset[int] = frozenset()
    seen: int
    seen_at: datetime
    first: date
    upto: date
    checked: date
    added: frozenset[date] = frozenset()
    changed: frozenset[date] = frozenset()
    sums: frozenset[str] = frozenset()
    hours_from: date
    open: frozenset[Hour] = frozenset()
    touched: frozenset[Hour] = frozenset()
    bare: frozenset[date] = frozenset()
    blocks_from: date = date.min

    def as_json(self) -> dict[str, Any]:
        """Return it as it's stored."""
        times = ("first", "upto", "checked", "seen_at", "hours_from", "blocks_from")
        days = {name: getattr(self, name).isoformat() for name in times}
        lists = {
            name: sorted(day.isoformat() for day in getattr(self, name))
            for name in ("added", "changed", "bare")
        }
        names = {name: sorted(getattr(self, name)) for name in ("open", "touched")}
        sums = {
            "months": sorted(k for k in self.sums if not is_week(k)),
            "weeks": sorted(filter(is_week, self.sums)),
        }
        return {
            "mark": self.mark,
            "looked": sorted(self.looked),
            "seen": self.seen,
            **days,
            **lists,
            **names,
            **sums,
        }

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> State:
        """Return what `as_json` gave, also that of older code, which knew of no weeks, of no blocks, or of no hours."""
        first, upto = (date.fromisoformat(stored[name]) for name in ("first", "upto"))
        weeks = stored["weeks"] if "weeks" in stored else map(week_of, days_from(first, upto + DAY))
        return cls(
            mark=stored["mark"],
            looked=frozenset(stored.get("looked", ())),
            seen=stored["seen"],
            seen_at=datetime.fromisoformat(stored["seen_at"]),
            first=first,
            upto=upto,
            checked=date.fromisoformat(stored["checked"]),
            added=frozenset(map(date.fromisoformat, stored["added"])),
            changed=frozenset(map(date.fromisoformat, stored["changed"])),
            sums=frozenset((*stored["months"], *weeks)),
            hours_from=date.fromisoformat(stored.get("hours_from") or (upto + DAY).isoformat()),
            open=frozenset(map(Hour, stored.get("open", ()))),
            touched=frozenset(map(Hour, stored.get("touched", ()))),
            bare=frozenset(map(date.fromisoformat, stored.get("bare", ()))),
            blocks_from=date.fromisoformat(stored.get("blocks_from") or (upto + 2 * DAY).isoformat()),
        )

    def due(self, now: datetime, least: date) -> Due | None:
        """Return what to make next: a day to which something was added, the next that is over, an hour of the one after
        it, a day that changed (the earliest: later ones change more often), blocks of hours that lack them, the hours
        of a day from `least` on that was made without."""
        if self.added:
            return Due(max(self.added))
        if start_of(self.upto + 2 * DAY) + DELAY <= now:
            return Due(self.upto + DAY)
        hour = next((hour for hour in hours_of(self.upto + DAY) if hour not in self.open), None)
        if hour is not None and start_of_hour(hour) + HOUR + DELAY <= now:
            return Due(self.upto + DAY, hour=hour)
        if self.changed:
            return Due(min(self.changed))
        if self.blocks_from > self.hours_from:
            return Due(self.blocks_from - DAY, blocks=True)
        return Due(self.hours_from - DAY, past=True) if self.hours_from > max(self.first, least) else None

    def to_read(self, day: date) -> list[Hour]:
        """Return which hours of a day are to be read to make it; the others are kept."""
        hours = hours_of(day)
        if day > self.upto:
            return [hour for hour in hours if hour not in self.open]
        kept = self.hours_from <= day and day not in self.bare
        return [hour for hour in hours if hour in self.touched] if kept else hours

    def made(self, day: date) -> State:
        """Return it with a day made, and its hours."""
        return replace(
            self,
            upto=max(self.upto, day),
            added=self.added - {day},
            changed=self.changed - {day},
            sums=self.sums.union(sums_of(day)),
            open=self.open.difference(hours_of(day)),
            touched=self.touched.difference(hours_of(day)),
            bare=self.bare - {day},
        )

    def made_hour(self, hour: Hour) -> State:
        """Return it with an hour made, of the day that isn't over."""
        return replace(self, open=self.open | {hour})

    def made_past(self, day: date, *, bare: bool) -> State:
        """Return it with the hours of a day that was made without."""
        blocks_from = day if self.blocks_from == self.hours_from else self.blocks_from
        bare_ones = self.bare | {day} if bare else self.bare
        return replace(self, hours_from=day, bare=bare_ones, blocks_from=blocks_from)

    def made_blocks(self, day: date) -> State:
        """Return it with the blocks of a day's hours."""
        return replace(self, blocks_from=day)

    def is_that_of(self, other: State) -> bool:
        """Has nobody moved the mark on since, or made a day, nor older code made something?"""
        mine, theirs = ((one.mark, one.upto, one.hours_from, one.blocks_from) for one in (self, other))
        return mine == theirs

    def unlooked(self, above: Sequence[Row[Any]]) -> list[Row[Any]]:
        """Return those of the events above the mark that it hasn't looked at."""
        return [row for row in above if row.id not in self.looked]

    def moved_on(self, mark: int) -> State:
        """Return it with a higher mark: no event up to that one comes any more."""
        return replace(self, mark=mark, looked=frozenset(id_ for id_ in self.looked if id_ > mark))

    def due_sums(self) -> list[str]:
        """Return the months and weeks whose days are all there, and are to be added up."""
        busy = {key for day in self.added | self.changed for key in sums_of(day)}
        return sorted(key for key in self.sums - busy if days_of(key)[-1] <= self.upto)


def noted(state: State, least: date, new: Sequence[datetime], changed: Sequence[datetime]) -> State:
    """Note when there are new events, and when something was counted of tickets that are something else now. Pure."""
    added = {day for at in new if least <= (day := day_of(at)) <= state.upto}
    touched = {hour_of(at) for at in (*new, *changed)}
    other = {day for at in changed if max(least, state.first) <= (day := day_of(at)) <= state.upto}
    days = {day_of(at) for at in (*new, *changed)}
    earliest = min(added, default=state.first)
    if earliest < state.first:  # the days between are there, empty ones too
        added |= set(days_from(earliest, state.first))
    again = {hour for hour in touched if state.hours_from <= day_of(start_of_hour(hour)) <= state.upto}
    return replace(
        state,
        first=min(earliest, state.first),
        added=state.added | added,
        changed=(state.changed | other) - added,
        open=state.open - touched,
        touched=state.touched | {hour for hour in again if day_of(start_of_hour(hour)) >= least},
        bare=state.bare | {day for day in days if state.hours_from <= day < least},  # never made anew
    )


def least_of(keep: timedelta, now: datetime) -> date:
    """Return the first day that may be made: where closed tickets are kept so long, of those before some are gone, and
    of that day itself some may be."""
    return day_of(now - keep) + DAY if keep else EARLIEST
