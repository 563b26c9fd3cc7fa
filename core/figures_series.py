"""What is counted of a span of time in one queue: series that add up, so that days make months and months years."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from operator import add
from typing import Any, Final

from core.figures_shapes import EFFECT, Rating, Share, Spread, spread
from core.histogram import Histogram

QUARTERS: Final = 96  # of a day: every zone's clock differs from UTC by some of them
_QUARTER: Final = timedelta(minutes=15)
SPREADS: Final = ("first_response", "first_response_business", "resolution", "resolution_business")
DIMENSIONS: Final = ("channel", "priority", "assignee", "tag")
Counts = Counter[str]


@dataclass(slots=True)
class Series:
    """One queue's. `counts`: events by kind; `first`: first answers; `first:met` of `first:of`, likewise `next` and
    `resolution`; `rated:1` to `rated:5`. `groups`: counts by dimension and key (an assignee's is their user id).
    `exact`: durations in seconds as they were read; `stored`: those of days that were rolled up. `arrivals`: what came
    in by day and quarter of an hour, both of UTC.
    """

    counts: Counts = field(default_factory=Counter)
    groups: dict[str, dict[str, Counts]] = field(default_factory=lambda: {name: {} for name in DIMENSIONS})
    exact: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[str, Histogram] = field(default_factory=dict)
    arrivals: dict[str, list[int]] = field(default_factory=dict)

    def count(self, what: str, keys: Mapping[str, Iterable[str]] | None = None, n: int = 1) -> None:
        """Count something, also below the keys of each dimension."""
        self.counts[what] += n
        for dimension, names in (keys or {}).items():
            groups = self.groups[dimension]
            for name in names:
                if name not in groups:
                    groups[name] = Counter()
                groups[name][what] += n

    def arrived(self, at: datetime) -> None:
        """Count a ticket that came in."""
        day = at.date().isoformat()
        if day not in self.arrivals:
            self.arrivals[day] = [0] * QUARTERS
        self.arrivals[day][at.hour * 4 + at.minute // 15] += 1

    def merge(self, other: Series) -> None:
        """Add the other's to these."""
        _add(self.counts, other.counts)
        for dimension, groups in other.groups.items():
            mine = self.groups[dimension]
            for name, counts in groups.items():
                _add(mine.setdefault(name, Counter()), counts)
        for name, durations in other.exact.items():
            self.exact[name] += durations
        for name, histogram in other.stored.items():
            self.stored.setdefault(name, Histogram()).merge(histogram)
        self._arrive(other.arrivals)

    def add(self, stored: Mapping[str, Any]) -> None:
        """Add what `as_json` gave, as it is read: a year has hundreds of these."""
        _add(self.counts, stored["counts"])
        for dimension, groups in stored["groups"].items():
            mine = self.groups[dimension]
            for name, counts in groups.items():
                if name in mine:
                    _add(mine[name], counts)
                else:
                    mine[name] = Counter(counts)
        for name, histogram in stored["histograms"].items():
            if name not in self.stored:
                self.stored[name] = Histogram()
            self.stored[name].add_json(histogram)
        self._arrive(stored["arrivals"])

    def _arrive(self, arrivals: Mapping[str, list[int]]) -> None:
        for day, quarters in arrivals.items():
            had = self.arrivals.get(day)
            self.arrivals[day] = quarters if had is None else list(map(add, had, quarters))

    @property
    def effect(self) -> int:
        """By how much the backlog grew."""
        return sum(self.counts[kind] * by for kind, by in EFFECT.items())

    def spread(self, name: str) -> Spread:
        """Return the spread of one of `SPREADS`: exact, where nothing of it comes from a day that was rolled up."""
        durations = self.exact.get(name, [])
        if name not in self.stored:
            return spread(durations)
        whole = Histogram()
        whole.merge(self.stored[name])
        whole.add(durations)
        return whole.spread()

    def rating(self) -> Rating:
        """Return how requesters rated."""
        return Rating(tuple(self.counts[f"rated:{score}"] for score in range(1, 6)))

    def as_json(self) -> dict[str, Any]:
        """Return them as they're stored; the durations in buckets."""
        histograms: dict[str, Any] = {}
        for name in SPREADS:
            whole = Histogram()
            whole.add(self.exact.get(name, []))
            if name in self.stored:
                whole.merge(self.stored[name])
            if whole.n:
                histograms[name] = whole.as_json()
        return {
            "counts": dict(self.counts),
            "groups": {name: groups for name, groups in self.groups.items() if groups},
            "histograms": histograms,
            "arrivals": self.arrivals,
        }


def share(counts: Mapping[str, int], what: str) -> Share:
    """Return how many of `first`, `next` or `resolution` met their target."""
    return Share(counts.get(f"{what}:met", 0), counts.get(f"{what}:of", 0))


def total(parts: Iterable[Series]) -> Series:
    """Return all of them together."""
    whole = Series()
    for part in parts:
        whole.merge(part)
    return whole


def _add(mine: Counts, others: Mapping[str, int]) -> None:
    for what, n in others.items():
        mine[what] = mine.get(what, 0) + n


def week(arrivals: Mapping[str, Sequence[int]], zone: tzinfo) -> tuple[tuple[int, ...], ...]:
    """Return what came in by weekday (Monday first) and hour of a zone."""
    hours = [[0] * 24 for _ in range(7)]
    alike: dict[tuple[int, timedelta], list[Sequence[int]]] = defaultdict(list)
    for day, quarters in arrivals.items():
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        offset, later = _offset(start, zone), _offset(start + timedelta(days=1), zone)
        if offset == later:
            alike[start.weekday(), offset].append(quarters)
        else:  # the clocks change on this day
            for number, n in enumerate(quarters):
                there = (start + number * _QUARTER).astimezone(zone)
                hours[there.weekday()][there.hour] += n
    for (weekday, offset), days in alike.items():
        shift = weekday * QUARTERS + offset // _QUARTER
        for number, column in enumerate(zip(*days, strict=True)):
            slot = (shift + number) % (7 * QUARTERS)
            hours[slot // QUARTERS][slot % QUARTERS // 4] += sum(column)
    return tuple(tuple(day) for day in hours)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
