"""Figures of a period: counts from the events as they happened, medians from the tickets that they touched.

`backlog_start + came_in + reopened + moved_in + restored - resolved - closed_unresolved - moved_out -
spam_or_merged = backlog_end` holds by construction of the events, and is checked by tests against a recount.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select

from core.database import Tx
from core.status import ACTIVE
from core.tables import events, tickets
from core.views import Period

# What each kind of event does to the number of tickets that somebody still has to do something about.
EFFECT: Final = {
    "opened": +1,
    "reopened": +1,
    "moved_in": +1,
    "restored": +1,
    "resolved": -1,
    "closed_unresolved": -1,
    "moved_out": -1,
    "merged_active": -1,
    "spam": -1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A duration's distribution: seconds, None where n is 0."""

    n: int
    median: float | None
    p90: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"n": self.n, "median_seconds": self.median, "p90_seconds": self.p90}


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Tickets that aren't done, at this moment."""

    active: int
    unassigned: int
    waiting_for_staff: int
    waiting_for_customer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A period's figures, of one queue or of all."""

    period: Period
    queue: str | None
    backlog_start: int
    came_in: int
    reopened: int
    moved_in: int
    restored: int
    resolved: int
    closed_unresolved: int
    moved_out: int
    spam_or_merged: int
    backlog_end: int
    answered: int
    unassigned: int
    waiting_for_staff: int
    waiting_for_customer: int
    deliveries_failed: int
    messages: int
    first_response: Spread
    resolution: Spread

    def as_json(self) -> dict[str, Any]:
        """Return them as the API shows them; times RFC 3339 in UTC."""
        spreads = ("first_response", "resolution")
        plain = {f: getattr(self, f) for f in self.__slots__ if f not in ("period", *spreads)}
        return {
            "since": _rfc3339(self.period.since),
            "until": _rfc3339(self.period.until),
            **plain,
            **{name: getattr(self, name).as_json() for name in spreads},
        }


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def spread(durations: Sequence[timedelta]) -> Spread:
    """Return the distribution of durations."""
    seconds = sorted(d.total_seconds() for d in durations)
    if not seconds:
        return Spread(n=0, median=None, p90=None)
    p90 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.9))]
    return Spread(n=len(seconds), median=statistics.median(seconds), p90=p90)


async def of(tx: Tx, period: Period, queue: str | None) -> Figures:
    """Return the figures of a period; the cost grows with the period, and with what came since."""
    came = await _counts(tx, period.since, period.until, queue)
    later = await _counts(tx, period.until, None, queue)
    present = await now(tx, queue)
    backlog_end = present.active - sum(later[k] * effect for k, effect in EFFECT.items())
    backlog_start = backlog_end - sum(came[k] * effect for k, effect in EFFECT.items())
    return Figures(
        period=period,
        queue=queue,
        backlog_start=backlog_start,
        came_in=came["opened"],
        reopened=came["reopened"],
        moved_in=came["moved_in"],
        restored=came["restored"],
        resolved=came["resolved"],
        closed_unresolved=came["closed_unresolved"],
        moved_out=came["moved_out"],
        spam_or_merged=came["merged_active"] + came["spam"],
        backlog_end=backlog_end,
        answered=await _answered(tx, period, queue),
        unassigned=present.unassigned,
        waiting_for_staff=present.waiting_for_staff,
        waiting_for_customer=present.waiting_for_customer,
        deliveries_failed=came["delivery_failed"] + came["delivery_bounced"],
        messages=came["message"] + came["opened"] + came["answered"],
        first_response=spread(await _durations(tx, period, queue, tickets.c.first_response_at)),
        resolution=spread(await _durations(tx, period, queue, tickets.c.resolved_at)),
    )


async def _counts(tx: Tx, since: datetime, until: datetime | None, queue: str | None) -> Counter[str]:
    conditions: list[Any] = [events.c.at >= since]
    if until is not None:
        conditions.append(events.c.at < until)
    if queue is not None:
        conditions.append(events.c.queue == queue)
    rows = await tx.all(
        select(events.c.kind, func.count().label("n")).where(*conditions).group_by(events.c.kind)
    )
    return Counter({row.kind: int(row.n) for row in rows})


async def now(tx: Tx, queue: str | None = None) -> Now:
    """Return how things stand now, in one queue or in all."""
    conditions: list[Any] = [tickets.c.status.in_(ACTIVE)]
    if queue is not None:
        conditions.append(tickets.c.queue == queue)
    rows = await tx.all(
        select(
            tickets.c.status,
            tickets.c.assignee_id.is_(None).label("nobody"),
            tickets.c.waiting_since.is_not(None).label("waits"),
            func.count().label("n"),
        )
        .where(*conditions)
        .group_by(tickets.c.status, tickets.c.assignee_id.is_(None), tickets.c.waiting_since.is_not(None))
    )
    return Now(
        active=sum(r.n for r in rows),
        unassigned=sum(r.n for r in rows if r.nobody),
        waiting_for_staff=sum(r.n for r in rows if r.waits and r.status != "pending"),
        waiting_for_customer=sum(r.n for r in rows if r.status == "pending"),
    )


async def _answered(tx: Tx, period: Period, queue: str | None) -> int:
    """Tickets on which staff wrote publicly in the period."""
    conditions: list[Any] = [
        events.c.at >= period.since,
        events.c.at < period.until,
        events.c.kind == "answered",
    ]
    if queue is not None:
        conditions.append(events.c.queue == queue)
    return int(await tx.scalar(select(func.count(events.c.ticket_id.distinct())).where(*conditions)) or 0)


async def _durations(tx: Tx, period: Period, queue: str | None, until: Any) -> list[timedelta]:
    """How long it took, for what ended in the period."""
    conditions = [until >= period.since, until < period.until, tickets.c.merged_into.is_(None)]
    if queue is not None:
        conditions.append(tickets.c.queue == queue)
    rows = await tx.all(select(tickets.c.created_at, until.label("ended")).where(*conditions))
    return [row.ended - row.created_at for row in rows]
