"""Numbers, durations and times as a report writes them for people. Pure; English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.figures_shapes import Share

NOTHING: Final = "–"  # where there is nothing to say
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_LONG: Final = 14 * _DAY  # from here on hours tell nothing more
_ONE_DAY: Final = timedelta(hours=25)  # a local day is that long where the clocks are put back
# Line ends, control characters and those that turn the direction of what follows them.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)


def plain(text: str, limit: int) -> str:
    """Somebody else's words on one line, at most `limit` characters; "…" where they go on."""
    text = " ".join(_UNSEEN.sub(" ", text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def number(value: int) -> str:
    """Return "12,345"."""
    return f"{value:,}"


def duration(seconds: float | None) -> str:
    """Return "45 s", "20 min", "3 h 20 min", "2 days 4 h" or "30 days"; "–" for None."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{max(whole, 0)} s"
    minutes = round(whole / _MINUTE)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    hours = round(minutes / 60)
    days, hours = divmod(hours, 24)
    told = "1 day" if days == 1 else f"{number(days)} days"
    return f"{told} {hours} h" if hours and whole < _LONG else told


def percent(share: Share) -> str:
    """Return "91.2 %", or "–" where it would be a share of too few."""
    return NOTHING if share.percent is None else f"{share.percent:g} %"


def change(now: int, before: int) -> str:
    """Return "+12", "−5", or "=" where nothing changed."""
    if now == before:
        return "="
    return f"+{number(now - before)}" if now > before else f"−{number(before - now)}"


def more(now: int, before: int) -> str:
    """Return "12 more" or "5 fewer"; "" where nothing changed."""
    if now == before:
        return ""
    return f"{number(now - before)} more" if now > before else f"{number(before - now)} fewer"


def counted(n: int, one: str, many: str) -> str:
    """Return "1 mail" or "12 mails"."""
    return f"{number(n)} {one if n == 1 else many}"


def moment(at: datetime, zone: ZoneInfo, *, year: bool = False) -> str:
    """Return "Fri 27 Nov 08:00", with the year where it is asked for."""
    at = at.astimezone(zone)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M}" if year else f"{at:%a} {at.day} {at:%b %H:%M}"


def span(since: datetime, until: datetime, zone: ZoneInfo) -> str:
    """Return "Fri 27 Nov 2026 08:00 to Sat 28 Nov 08:00, Europe/Berlin"; where the clocks were changed in it, it also
    says how long it really was."""
    start, end = since.astimezone(zone), until.astimezone(zone)
    told = (
        f"{moment(since, zone, year=True)} to {moment(until, zone, year=start.year != end.year)}, {zone.key}"
    )
    shown = end.replace(tzinfo=UTC) - start.replace(tzinfo=UTC)
    really = until - since
    if shown == really:
        return told
    return f"{told} ({duration(really.total_seconds())}: the clocks were changed)"


def dates(since: datetime, until: datetime, zone: ZoneInfo) -> str:
    """Return "27 Nov" for up to a day (the one it begins on), else "20 to 27 Nov"."""
    start, end = since.astimezone(zone), (until - timedelta(microseconds=1)).astimezone(zone)
    if until - since <= _ONE_DAY or start.date() == end.date():
        return f"{start.day} {start:%b}"
    first = str(start.day)
    if (start.year, start.month) != (end.year, end.month):
        first += f" {start:%b}" if start.year == end.year else f" {start:%b %Y}"
    return f"{first} to {end.day} {end:%b}" + (f" {end.year}" if start.year != end.year else "")
