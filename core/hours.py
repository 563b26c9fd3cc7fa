"""When a queue works: its weekly hours in its time zone, without holidays. How much of that lies between two moments,
and when so much of it will have passed.

A moment is within the hours where the clocks of the zone show a time within them. So in the night in which the clocks
go forward some hours are shorter, in the one in which they go back longer. What goes over midnight belongs to the day
on which it begins: a Friday's night shift ends on Saturday, and a holiday is free of what begins on it.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from core.config import Config, Queue

Span = tuple[int, int]  # minutes since midnight; the end may be tomorrow (over 1440)
Week = tuple[tuple[Span, ...], ...]  # from Monday

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHAPE: Final = 'write it like "mon-fri 09:00-17:00" or "mon-thu 09:00-17:00, fri 09:00-15:00"'
LONGEST: Final = timedelta(days=3660)  # no target takes longer, holidays apart
MOST_DATES: Final = 1000  # own holidays of a queue; each puts a due off by a week at most
_MIDNIGHT: Final = 24 * 60
_ROUND_THE_CLOCK: Final[Week] = (((0, _MIDNIGHT),),) * 7
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")

# All sums are of whole microseconds since 1970, so that nothing is rounded.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 86_400 * _SECOND
_YEARS: Final = 200  # that `add` looks ahead: far beyond what `check_queue` lets through


# -- reading ----------------------------------------------------------------------------------------------------


def parse_week(text: str) -> Week:
    """Read "mon-fri 09:00-17:00": parts with commas between, each of days (none: those before, first of all every day)
    and times. Raises `ValueError`, also where it would never be open."""
    days: list[int] = []
    waiting: list[int] = []  # days whose times come in a later part: "mon, wed 09:00-12:00"
    table: list[list[Span]] = [[] for _ in DAYS]
    for part in text.split(","):
        spans, rest = _times(part)
        named = _days(rest, text) if rest.strip() else []
        if not spans:
            if not named:
                raise ValueError(f"'{text}': {SHAPE}")
            waiting += named
            continue
        days = [*waiting, *named] or days or list(range(7))
        waiting = []
        for day in days:
            table[day] += spans
    if waiting:
        raise ValueError(f"'{text}': no times for {DAYS[waiting[0]][:3]}; {SHAPE}")
    return tuple(tuple(sorted(spans)) for spans in table)


def _times(part: str) -> tuple[list[Span], str]:
    """The times of a part, and what else stands in it."""
    spans = []
    for found in _TIMES.finditer(part):
        hour, minute, end_hour, end_minute = map(int, found.groups())
        start, end = hour * 60 + minute, end_hour * 60 + end_minute
        if minute > 59 or end_minute > 59 or start >= _MIDNIGHT or end > _MIDNIGHT:
            raise ValueError(f"'{found[0]}' are no times of a day; {SHAPE}")
        if start == end:
            raise ValueError(f"'{found[0]}' is never open; all day is 00:00-24:00")
        spans.append((start, end if end > start else end + _MIDNIGHT))
    return spans, _TIMES.sub(" ", part)


def _days(words: str, text: str) -> list[int]:
    """The weekdays of "mon", "mon-fri" (or "sat-mon"), several with blanks between."""
    days: list[int] = []
    for word in re.sub(r"\s*[-–]\s*", "-", words.strip()).split():
        first, _, last = word.lower().partition("-")
        start = _day(first, text)
        end = _day(last, text) if last else start
        days += [(start + n) % 7 for n in range((end - start) % 7 + 1)]
    return list(dict.fromkeys(days))


def _day(word: str, text: str) -> int:
    named = [number for number, name in enumerate(DAYS) if len(word) >= 3 and name.startswith(word)]
    if not named:
        raise ValueError(f"'{text}': '{word}' is no weekday; {SHAPE}")
    return named[0]


def parse_dates(texts: Iterable[str]) -> frozenset[date]:
    """Read dates like "2026-12-24". Raises `ValueError`."""
    found = set()
    for text in texts:
        try:
            found.add(date.fromisoformat(text.strip()))
        except ValueError:
            raise ValueError(f"'{text}' is no date; write it like 2026-12-24") from None
    return frozenset(found)


def check_holidays(code: str) -> None:
    """Raise `ValueError` with the nearest name where there are no holidays of that name."""
    if not code:
        return
    import holidays  # it brings 250 countries: only who names one waits for it

    known = holidays.list_supported_countries()
    country, _, part = code.partition("-")
    if country in known and (not part or part in known[country]):
        return
    names = [f"{country}-{one}" for one in known[country]] if country in known else list(known)
    plain = code.strip().lower().replace("_", "-")
    whole = [*known, *(f"{name}-{one}" for name, parts in known.items() for one in parts)]
    same = [name for name in whole if name.lower() == plain]
    near = same or [name for name in names if name[:-1] == code[:-1]]
    near = near or difflib.get_close_matches(code, names, 1, 0.5) or difflib.get_close_matches(code, whole, 1)
    hint = f"; did you mean '{near[0]}'?" if near else "; write it like DE, DE-BY or US-CA"
    raise ValueError(f"no holidays are known for '{code}'{hint}")


@lru_cache(maxsize=512)
def holidays_in(code: str, year: int) -> frozenset[date]:
    """Return the public holidays of a year ("DE-BY": of that part of the country)."""
    import holidays

    country, _, part = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


# -- counting ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Year:
    """The hours of one year (of UTC): when each stretch begins and ends, and how much was open before it."""

    starts: Sequence[int]
    ends: Sequence[int]
    sums: Sequence[int]
    total: int

    def until(self, moment: int) -> int:
        """How much of the year was open before a moment."""
        at = bisect_right(self.starts, moment) - 1
        return 0 if at < 0 else self.sums[at] + min(moment, self.ends[at]) - self.starts[at]

    def when(self, worked: int) -> int:
        """The first moment before which so much was open (more than nothing, at most `total`)."""
        at = bisect_left(self.sums, worked) - 1
        return self.starts[at] + worked - self.sums[at]


@dataclass(frozen=True)
class Schedule:
    """When somebody works. `week` None: always. Tables of years are made when they are first needed, and kept."""

    week: Week | None
    zone: ZoneInfo
    holidays: str = ""
    extra: frozenset[date] = frozenset()
    _years: dict[int, _Year] = field(default_factory=dict, init=False, repr=False, compare=False)

    def is_open(self, at: datetime) -> bool:
        """Is this moment within the hours?"""
        if self.week is None:
            return True
        year, moment = self._year(at.astimezone(UTC).year), _number(at)
        place = bisect_right(year.starts, moment) - 1
        return place >= 0 and moment < year.ends[place]

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return how much of the hours lies between two moments; nothing where the end comes first."""
        if end <= start:
            return timedelta()
        if self.week is None:
            return end - start
        first, last = start.astimezone(UTC).year, end.astimezone(UTC).year
        worked = self._year(last).until(_number(end)) - self._year(first).until(_number(start))
        return (worked + sum(self._year(year).total for year in range(first, last))) * _STEP

    def add(self, start: datetime, work: timedelta) -> datetime:
        """Return the first moment before which so much of the hours has passed since the start (UTC); the start itself
        for nothing. Raises `OverflowError` where that is centuries away."""
        if work <= timedelta():
            return start
        if self.week is None:
            return (start + work).astimezone(UTC)
        first = start.astimezone(UTC).year
        wanted = self._year(first).until(_number(start)) + work // _STEP
        for number in range(first, min(first + _YEARS, 9999)):
            year = self._year(number)
            if wanted <= year.total:
                return _EPOCH + year.when(wanted) * _STEP
            wanted -= year.total
        raise OverflowError(f"{work} of these hours take too long")

    def _year(self, number: int) -> _Year:
        made = self._years.get(number)
        if made is None:
            made = self._years[number] = self._made(number)
        return made

    def _made(self, number: int) -> _Year:
        low, high = (_number(datetime(year, 1, 1, tzinfo=UTC)) for year in (number, number + 1))
        offsets = list(_offsets(self.zone, low - 4 * _DAY, high + 4 * _DAY))
        stretches: list[Span] = []
        day = date(number, 1, 1) - timedelta(days=4)
        while day <= date(number + 1, 1, 3):
            if self.week is not None and not self._free(day):
                for span in self.week[day.weekday()]:
                    stretches += _on(day, span, offsets)
            day += timedelta(days=1)
        starts, ends, sums, total = [], [], [], 0
        for start, end in _joined(stretches):
            start, end = max(start, low), min(end, high)
            if start < end:
                starts.append(start)
                ends.append(end)
                sums.append(total)
                total += end - start
        return _Year(starts, ends, sums, total)

    def _free(self, day: date) -> bool:
        return day in self.extra or (bool(self.holidays) and day in holidays_in(self.holidays, day.year))


