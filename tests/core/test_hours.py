"""Hours of work, against a reference that looks at each minute by itself: zones, nights of change, holidays, nights."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.config import ConfigError, parse
from core.hours import Schedule, parse_week, schedule, schedule_of

MINUTE = timedelta(minutes=1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia")
# Two days before and after each change, and a year's turn.
NEAR = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 23, tzinfo=UTC),
    datetime(2027, 7, 5, tzinfo=UTC),
]

Days = dict[int, list[tuple[int, int]]]


def written(days: Days) -> str:
    """A table of hours as the configuration writes it."""

    def clock(minute: int) -> str:
        minute = minute if minute <= 1440 else minute - 1440
        return f"{minute // 60:02}:{minute % 60:02}"

    return ", ".join(f"{NAMES[day]} {clock(a)}-{clock(b)}" for day, spans in days.items() for a, b in spans)


@lru_cache(maxsize=16)
def free(code: str) -> Any:
    country, _, part = code.partition("-")
    return holidays.country_holidays(country, subdiv=part or None, years=range(2025, 2029))


def reference(days: Days, zone: str, code: str, extra: tuple[str, ...]) -> Callable[[datetime], bool]:
    """Is the minute that begins then open? By what its clock shows alone."""

    def works(day: date) -> bool:
        return not (day.isoformat() in extra or (code and day in free(code)))

    def is_open(at: datetime) -> bool:
        shown = at.astimezone(ZoneInfo(zone))
        day, minute = shown.date(), shown.hour * 60 + shown.minute
        before = day - timedelta(days=1)
        return (works(day) and any(a <= minute < b for a, b in days.get(day.weekday(), ()))) or (
            works(before) and any(a <= minute + 1440 < b for a, b in days.get(before.weekday(), ()))
        )

    return is_open


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(st.integers(0, 95)) * 15
    length = draw(st.integers(1, 95)) * 15
    end = start + length
    return (start, end if end <= 1440 or end < 1440 + start else 1440)


WEEKS = st.dictionaries(st.integers(0, 6), st.lists(spans(), min_size=1, max_size=2), min_size=1)
MOMENTS = st.builds(
    lambda near, minutes: near + minutes * MINUTE, st.sampled_from(NEAR), st.integers(-2880, 2880)
)
CODES = st.sampled_from(["", "US", "US-CA", "DE-BY", "AU"])
EXTRA = st.sampled_from([(), ("2026-03-09", "2026-12-31"), ("2026-10-04", "2027-01-01")])


@settings(max_examples=150, deadline=None)
@given(WEEKS, st.sampled_from(ZONES), CODES, EXTRA, MOMENTS, st.integers(0, 5000))
@example({6: [(90, 150)]}, "America/New_York", "", (), NEAR[1] - 600 * MINUTE, 1500)
@example({6: [(105, 110)]}, "Australia/Lord_Howe", "", (), NEAR[2] - 600 * MINUTE, 1500)
@example({5: [(1320, 1800)]}, "America/New_York", "US", (), NEAR[0] - 900 * MINUTE, 2000)
def test_as_the_clock_on_the_wall(
    days: Days, zone: str, code: str, extra: tuple[str, ...], start: datetime, length: int
) -> None:
    """What lies between, whether it's open, and when so much of it is over: minute by minute the same."""
    hours = schedule(written(days), zone, code, extra)
    is_open = reference(days, zone, code, extra)
    opened = [is_open(start + n * MINUTE) for n in range(length)]
    assert hours.between(start, start + length * MINUTE) == sum(opened) * MINUTE
    for n in range(0, length, 97):
        assert hours.is_open(start + n * MINUTE) == opened[n]
    if total := sum(opened):
        for part in {1, total // 2, total} - {0}:
            seen = 0
            for n, one in enumerate(opened):
                seen += one
                if seen == part:
                    assert hours.add(start, part * MINUTE) == start + (n + 1) * MINUTE
                    break


@settings(max_examples=200, deadline=None)
@given(
    WEEKS,
    st.sampled_from(ZONES),
    CODES,
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=60)),
)
def test_what_is_added_lies_between(
    days: Days, zone: str, code: str, start: datetime, work: timedelta
) -> None:
    """To the microsecond, over years; and not a moment too late."""
    hours, begun = schedule(written(days), zone, code), start.replace(tzinfo=UTC)
    end = hours.add(begun, work)
    assert hours.between(begun, end) == work
    assert hours.is_open(end - timedelta(microseconds=1))
    assert hours.add(begun, timedelta()) == begun
    middle = begun + (end - begun) / 3
    assert hours.between(begun, middle) + hours.between(middle, end) == work


