"""What the configuration accepts is reached: no sum of a running service looks for hours that never come."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Config, parse
from core.config_section import ConfigError
from core.hours import DAYS, LONGEST, MOST_DATES, holidays_in, schedule
from core.status import Status
from core.targets import Targets
from tests.core.test_targets import fresh

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
CENTURY = timedelta(days=36_525)
WEEK = timedelta(days=7)


def longest(hours: str) -> int:
    """The longest target within these hours that is accepted, in seconds."""
    begin = datetime(2001, 1, 1, tzinfo=UTC)
    return int(LONGEST * (schedule(hours, "UTC").between(begin, begin + WEEK) / WEEK) / timedelta(seconds=1))


def config_with(**queue: Any) -> Config:
    return parse({"queue": [{"name": "support", **queue}]}, environ={})


def fridays(count: int) -> list[str]:
    return [(date(2026, 12, 4) + n * WEEK).isoformat() for n in range(count)]


@given(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
    st.integers(0, 1438),
    st.sampled_from(["", "DE-BY", "US", "IN", "EG"]),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2090, 1, 1)),
)
@settings(max_examples=40, deadline=None)
def test_the_longest_target_in_the_narrowest_hours(
    days: list[str], minute: int, code: str, zone: str, start: datetime
) -> None:
    """One minute on a day or three, with holidays: due within years, whenever a ticket comes."""
    hours = (
        f"{' '.join(days)} {minute // 60:02}:{minute % 60:02}-{(minute + 1) // 60:02}:{(minute + 1) % 60:02}"
    )
    seconds = longest(hours)
    config = config_with(
        business_hours=hours, holidays=code, timezone=zone, resolution_target=f"{seconds - 60}s"
    )
    now = start.replace(tzinfo=UTC)
    opened = Targets(config).recount(None, fresh(created_at=now, status=Status.NEW), now)
    assert opened.resolve_due_at is not None
    assert now < opened.resolve_due_at < now + 2 * LONGEST
    with pytest.raises(ConfigError, match="more than ten years"):
        config_with(business_hours=hours, resolution_target=f"{seconds + 60}s")


def test_as_many_own_holidays_as_there_may_be() -> None:
    """All of them on the one day of the week that is open; one more is refused."""
    hours = "fri 09:00-09:01"
    free = fridays(MOST_DATES)
    config = config_with(
        business_hours=hours, holidays="EG", extra_holidays=free, resolution_target=f"{longest(hours) - 60}s"
    )
    opened = Targets(config).recount(None, fresh(created_at=NOW), NOW)
    assert opened.resolve_due_at is not None
    assert NOW + MOST_DATES * WEEK < opened.resolve_due_at < NOW + CENTURY
    with pytest.raises(ConfigError, match="extra_holidays: these are more than 1,000 dates"):
        config_with(extra_holidays=fridays(MOST_DATES + 1))


@pytest.mark.parametrize("year", [2026, 2031])
def test_no_country_is_free_on_most_of_a_weekday(year: int) -> None:
    """What the check counts on: a country's holidays leave three of four weeks of each weekday."""
    import holidays

    for code in holidays.list_supported_countries():
        days = Counter(day.weekday() for day in holidays_in(code, year) if day.year == year)
        assert max(days.values(), default=0) <= 13, code


@pytest.mark.parametrize("key", ["remind_after", "close_pending_after", "unassigned_after", "reopen_within"])
def test_no_time_that_the_configuration_takes_leaves_the_calendar(key: str) -> None:
    """What a job takes off the present is a moment that both stores know; "for ever" has its own word ("0s")."""
    taken = config_with(**{key: "36525d"})
    assert NOW - getattr(taken.queue[0], key) > datetime(1900, 1, 1, tzinfo=UTC)
    for value in ("36526d", "999999d", "99999999999999d", "9" * 400 + "w"):
        with pytest.raises(ConfigError, match="is too long"):
            config_with(**{key: value})
