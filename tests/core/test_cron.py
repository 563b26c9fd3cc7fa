"""When crons fire: once per local day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.cron import check_cron, latest_due, moment_of, next_due

YORK, HOWE, BERLIN, APIA = (
    ZoneInfo(name) for name in ("America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Apia")
)
# New York: at 2:00 to 3:00 on 8 March, at 2:00 back to 1:00 on 1 November. Lord Howe: at 2:00 back to 1:30 on
# 5 April, at 2:00 to 2:30 on 4 October.
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
HOWE_SPRING, HOWE_AUTUMN = date(2026, 10, 4), date(2026, 4, 5)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    return begin.astimezone(UTC), (begin + timedelta(days=1)).astimezone(UTC)


def forward(cron: str, zone: ZoneInfo, day: date) -> list[datetime]:
    """What fires on a local day, one after the other."""
    begin, end = bounds(day, zone)
    found, now = [], begin - timedelta(seconds=1)
    while (now := next_due(cron, zone, now)) < end:
        found.append(now)
    return found


def ticking(cron: str, zone: ZoneInfo, day: date) -> list[datetime]:
    """What a scheduler finds on a local day that looks every 10 minutes."""
    begin, end = bounds(day, zone)
    found: list[datetime] = []
    now = begin
    while now < end:
        slot = latest_due(cron, zone, begin - timedelta(seconds=1), now)
        if slot is not None and (not found or slot != found[-1]):
            found.append(slot)
        now += timedelta(minutes=10)
    return found


@pytest.mark.parametrize("find", [forward, ticking])
@pytest.mark.parametrize(
    ("cron", "zone", "day", "slots"),
    [
        ("30 1 * * *", YORK, SPRING, ["2026-03-08T06:30"]),
        ("30 2 * * *", YORK, SPRING, ["2026-03-08T07:00"]),  # at the jump: 3:00 summer time
        ("30 1 * * *", YORK, AUTUMN, ["2026-11-01T05:30"]),  # the first of two
        ("30 2 * * *", YORK, AUTUMN, ["2026-11-01T07:30"]),
        ("0,30 2 * * *", YORK, SPRING, ["2026-03-08T07:00"]),  # both at the jump are one
        ("30 2,3 * * *", YORK, SPRING, ["2026-03-08T07:00", "2026-03-08T07:30"]),
        ("30 1 * * *", HOWE, HOWE_SPRING, ["2026-10-03T15:00"]),
        ("30 2 * * *", HOWE, HOWE_SPRING, ["2026-10-03T15:30"]),
        ("10 2 * * *", HOWE, HOWE_SPRING, ["2026-10-03T15:30"]),  # at the jump to 2:30
        ("30 1 * * *", HOWE, HOWE_AUTUMN, ["2026-04-04T14:30"]),
        ("30 2 * * *", HOWE, HOWE_AUTUMN, ["2026-04-04T16:00"]),
        ("40 1 * * *", HOWE, HOWE_AUTUMN, ["2026-04-04T14:40"]),
    ],
)
def test_once_on_the_days_when_the_clocks_change(
    find: object, cron: str, zone: ZoneInfo, day: date, slots: list[str]
) -> None:
    """Also what exists twice, or not at all."""
    assert callable(find)
    assert find(cron, zone, day) == [at(slot) for slot in slots]


@pytest.mark.parametrize("find", [forward, ticking])
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [(YORK, SPRING, 23), (YORK, AUTUMN, 24), (HOWE, HOWE_SPRING, 24), (HOWE, HOWE_AUTUMN, 24)],
)
def test_hourly_ones_fire_once_for_each_hour_shown(
    find: object, zone: ZoneInfo, day: date, hours: int
) -> None:
    """An hour that is shown twice counts once; two slots at the jump are one."""
    assert callable(find)
    found = find("0 * * * *", zone, day)
    shown = [slot.astimezone(zone).replace(tzinfo=None) for slot in found]
    assert len(found) == len(set(found)) == len({time.hour for time in shown}) == hours
    assert found == sorted(found)


@pytest.mark.parametrize("zone", [YORK, HOWE, BERLIN])
@pytest.mark.parametrize("cron", ["30 1 * * *", "30 2 * * *", "15 0 * * *", "59 23 * * *"])
def test_a_year_has_each_day_once(zone: ZoneInfo, cron: str) -> None:
    """On the same local day that the calendar has, never none, never two."""
    days: list[date] = []
    now = datetime(2026, 1, 1, tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    end = datetime(2027, 1, 1, tzinfo=zone)
    while (now := next_due(cron, zone, now)) < end:
        days.append(now.astimezone(zone).date())
        assert latest_due(cron, zone, now - timedelta(seconds=1), now) == now
    assert days == [date(2026, 1, 1) + timedelta(days=i) for i in range(365)]


def test_weekdays_are_those_of_cron() -> None:
    """1-5 is Monday to Friday, 0 and 7 are Sunday; names are taken."""
    for cron in ("0 8 * * 1-5", "0 8 * * mon-fri"):
        now, days = at("2026-06-01T00:00"), set()
        for _ in range(30):
            now = next_due(cron, BERLIN, now)
            days.add(now.astimezone(BERLIN).strftime("%a"))
        assert days == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    for cron in ("0 8 * * 0", "0 8 * * 7", "0 8 * * sun"):
        assert next_due(cron, BERLIN, at("2026-06-01T00:00")) == at("2026-06-07T06:00")


def test_the_newest_slot_lies_between() -> None:
    """After the one bound, up to and with the other."""
    cron, eight = "0 8 * * *", at("2026-06-02T06:00")
    second = timedelta(seconds=1)
    assert latest_due(cron, BERLIN, eight - second, eight) == eight
    assert latest_due(cron, BERLIN, eight, eight + timedelta(hours=5)) is None
    assert latest_due(cron, BERLIN, eight - timedelta(days=9), eight - second) == eight - timedelta(days=1)
    assert latest_due(cron, BERLIN, eight - second, eight + timedelta(microseconds=5)) == eight
    assert next_due(cron, BERLIN, eight) == eight + timedelta(days=1)
    assert next_due(cron, BERLIN, eight - timedelta(microseconds=5)) == eight


def test_a_day_that_was_left_out() -> None:
    """Samoa had no 30 December 2011: what was to be then was when the 31st began."""
    assert moment_of(datetime(2011, 12, 30, 8), APIA) == at("2011-12-30T10:00")


@pytest.mark.parametrize("wrong", ["", "* * * *", "61 * * * *", "0 8 * * xyz", "0 8 31 2 *", "0 0 30 2 *"])
def test_what_is_no_cron_is_refused(wrong: str) -> None:
    """With its reason."""
    with pytest.raises(ValueError, match=r"is no cron expression|never fires"):
        check_cron(wrong)
    check_cron("0 8 29 2 *")