def _number(at: datetime) -> int:
    return (at - _EPOCH) // _STEP


def _offsets(zone: ZoneInfo, low: int, high: int) -> Iterator[tuple[int, int, int]]:
    """How far the zone's clocks are before UTC: (from, until, so much), looked up day by day, changes to the second."""
    begun, offset, at = low, _offset(zone, low), low
    while at < high:
        then = min(at + _DAY, high)
        if (later := _offset(zone, then)) != offset:
            change = at // _SECOND + _first_of(zone, at, then, later)
            yield begun, change * _SECOND, offset
            begun, offset = change * _SECOND, later
        at = then
    yield begun, high, offset


def _first_of(zone: ZoneInfo, at: int, then: int, later: int) -> int:
    """After how many seconds the clocks show what they show at the end."""
    seconds = range((then - at) // _SECOND + 1)
    return bisect_left(seconds, True, key=lambda s: _offset(zone, at + s * _SECOND) == later)


def _offset(zone: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at // _SECOND, zone).utcoffset()
    return (offset or timedelta()) // _STEP


def _on(day: date, span: Span, offsets: Sequence[tuple[int, int, int]]) -> Iterator[Span]:
    """The stretches of a day's hours: where the clocks change, each on its side of that."""
    midnight = (day - _EPOCH.date()).days * _DAY
    for begun, until, offset in offsets:
        start = max(midnight + span[0] * _MINUTE - offset, begun)
        end = min(midnight + span[1] * _MINUTE - offset, until)
        if start < end:
            yield start, end


def _joined(stretches: Iterable[Span]) -> list[Span]:
    """In order, and those that touch as one."""
    joined: list[Span] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


# -- of a queue -------------------------------------------------------------------------------------------------


def schedule_of(config: Config, queue: Queue | str) -> Schedule:
    """Return when a queue works; a queue that left the configuration as the first one. Around the clock where it names
    no hours."""
    if isinstance(queue, str):
        queue = config.queue_named(queue) or config.queue[0]
    zone = queue.timezone or config.service.timezone
    return schedule(queue.business_hours, zone, queue.holidays, queue.extra_holidays)


@lru_cache(maxsize=256)
def schedule(hours: str, zone: str, holidays: str = "", extra: tuple[str, ...] = ()) -> Schedule:
    """Return the schedule that these settings make, the same one each time. Raises `ValueError`."""
    week: Week | None = parse_week(hours) if hours.strip() else _ROUND_THE_CLOCK
    if not hours.strip() and not holidays and not extra:
        week = None
    return Schedule(week, ZoneInfo(zone), holidays, parse_dates(extra))


def _check_dates(texts: Sequence[str]) -> frozenset[date]:
    dates = parse_dates(texts)
    if len(dates) > MOST_DATES:
        raise ValueError(f"these are more than {MOST_DATES:,} dates")
    return dates


def check_queue(queue: Queue) -> None:
    """Raise `ValueError` where a queue's hours, holidays or targets make no sense. What passes is due within a century
    (a country's holidays leave three of four weeks), so that `Schedule.add` never fails for a target."""
    for key, check in (
        (
            "business_hours",
            lambda: parse_week(queue.business_hours) if queue.business_hours.strip() else None,
        ),
        ("holidays", lambda: check_holidays(queue.holidays)),
        ("extra_holidays", lambda: _check_dates(queue.extra_holidays)),
    ):
        try:
            check()
        except ValueError as exc:
            raise ValueError(f"queue {queue.name}: {key}: {exc}") from None
    named = {
        "first_response_target": queue.first_response_target,
        "next_response_target": queue.next_response_target,
        "resolution_target": queue.resolution_target,
    }
    for priority, goals in queue.targets.items():
        named |= {f"targets.{priority}.{name}": goal for name, goal in goals.items()}
    hours = schedule(
        queue.business_hours, "UTC"
    )  # a week of them: where that is little, targets must be short
    monday = datetime(2001, 1, 1, tzinfo=UTC)
    share = hours.between(monday, monday + timedelta(days=28)) / timedelta(days=28)
    for key, goal in named.items():
        if goal is not None and goal > LONGEST * share:
            raise ValueError(f"queue {queue.name}: {key}: within these hours that takes more than ten years")
