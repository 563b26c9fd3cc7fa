"""Figures of a period: what happened in it, how long that took, and how the desk stands.

A span of up to a day is counted exactly from the tables. Of a longer one the whole days of UTC come from `rollups`,
where `core.rollups` counted them by the same code; what is left at its edges is counted exactly. So the cost grows
with the days of the period and of what came since, not with the tickets.

`backlog_start + came_in + reopened + moved_in + restored - resolved - closed_unresolved - moved_out -
spam_or_merged = backlog_end`: the backlog is what is open now without what happened since. That nothing is missing
between the first event and now is looked at once a day (`core.rollups`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import case, func, or_, select

from core import figures_standing
from core.database import Tx
from core.figures_days import Rolled, flow, put_together
from core.figures_rows import Queues
from core.figures_series import DIMENSIONS, Counts, Series, share, total, week
from core.figures_shapes import EFFECT as EFFECT
from core.figures_shapes import Figures as Figures
from core.figures_shapes import Group as Group
from core.figures_shapes import Now as Now
from core.figures_shapes import Rating as Rating
from core.figures_shapes import Share as Share
from core.figures_shapes import Spread as Spread
from core.figures_shapes import Targets as Targets
from core.figures_shapes import Waiting as Waiting
from core.figures_shapes import spread as spread
from core.figures_standing import OF_THESE, STANDING, Standing, summed
from core.figures_standing import now as now
from core.histogram import WITHIN
from core.shapes import Actor, Priority, Role
from core.tables import inbox, tickets, users
from core.views import Period

log = structlog.get_logger(__name__)

EXACT: Final = timedelta(hours=25)  # a local day is that long where the clocks are put back
OLDEST: Final = 10
_UTC: Final = ZoneInfo("UTC")


async def of(tx: Tx, period: Period, queue: str | Sequence[str] | None, *, zone: ZoneInfo = _UTC) -> Figures:
    """Return the figures of a period: of a queue, of several or (None) of all; weekdays and hours are those of
    `zone`. They add up where the transaction is a snapshot. Raises `Counting`."""
    stands = _Stands(tx, (period,))
    [parts] = await _parts(tx, [period], queue, stands)
    return await _of(tx, period, queue, zone, stands, parts)


async def beside(
    tx: Tx, period: Period, before: Period, queue: str | Sequence[str] | None, *, zone: ZoneInfo
) -> tuple[Figures, Figures]:
    """Return the figures of two periods as `of` does, where `before` ends as `period` begins or any other: what is the
    same for both is looked at once."""
    stands = _Stands(tx, (period, before))
    apart = before.until <= period.since or period.until <= before.since
    if apart and _short(period) == _short(before):
        parts = await _parts(tx, [period, before], queue, stands)
    else:
        parts = [one for some in (period, before) for one in await _parts(tx, [some], queue, stands)]
    return (
        await _of(tx, period, queue, zone, stands, parts[0]),
        await _of(tx, before, queue, zone, stands, parts[1]),
    )


def _short(period: Period) -> bool:
    return period.until - period.since <= EXACT


async def _parts(
    tx: Tx, periods: Sequence[Period], queue: str | Sequence[str] | None, stands: _Stands
) -> list[dict[str, Series]]:
    """The series of each queue in periods that are alike: all of them short, or none."""
    spans = [(period.since, period.until) for period in periods]
    return await put_together(tx, spans, _queues(queue), exact=_short(periods[0]), rolled=stands.rolled)


def _queues(queue: str | Sequence[str] | None) -> Queues:
    return (queue,) if isinstance(queue, str) else queue


async def _of(
    tx: Tx,
    period: Period,
    queue: str | Sequence[str] | None,
    zone: ZoneInfo,
    stands: _Stands,
    parts: Mapping[str, Series],
) -> Figures:
    queues = _queues(queue)
    later = await stands.later(period.until, queues)
    stands.known[period.since] = {
        name: later.get(name, 0) + (parts[name].effect if name in parts else 0) for name in {*parts, *later}
    }
    standing, oldest = await stands.seen(queues)
    names = {*parts, *later, *standing}
    ends = {name: standing.get(name, {}).get("active", 0) - later.get(name, 0) for name in names}
    whole = total(parts.values())
    counts: dict[str, Any] = _counts(whole, sum(ends.values()))
    counts |= summed(standing, (*STANDING, *OF_THESE))
    by = {one: whole.by(one) for one in DIMENSIONS}
    groups = _groups(by, await stands.names(by["assignee"]))
    found = Figures(
        period=period,
        queue=queue if isinstance(queue, str) else None,
        queues=tuple(queues or ()),
        **counts,
        unread=await stands.unread(period, queues),
        within=WITHIN if whole.stored else 0.0,
        targets=_targets(whole),
        by_queue=_by_queue(parts, ends),
        by_channel=groups["channel"],
        by_priority=groups["priority"],
        by_assignee=groups["assignee"],
        by_tag=groups["tag"],
        zone=zone.key,
        busiest_hours=week(whole.arrivals, zone),
        oldest_waiting=oldest,
        rating=whole.rating(),
        first_response=whole.spread("first_response"),
        first_response_business=whole.spread("first_response_business"),
        resolution=whole.spread("resolution"),
        resolution_business=whole.spread("resolution_business"),
    )
    if found.balance or min(found.backlog_start, found.backlog_end) < 0:
        log.warning(
            "figures_do_not_add_up",
            balance=found.balance,
            backlog_start=found.backlog_start,
            backlog_end=found.backlog_end,
        )
    return found


async def seen_by(tx: Tx, actor: Actor, found: Figures) -> Figures:
    """Return figures as somebody of the staff sees them. How each of their colleagues does is for managers: to an
    agent `by_assignee` has their own line, and that of the tickets that nobody has."""
    if actor.role in (Role.MANAGER, Role.SYSTEM):
        return found
    mine = await tx.scalar(select(users.c.username).where(users.c.id == actor.user_id))
    own = tuple(one for one in found.by_assignee if one.name in ("", mine))
    return replace(found, by_assignee=own)


def _counts(whole: Series, backlog_end: int) -> dict[str, int]:
    counts = whole.counts
    return {
        "backlog_start": backlog_end - whole.effect,
        "came_in": counts["opened"],
        "reopened": counts["reopened"],
        "moved_in": counts["moved_in"],
        "restored": counts["restored"],
        "resolved": counts["resolved"],
        "closed_unresolved": counts["closed_unresolved"],
        "moved_out": counts["moved_out"],
        "spam_or_merged": counts["merged_active"] + counts["spam"],
        "backlog_end": backlog_end,
        "answered": counts["first"],
        "deliveries_failed": counts["delivery_failed"] + counts["delivery_bounced"],
        "messages": counts["message"] + counts["opened"] + counts["answered"],
    }


def _targets(series: Series) -> Targets:
    return Targets(
        first_response=share(series.counts, "first"),
        next_response=share(series.counts, "next"),
        resolution=share(series.counts, "resolution"),
    )


# -- by what ------------------------------------------------------------------------------------------------------


def _group(name: str, counts: Mapping[str, int], **more: Any) -> Group:
    return Group(
        name=name,
        came_in=counts.get("opened", 0),
        answered=counts.get("first", 0),
        resolved=counts.get("resolved", 0),
        reopened=counts.get("reopened", 0),
        first_response_target=share(counts, "first"),
        resolution_target=share(counts, "resolution"),
        **more,
    )


def _by_queue(parts: Mapping[str, Series], ends: Mapping[str, int]) -> tuple[Group, ...]:
    groups = []
    for name in sorted(ends):
        series = parts.get(name, Series())
        if series.counts or ends[name]:
            groups.append(
                _group(
                    name,
                    series.counts,
                    backlog_end=ends[name],
                    first_response=series.spread("first_response"),
                    resolution=series.spread("resolution"),
                )
            )
    return tuple(groups)


def _groups(by: Mapping[str, Mapping[str, Counts]], names: Mapping[str, str]) -> dict[str, tuple[Group, ...]]:
    """By each dimension: priorities the most pressing first, the others by how much they did. `names`: assignees'."""
    found: dict[str, tuple[Group, ...]] = {}
    for dimension, counted in by.items():
        groups = [
            _group(names.get(key, key) if dimension == "assignee" else key, counts)
            for key, counts in counted.items()
        ]
        if dimension == "priority":
            groups.sort(key=lambda group: -list(Priority).index(Priority(group.name)))
        else:
            groups.sort(key=lambda group: (-group.resolved - group.answered - group.came_in, group.name))
        found[dimension] = tuple(groups)
    return found


