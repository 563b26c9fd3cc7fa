"""Turns of timers: what fails is stepped over, and tickets of queues that aren't configured any more have theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core import jobs as timers
from core import reminding, snoozing, target_watch, turns
from core.jobs import Jobs, Slot, close_resolved
from core.status import Status
from core.turns import TurnFailed
from core.unassigned import jobs_of
from tests.core.commands import dans_ticket, ticket_of, typed
from tests.core.desk import TRIAGE, TestDesk
from tests.stores import Store

DAY = timedelta(days=1)
SUPPORT: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "unassigned_after": "8h",
}


@pytest.fixture
async def desk(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestDesk]:
    """A desk whose turns take two tickets, however slow the machine is."""
    for module in (timers, reminding, snoozing, target_watch):
        monkeypatch.setattr(module, "TURN", 60.0)
    opened = await TestDesk.open(store, queue=[SUPPORT], scheduler={"batch": 2})
    yield opened
    await opened.close()


def jobs(desk: TestDesk) -> Jobs:
    return Jobs(desk.desk, desk.database, desk.blobs)


async def _resolved(desk: TestDesk) -> int:
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    return ticket


async def _snoozed(desk: TestDesk) -> int:
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "snooze", "1h")
    return ticket


async def _pending(desk: TestDesk) -> int:
    ticket = await dans_ticket(desk)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
    return ticket


TURNS: list[Any] = [
    (close_resolved, _resolved, "status = 'closed'"),
    (snoozing.wake, _snoozed, "snoozed_until IS NULL"),
    (reminding.remind, _pending, "reminded_at IS NOT NULL"),
    (target_watch.watch, dans_ticket, "targets_told LIKE '%first:100%'"),
]


@pytest.mark.parametrize(("turn", "made", "done"), TURNS)
async def test_what_always_fails_is_stepped_over(
    desk: TestDesk,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    turn: Callable[[Jobs], Awaitable[bool]],
    made: Callable[[TestDesk], Awaitable[int]],
    done: str,
) -> None:
    """As many as a batch, before one that works: it has its turn. What fails alone isn't done, and doesn't spin."""
    bad = [await made(desk) for _ in range(3)]
    good = await made(desk)
    monkeypatch.setattr("core.units.lock", _failing(bad))
    desk.clock.offset = 8 * DAY
    again = await turn(jobs(desk))
    assert not again or turn is target_watch.watch  # which counts older tickets beside that
    assert [row["id"] for row in store.rows(f"SELECT id FROM tickets WHERE {done}")] == [good]
    with pytest.raises(TurnFailed):
        await _to_the_end(turn, desk)


async def _to_the_end(turn: Callable[[Jobs], Awaitable[bool]], desk: TestDesk) -> None:
    for _ in range(1_000):
        await turn(jobs(desk))


def _failing(bad: list[int]) -> Any:
    from core.units import lock

    async def failing(tx: Any, ticket_id: int, **more: Any) -> Any:
        if ticket_id in bad:
            raise RuntimeError("no such luck")
        return await lock(tx, ticket_id, **more)

    return failing


async def test_failures_have_an_end(desk: TestDesk) -> None:
    """A turn doesn't look at any number of tickets that raise."""
    tried: list[int] = []

    async def due(tx: Any, apart: Any) -> list[int]:
        return [len(tried) + 1, len(tried) + 2]

    async def step(ticket_id: int) -> None:
        tried.append(ticket_id)
        raise RuntimeError

    taken = await turns.take(desk.database, due, step, limit=2, trouble="test_failed", seconds=0.005)
    assert (taken.worked, taken.failed, taken.left) == (0, len(tried), True)


@pytest.mark.parametrize(("turn", "made", "done"), TURNS[:1] + TURNS[2:3])
async def test_a_queue_that_left_the_configuration(
    desk: TestDesk,
    store: Store,
    turn: Callable[[Jobs], Awaitable[bool]],
    made: Callable[[TestDesk], Awaitable[int]],
    done: str,
) -> None:
    """Its tickets' timers go on by the first queue's rules."""
    await made(desk)
    store.execute("UPDATE tickets SET queue = 'gone'")
    desk.clock.offset = 8 * DAY
    await turn(jobs(desk))
    assert store.count("tickets", done) == 1


async def test_never_is_never(store: Store) -> None:
    """As for the queue's other timers."""
    desk = await TestDesk.open(store, queue=[{**SUPPORT, "close_resolved_after": "0s"}])
    try:
        ticket = await _resolved(desk)
        desk.clock.offset = 800 * DAY
        assert not await close_resolved(jobs(desk))
        assert (await ticket_of(desk, ticket)).status is Status.RESOLVED
    finally:
        await desk.close()


async def _list(desk: TestDesk) -> str:
    job = jobs_of(desk.config)[0]
    effect = await job.run(jobs(desk), Slot(desk.clock.now(), late=False))
    return await desk.database.unit(effect)


async def test_who_waits_in_a_queue_that_left_is_listed(desk: TestDesk, store: Store) -> None:
    """With the first queue's."""
    await dans_ticket(desk)
    store.execute("UPDATE tickets SET queue = 'gone'")
    desk.clock.offset = DAY
    assert await _list(desk) == "listed 1 to the triage channel"