def at(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "code", "start", "work", "end"),
    [
        ("mon-fri 09:00-17:00", "Europe/Berlin", "", "2026-11-27T16:00", 2, "2026-11-30T10:00"),
        ("mon-fri 09:00-17:00", "Europe/Berlin", "", "2026-11-27T16:00", 1, "2026-11-27T17:00"),
        ("mon-fri 09:00-17:00", "Europe/Berlin", "DE-BY", "2026-06-03T16:00", 2, "2026-06-05T10:00"),
        ("mon-fri 09:00-17:00", "Europe/Berlin", "DE-BE", "2026-06-03T16:00", 2, "2026-06-04T10:00"),
        ("mon-thu 09:00-17:00, fri 09:00-15:00", "UTC", "", "2026-11-27T14:00", 2, "2026-11-30T10:00"),
        ("22:00-06:00", "America/New_York", "", "2026-03-07T23:00", 4, "2026-03-08T04:00"),
        ("22:00-06:00", "America/New_York", "", "2026-10-31T23:00", 4, "2026-11-01T02:00"),
        ("fri 22:00-06:00", "Europe/Berlin", "", "2026-11-27T12:00", 8, "2026-11-28T06:00"),
        ("mon-fri 09:00-17:00", "America/New_York", "US", "2021-12-30T16:00", 2, "2022-01-03T10:00"),
        ("sun 02:00-03:00", "America/New_York", "", "2026-03-02T00:00", 1, "2026-03-15T03:00"),
        ("", "Europe/Berlin", "DE-BY", "2026-12-24T12:00", 24, "2026-12-27T12:00"),
        ("", "Europe/Berlin", "", "2026-03-28T12:00", 24, "2026-03-29T13:00"),
    ],
)
def test_known_answers(hours: str, zone: str, code: str, start: str, work: int, end: str) -> None:
    """Weekends, holidays of a part of a country, observed ones, nights of change."""
    assert schedule(hours, zone, code).add(at(start, zone), timedelta(hours=work)) == at(end, zone)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Mon-Fri 9:00-17:00", "mon-fri 09:00-17:00"),
        ("monday - friday 09:00 - 17:00", "mon-fri 09:00-17:00"),
        ("mon tue wed thu fri 09:00-17:00", "mon-fri 09:00-17:00"),
        ("mon, tue, wed-fri 09:00-17:00", "mon-fri 09:00-17:00"),
        ("mon-fri 09:00-12:00 13:00-17:00", "mon-fri 09:00-12:00, 13:00-17:00"),
        ("sat-mon 10:00-12:00", "sat 10:00-12:00, sun 10:00-12:00, mon 10:00-12:00"),
        ("00:00-24:00", "mon-sun 00:00-24:00"),
    ],
)
def test_ways_to_write_it(text: str, same: str) -> None:
    """Names long or short, days in a row or one by one, breaks."""
    assert parse_week(text) == parse_week(same)


MISTAKEN = """mon-fri|mon-fri 9-17|09:00-09:00|mon 24:00-08:00|mon 09:00-25:00|mon 09:61-10:00|moon 09:00-17:00
mo 09:00-17:00|mon 09:00-17:00, tue|,|mon-fri 09:00-17:00 daily|-|m-f 09:00-1:00"""


@pytest.mark.parametrize("text", MISTAKEN.replace("\n", "|").split("|"))
def test_no_hours(text: str) -> None:
    """What isn't understood, and what never opens, is refused with words that help."""
    with pytest.raises(ValueError, match=r"mon-fri 09:00-17:00|never open"):
        parse_week(text)


def refused(**queue: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({"queue": [{"name": "support", **queue}]}, source="config.toml", environ={})
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_mistakes_in_the_configuration_name_the_key_and_a_near_one() -> None:
    """One line, which queue, which key, what to write."""
    assert "queue support: business_hours: 'mon-fri 9-5'" in refused(business_hours="mon-fri 9-5")
    assert "holidays: no holidays are known for 'DE-BX'; did you mean 'DE-B" in refused(holidays="DE-BX")
    assert "did you mean 'DE-BY'?" in refused(holidays="de-by")
    assert "did you mean 'US-CA'?" in refused(holidays="US_CA")
    assert "write it like DE" in refused(holidays="????????")
    assert "extra_holidays: '24.12.2026' is no date" in refused(extra_holidays=["24.12.2026"])
    assert "resolution_target: within these hours that takes" in refused(
        business_hours="mon 09:00-09:10", resolution_target="30d", first_response_target="1h"
    )
    assert "targets.urgent.resolution: within" in refused(targets={"urgent": {"resolution": "5000d"}})
    assert "targets.urgnt" in refused(targets={"urgnt": {"resolution": "5d"}})
    assert "unknown time zone" in refused(timezone="Europe/Berln")


def test_a_queues_schedule_is_made_once() -> None:
    """By its own settings; the service's zone where it names none."""
    config = parse(
        {
            "service": {"timezone": "Europe/Berlin"},
            "queue": [
                {"name": "a", "business_hours": "mon-fri 09:00-17:00"},
                {"name": "b", "timezone": "America/New_York", "holidays": "US"},
                {"name": "c"},
            ],
        },
        environ={},
    )
    a, b, c = config.queue
    assert schedule_of(config, a) is schedule_of(config, "a")
    assert schedule_of(config, a).zone.key == "Europe/Berlin"
    assert schedule_of(config, b).between(
        at("2026-07-02T00:00", "America/New_York"), at("2026-07-05T00:00", "America/New_York")
    ) == timedelta(days=1), "the fourth is a Saturday: Friday is free too"
    assert schedule_of(config, c).week is None
    assert schedule_of(config, "gone") is schedule_of(config, a)


def test_years_cost_next_to_nothing() -> None:
    """Once its years are known, a sum over ten of them takes microseconds."""
    hours = schedule("mon-fri 09:00-12:00, 13:00-17:00", "America/New_York", "US-CA")
    start = datetime(2020, 1, 1, tzinfo=UTC)
    begun = time.perf_counter()
    for n in range(2000):
        moment = start + n * timedelta(hours=7)
        hours.between(moment, moment + timedelta(days=3000))
        hours.add(moment, timedelta(hours=5000))
    assert (time.perf_counter() - begun) / 4000 < 0.001


def test_a_schedule_says_when_it_has_too_far_to_look() -> None:
    """The configuration refuses it before; a sum has an end all the same."""
    hours: Schedule = schedule("mon 09:00-09:01", "UTC")
    with pytest.raises(OverflowError):
        hours.add(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=40))