# -- as things stand ----------------------------------------------------------------------------------------------


class _Stands:
    """What is looked at once for both periods: how things stand in some queues, when it's asked for first, what is
    rolled up, what couldn't be read, and by how much each queue's backlog grew since a time that is `known`."""

    def __init__(self, tx: Tx, periods: Sequence[Period]) -> None:
        self._tx = tx
        self._periods = periods
        self._unread: dict[Period, int] | None = None
        self.rolled = Rolled(tx)
        self.known: dict[datetime, dict[str, int]] = {}
        self._names: dict[str, str] = {}
        self._seen: tuple[Standing, tuple[Waiting, ...]] | None = None

    async def later(self, since: datetime, queues: Queues) -> dict[str, int]:
        """Return by how much each queue's backlog grew since then. Raises `Counting`."""
        if since not in self.known:
            known = min((at for at in self.known if at > since), default=None)
            grown = Counter(await flow(self._tx, since, known, queues, self.rolled))
            if known is not None:
                grown.update(self.known[known])
            self.known[since] = dict(grown)
        return self.known[since]

    async def seen(self, queues: Queues) -> tuple[Standing, tuple[Waiting, ...]]:
        """Return what `standing` and `oldest` say."""
        if self._seen is None:
            found = await figures_standing.standing(self._tx, queues)
            self._seen = found, await figures_standing.oldest(self._tx, queues)
        return self._seen

    async def unread(self, period: Period, queues: Queues) -> int:
        """Return what came in in one of the periods and couldn't be read to this day."""
        if self._unread is None:
            at = inbox.c.received_at
            within = [(at >= one.since) & (at < one.until) for one in self._periods]
            rows = select(*(func.count(case((one, 1))) for one in within))
            rows = rows.where(inbox.c.state == "unreadable", or_(*within))
            if queues is not None:
                rows = rows.join(tickets, tickets.c.id == inbox.c.ticket_id).where(
                    tickets.c.queue.in_(queues)
                )
            counts: Any = await self._tx.first(rows)
            self._unread = dict(zip(self._periods, map(int, counts), strict=True))
        return self._unread[period]

    async def names(self, assignees: Iterable[str]) -> dict[str, str]:
        """Return how assignees are called, by the keys that they have in a series."""
        if unknown := [int(key) for key in assignees if key and key not in self._names]:
            columns = (users.c.id, users.c.username, users.c.name)
            rows = await self._tx.all(select(*columns).where(users.c.id.in_(unknown)))
            self._names |= {str(row.id): row.username or row.name for row in rows}
        return self._names


__all__ = [
    "EFFECT",
    "EXACT",
    "Figures",
    "Group",
    "Now",
    "Rating",
    "Share",
    "Spread",
    "Targets",
    "Waiting",
    "beside",
    "now",
    "of",
    "spread",
]
