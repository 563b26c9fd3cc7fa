"""The figures add up, against a plain recount of what was done, in random histories."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from core.failures import Conflict, Invalid
from core.figures import spread
from core.status import ACTIVE, Status
from core.views import Period
from tests.core.desk import TestDesk
from tests.core.test_manager import as_person
from tests.stores import Store

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]


class History:
    """Does things at random times that go on, and counts plainly what they did to each ticket."""

    def __init__(self, desk: TestDesk, seed: int) -> None:
        self.desk, self.dice = desk, random.Random(seed)
        self.tickets: dict[int, tuple[str, Status]] = {}
        self.log: list[tuple[datetime, str, str]] = []  # when, queue, what
        self.backlogs: list[tuple[datetime, Counter[str]]] = []

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.desk.clock.offset += timedelta(minutes=self.dice.randint(1, 90))
            await self._step()
            backlog = Counter(queue for queue, status in self.tickets.values() if status in ACTIVE)
            self.backlogs.append((self.desk.clock.now(), backlog))

    async def _step(self) -> None:
        ada = await self.desk.staff()
        what = self.dice.choice(["open", "open", "set", "set", "set", "write", "answer", "merge"])
        if what == "open" or not self.tickets:
            queue = self.dice.choice(["support", "billing"])
            ticket = (await self.desk.write(queue=queue)).ticket_id or 0
            self._went(ticket, queue, Status.NEW)
            return
        ticket = self.dice.choice(list(self.tickets))
        queue, was = self.tickets[ticket]
        manager = self.desk.manager
        try:
            if what == "set":
                await manager.assign_status(ada, ticket, self.dice.choice(list(Status)))
            elif what == "write":
                await self.desk.write("More", queue=queue, signed=(ticket,))
            elif what == "answer":
                await manager.exchange_messages(ada, ticket, "Try")
            else:
                await manager.merge(ada, ticket, self.dice.choice(list(self.tickets)))
                if was in ACTIVE:
                    self.log.append((self.desk.clock.now(), queue, "spam_or_merged"))
                self.tickets[ticket] = (queue, Status.CLOSED)
                return
        except (Conflict, Invalid):
            return
        for one in self.tickets:
            after = (await manager.view_ticket(ada, one)).ticket
            self._went(one, self.tickets[one][0], after.status)

    def _went(self, ticket: int, queue: str, status: Status) -> None:
        was = self.tickets[ticket][1] if ticket in self.tickets else None
        self.tickets[ticket] = (queue, status)
        now = self.desk.clock.now()
        if was is None:
            self.log.append((now, queue, "came_in"))
        elif was in ACTIVE and status not in ACTIVE:
            what = "resolved" if status is Status.RESOLVED else "closed_unresolved"
            self.log.append((now, queue, what))
        elif was not in ACTIVE and status in ACTIVE:
            self.log.append((now, queue, "reopened"))

    def recount(self, period: Period, queue: str | None) -> dict[str, int]:
        found = Counter(
            what
            for at, where, what in self.log
            if period.since <= at < period.until and queue in (None, where)
        )

        def backlog(moment: datetime) -> int:
            last = next((b for at, b in reversed(self.backlogs) if at < moment), Counter())
            return sum(n for where, n in last.items() if queue in (None, where))

        names = ("came_in", "reopened", "resolved", "closed_unresolved", "spam_or_merged")
        return {
            **{name: found[name] for name in names},
            "backlog_start": backlog(period.since),
            "backlog_end": backlog(period.until),
        }


@pytest.mark.parametrize("seed", [1, 2])
async def test_they_add_up(store: Store, seed: int) -> None:
    """For any period and queue: each figure is what a recount says, and the sum holds."""
    desk = await TestDesk.open(store, queue=QUEUES, slack={"enabled": False})
    try:
        history = History(desk, seed)
        start = desk.clock.now()
        await history.run(30)
        length = desk.clock.now() - start
        ada = await desk.staff()
        for _ in range(6):
            cuts = sorted(start + length * history.dice.uniform(-0.1, 1.1) for _ in range(2))
            period = Period(cuts[0], cuts[1])
            for queue in (None, "support", "billing"):
                figures = await desk.manager.analyze_data(ada, period, queue)
                expected = history.recount(period, queue)
                assert {name: getattr(figures, name) for name in expected} == expected
                assert figures.backlog_end == (
                    figures.backlog_start
                    + figures.came_in
                    + figures.reopened
                    + figures.moved_in
                    + figures.restored
                    - figures.resolved
                    - figures.closed_unresolved
                    - figures.moved_out
                    - figures.spam_or_merged
                )
        assert {what for _, _, what in history.log} >= {"came_in", "resolved", "closed_unresolved"}
    finally:
        await desk.close()


async def test_who_waits_and_how_long(desk: TestDesk) -> None:
    """Answers, assignees, waiting sides and durations of one period."""
    ada = await desk.staff()
    start = desk.clock.now() - timedelta(minutes=1)
    ids = [(await desk.write(f"m{i}")).ticket_id or 0 for i in range(4)]
    desk.clock.offset = timedelta(hours=2)
    await desk.manager.exchange_messages(ada, ids[0], "Try")
    await desk.manager.exchange_messages(ada, ids[0], "And this")
    await desk.manager.assign(ada, ids[1], "grace")
    await desk.manager.assign_status(ada, ids[2], Status.PENDING)
    await desk.manager.assign_status(ada, ids[3], Status.RESOLVED)
    figures = await desk.manager.analyze_data(ada, Period(start, desk.clock.now() + timedelta(minutes=1)))
    assert (figures.answered, figures.came_in, figures.backlog_end) == (1, 4, 3)
    assert (figures.unassigned, figures.waiting_for_staff, figures.waiting_for_customer) == (2, 1, 1)
    assert figures.first_response.n == figures.resolution.n == 1
    assert figures.first_response.median == pytest.approx(7200, abs=30)
    shown = figures.as_json()
    assert shown["since"].endswith("Z")
    assert "period" not in shown


async def test_what_makes_no_sense(desk: TestDesk) -> None:
    """A period that ends before it begins, and a queue that isn't."""
    ada = await desk.staff()
    now = desk.clock.now()
    with pytest.raises(Invalid):
        await desk.manager.analyze_data(ada, Period(now, now))
    with pytest.raises(Invalid):
        await desk.manager.analyze_data(ada, Period(now - timedelta(days=1), now), "nowhere")
    assert (await as_person(desk, "ann@example.com")).staff is False


def test_spread() -> None:
    """Nothing has no median; one is its own; the ninetieth of ten is the greatest."""
    assert spread([]).as_json() == {"n": 0, "median_seconds": None, "p90_seconds": None}
    assert spread([timedelta(seconds=3)]).as_json() == {"n": 1, "median_seconds": 3.0, "p90_seconds": 3.0}
    ten = spread([timedelta(seconds=s) for s in range(10, 0, -1)])
    assert (ten.median, ten.p90) == (5.5, 10.0)
