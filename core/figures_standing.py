"""How the desk stands as of now: what is open, what waits and for whom, what is put aside or past a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, case, func, or_, select, union_all

from core.database import Tx
from core.figures_rows import Queues
from core.figures_shapes import Now, Waiting
from core.status import ACTIVE, Status
from core.tables import tickets, users
from core.views import unsought

OLDEST: Final = 10
STANDING: Final = ("unassigned", "waiting_for_staff", "waiting_for_customer")
OF_THESE: Final = ("unassigned_aside", "waiting_aside", "past_target")

Standing = dict[
    str, dict[str, int]
]  # by queue: `active`, what is open, and how many of these are what names say

_MOMENT: Final = bindparam("moment", type_=tickets.c.created_at.type)
_QUEUES: Final[Any] = bindparam("queues", expanding=True)
_NOBODY: Final = tickets.c.assignee_id.is_(None)
_PENDING: Final = tickets.c.status == Status.PENDING
_WAITS: Final = ~_PENDING & tickets.c.waiting_since.is_not(None)
_STRANGE: Final = tickets.c.unconfirmed
_DUES: Final = (tickets.c.first_due_at, tickets.c.next_due_at, tickets.c.resolve_due_at)
_PUT_ASIDE: Final = {"unassigned_aside": _NOBODY, "waiting_aside": _WAITS}


async def standing(tx: Tx, queues: Queues) -> Standing:
    """Return what `STANDING` and `OF_THESE` name. What is put aside, which is little, is read by an index of its own;
    nobody is to look at it yet, nor at a stranger's report that they haven't confirmed."""
    found = await _asked(tx, _open, queues)
    put_aside = await _asked(tx, _snoozed, queues)
    for queue in found.keys() & put_aside.keys():
        for name in _PUT_ASIDE:
            found[queue][name] += put_aside[queue][name]
    return found


async def now(tx: Tx, queue: str | None = None) -> Now:
    """Return how things stand now, in one queue or in all."""
    found = await _asked(tx, _open, None if queue is None else (queue,))
    return Now(**summed(found, ("active", *STANDING)))


def summed(found: Standing, names: Sequence[str]) -> dict[str, int]:
    """Return them of all queues."""
    return {name: sum(one[name] for one in found.values()) for name in names}


async def oldest(tx: Tx, queues: Queues) -> tuple[Waiting, ...]:
    """Return whose requesters have waited longest, of what isn't aside."""
    rows = await tx.all(_waiting(queues is not None), await _values(tx, queues))
    return tuple(
        Waiting(
            ticket_id=row.id, title=row.title, queue=row.queue, since=row.waiting_since, assignee=row.username
        )
        for row in rows
    )


# -- statements, each put together once -----------------------------------------------------------------------------


@cache
def _open(some: bool) -> Select[Any]:
    """What `standing` says, of what is aside only strangers' reports. Read from an index alone. `some`: of queues."""
    counted = {
        "unassigned": _NOBODY,
        "waiting_for_staff": _WAITS,
        "waiting_for_customer": _PENDING,
        **{name: one & _STRANGE for name, one in _PUT_ASIDE.items()},
        "past_target": or_(*(due <= _MOMENT for due in _DUES)),
    }
    conditions = [tickets.c.status.in_(ACTIVE)]
    return _counts(counted, [*conditions, tickets.c.queue.in_(_QUEUES)] if some else conditions)


@cache
def _snoozed(some: bool) -> Select[Any]:
    conditions = [unsought(tickets.c.status).in_(ACTIVE), tickets.c.snoozed_until > _MOMENT, ~_STRANGE]
    return _counts(_PUT_ASIDE, [*conditions, unsought(tickets.c.queue).in_(_QUEUES)] if some else conditions)


def _counts(what: Mapping[str, Any], conditions: Sequence[Any]) -> Select[Any]:
    """How many tickets each queue has that are so (`active`), and how many of these are what else is asked."""
    # Counted, not summed up: MariaDB adds up decimals, for half as long again.
    counts = [func.count(case((one, 1))).label(name) for name, one in what.items()]
    queue = unsought(tickets.c.queue)
    named = queue.label("queue"), func.count().label("active")
    return select(*named, *counts).where(*conditions).group_by(queue)


@cache
def _waiting(some: bool) -> Select[Any]:
    """Of each status the oldest by its index, then of these."""
    snoozed = tickets.c.snoozed_until.is_not(None) & (tickets.c.snoozed_until > _MOMENT)
    conditions = [tickets.c.waiting_since.is_not(None), ~or_(_STRANGE, snoozed)]
    if some:
        conditions.append(tickets.c.queue.in_(_QUEUES))
    columns = (tickets.c.id, tickets.c.title, tickets.c.queue, tickets.c.waiting_since, tickets.c.assignee_id)
    each = [
        select(*columns)
        .where(tickets.c.status == status, *conditions)
        .order_by(tickets.c.waiting_since, tickets.c.id)
        .limit(OLDEST)
        .subquery()
        for status in (Status.NEW, Status.OPEN)
    ]
    both = union_all(*(select(one) for one in each)).subquery()
    return (
        select(both, users.c.username)
        .outerjoin(users, users.c.id == both.c.assignee_id)
        .order_by(both.c.waiting_since, both.c.id)
        .limit(OLDEST)
    )


async def _asked(tx: Tx, statement: Any, queues: Queues) -> Standing:
    values = await _values(tx, queues)
    rows = [row._mapping for row in await tx.all(statement(queues is not None), values)]
    return {row["queue"]: {name: int(row[name]) for name in row if name != "queue"} for row in rows}


async def _values(tx: Tx, queues: Queues) -> dict[str, Any]:
    some = {} if queues is None else {"queues": list(queues)}
    return {"moment": await tx.now(), **some}
