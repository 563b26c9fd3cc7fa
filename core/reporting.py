"""The managers' page of figures: which period is asked for, its report beside the period before, and a digest sent to
whoever asks for it now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core import digests, exposure, figures
from core.brakes import allow
from core.cron import moment_of
from core.database import Tx
from core.failures import Conflict, Invalid, NotAllowed, TooMany
from core.figures_shapes import Figures
from core.parts import Parts
from core.report import Report, make
from core.report_words import Speech, spoken_by
from core.shapes import Actor, Role
from core.views import Period

OWN: Final = "own"
PERIODS: Final = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "28d": "Last 28 days",
    "90d": "Last 90 days",
    "this-month": "This month",
    "last-month": "Last month",
    OWN: "Own dates",
}
MOST_DAYS: Final = 800  # of dates of one's own: the cost grows with the days
SENDS: Final = 10  # digests an hour that somebody may send to themselves
_DAY: Final = timedelta(days=1)
_LEAST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. `queue`: None are all. `first`, `last`: the days of `own`, both included."""

    period: str = "28d"
    queue: str | None = None
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The figures of a period and of the one before it, and the report that tells them."""

    now: Figures
    before: Figures
    report: Report


# -- the period ---------------------------------------------------------------------------------------------------


def spans(wanted: Wanted, now: datetime, zone: ZoneInfo) -> tuple[Period, Period]:
    """Return the period, which ends now at the latest, and the one that it is compared with: as much of the days or the
    month before where this one isn't over, else the same number of days. All begin with a day, and "the last 7 days"
    are today and six before: of days that are over the figures are at hand. Raises `Invalid`. Pure."""
    there = now.astimezone(zone).replace(tzinfo=None)
    today = there.date()
    match wanted.period:
        case "today":
            return _so_far(today, today - _DAY, there, now, zone)
        case "yesterday":
            return _days(today - _DAY, today - _DAY, now, zone)
        case "7d" | "28d" | "90d":
            length = timedelta(days=int(wanted.period[:-1]))
            first = today + _DAY - length
            return _so_far(first, first - length, there, now, zone)
        case "this-month":
            first = today.replace(day=1)
            return _so_far(first, (first - _DAY).replace(day=1), there, now, zone)
        case "last-month":
            last = today.replace(day=1) - _DAY
            first = last.replace(day=1)
            before = (first - _DAY).replace(day=1)
            return Period(_at(first, zone), _at(last + _DAY, zone)), Period(
                _at(before, zone), _at(first, zone)
            )
        case "own":
            return _own(wanted, today, now, zone)
    raise Invalid("there is no such period")


def _at(day: date, zone: ZoneInfo) -> datetime:
    return moment_of(datetime.combine(day, time()), zone)


def _so_far(
    first: date, before: date, there: datetime, now: datetime, zone: ZoneInfo
) -> tuple[Period, Period]:
    """From a day to now, and as long from an earlier day, at most until the first one."""
    begin, earlier = _at(first, zone), _at(before, zone)
    same = moment_of(datetime.combine(before, time()) + (there - datetime.combine(first, time())), zone)
    until = max(now, begin + _LEAST)
    return Period(begin, until), Period(earlier, max(min(same, begin), earlier + _LEAST))


def _days(first: date, last: date, now: datetime, zone: ZoneInfo) -> tuple[Period, Period]:
    begin, end = _at(first, zone), _at(last + _DAY, zone)
    before = _at(first - (last + _DAY - first), zone)
    return Period(begin, max(min(end, now), begin + _LEAST)), Period(before, begin)


def _own(wanted: Wanted, today: date, now: datetime, zone: ZoneInfo) -> tuple[Period, Period]:
    first, last = wanted.first, wanted.last
    if first is None or last is None:
        raise Invalid("own dates need a first and a last day")
    if first > last:
        raise Invalid("the first day comes after the last")
    if first > today:
        raise Invalid("the first day is still to come")
    if first.year < 1990 or last.year > 2200 or (last - first).days >= MOST_DAYS:
        raise Invalid(f"at most {MOST_DAYS} days can be shown at once")
    return _days(first, last, now, zone)


# -- what the page shows and does ---------------------------------------------------------------------------------


def check_manager(actor: Actor) -> None:
    """Raise `NotAllowed` for who is no manager."""
    if actor.role not in (Role.MANAGER, Role.SYSTEM):
        raise NotAllowed("only managers see the reports")


def speech_of(parts: Parts) -> Speech:
    """Return how the page speaks: English, as all pages, in the operator's own words where there are some."""
    return spoken_by("en", parts.config.service.texts)


async def found(parts: Parts, actor: Actor, wanted: Wanted) -> Found:
    """Return the figures and the report of what is asked for, all of one moment. Raises `NotAllowed`, `Invalid`,
    `Counting`."""
    check_manager(actor)
    if wanted.queue is not None:
        parts.desk.queue(wanted.queue)
    zone = ZoneInfo(parts.config.service.timezone)
    now = parts.database.clock.now()
    period, earlier = spans(wanted, now, zone)

    async def look(tx: Tx) -> Found:
        present, before = await figures.beside(tx, period, earlier, wanted.queue, zone=zone)
        report = make(
            PERIODS[wanted.period].lower(),
            present,
            before,
            service=parts.config.service.name,
            zone=zone,
            made_at=now,
            held_back=await exposure.last_held_back(tx),
            told_in=speech_of(parts),
        )
        return Found(now=present, before=before, report=report)

    return await parts.database.read(look, snapshot=True)


async def send(parts: Parts, actor: Actor, name: str, key: str) -> None:
    """Send a digest of the period that ends now to whoever asks, by mail. Once for a key: forms are sent twice.

    Raises `NotAllowed`, `NotFound` for no such digest, `Conflict` for who has no address, `TooMany`.
    """
    check_manager(actor)
    digests.named(parts.config, name)
    if not actor.email:
        raise Conflict("nobody knows a mail address of yours")
    told = digests.told_by_mail(actor.email)

    async def unit(tx: Tx) -> None:
        if not await allow(tx, f"digest-once:{actor.user_id}:{key}", 1, timedelta(days=1)):
            return
        if not await allow(tx, f"digest-now:{actor.user_id}", SENDS, timedelta(hours=1)):
            raise TooMany(f"at most {SENDS} digests an hour; try again later")
        await digests.send_now(tx, parts.desk, name, [told])

    await parts.database.unit(unit)
