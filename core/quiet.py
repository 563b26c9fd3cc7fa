"""Quiet hours: when nobody wants to be told of anything, and when that is over. Pure.

They begin and end when the clocks of a zone first show the time, over both changes of the clocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.cron import moment_of

_WRITTEN = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})\s*")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to `end` by the clocks of a place, every day; over midnight where `end` comes first."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def over(self, zone: ZoneInfo, now: datetime) -> datetime | None:
        """Return when the quiet hours that `now` is in are over, None where it is in none."""
        today = now.astimezone(zone).date()
        for day in (today - _DAY, today, today + _DAY):
            begin, end = self._on(day, zone)
            if begin <= now < end:
                return end
        return None

    def _on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        last = day if self.end > self.start else day + _DAY
        return (
            moment_of(datetime.combine(day, self.start), zone),
            moment_of(datetime.combine(last, self.end), zone),
        )


def read_hours(text: str) -> Hours | None:
    """Read "22:00-07:00", "" for none. Raises `ValueError`."""
    if not text.strip():
        return None
    found = _WRITTEN.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        first, second, third, fourth = (int(part) for part in found.groups())
        hours = Hours(time(first, second), time(0 if (third, fourth) == (24, 0) else third, fourth))
    except ValueError:
        raise ValueError(f"'{text[:40]}' are no quiet hours; write them like 22:00-07:00") from None
    if hours.start == hours.end:
        raise ValueError("quiet hours that never end would hide everything")
    return hours


def quiet_for(text: str, zone: str, now: datetime) -> timedelta:
    """Return how long the quiet hours last yet, nothing where there are none now. Raises `ValueError`."""
    hours = read_hours(text)
    end = hours.over(ZoneInfo(zone), now) if hours is not None else None
    return end - now if end is not None else timedelta()
