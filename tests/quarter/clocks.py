"""Hours and crons counted minute by minute, by what the clocks of a zone show in each. Moments are whole seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import holidays

from tests.quarter.setting import DAY, MINUTE, Quarter, Rules

AHEAD = 45 * DAY  # so long after the quarter dues are still found
# So many times its length before it what was overdue when it came from a queue that always works: a week of 168 hours
# in weeks of 40, and holidays.
BACK = 5


class Shown:
    """What the clocks of a zone show in each minute from long before the quarter until long after it."""

    def __init__(self, zone: str, quarter: Quarter) -> None:
        self.first = (quarter.start - BACK * (quarter.end - quarter.start) - 15 * DAY) // MINUTE
        there = ZoneInfo(zone)
        self.local: list[tuple[date, int]] = []
        for minute in range(self.first, (quarter.end + AHEAD) // MINUTE):
            shown = datetime.fromtimestamp(minute * MINUTE, there)
            self.local.append((shown.date(), shown.hour * 60 + shown.minute))

    @cached_property
    def _days(self) -> dict[date, list[tuple[int, int]]]:
        """Each local day's minutes: what is shown, and when."""
        found: dict[date, list[tuple[int, int]]] = {}
        for number, (day, minute) in enumerate(self.local, self.first):
            found.setdefault(day, []).append((minute, number * MINUTE))
        return found

    def moment(self, day: date, minute: int) -> int:
        """Return when it's so late on a day for the first time, or later where that is jumped over."""
        return next(at for shown, at in self._days[day] if shown >= minute)

    def fires(
        self, minute: int, weekdays: tuple[int, ...], start: int, end: int
    ) -> Iterator[tuple[int, date]]:
        """Yield when it is that late on such days, after `start` and up to `end`."""
        for day in list(self._days)[1:-1]:
            if day.weekday() in weekdays and start < (at := self.moment(day, minute)) <= end:
                yield at, day


class Hours:
    """A queue's: of each minute whether it works then."""

    def __init__(self, rules: Rules, quarter: Quarter) -> None:
        self.shown = Shown(rules.zone, quarter)
        self._week = rules.week
        years = range(datetime.fromtimestamp(quarter.start, UTC).year - 2, 2029)
        free = holidays.country_holidays(rules.country, subdiv=rules.part, years=years)
        self._free = set(free) | {date.fromisoformat(one) for one in rules.own}
        self._open = [self._works(day, minute) for day, minute in self.shown.local]
        self._before = [0]  # how many minutes were open before each
        for is_open in self._open:
            self._before.append(self._before[-1] + is_open)

    def _works(self, day: date, minute: int) -> bool:
        yesterday = day - timedelta(days=1)
        return any(start <= minute < end for start, end in self._spans(day)) or any(
            minute + 1440 < end for _, end in self._spans(yesterday)
        )

    def _spans(self, day: date) -> tuple[tuple[int, int], ...]:
        return () if day in self._free else self._week.get(day.weekday(), ())

    @cached_property
    def days(self) -> frozenset[date]:
        """The days with an open minute, as its own clocks show them."""
        both = zip(self._open, self.shown.local, strict=True)
        return frozenset(day for is_open, (day, _) in both if is_open)

    def _until(self, at: int) -> int:
        number = at // MINUTE - self.shown.first
        return self._before[number] * MINUTE + (at % MINUTE if self._open[number] else 0)

    def between(self, start: int, end: int) -> int:
        """Return how many seconds were open."""
        return self._until(end) - self._until(start)

    def after(self, start: int, seconds: int) -> int:
        """Return the first moment at which so many were open since `start`."""
        if seconds <= 0:
            return start
        wanted = self._until(start) + seconds
        number = bisect_left(self._before, -(-wanted // MINUTE))
        assert number < len(self._before), "that is too far away"
        return (self.shown.first + number - 1) * MINUTE + wanted - self._before[number - 1] * MINUTE

    def before(self, end: int, seconds: int) -> int:
        """Return the last moment since which so many were open until `end`."""
        if seconds <= 0:
            return end
        minutes, rest = divmod(self._until(end) - seconds, MINUTE)
        number = bisect_right(self._before, minutes) - 1
        assert minutes >= 0, "that is too long ago"
        return (self.shown.first + number) * MINUTE + rest
