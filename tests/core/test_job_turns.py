"""Turns of timers: what fails is stepped over, and tickets of queues that aren't configured any more have theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from structlog.testing import capture_logs

from core import jobs as timers
from core import reminding, runs, snoozing, target_watch, turns
from core.database import Tx
from core.jobs import Jobs, Slot, close_resolved
from core.scheduler import Scheduler
from core.status import Status
from core.tables import deliveries, tickets
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


async def _reminded(desk: TestDesk) -> int:
    ticket = await _pending(desk)
    await _sent(desk)

    async def unit(tx: Tx) -> None:
        await tx.run(tickets.update().where(tickets.c.id == ticket).values(reminded_at=await tx.now()))

    await desk.database.unit(unit)
    return ticket


async def _sent(desk: TestDesk) -> None:
    """Nothing waits to be sent."""

    async def unit(tx: Tx) -> None:
        await tx.run(deliveries.update().values(state="sent", due_at=None, settled_at=await tx.now()))

    await desk.database.unit(unit)


TURNS: list[Any] = [
    (close_resolved, _resolved, "status = 'closed'"),
    (snoozing.wake, _snoozed, "snoozed_until IS NULL"),
    (reminding.remind, _pending, "reminded_at IS NOT NULL"),
    (reminding.close_pending, _reminded, "status = 'closed'"),
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
    """More than a batch, before one that works: it has its turn, and so has who comes later. Each is logged by its
    number, the slot has failed and says which."""
    bad = [await made(desk) for _ in range(3)]
    good = [await made(desk)]
    monkeypatch.setattr("core.units.lock", _failing(bad))
    for days in (10, 40):
        desk.clock.offset = days * DAY
        with capture_logs() as logs, pytest.raises(TurnFailed, match=f"^tickets {_words(bad)}$"):
            await _to_the_end(turn, desk)
        said = [entry["ticket"] for entry in logs if entry["log_level"] == "error"]
        assert said == (bad if days == 10 else []), "they are left alone for a minute"
        assert [row["id"] for row in store.rows(f"SELECT id FROM tickets WHERE {done} ORDER BY id")] == good
        if days == 10:
            good.append(await made(desk))
            await _sent(desk)


async def test_many_that_fail_slowly_starve_nobody(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn gives up before it comes to one that works; the next ones begin behind. Later all are tried again."""
    bad = [await _resolved(desk) for _ in range(5)]
    good = await _resolved(desk)
    monkeypatch.setattr(turns, "PATIENCE", 0)
    desk.clock.offset = 8 * DAY
    with monkeypatch.context() as broken:
        broken.setattr("core.units.lock", _failing(bad))
        for _ in bad:
            with pytest.raises(TurnFailed):
                await close_resolved(jobs(desk))
        assert store.count("tickets", "status = 'closed'") == 0
        with pytest.raises(TurnFailed):
            await close_resolved(jobs(desk))
    assert (await ticket_of(desk, good)).status is Status.CLOSED
    with pytest.raises(TurnFailed):
        await close_resolved(jobs(desk))
    monkeypatch.setattr("core.turns._aside", WeakKeyDictionary())  # a minute has passed
    await _to_the_end(close_resolved, desk)
    assert store.count("tickets", "status = 'closed'") == 6


async def test_status_tells_which_failed(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others worked in the same slot; until all of it goes well."""
    bad, good = await _resolved(desk), await _resolved(desk)
    (job,) = [job for job in timers.JOBS if job.name == "close_resolved"]
    one = Scheduler(desk.desk, desk.database, desk.blobs, [job])

    async def row(days: int) -> runs.JobRow:
        desk.clock.offset = days * DAY
        await one.tick()
        (found,) = await runs.listed(desk.database, [job])
        return found

    with monkeypatch.context() as broken:
        broken.setattr("core.units.lock", _failing([bad]))
        with capture_logs() as logs:
            first, second = await row(8), await row(9)
    said = [(entry["event"], entry.get("error")) for entry in logs if entry["log_level"] == "error"]
    assert said == [("auto_close_failed", None), ("job_failed", f"ticket {bad}")], "once, not at each slot"
    assert (await ticket_of(desk, good)).status is Status.CLOSED
    assert (first.result, first.failures) == (f"failed: ticket {bad}", 1)
    assert (second.result, second.failures_total) == (f"failed: ticket {bad}", 2)
    monkeypatch.setattr("core.turns._aside", WeakKeyDictionary())  # a minute later
    last = await row(10)
    assert (last.result, last.failures, last.failures_total) == ("done", 0, 2)
    assert store.count("tickets", "status = 'closed'") == 2


async def test_one_without_targets_stops_no_other(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tickets of before there were targets: one that raises is stepped over, told of, and counted in the end."""
    ids = [await dans_ticket(desk) for _ in range(5)]
    store.execute("UPDATE tickets SET targets_told = '', targets_at = NULL")
    with monkeypatch.context() as broken:
        broken.setattr("core.units.lock", _failing(ids[:1]))
        for _ in range(4):
            with pytest.raises(TurnFailed, match=f"^ticket {ids[0]}$"):
                await _to_the_end(target_watch.watch, desk)
        assert [row["id"] for row in store.rows("SELECT id FROM tickets WHERE targets_told = ''")] == ids[:1]
    monkeypatch.setattr("core.turns._aside", WeakKeyDictionary())  # a minute later
    await _to_the_end(target_watch.watch, desk)
    assert store.count("tickets", "targets_told = ''") == 0


def test_a_failure_names_a_few() -> None:
    """By their numbers, and says how many more there are."""
    assert str(TurnFailed([7])) == "ticket 7"
    assert str(TurnFailed(range(1, 1_013))) == "tickets 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,002 more"


async def _to_the_end(turn: Callable[[Jobs], Awaitable[bool]], desk: TestDesk) -> None:
    for _ in range(100):
        if not await turn(jobs(desk)):
            return
    raise AssertionError("it doesn't end")


def _words(ids: list[int]) -> str:
    return ", ".join(map(str, ids))


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
    assert (taken.worked, taken.failed, taken.left) == (0, frozenset(tried), True)


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
