"""Staff's lists of tickets as a page: tabs, filters, search, a page after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from core.database import Tx
from core.failures import Invalid
from core.home_lists import Tab
from core.parts import Parts
from core.queue_lists import COUNTED, NOBODY, Sort, Wanted, counted, listed
from core.shapes import Actor
from core.staffing import StaffMember, staff_members
from core.status import Status, Ticket
from core.targets import due_of
from core.views import TicketCriteria, TicketPage
from intake.web.render import head, page

E = TypeVar("E", bound=StrEnum)
SCRIPT: Final = "staff.js"
ANY: Final = "any"
LONGEST: Final = 320  # characters of a field
TABS: Final = {
    Tab.MINE: "Mine",
    Tab.UNASSIGNED: "Unassigned",
    Tab.WAITING: "Waiting longest",
    Tab.ALL: "All open",
}
SORTS: Final = {
    Sort.RECENT: "Newest activity",
    Sort.OLDEST: "Oldest activity",
    Sort.WAITING: "Waiting longest",
}
EMPTY: Final = {
    Tab.MINE: "You have nothing to do: no open ticket is yours.",
    Tab.UNASSIGNED: "Every open ticket is somebody's.",
    Tab.WAITING: "Nobody waits for an answer.",
    Tab.ALL: "There are no open tickets.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page of tickets was asked for. `status`: one, `ANY`, or "" for what isn't done; `q`: words to search."""

    tab: Tab = Tab.ALL
    status: str = ""
    queue: str = ""
    assignee: str = ""
    requester: str = ""
    sort: Sort = Sort.RECENT
    q: str = ""
    cursor: str = ""

    @property
    def narrowed(self) -> bool:
        """Is there more than a tab and a queue to it?"""
        return bool(self.status or self.assignee or self.requester or self.sort is not Sort.RECENT)

    def statuses(self) -> tuple[Status, ...]:
        """Return the statuses that are meant; () for what isn't done, or wherever words are searched, for all."""
        if self.status == ANY:
            return () if self.q else tuple(Status)
        return (Status(self.status),) if self.status else ()

    def wanted(self) -> Wanted:
        """Return the list that is meant."""
        return Wanted(
            tab=self.tab,
            statuses=self.statuses(),
            queue=self.queue,
            assignee=self.assignee,
            requester=self.requester,
            sort=self.sort,
            cursor=self.cursor,
        )

    def path(self, **change: Any) -> str:
        """Return the address of this page, or of one that differs so."""
        other = replace(self, **{"cursor": "", **change})
        default = Asked()
        pairs = [
            (name, str(getattr(other, name)))
            for name in ("tab", "queue", "status", "assignee", "requester", "sort", "q", "cursor")
            if getattr(other, name) != getattr(default, name)
        ]
        return f"/?{urlencode(pairs)}" if pairs else "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A ticket in a list. `late`: a target of it was missed. `waits`: for how long its requester has waited."""

    ticket: Ticket
    late: bool
    snoozed: bool
    waits: str
    updated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A tab. `count`: in words, "" where it isn't counted."""

    path: str
    label: str
    count: str
    current: bool


def asked_of(query: Mapping[str, str]) -> Asked:
    """Read what an address asks for; what makes no sense there is left out. Pure."""

    def text(name: str) -> str:
        return query.get(name, "").strip()[:LONGEST]

    status = text("status")
    return Asked(
        tab=_one(Tab, text("tab"), Tab.ALL),
        status=status if status == ANY or status in set(Status) else "",
        queue=text("queue"),
        assignee=text("assignee"),
        requester=text("requester").lower(),
        sort=_one(Sort, text("sort"), Sort.RECENT),
        q=text("q"),
        cursor=text("cursor"),
    )


def _one(kind: type[E], word: str, otherwise: E) -> E:
    return kind(word) if word in set(kind) else otherwise


def age(at: datetime, now: datetime) -> str:
    """Return in short words how long ago something was: "5 min", "3 h", "12 d". Pure."""
    passed = max(now - at, timedelta())
    minutes = int(passed.total_seconds()) // 60
    if minutes < 1:
        return "now"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} d"


def row_of(ticket: Ticket, now: datetime) -> Row:
    """Return a ticket as a list shows it. Pure."""
    due = next((at for _, at in due_of(ticket)), None)
    return Row(
        ticket=ticket,
        late=due is not None and due < now,
        snoozed=ticket.snoozed_until is not None and ticket.snoozed_until > now,
        waits=age(ticket.waiting_since, now) if ticket.waiting_since else "",
        updated=age(ticket.updated_at, now),
    )


def count_of(count: int) -> str:
    """Return how many there are, as far as they were counted. Pure."""
    return f"{COUNTED - 1}+" if count >= COUNTED else str(count)


async def shown(request: Request, actor: Actor, parts: Parts) -> Response:
    """Show staff the list that the address asks for."""
    asked, problem, status = asked_of(request.query_params), "", 200
    try:
        found = await _found(parts, actor, asked)
    except Invalid as exc:
        problem, status = f"{exc.message[:1].upper()}{exc.message[1:]}.", 422
        found = TicketPage(tickets=[], cursor=None)
    staff, tabs = await parts.database.read(lambda tx: _around(tx, parts, actor, asked))
    now = parts.database.clock.now()
    return page(
        request,
        "queues",
        status,
        script=SCRIPT,
        asked=asked,
        problem=problem,
        rows=[row_of(ticket, now) for ticket in found.tickets],
        older=asked.path(cursor=found.cursor) if found.cursor else "",
        cleared=Asked(tab=asked.tab, queue=asked.queue).path(),
        tabs=tabs,
        empty="Nothing was found." if asked.q or asked.narrowed or asked.queue else EMPTY[asked.tab],
        staff=staff,
        queues=[queue.name for queue in parts.config.queue],
        statuses=list(Status),
        sorts=SORTS,
        **head(request, actor),
    )


async def _found(parts: Parts, actor: Actor, asked: Asked) -> TicketPage:
    if not asked.q:
        return await parts.database.read(lambda tx: listed(tx, actor, asked.wanted()))
    criteria = TicketCriteria(
        status=asked.statuses(),
        queue=asked.queue or None,
        assignee={"": None, NOBODY: ""}.get(asked.assignee, asked.assignee),
        requester=asked.requester or None,
        q=asked.q,
        cursor=asked.cursor or None,
    )
    return await parts.manager.view_tickets(actor, criteria)


async def _around(
    tx: Tx, parts: Parts, actor: Actor, asked: Asked
) -> tuple[Sequence[StaffMember], list[Link]]:
    """What stands around a list: whom a ticket may be assigned to, and the other lists with their counts."""
    queues = [queue.name for queue in parts.config.queue]
    places = [(tab, "", label) for tab, label in TABS.items()]
    if len(queues) > 1:
        places += [(Tab.ALL, queue, queue) for queue in queues]
    counts = await counted(tx, actor, [Wanted(tab=tab, queue=queue) for tab, queue, _ in places])
    tabs = [
        Link(
            path=Asked(tab=tab, queue=queue).path(),
            label=label,
            count=count_of(count),
            current=not asked.q and (asked.tab, asked.queue) == (tab, queue),
        )
        for (tab, queue, label), count in zip(places, counts, strict=True)
    ]
    return await staff_members(tx), tabs
