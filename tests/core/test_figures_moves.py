"""The figures add up in random histories with queues, spam and merges, against a plain recount of what was done."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from core.failures import Refused
from core.shapes import Person
from core.status import ACTIVE, Status
from core.views import Period, TicketCriteria
from tests.core.commands import DAN, pressed
from tests.core.desk import TestDesk
from tests.stores import Store

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]
NAMES = (
    "came_in",
    "reopened",
    "moved_in",
    "restored",
    "resolved",
    "closed_unresolved",
    "moved_out",
    "spam_or_merged",
)
ACTS = (
    "open",
    "open",
    "open",
    "queue",
    "queue",
    "spam",
    "off",
    "set",
    "set",
    "write",
    "snooze",
    "merge",
    "belongs",
)
ANN = Person(kind="email", address="ann@example.com", name="Ann", place="ann@example.com")


@dataclass(frozen=True)
class Seen:
    """A ticket as the page shows it."""

    queue: str
    active: bool
    status: Status
    spam: bool
    merged: bool


@dataclass
class History:
    """Does things at times that go on; what each did is told by comparing all tickets before and after."""

    desk: TestDesk
    dice: random.Random
    tickets: dict[int, Seen] = field(default_factory=dict)
    log: list[tuple[datetime, str, str]] = field(default_factory=list)
    backlogs: list[tuple[datetime, Counter[str]]] = field(default_factory=list)

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.desk.clock.offset += timedelta(minutes=self.dice.randint(1, 90))
            await self._act(self.dice.choice(ACTS))
            await self._compare()
            backlog = Counter(seen.queue for seen in self.tickets.values() if seen.active)
            self.backlogs.append((self.desk.clock.now(), backlog))

    async def _act(self, what: str) -> None:
        queue = self.dice.choice(["support", "billing"])
        if what == "open" or len(self.tickets) < 2:
            await self.desk.write(queue=queue, sender=ANN)
            return
        if what == "off" and not any(seen.spam and not seen.merged for seen in self.tickets.values()):
            what = "spam"
        ticket, other = self.dice.sample(list(self.tickets), 2)
        wanted = [
            n
            for n, seen in self.tickets.items()
            if (seen.spam and not seen.merged if what == "off" else seen.active)
        ]
        if wanted and self.dice.random() < 0.8:
            ticket = self.dice.choice(wanted)
        ada = await self.desk.staff()
        try:
            if what == "set":
                await self.desk.manager.assign_status(ada, ticket, self.dice.choice(list(Status)))
            elif what == "write":
                await self.desk.write("More", queue=self.tickets[ticket].queue, sender=ANN, signed=(ticket,))
            elif what == "merge":
                await self.desk.manager.merge(ada, ticket, other)
            elif what == "belongs":
                await pressed(
                    self.desk, ticket, "belongs", str(other), sender=replace(DAN, email=ANN.address)
                )
            else:
                words = {"queue": ("queue", queue), "off": ("spam", "off"), "snooze": ("snooze", "2h")}
                await pressed(self.desk, ticket, *words.get(what, (what,)))
        except Refused:
            return

    async def _compare(self) -> None:
        ada = await self.desk.staff()
        newest = (await self.desk.manager.view_tickets(ada, TicketCriteria(limit=200))).tickets
        now = self.desk.clock.now()
        for ticket in newest:
            seen = Seen(
                queue=ticket.queue,
                active=ticket.status in ACTIVE,
                status=ticket.status,
                spam=ticket.spam,
                merged=ticket.merged_into is not None,
            )
            was = self.tickets.get(ticket.id)
            self.tickets[ticket.id] = seen
            self.log += [(now, where, what) for where, what in _what(was, seen)]

    def recount(self, period: Period, queue: str | None) -> dict[str, int]:
        found = Counter(
            what
            for at, where, what in self.log
            if period.since <= at < period.until and queue in (None, where)
        )

        def backlog(moment: datetime) -> int:
            last = next((b for at, b in reversed(self.backlogs) if at < moment), Counter())
            return sum(n for where, n in last.items() if queue in (None, where))

        ends = {"backlog_start": backlog(period.since), "backlog_end": backlog(period.until)}
        return {name: found[name] for name in NAMES} | ends


def _what(was: Seen | None, now: Seen) -> list[tuple[str, str]]:
    """What became of a ticket, as a person would count it."""
    if was is None:
        return [(now.queue, "came_in")]
    if was.active and now.active and was.queue != now.queue:
        return [(was.queue, "moved_out"), (now.queue, "moved_in")]
    if was.active and not now.active:
        if now.spam or now.merged:
            return [(now.queue, "spam_or_merged")]
        return [(now.queue, "resolved" if now.status is Status.RESOLVED else "closed_unresolved")]
    if not was.active and now.active:
        return [(now.queue, "restored" if was.spam else "reopened")]
    return []


@pytest.mark.parametrize("seed", [1, 2])
async def test_they_add_up(store: Store, seed: int) -> None:
    """For any period and queue: each figure is what a recount says, and the sum holds."""
    desk = await TestDesk.open(store, queue=QUEUES, slack={"enabled": False})
    try:
        history = History(desk, random.Random(seed))
        start = desk.clock.now()
        await history.run(45)
        length = desk.clock.now() - start
        ada = await desk.staff()
        for _ in range(6):
            cuts = sorted(start + length * history.dice.uniform(-0.1, 1.1) for _ in range(2))
            period = Period(cuts[0], cuts[1])
            for queue in (None, "support", "billing"):
                figures = await desk.manager.analyze_data(ada, period, queue)
                expected = history.recount(period, queue)
                assert {name: getattr(figures, name) for name in expected} == expected
                came = figures.came_in + figures.reopened + figures.moved_in + figures.restored
                went = figures.resolved + figures.closed_unresolved + figures.moved_out
                assert figures.backlog_end == figures.backlog_start + came - went - figures.spam_or_merged
        assert {what for _, _, what in history.log} >= {"moved_in", "restored", "spam_or_merged"}
    finally:
        await desk.close()
