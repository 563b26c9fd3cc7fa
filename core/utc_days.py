"""Hours, blocks of six hours, days, weeks and months of UTC: what rollups are kept by."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NewType

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
HOUR_KEY: Final = len("2026-03-29T13")
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000

Hour = NewType("Hour", str)  # its key: "2026-03-29T13"
Block = NewType("Block", str)  # of a day's four the key of one, of so many hours: "2026-03-29B2"
BLOCK_HOURS: Final = 6


def in_reach(moment: datetime) -> bool:
    """May somebody ask for this moment? Nearer the ends of time there are zones, and days around it, without it."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def day_of(moment: datetime) -> date:
    """Return the day of UTC that a moment is in."""
    return moment.astimezone(UTC).date()


def start_of(day: date) -> datetime:
    """Return when a day of UTC begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def month_of(day: date) -> str:
    """Return the key of a day's month."""
    return day.isoformat()[:7]


def week_of(day: date) -> str:
    """Return the key of a day's week, by its Monday: "2026-03W30". Older code takes the month of the highest key."""
    monday = (day - day.weekday() * DAY).isoformat()
    return f"{monday[:7]}W{monday[8:]}"


def sums_of(day: date) -> tuple[str, str]:
    """Return the keys of what a day is added up in."""
    return month_of(day), week_of(day)


def days_from(first: date, end: date) -> list[date]:
    """Return the days from `first` (included) to `end` (excluded)."""
    return [first + n * DAY for n in range((end - first).days)]


def days_of(key: str) -> list[date]:
    """Return the days of a month or a week by its key."""
    if is_week(key):
        monday = date.fromisoformat(key.replace("W", "-"))
        return days_from(monday, monday + 7 * DAY)
    first = date.fromisoformat(f"{key}-01")
    return days_from(first, (first + 31 * DAY).replace(day=1))


def is_week(key: str) -> bool:
    """Is this the key of a week, and not of a month?"""
    return "W" in key


def hour_of(moment: datetime) -> Hour:
    """Return the key of the hour that a moment is in."""
    return Hour(moment.astimezone(UTC).isoformat()[:HOUR_KEY])


def hours_of(day: date) -> list[Hour]:
    """Return the keys of a day's hours."""
    return [Hour(f"{day.isoformat()}T{n:02}") for n in range(24)]


def block_of(hour: Hour) -> Block:
    """Return the key of the block that an hour is in."""
    return Block(f"{hour[:10]}B{int(hour[11:]) // BLOCK_HOURS}")


def hours_of_block(block: Block) -> list[Hour]:
    """Return the keys of a block's hours."""
    first = int(block[11:]) * BLOCK_HOURS
    return [Hour(f"{block[:10]}T{n:02}") for n in range(first, first + BLOCK_HOURS)]


def start_of_hour(hour: Hour) -> datetime:
    """Return when an hour begins."""
    return datetime.fromisoformat(f"{hour}:00+00:00")
