"""A digest's figures counted plainly, from the list of all that happened and the tickets as they stand."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.quarter.tickets import Ticket

Share = tuple[int, int]  # met, of
Spread = tuple[int, float | None, float | None]  # n, the median, the ninetieth percentile
NO_SPREAD: Spread = (0, None, None)


@dataclass(frozen=True)
class Happening:
    """Something that happened to a ticket, in the queue that it was in then."""

    at: int
    kind: str
    queue: str
    ticket: Ticket
    data: dict[str, Any]


@dataclass
class Group:
    """Of a queue, priority or assignee."""

    came_in: int = 0
    answered: int = 0
    resolved: int = 0
    reopened: int = 0
    backlog_end: int = 0
    first_response: Spread = NO_SPREAD
    in_time: Share = (0, 0)


@dataclass
class Counted:
    """What is counted of a period. `waiting`: who waits for staff, longest first: the ticket's number,
    its queue, since when, and who has it."""

    since: int
    until: int
    counts: dict[str, int] = field(default_factory=dict)
    standing: dict[str, int] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    targets: dict[str, Share] = field(default_factory=dict)
    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    waiting: list[tuple[int, str, int, str]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Has nothing happened?"""
        return not any(n for what, n in self.counts.items() if not what.startswith("backlog"))


_FLOW = ("reopened", "moved_in", "restored", "resolved", "closed_unresolved", "moved_out")


class Count:
    """Counts."""

    def __init__(self, tickets: list[Ticket], log: list[Happening]) -> None:
        self._tickets, self._log = tickets, log

    def between(self, since: int, until: int, queues: Sequence[str], now: int) -> Counted:
        """Count a period, from `since` until just before `until`, as the tickets are at `now`."""
        first, end = (bisect_left(self._log, at, key=lambda one: one.at) for at in (since, until))
        then = [one for one in self._log[first:end] if one.queue in queues]
        kinds = Counter(one.kind for one in then)
        firsts = [one for one in then if one.kind == "answered" and one.data["first"]]
        nexts = [one for one in then if one.kind == "answered" and not one.data["first"]]
        ends = [one for one in then if one.kind == "resolved"]
        counts = {what: kinds[what] for what in _FLOW} | {
            "came_in": kinds["opened"],
            "spam_or_merged": kinds["spam"] + kinds["merged_active"],
            "answered": len(firsts),
            "messages": kinds["opened"] + kinds["message"] + kinds["answered"],
            "backlog_start": self._backlog(since, queues),
            "backlog_end": self._backlog(until, queues),
        }
        return Counted(
            since,
            until,
            counts,
            self._standing(queues),
            {
                "first_response": _spread(firsts, "wall"),
                "first_response_business": _spread(firsts, "business"),
                "resolution": _spread(ends, "wall"),
                "resolution_business": _spread(ends, "business"),
            },
            {
                "first_response": _share(firsts),
                "next_response": _share(nexts),
                "resolution": _share(ends),
            },
            {
                "queue": self._groups(then, queues, until),
                "priority": _grouped(then, lambda one: one.ticket.priority),
                "assignee": _grouped(then, lambda one: one.ticket.assignee or "nobody"),
            },
            self._waiting(queues, now),
        )

    def _backlog(self, at: int, queues: Sequence[str]) -> int:
        """How many were to be done just before a moment."""
        return sum(
            start < at and (end is None or end >= at) and queue in queues
            for ticket in self._tickets
            for start, end, queue in ticket.spans
        )

    def _standing(self, queues: Sequence[str]) -> dict[str, int]:
        active = [one for one in self._tickets if one.active and one.queue in queues]
        return {
            "unassigned": sum(one.assignee is None for one in active),
            "for_us": sum(one.status != "pending" and one.wait is not None for one in active),
            "for_customer": sum(one.status == "pending" for one in active),
        }

    def _waiting(self, queues: Sequence[str], now: int) -> list[tuple[int, str, int, str]]:
        found = [
            (one.wait.since, one.number, one)
            for one in self._tickets
            if one.wait is not None and one.status in ("new", "open") and one.queue in queues
            if one.snoozed is None or one.snoozed <= now
        ]
        first = sorted(found, key=lambda f: f[:2])[:10]
        return [(number, one.queue, since, one.assignee or "nobody") for since, number, one in first]

    def _groups(self, then: list[Happening], queues: Sequence[str], until: int) -> dict[str, Group]:
        found = _grouped(then, lambda one: one.queue)
        for queue in queues:
            group = found.setdefault(queue, Group())
            group.backlog_end = self._backlog(until, (queue,))
        return found


def _grouped(then: Iterable[Happening], key: Callable[[Happening], str]) -> dict[str, Group]:
    parts: dict[str, list[Happening]] = {}
    for one in then:
        parts.setdefault(key(one), []).append(one)
    found = {}
    for name, those in parts.items():
        kinds = Counter(one.kind for one in those)
        firsts = [one for one in those if one.kind == "answered" and one.data["first"]]
        found[name] = Group(
            came_in=kinds["opened"],
            answered=len(firsts),
            resolved=kinds["resolved"],
            reopened=kinds["reopened"],
            first_response=_spread(firsts, "wall"),
            in_time=_share(firsts),
        )
    return found


def _spread(those: Iterable[Happening], what: str) -> Spread:
    """Of the durations of what is neither spam nor merged."""
    found = sorted(one.data[what] for one in those if what in one.data and not one.ticket.out)
    if not found:
        return NO_SPREAD
    return len(found), statistics.median(found), found[min(len(found) - 1, len(found) * 9 // 10)]


def _share(those: Iterable[Happening]) -> Share:
    met = [one.data["met"] for one in those if one.data.get("met") is not None and not one.ticket.out]
    return sum(met), len(met)
