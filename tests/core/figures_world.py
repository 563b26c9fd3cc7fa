"""Some months of a desk's life at random, written into the tables as they'd be, and counted plainly beside them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from core.figures_shapes import spread
from core.tables import events, ratings, tags, tickets
from core.views import Period
from tests.core.desk import TestDesk

QUEUES = ("support", "billing", "sales")
CHANNELS = ("email", "slack", "web")
PRIORITIES = ("low", "normal", "high", "urgent")
FLOW = (
    *("opened", "reopened", "moved_in", "restored", "resolved"),
    *("closed_unresolved", "moved_out", "merged_active", "spam"),
)


@dataclass
class Life:
    """A ticket: as it is in the end, and from when to when it was open in which queue."""

    id: int
    queue: str
    channel: str
    priority: str
    assignee: int | None
    created: datetime
    old: bool  # its events tell nothing of durations
    tags: set[str]
    status: str = "open"
    first: datetime | None = None
    out: bool = False
    rated: tuple[datetime, int] | None = None
    spans: list[list[Any]] = field(default_factory=list)  # [from, to or None, queue]


@dataclass
class Event:
    """Something that happened to a ticket."""

    ticket: Life
    at: datetime
    kind: str
    queue: str
    data: dict[str, Any]


@dataclass
class World:
    """All of it."""

    dice: random.Random
    users: Sequence[int]
    lives: list[Life] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def live(self, count: int, start: datetime, end: datetime) -> tuple[list[Life], list[Event]]:
        """Let so many tickets come in, and things happen to them; return what is new."""
        lives, before = [], len(self.events)
        for _ in range(count):
            at = start + (end - start) * self.dice.random()
            life = Life(
                id=len(self.lives) + 1,
                queue=self.dice.choice(QUEUES),
                channel=self.dice.choice(CHANNELS),
                priority=self.dice.choice(PRIORITIES),
                assignee=self.dice.choice([None, *self.users]),
                created=at,
                old=self.dice.random() < 0.2,
                tags=set(self.dice.sample(["vpn", "printer", "größe"], self.dice.randint(0, 2))),
            )
            self._happen(life, at, "opened", {})
            life.spans.append([at, None, life.queue])
            self._go_on(life, at, end)
            self.lives.append(life)
            lives.append(life)
        return lives, self.events[before:]

    def _happen(self, life: Life, at: datetime, kind: str, data: dict[str, Any]) -> None:
        self.events.append(Event(life, at, kind, life.queue, data))

    def _go_on(self, life: Life, at: datetime, end: datetime) -> None:
        for _ in range(self.dice.randint(0, 7)):
            at += timedelta(seconds=self.dice.choice([90, 4_000, 90_000, 400_000]) * self.dice.random() + 2)
            if at >= end or life.out:
                return
            choices = ["reopened", "rated", "restored" if life.status == "spam" else "reopened"]
            if life.spans[-1][1] is None:
                choices = ["answered", "answered", "resolved", "resolved", "closed_unresolved", "moved"]
                choices += ["message", "message", "delivery_failed", "merged_active", "spam"]
            self._act(life, at, self.dice.choice(choices))

    def _act(self, life: Life, at: datetime, what: str) -> None:
        if what in ("reopened", "restored"):
            self._happen(life, at, what, {})
            life.spans.append([at, None, life.queue])
            life.status = "open"
        elif what == "moved":
            life.spans[-1][1] = at
            self._happen(life, at, "moved_out", {})
            life.queue = self.dice.choice([queue for queue in QUEUES if queue != life.queue])
            self._happen(life, at, "moved_in", {})
            life.spans.append([at, None, life.queue])
        elif what == "answered":
            first = life.first is None or self.dice.random() < 0.3
            self._happen(life, at, "answered", self._took(life, {"first": first}))
            life.first = life.first or at
        elif what == "rated":
            score = self.dice.randint(1, 5)
            self._happen(life, at, "rated", {"score": score})
            life.rated = (at, score)
        elif what in ("message", "delivery_failed"):
            self._happen(life, at, what, {})
        else:
            self._happen(life, at, what, self._took(life, {}) if what == "resolved" else {})
            life.spans[-1][1] = at
            life.status = {"resolved": "resolved", "spam": "spam"}.get(what, "closed")
            life.out = what == "merged_active"

    def _took(self, life: Life, more: dict[str, Any]) -> dict[str, Any]:
        if life.old:
            return {"message": 1}
        if self.dice.random() < 0.1 and more:
            return more  # nobody waited
        wall = self.dice.randint(2, 500_000)
        business = self.dice.choice([0, wall // 3])
        return {**more, "wall": wall, "business": business, "met": self.dice.choice([True, False, None])}

    # -- counted plainly ----------------------------------------------------------------------------------------

    def backlog(self, at: datetime, queues: Sequence[str]) -> int:
        """How many were open just before a moment."""
        spans = [span for life in self.lives for span in life.spans]
        return sum(a < at and (b is None or b >= at) and queue in queues for a, b, queue in spans)

    def recount(self, period: Period, queues: Sequence[str], zone: ZoneInfo) -> dict[str, Any]:
        """What the figures of a period should say."""
        then = [e for e in self.events if period.since <= e.at < period.until and e.queue in queues]
        count = Counter(e.kind for e in then)
        firsts = [e for e in then if e.kind == "answered" and self._is_first(e)]
        resolutions = [e for e in then if e.kind == "resolved"]
        hours = [[0] * 24 for _ in range(7)]
        for e in then:
            if e.kind == "opened":
                there = e.at.astimezone(zone)
                hours[there.weekday()][there.hour] += 1
        scores = [
            e.ticket.rated[1]
            for e in then
            if e.ticket.rated and (e.kind, e.at) == ("rated", e.ticket.rated[0])
        ]
        found: dict[str, Any] = {
            kind: count[kind] for kind in FLOW if kind not in ("opened", "merged_active", "spam")
        }
        found |= {
            "came_in": count["opened"],
            "spam_or_merged": count["merged_active"] + count["spam"],
            "backlog_start": self.backlog(period.since, queues),
            "backlog_end": self.backlog(period.until, queues),
            "answered": len(firsts),
            "messages": count["message"] + count["opened"] + count["answered"],
            "deliveries_failed": count["delivery_failed"],
            "busiest_hours": tuple(map(tuple, hours)),
            "rating": [scores.count(score) for score in range(1, 6)],
            "first_response": spread(self._walls(firsts)),
            "first_response_business": spread(self._business(firsts)),
            "resolution": spread(self._walls(resolutions)),
            "resolution_business": spread(self._business(resolutions)),
            "targets": {
                "first_response": self._met(firsts),
                "next_response": self._met([e for e in then if e.data.get("first") is False]),
                "resolution": self._met(resolutions),
            },
        }
        for what in ("queue", "channel", "priority", "assignee", "tag"):
            found[f"by_{what}"] = self._by(what, then, firsts)
        return found

    def _is_first(self, e: Event) -> bool:
        return bool(e.data["first"]) if "first" in e.data else e.at == e.ticket.first

    def _counted(self, those: list[Event]) -> list[Event]:
        return [e for e in those if not e.ticket.out and e.ticket.status != "spam"]

    def _walls(self, those: list[Event]) -> list[float]:
        old = {True: lambda e: (e.at - e.ticket.created).total_seconds(), False: lambda e: e.data.get("wall")}
        found = [old[e.ticket.old](e) for e in self._counted(those)]
        return [wall for wall in found if wall is not None]

    def _business(self, those: list[Event]) -> list[float]:
        return [e.data["business"] for e in self._counted(those) if "business" in e.data]

    def _met(self, those: list[Event]) -> tuple[int, int]:
        met = [e.data["met"] for e in self._counted(those) if e.data.get("met") is not None]
        return sum(met), len(met)

    def _by(self, what: str, then: list[Event], firsts: list[Event]) -> dict[str, tuple[int, int, int, int]]:
        found: dict[str, Counter[str]] = {}
        for e in [e for e in then if e.kind in ("opened", "resolved", "reopened")] + firsts:
            keys = {
                "queue": [e.queue],
                "channel": [e.ticket.channel],
                "priority": [e.ticket.priority],
                "assignee": [str(e.ticket.assignee or "")],
                "tag": sorted(e.ticket.tags),
            }[what]
            for key in keys:
                found.setdefault(key, Counter())[e.kind] += 1
        kinds = ("opened", "answered", "resolved", "reopened")
        return {key: tuple(count[kind] for kind in kinds) for key, count in found.items()}  # type: ignore[misc]


# -- into the tables ----------------------------------------------------------------------------------------------


async def write(desk: TestDesk, lives: Sequence[Life], happened: Sequence[Event], requester: int) -> None:
    """Write these tickets and events."""
    rows = [_row(life, requester) for life in lives]
    told = [_event(e) for e in happened]
    tagged = [{"ticket_id": life.id, "tag": tag} for life in lives for tag in life.tags]
    rated = [
        {
            "ticket_id": life.id,
            "user_id": requester,
            "score": life.rated[1],
            "comment": None,
            "rated_at": life.rated[0],
        }
        for life in lives
        if life.rated
    ]

    async def unit(tx: Any) -> None:
        for table, values in ((tickets, rows), (events, told), (tags, tagged), (ratings, rated)):
            if values:
                await tx.run(insert(table), values)

    await desk.database.unit(unit)


def _row(life: Life, requester: int) -> dict[str, Any]:
    return {
        "id": life.id,
        "queue": life.queue,
        "title": f"Ticket {life.id}",
        "description": "d",
        "status": "closed" if life.status == "spam" else life.status,
        "priority": life.priority,
        "channel": life.channel,
        "requester_id": requester,
        "requester_address": "x@y.example",
        "assignee_id": life.assignee,
        "created_at": life.created,
        "updated_at": life.created,
        "public_updated_at": life.created,
        "waiting_since": life.created if life.status == "open" else None,
        "first_response_at": life.first,
        "spam": life.status == "spam",
        "merged_into": 1 if life.out else None,
    }


def _event(e: Event) -> dict[str, Any]:
    return {
        "ticket_id": e.ticket.id,
        "at": e.at,
        "kind": e.kind,
        "actor_id": None,
        "actor_name": "somebody",
        "public": True,
        "queue": e.queue,
        "data": e.data,
    }
