"""When a cron expression fires: each local time that it names once per local day, over both changes of the clocks.

The times are found on a calendar without zones and set into the zone afterwards. One that doesn't exist (the clocks
jumped over it) is at the moment of the jump, together with all others that were jumped over; one that exists twice is
the first of the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_SECOND: Final = timedelta(seconds=1)


def check_cron(expression: str) -> None:
    """Raises `ValueError` for what is no cron expression, or never fires."""
    try:
        next(CronSim(expression, datetime(2026, 1, 1)))  # noqa: DTZ001 - a calendar without zones
    except CronSimError as exc:
        raise ValueError(f"'{expression}' is no cron expression: {exc}") from exc
    except StopIteration:
        raise ValueError(f"'{expression}' never fires") from None


def latest_due(cron: str, zone: ZoneInfo, after: datetime, now: datetime) -> datetime | None:
    """Return the newest slot with `after` < slot <= `now`, in UTC; None where there is none."""
    shown = now.astimezone(zone)
    first, second = shown.replace(fold=0).utcoffset(), shown.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    begin = shown.replace(tzinfo=None, microsecond=0) + _SECOND
    if shown.fold and first > second:  # what is shown now was shown before, and so was all up to the change
        begin += first - second
    for local in _times(cron, begin, reverse=True):
        slot = moment_of(local, zone)
        if slot <= now:
            return slot if slot > after else None
    return None


def next_due(cron: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the first slot after `now`, in UTC. Raises `ValueError` for a cron that never fires."""
    begin = now.astimezone(zone).replace(tzinfo=None, microsecond=0)
    for local in _times(cron, begin, reverse=False):
        slot = moment_of(local, zone)
        if slot > now:
            return slot
    raise ValueError(f"'{cron}' never fires")


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks of `zone` first show `local` (naive) or, where they jump over it, when they jump; in UTC."""
    there = local.replace(tzinfo=zone, fold=0)
    moment = there.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    before = there.utcoffset()
    earliest = there.replace(fold=1).astimezone(UTC)  # still before the jump; `moment` is after it
    while moment - earliest > _SECOND:
        middle = earliest + ((moment - earliest) // 2 // _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            earliest = middle
        else:
            moment = middle
    return moment


def _times(cron: str, begin: datetime, *, reverse: bool) -> Iterator[datetime]:
    """Yield the local times that `cron` names after `begin` (before it, where `reverse`), without zones."""
    yield from CronSim(cron, begin, reverse=reverse)
