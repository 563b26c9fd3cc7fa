"""What is counted of a span of time in one queue: series that add up, so that days make months and months years."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, TypeVar

from core import packed
from core.figures_shapes import EFFECT, Rating, Share, Spread, spread
from core.histogram import Histogram

QUARTERS: Final = 96  # of a day: every zone's clock differs from UTC by some of them
_QUARTER: Final = timedelta(minutes=15)
SPREADS: Final = ("first_response", "first_response_business", "resolution", "resolution_business")
DIMENSIONS: Final = ("channel", "priority", "assignee", "tag")
# What is counted by dimension, in the order in which it's stored.
GROUPED: Final = (
    *("opened", "reopened", "resolved", "first"),
    *(f"{what}:{which}" for what in ("first", "next", "resolution") for which in ("of", "met")),
)
Counts = Counter[str]
_Key = TypeVar("_Key")


@dataclass(slots=True)
class Series:
    """One queue's. `counts`: events by kind; `first`: first answers; `first:met` of `first:of`, likewise `next` and
    `resolution`; `rated:1` to `rated:5`. `groups`: counts by dimension and key (an assignee's is their user id) as they
    were read; `rolled`: those of days that were rolled up, counters of `packed` by dimension and keys. `exact`:
    durations in seconds as they were read; `stored`: those of days that were rolled up. `arrivals`: what came in by day
    of UTC, a counter of `packed` for each quarter of an hour.
    """

    counts: Counts = field(default_factory=Counter)
    groups: dict[str, dict[str, Counts]] = field(default_factory=lambda: {name: {} for name in DIMENSIONS})
    rolled: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    exact: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[str, Histogram] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, keys: Iterable[tuple[str, str]] = (), n: int = 1) -> None:
        """Count something, also below these keys, each of a dimension."""
        self.counts[what] += n
        self.below(what, keys, n)

    def below(self, what: str, keys: Iterable[tuple[str, str]], n: int) -> None:
        """Count something below these keys alone."""
        for dimension, name in keys:
            groups = self.groups[dimension]
            if name not in groups:
                groups[name] = Counter()
            groups[name][what] += n

    def arrived(self, at: datetime, n: int = 1) -> None:
        """Count a ticket, or `n`, that came in at a time of UTC."""
        day, quarter = at.date().isoformat(), at.hour * 4 + at.minute // 15
        self.arrivals[day] = self.arrivals.get(day, 0) + (n << quarter * packed.BITS)

    def merge(self, other: Series) -> None:
        """Add the other's to these."""
        _add(self.counts, other.counts)
        for dimension, groups in other.groups.items():
            mine = self.groups[dimension]
            for name, counts in groups.items():
                _add(mine.setdefault(name, Counter()), counts)
        _add(self.rolled, other.rolled)
        for name, durations in other.exact.items():
            self.exact[name] += durations
        for name, histogram in other.stored.items():
            self.stored.setdefault(name, Histogram()).merge(histogram)
        _add(self.arrivals, other.arrivals)

    def add(self, stored: Mapping[str, Any], durations: Mapping[str, str] | None = None) -> None:
        """Add what `as_json` gave, as it is read: a year has hundreds of these. `durations`: what `as_read` gave, in
        place of those in buckets."""
        _add(self.counts, stored["counts"])
        for dimension, (names, counters) in stored["groups"].items():
            key = (dimension, tuple(names))
            self.rolled[key] = self.rolled.get(key, 0) + packed.read(counters)
        for name, seconds in (durations or {}).items():
            self.exact[name] += map(float, seconds.split())
        for name, histogram in stored["histograms"].items() if durations is None else ():
            if name not in self.stored:
                self.stored[name] = Histogram()
            self.stored[name].add_json(histogram)
        for day, quarters in stored["arrivals"].items():
            self.arrivals[day] = self.arrivals.get(day, 0) + packed.read(quarters)

    def by(self, dimension: str) -> dict[str, Counts]:
        """Return what is counted below each key of a dimension, whether it was read or rolled up."""
        found = {name: Counter(counts) for name, counts in self.groups[dimension].items()}
        for (which, names), counters in self.rolled.items():
            if which == dimension:
                for name, counts in zip(names, _tables(counters, len(names)), strict=True):
                    _add(found.setdefault(name, Counter()), counts)
        return found

    @property
    def effect(self) -> int:
        """By how much the backlog grew."""
        return sum(self.counts[kind] * by for kind, by in EFFECT.items())

    @property
    def size(self) -> int:
        """How many durations it has as they were read."""
        return sum(map(len, self.exact.values()))

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
            "groups": {name: _stored(groups) for name in DIMENSIONS if (groups := self.by(name))},
            "histograms": histograms,
            "arrivals": {day: packed.write(quarters) for day, quarters in self.arrivals.items()},
        }

    def as_read(self) -> dict[str, str]:
        """Return the durations as they were read, to be stored: to the last digit, in text that few ever parse."""
        return {name: " ".join(map(_written, seconds)) for name, seconds in self.exact.items() if seconds}


def joined(parts: Iterable[Mapping[str, str] | None]) -> dict[str, str] | None:
    """Return together what `as_read` gave of some series; None where one was kept in buckets alone."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if part is None:
            return None
        for name, seconds in part.items():
            found.setdefault(name, []).append(seconds)
    return {name: " ".join(some) for name, some in found.items()}


def _written(seconds: float) -> str:
    return str(int(seconds)) if seconds.is_integer() else repr(seconds)


def _stored(groups: Mapping[str, Counts]) -> tuple[list[str], str]:
    """The keys of a dimension, in order so that days have the same ones, and the counters of one after the other."""
    names = sorted(groups)
    return names, packed.write(packed.pack([groups[name][what] for name in names for what in GROUPED]))


def _tables(counters: int, count: int) -> Iterable[Mapping[str, int]]:
    """The counts of so many keys."""
    whole, width = packed.unpack(counters, count * len(GROUPED)), len(GROUPED)
    for start in range(0, len(whole), width):
        yield dict(zip(GROUPED, whole[start : start + width], strict=True))


def share(counts: Mapping[str, int], what: str) -> Share:
    """Return how many of `first`, `next` or `resolution` met their target."""
    return Share(counts.get(f"{what}:met", 0), counts.get(f"{what}:of", 0))


def total(parts: Iterable[Series]) -> Series:
    """Return all of them together."""
    whole = Series()
    for part in parts:
        whole.merge(part)
    return whole


def _add(mine: dict[_Key, int], others: Mapping[_Key, int]) -> None:
    for what, n in others.items():
        mine[what] = mine.get(what, 0) + n


def week(arrivals: Mapping[str, int], zone: tzinfo) -> tuple[tuple[int, ...], ...]:
    """Return what came in by weekday (Monday first) and hour of a zone."""
    hours = [[0] * 24 for _ in range(7)]
    alike: dict[tuple[int, timedelta], int] = defaultdict(int)
    for day, quarters in arrivals.items():
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        offset, later = _offset(start, zone), _offset(start + timedelta(days=1), zone)
        if offset == later:
            alike[start.weekday(), offset] += quarters
        else:  # the clocks change on this day
            for number, n in enumerate(packed.unpack(quarters)):
                there = (start + number * _QUARTER).astimezone(zone)
                hours[there.weekday()][there.hour] += n
    for (weekday, offset), quarters in alike.items():
        shift = weekday * QUARTERS + offset // _QUARTER
        for number, n in enumerate(packed.unpack(quarters)):
            slot = (shift + number) % (7 * QUARTERS)
            hours[slot // QUARTERS][slot % QUARTERS // 4] += n
    return tuple(tuple(day) for day in hours)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
