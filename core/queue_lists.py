"""Staff's lists of tickets, page by page: mine, nobody's, who waits longest, all that is open, by queue and people.

Each page is read by an index from where the last one ended and cut to its length; how many there are is counted to a
hundred and no further. So it costs the same however many tickets there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, func, or_, select, union_all

from core.database import Tx
from core.failures import Refused
from core.home_lists import Tab
from core.people import mail_person
from core.shapes import Actor
from core.status import ACTIVE, Status
from core.tables import identities, tickets, users
from core.views import TicketPage, cursor_of, parse_cursor, tickets_by_id
from core.visibility import check_staff

PAGE: Final = 50
COUNTED: Final = 100  # tickets of a list, this many or more
LATEST: Final = 1_000  # of one requester's tickets, the last in which something happened

NOBODY: Final = "nobody"


class Sort(StrEnum):
    """The order of a list."""

    RECENT = "recent"  # the newest activity first
    OLDEST = "oldest"  # the oldest activity first
    WAITING = "waiting"  # who waits longest first; who doesn't wait isn't listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which list. `statuses`: () for what isn't done. `assignee`: a username, `NOBODY`, "" for anybody. `requester`: a
    mail address. `cursor`: where the page before ended."""

    tab: Tab = Tab.ALL
    statuses: tuple[Status, ...] = ()
    queue: str = ""
    assignee: str = ""
    requester: str = ""
    sort: Sort = Sort.RECENT
    cursor: str = ""
    limit: int = PAGE

    @property
    def order(self) -> Sort:
        return Sort.WAITING if self.tab is Tab.WAITING else self.sort


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a list is read from: its rows, the time by which they are sorted, and what they must be like."""

    source: FromClause
    at: ColumnElement[Any]
    newest: bool  # first
    conditions: list[ColumnElement[bool]]


async def listed(tx: Tx, actor: Actor, wanted: Wanted) -> TicketPage:
    """Return a page of a list. Raises `NotAllowed` for who is no staff, `Invalid` for a cursor that isn't ours."""
    check_staff(actor, "see queues")
    rows = await _rows(tx, actor, wanted)
    if rows is None:
        return TicketPage(tickets=[], cursor=None)
    conditions = [*rows.conditions, *_after(rows, wanted.cursor)]
    limit = max(1, min(wanted.limit, 200))
    parts = [
        select(rows.source.c.id, rows.at.label("at"))
        .where(rows.source.c.status.in_(statuses), *conditions)
        .order_by(*_order(rows.at, rows.source.c.id, newest=rows.newest))
        .limit(limit + 1)
        .subquery()
        for statuses in _together(wanted)
    ]
    whole = union_all(*(select(part) for part in parts)).subquery()
    order = _order(whole.c.at, whole.c.id, newest=rows.newest)
    page = await tx.all(select(whole).order_by(*order).limit(limit + 1))
    ids = [row.id for row in page[:limit]]
    found = await tickets_by_id(tx, ids)
    more = cursor_of(page[limit - 1].at, page[limit - 1].id) if len(page) > limit else None
    return TicketPage(tickets=[found[i] for i in ids if i in found], cursor=more)


async def counted(tx: Tx, actor: Actor, lists: Sequence[Wanted]) -> list[int]:
    """Return how many tickets each of these lists has, `COUNTED` for that many or more; all by one query. Counted by
    their time, for the reason that `core.home_lists` gives."""
    check_staff(actor, "see queues")
    counts: list[Any] = []
    owners: list[int] = []
    for number, wanted in enumerate(lists):
        rows = await _rows(tx, actor, wanted)
        if rows is None:
            continue
        for statuses in _together(wanted):
            some = select(rows.source.c.updated_at).where(
                rows.source.c.status.in_(statuses), *rows.conditions
            )
            limited = some.limit(COUNTED).subquery()
            count = select(func.count(limited.c.updated_at)).scalar_subquery()
            counts.append(count.label(f"c{len(counts)}"))
            owners.append(number)
    found = [0] * len(lists)
    if counts:
        row = await tx.first(select(*counts))
        assert row is not None
        for number, count in zip(owners, row, strict=True):
            found[number] = min(found[number] + int(count), COUNTED)
    return found


def _together(wanted: Wanted) -> list[tuple[Status, ...]]:
    """The statuses that are read together: each by its index, but of one person's latest tickets all at once."""
    statuses = wanted.statuses or ACTIVE
    return [statuses] if wanted.requester else [(status,) for status in statuses]


def _order(at: ColumnElement[Any], number: ColumnElement[Any], *, newest: bool) -> tuple[Any, Any]:
    return (at.desc(), number.desc()) if newest else (at, number)


def _after(rows: _Rows, cursor: str) -> list[ColumnElement[bool]]:
    """What comes behind a cursor. Raises `Invalid`."""
    if not cursor:
        return []
    moment, last = parse_cursor(cursor)
    if rows.newest:  # the time alone first: by that an index is entered where the page begins
        return [rows.at <= moment, or_(rows.at < moment, rows.source.c.id < last)]
    return [rows.at >= moment, or_(rows.at > moment, rows.source.c.id > last)]


async def _rows(tx: Tx, actor: Actor, wanted: Wanted) -> _Rows | None:
    """Return what a list is read from, None where there can't be anything in it."""
    source: FromClause = tickets
    if wanted.requester:
        user_id = await _requester(tx, wanted.requester)
        if user_id is None:
            return None
        source = _latest(user_id)
    columns, conditions = source.c, list[ColumnElement[bool]]()
    waiting = wanted.order is Sort.WAITING
    if waiting:
        conditions.append(columns.waiting_since.is_not(None))
    if wanted.queue:
        conditions.append(columns.queue == wanted.queue)
    if wanted.tab is Tab.MINE:
        conditions.append(columns.assignee_id == (actor.user_id or 0))
    elif wanted.tab is Tab.UNASSIGNED or wanted.assignee == NOBODY:
        conditions.append(columns.assignee_id.is_(None))
    elif wanted.assignee:
        member = await tx.scalar(select(users.c.id).where(users.c.username == wanted.assignee))
        conditions.append(columns.assignee_id == (member or 0))
    if wanted.tab in (Tab.UNASSIGNED, Tab.WAITING):  # what was put aside waits for nobody
        now = await tx.now()
        conditions.append(or_(columns.snoozed_until.is_(None), columns.snoozed_until <= now))
    at = columns.waiting_since if waiting else columns.updated_at
    return _Rows(source, at, wanted.order is Sort.RECENT, conditions)


def _latest(user_id: int) -> FromClause:
    """One person's latest tickets, by the index of requesters."""
    names = ("id", "status", "queue", "assignee_id", "waiting_since", "updated_at", "snoozed_until")
    return (
        select(*(tickets.c[name] for name in names))
        .where(tickets.c.requester_id == user_id)
        .order_by(tickets.c.public_updated_at.desc(), tickets.c.id.desc())
        .limit(LATEST)
        .subquery("latest")
    )


async def _requester(tx: Tx, address: str) -> int | None:
    try:
        key = mail_person(address).key
    except Refused:
        return None
    found = await tx.scalar(select(identities.c.user_id).where(identities.c.key == key))
    return None if found is None else int(found)
