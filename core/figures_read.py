"""A span of time counted from the tables, exactly: its events as they happened, in the queue that each was in then.

A ticket that was merged or is spam has no durations. What older events don't tell (they are from before targets, or
from an archive) is taken from the tickets' times, where these tell it; then there's no duration in business hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, case, func, null, select, type_coerce

from core.columns import Json, Utc
from core.database import Tx
from core.figures_series import Series
from core.figures_shapes import EFFECT
from core.tables import events, ratings, tags, tickets

ACTED: Final = ("opened", "reopened", "answered", "resolved")  # these are looked at one by one
COUNTED: Final = (
    *(kind for kind in EFFECT if kind not in ACTED),
    "message",
    "delivery_failed",
    "delivery_bounced",
)
AT_ONCE: Final = 1.0  # seconds: an archive that was read in without its dates was answered as it was opened

Queues = Sequence[str] | None
Keys = tuple[str, str, str, tuple[str, ...]]  # a ticket's channel, priority, assignee and tags
Tally = Counter[tuple[str, str, Keys]]  # how often in a queue what happened to tickets of such keys


async def read(tx: Tx, since: datetime, until: datetime, queues: Queues = None) -> dict[str, Series]:
    """Return the series of each queue, from `since` (included) to `until` (excluded)."""
    found: dict[str, Series] = defaultdict(Series)
    span = spanning(since, until, queues)
    for queue, counts in (await counted(tx, since, until, queues, COUNTED)).items():
        for kind, n in counts.items():
            found[queue].count(kind, n=n)
    tagged = await _tags(tx, span)
    told: set[int] = set()
    tally: Tally = Counter()  # many have the same keys: these are parted once
    for row in await _acts(tx, span):
        _count(found[row.queue], tally, row, tuple(tagged.get(row.ticket_id, ())), told)
    for (queue, what, (channel, priority, assignee, names)), n in tally.items():
        keys = {"channel": (channel,), "priority": (priority,), "assignee": (assignee,), "tag": names}
        found[queue].count(what, keys, n)
    for row in await _rated(tx, span):
        found[row.queue].count(f"rated:{row.score}", n=int(row.n))
    return dict(found)


def spanning(since: datetime, until: datetime | None, queues: Queues) -> list[Any]:
    """Return the conditions on `events`: when and where."""
    conditions: list[Any] = [events.c.at >= since]
    if until is not None:
        conditions.append(events.c.at < until)
    if queues is not None:
        conditions.append(events.c.queue.in_(queues))
    return conditions


async def counted(
    tx: Tx, since: datetime, until: datetime | None, queues: Queues, kinds: Sequence[str] = tuple(EFFECT)
) -> dict[str, dict[str, int]]:
    """Return how many events of these kinds each queue had, counted by the database."""
    found: dict[str, dict[str, int]] = {}
    rows = await tx.all(
        select(events.c.queue, events.c.kind, func.count().label("n"))
        .where(*spanning(since, until, queues), events.c.kind.in_(kinds))
        .group_by(events.c.queue, events.c.kind)
    )
    for row in rows:
        found.setdefault(row.queue, {})[row.kind] = int(row.n)
    return found


async def _acts(tx: Tx, span: Sequence[Any]) -> Sequence[Row[Any]]:
    ended = events.c.kind.in_(("answered", "resolved"))  # of the others neither is looked at, nor read

    def of_those(column: Any, kind: Any) -> Any:
        return type_coerce(case((ended, column), else_=null()), kind)

    return await tx.all(
        select(
            events.c.ticket_id,
            events.c.at,
            events.c.kind,
            events.c.queue,
            of_those(events.c.data, Json).label("data"),
            tickets.c.channel,
            tickets.c.priority,
            tickets.c.assignee_id,
            of_those(tickets.c.created_at, Utc).label("created_at"),
            of_those(tickets.c.first_response_at, Utc).label("first_response_at"),
            (tickets.c.merged_into.is_not(None) | tickets.c.spam).label("out"),
        )
        .join(tickets, tickets.c.id == events.c.ticket_id)
        .where(*span, events.c.kind.in_(ACTED))
        .order_by(events.c.at, events.c.id)
    )


async def _tags(tx: Tx, span: Sequence[Any]) -> dict[int, list[str]]:
    """The tags of the tickets to which something happened."""
    found: dict[int, list[str]] = {}
    rows = await tx.all(
        select(tags.c.ticket_id, tags.c.tag)
        .join(events, events.c.ticket_id == tags.c.ticket_id)
        .where(*span, events.c.kind.in_(ACTED))
        .distinct()
    )
    for row in rows:
        found.setdefault(row.ticket_id, []).append(row.tag)
    return found


async def _rated(tx: Tx, span: Sequence[Any]) -> Sequence[Row[Any]]:
    """The ratings that stand: of one that was changed, the last."""
    return await tx.all(
        select(events.c.queue, ratings.c.score, func.count(ratings.c.ticket_id.distinct()).label("n"))
        .join(ratings, (ratings.c.ticket_id == events.c.ticket_id) & (ratings.c.rated_at == events.c.at))
        .where(*span, events.c.kind == "rated")
        .group_by(events.c.queue, ratings.c.score)
    )


def _count(series: Series, tally: Tally, row: Row[Any], tagged: tuple[str, ...], told: set[int]) -> None:
    """Count one event. `told`: tickets whose first answer was found by its time alone."""
    kind: str = row.kind
    assignee = str(row.assignee_id) if row.assignee_id is not None else ""
    keys: Keys = (row.channel, row.priority, assignee, tagged)
    if kind != "answered":
        tally[row.queue, kind, keys] += 1
    if kind == "opened":
        series.arrived(row.at)
    elif kind == "answered":
        series.count("answered")
        _answered(series, tally, row, keys, told)
    elif kind == "resolved":
        _took(series, tally, row, "resolution", keys)


def _answered(series: Series, tally: Tally, row: Row[Any], keys: Keys, told: set[int]) -> None:
    first = row.data.get("first")
    if first is None:
        first = row.first_response_at == row.at and row.ticket_id not in told
        told.add(row.ticket_id)
    if first:
        tally[row.queue, "first", keys] += 1
        _took(series, tally, row, "first_response", keys)
    elif not row.out:
        _met(tally, row, "next", keys)


def _took(series: Series, tally: Tally, row: Row[Any], what: str, keys: Keys) -> None:
    """How long it took, and whether that was in time."""
    if row.out:
        return
    data: Mapping[str, Any] = row.data
    if "wall" in data:
        series.exact[what].append(float(data["wall"]))
        if data.get("business") is not None:
            series.exact[f"{what}_business"].append(float(data["business"]))
    elif "first" not in data:
        wall = (row.at - row.created_at).total_seconds()
        if wall >= AT_ONCE:
            series.exact[what].append(wall)
    _met(tally, row, "first" if what == "first_response" else what, keys)


def _met(tally: Tally, row: Row[Any], what: str, keys: Keys) -> None:
    met = row.data.get("met")
    if met is not None:
        tally[row.queue, f"{what}:of", keys] += 1
        tally[row.queue, f"{what}:met", keys] += int(met)


__all__ = ["ACTED", "COUNTED", "Queues", "counted", "read", "spanning"]
