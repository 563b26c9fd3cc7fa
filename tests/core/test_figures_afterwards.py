"""Whatever is done to a ticket after the hours that count it were made, figures say at once what the tables do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from core import figures, moving, spamming, tagging
from core.database import Tx
from core.figures_days import SCOPE, Rolled
from core.jobs import Jobs
from core.matching import find
from core.rollups import roll_up
from core.rollups_state import State
from core.shapes import Actor, Priority, Role
from core.status import Status
from core.tables import settings
from core.utc_days import DAY, HOUR, day_of, start_of
from core.views import Period
from tests.core.desk import ANN, TestDesk
from tests.stores import Store

MINUTE = timedelta(minutes=1)
VERBS = (
    *("assign", "unassign", "priority", "tag", "untag", "merge", "merge another", "rate", "rate again"),
    *("spam", "not spam", "reopen", "answer", "move"),
)


class FromTables(Rolled):
    """As if nothing were rolled up."""

    async def bounds(self) -> None:
        return None

    async def at_hand(self) -> None:
        return None


class Worked:
    """A desk at 17:40 whose tickets came in, were answered and most of them resolved and rated around noon."""

    def __init__(self, desk: TestDesk, noon: datetime, tickets: list[int], ada: Actor, ann: Actor) -> None:
        self.desk, self.noon, self.tickets, self.ada, self.ann = desk, noon, tickets, ada, ann

    @classmethod
    async def open(cls, store: Store) -> Worked:
        desk = await TestDesk.open(store, queue=[{"name": "support"}, {"name": "billing"}])
        there = desk.clock.now()
        desk.clock.offset += (start_of(day_of(there)) + 12 * HOUR - there) % DAY
        noon, ada, numbers = desk.clock.now(), await desk.staff(), []
        for n in range(5):
            number = (await desk.write(f"m{n}")).ticket_id
            assert number is not None
            numbers.append(number)
            desk.clock.offset += 7 * MINUTE
            await desk.manager.exchange_messages(ada, number, "Look here")
            await desk.database.unit(lambda tx, t=number: tagging.add(tx, desk.desk, ada, t, ["vpn"]))  # type: ignore[misc]
            if n:
                await desk.manager.assign_status(ada, number, Status.RESOLVED)
        known = await desk.database.read(lambda tx: find(tx, ANN.key))
        assert known is not None
        ann = Actor(user_id=known.user_id, role=Role.REQUESTER, channel="web", name="Ann")
        await desk.manager.rate(ann, numbers[1], 2)
        await desk.manager.assign(ada, numbers[3], "grace")
        return cls(desk, noon, numbers, ada, ann)

    async def roll(self) -> State:
        """Let time go on until all that happened is noticed and rolled up."""
        for _ in range(4):
            self.desk.clock.offset += 2 * MINUTE
            await roll_up(Jobs(self.desk.desk, self.desk.database, self.desk.blobs))
        stored = settings.select().where(settings.c.scope == SCOPE)
        row = await self.desk.database.read(lambda tx: tx.first(stored))
        assert row is not None
        return State.of_json(row.value)

    async def do(self, verb: str) -> None:
        """Do something to a ticket."""
        manager, desk, ada = self.desk.manager, self.desk.desk, self.ada
        open_, one, other, spam = self.tickets[0], self.tickets[1], self.tickets[2], self.tickets[4]
        match verb:
            case "assign":
                await manager.assign(ada, one, "grace")
            case "unassign":
                await manager.assign(ada, self.tickets[3], None)
            case "priority":
                await manager.set_priority(ada, one, Priority.URGENT)
            case "tag":
                await self._unit(lambda tx: tagging.add(tx, desk, ada, one, ["printer"]))
            case "untag":
                await self._unit(lambda tx: tagging.remove(tx, desk, ada, one, ["vpn"]))
            case "merge":
                await manager.merge(ada, open_, one)
            case "merge another":
                await manager.merge(ada, other, one)
            case "rate" | "rate again":
                await manager.rate(self.ann, other if verb == "rate" else one, 5)
            case "spam":
                await self._unit(lambda tx: spamming.mark(tx, desk, ada, one))
            case "not spam":
                await self._unit(lambda tx: spamming.unmark(tx, desk, ada, spam))
            case "reopen":
                await manager.assign_status(ada, one, Status.OPEN)
            case "answer":
                await manager.exchange_messages(ada, open_, "And there")
            case "move":
                await self._unit(lambda tx: moving.move(tx, desk, ada, open_, "billing"))

    async def _unit(self, what: Any) -> None:
        async def unit(tx: Tx) -> None:
            await what(tx)

        await self.desk.database.unit(unit)

    async def told(self, now: datetime) -> list[dict[str, Any]]:
        """What the figures of today say, of some hours of it, of noon and of a day and more."""
        ends = (
            (start_of(day_of(now)), now),
            (self.noon - HOUR, self.noon + 2 * HOUR),
            (self.noon, self.noon + HOUR),
        )
        found = [await self._figures(Period(*end)) for end in ends]
        return [*found, counts(await self._figures(Period(now - 2 * DAY, now)))]

    async def _figures(self, period: Period) -> dict[str, Any]:
        read = self.desk.database.read
        return (await read(lambda tx: figures.of(tx, period, None), snapshot=True)).as_json()


def counts(found: Any) -> Any:
    """Figures without percentiles, which are nearly exact only beyond a day."""
    nearly = ("median_seconds", "p90_seconds", "within")
    if isinstance(found, dict):
        return {name: counts(one) for name, one in found.items() if name not in nearly}
    return [counts(one) for one in found] if isinstance(found, list) else found


@pytest.fixture
async def worked(store: Store) -> AsyncIterator[Worked]:
    opened = await Worked.open(store)
    yield opened
    await opened.desk.close()


@pytest.mark.parametrize("verb", VERBS)
async def test_it_counts_at_once(worked: Worked, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it's noticed, while its hours are to be made anew, and from the hours that were."""
    if verb == "not spam":
        await worked._unit(lambda tx: spamming.mark(tx, worked.desk.desk, worked.ada, worked.tickets[4]))
    await worked.roll()
    worked.desk.clock.offset += 5 * HOUR
    made = await worked.roll()
    assert len(made.open) >= 17
    now = worked.desk.clock.now() + MINUTE
    before = await worked.told(now)
    await worked.do(verb)
    for _ in range(2):
        told = await worked.told(now)
        with monkeypatch.context() as patched:
            patched.setattr(figures, "Rolled", FromTables)
            assert told == await worked.told(now)
        assert told != before, "the verb changes figures"
        state = await worked.roll()
        assert state.open >= made.open, "all hours are there again"
