"""A ticket's way: inbox row, message, deliveries, as whoever watches is told it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import event

from core import ways
from core.failures import TemporaryFailure
from core.ways import Arrival, Said, Sending, Step, Way
from tests.core.desk import BOB, TestDesk, mail
from tests.stores import Store
from tests.waiting import until


async def read(desk: TestDesk, ticket: int | None = None) -> Way:
    return await desk.database.read(lambda tx: ways.read(tx, ticket))


async def test_nothing_has_come(desk: TestDesk) -> None:
    assert await read(desk) == Way([], None, [], [])


async def test_from_the_inbox_to_the_deliveries(desk: TestDesk, store: Store) -> None:
    await desk.take_in(mail("Help! " + "x" * 200))
    (waiting,) = (await read(desk)).loose
    assert (waiting.door, waiting.state, waiting.attempts) == ("email", "new", 0)
    await desk.worker.start()
    await until(lambda: store.count("deliveries"))
    way = await read(desk)
    assert way.loose == []
    (heading,) = way.tickets
    assert (heading.id, heading.status, heading.assignee, heading.rated) == (way.ticket, "new", None, None)
    (step,) = way.steps
    assert step.arrival is not None
    assert step.message is not None
    assert (step.arrival.state, step.arrival.message) == ("done", step.message.id)
    assert step.arrival.at == pytest.approx(waiting.at)
    assert (step.message.author, step.message.visibility, len(step.message.text)) == ("Ann", "public", 90)
    assert {(d.channel, d.kind, d.state) for d in step.deliveries} == {
        ("slack", "card", "queued"),
        ("email", "notice", "queued"),
    }
    desk.mail.script = [TemporaryFailure("451 4.3.0 later" + "!" * 200)]
    await desk.courier.start()
    await desk.quiet(store)
    (step,) = (await read(desk)).steps
    tried = {d.channel: (d.state, d.attempts) for d in step.deliveries}
    assert tried == {"slack": ("sent", 1), "email": ("sent", 2)}
    json.dumps((await read(desk)).as_json())


async def test_what_failed_says_why(desk: TestDesk, store: Store) -> None:
    """A delivery that waits for its next try, and when that is."""
    desk.mail.script = [TemporaryFailure("451 4.3.0 later" + "!" * 200)] * 200
    await desk.write()
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "channel = 'email' AND attempts > 1"))
    await desk.courier.stop()
    (step,) = (await read(desk)).steps
    (sending,) = [d for d in step.deliveries if d.channel == "email"]
    assert sending.state == "queued"
    assert sending.error is not None
    assert sending.error.startswith("451 4.3.0 later!")
    assert len(sending.error) == 90
    assert sending.due_at is not None


async def test_an_unreadable_row_stays_in_sight(desk: TestDesk, store: Store) -> None:
    """What failed and has no ticket is shown; what was ignored isn't."""
    await desk.write()
    await desk.take_in(mail())
    store.execute("UPDATE inbox SET state = 'ignored'")
    assert (await read(desk)).loose == []
    store.execute("UPDATE inbox SET state = 'failed', reason = 'unreadable'")
    (row,) = (await read(desk)).loose
    assert (row.state, row.reason) == ("failed", "unreadable")


async def test_the_newest_or_the_chosen_ticket(desk: TestDesk) -> None:
    first = (await desk.write("one")).ticket_id
    second = (await desk.write("two", sender=BOB)).ticket_id
    newest = await read(desk)
    assert ([t.id for t in newest.tickets], newest.ticket) == ([second, first], second)
    chosen = await read(desk, first)
    assert chosen.ticket == first
    assert [s.message.text for s in chosen.steps if s.message] == ["one"]
    assert (await read(desk, 999)).steps == []


async def test_it_costs_the_same_however_much_there_is(desk: TestDesk) -> None:
    """Five queries, each with a limit, whatever lies in the tables."""
    seen: list[str] = []
    engine: Any = desk.database.engine.sync_engine

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    for number in range(20):
        await desk.write(f"mail {number}")
    event.listen(engine, "before_cursor_execute", note)
    way = await read(desk)
    event.remove(engine, "before_cursor_execute", note)
    selects = [
        s
        for s in seen
        if "FROM inbox" in s or "FROM tickets" in s or "FROM messages" in s or "FROM deliv" in s
    ]
    assert len(selects) == 5
    assert all("LIMIT" in s or "max(" in s for s in selects)
    assert len(way.tickets) == ways.MOST_TICKETS


def arrival(number: int, message: int | None) -> Arrival:
    return Arrival(number, "email", "done", 1, float(number), None, 1, message)


def said(number: int, at: float) -> Said:
    return Said(number, number, "email", "public", "Ann", "x", at)


def test_steps_are_joined_by_the_message() -> None:
    """Newest first; an act without a message stands alone, deliveries of the whole ticket come last."""
    one, whole = (Sending(n, "email", "message", "sent", 1, None, None) for n in (1, 2))
    found = ways.steps(
        [arrival(3, None), arrival(1, 5)], [said(5, 1.5), said(6, 2.0)], [(5, one), (None, whole)]
    )
    assert found == [
        Step(arrival(3, None)),
        Step(None, said(6, 2.0)),
        Step(arrival(1, 5), said(5, 1.5), [one]),
        Step(deliveries=[whole]),
    ]
