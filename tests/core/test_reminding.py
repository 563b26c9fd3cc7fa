"""Requesters who let us wait: reminded once, closed in time, and everything that makes it otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core import reminding
from core.jobs import Jobs
from core.receive import Receiver
from core.reminding import ROOM, close_pending, remind
from core.shapes import Auth, Person
from core.status import Status
from core.tables import deliveries
from tests.core.commands import events_of, lines, ticket_of, to_requesters
from tests.core.desk import BOB, EVE, TRIAGE, TestDesk, mail
from tests.core.filling import fill
from tests.stores import Store

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SUPPORT: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "remind_after": "3d",
    "close_pending_after": "4d",
    "unassigned_after": "0s",
}
STAFF = [{"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace"}]


@pytest.fixture(autouse=True)
def _turns_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a turn does its batch."""
    monkeypatch.setattr(reminding, "TURN", 60.0)


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk that reminds after three days and closes after four more."""
    opened = await TestDesk.open(store, queue=[SUPPORT], staff=STAFF, scheduler={"batch": 20})
    yield opened
    await opened.close()


def jobs(desk: TestDesk) -> Jobs:
    return Jobs(desk.desk, desk.database, desk.blobs)


async def sent(desk: TestDesk, state: str = "sent") -> None:
    """What waits has been sent (or came to something else) by now."""

    async def unit(tx: Any) -> None:
        waits = deliveries.c.state.in_(("queued", "sending"))
        values = {"state": state, "due_at": None, "settled_at": await tx.now()}
        await tx.run(deliveries.update().where(waits).values(**values))

    await desk.database.unit(unit)


async def pending(desk: TestDesk, **more: Any) -> int:
    """A ticket that waits for its requester; all that was to be said has been."""
    ticket = (await desk.write("My screen is dark", **more)).ticket_id
    assert ticket is not None
    await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
    await sent(desk)
    return ticket


async def at(desk: TestDesk, passed: timedelta) -> None:
    """So much time has passed since the test began; the jobs have run."""
    desk.clock.offset = passed
    for _ in range(3):
        await remind(jobs(desk))
        await close_pending(jobs(desk))


async def kinds(desk: TestDesk, ticket: int) -> list[str]:
    return [kind for kind, _ in await events_of(desk, ticket) if kind in ("reminded", "closed_unresolved")]


async def test_reminded_once_then_closed(desk: TestDesk, store: Store) -> None:
    """At its minute, not before; the desk's thread shows the closing alone, and an answer opens it again."""
    ticket = await pending(desk)
    await at(desk, 3 * DAY - MINUTE)
    assert to_requesters(store, ticket) == []
    cards = store.count("deliveries", "kind = 'card'")
    await at(desk, 3 * DAY + MINUTE)
    assert to_requesters(store, ticket) == ["notice:reminder"]
    assert store.count("deliveries", "kind = 'card'") == cards, "nothing of it is on the card"
    row = await ticket_of(desk, ticket)
    assert (row.status, row.reminded_at is not None) == (Status.PENDING, True)
    await sent(desk)
    await at(desk, 7 * DAY)
    assert await kinds(desk, ticket) == ["reminded"]
    await at(desk, 7 * DAY + 2 * MINUTE)
    assert to_requesters(store, ticket) == ["notice:auto_closed"]
    assert lines(store, ticket)[-1] == "Closed: the requester hasn't answered, and was reminded 4 days ago."
    row = await ticket_of(desk, ticket)
    assert (row.status, row.pending_since, row.reminded_at) == (Status.CLOSED, None, None)
    closed = [data for kind, data in await events_of(desk, ticket) if kind == "closed_unresolved"]
    assert closed == [{"from": "pending", "to": "closed", "auto": True}]
    mail_id = store.value("SELECT mail_id FROM messages WHERE ticket_id = :t", t=ticket)
    assert (await desk.write("Still dark", to=[mail_id])).ticket_id == ticket
    assert (await ticket_of(desk, ticket)).status is Status.OPEN


async def test_the_requester_sees_that_they_were_reminded(desk: TestDesk) -> None:
    """The event is theirs too."""
    ticket = await pending(desk)
    await at(desk, 3 * DAY + MINUTE)
    rows = await desk.database.read(
        lambda tx: tx.all(text("SELECT public, actor_id FROM events WHERE kind = 'reminded'"))
    )
    assert [(bool(row.public), row.actor_id) for row in rows] == [(True, None)]
    assert await kinds(desk, ticket) == ["reminded"]


async def test_it_counts_from_when_the_reminder_went(desk: TestDesk, store: Store) -> None:
    """A relay that was away for two days gives the requester their four days all the same."""
    ticket = await pending(desk)
    await at(desk, 3 * DAY + MINUTE)
    await at(desk, 7 * DAY + 2 * MINUTE)
    assert await kinds(desk, ticket) == ["reminded"], "it hasn't gone yet"
    desk.clock.offset = 7 * DAY + HOUR
    await sent(desk)
    await at(desk, 11 * DAY)
    assert await kinds(desk, ticket) == ["reminded"]
    due = (await ticket_of(desk, ticket)).reminded_at
    assert due is not None
    assert store.value("SELECT settled_at FROM deliveries WHERE data LIKE '%reminder%'") is not None
    await at(desk, 11 * DAY + HOUR - MINUTE)
    assert await kinds(desk, ticket) == ["reminded"]
    await at(desk, 11 * DAY + HOUR + MINUTE)
    assert await kinds(desk, ticket) == ["reminded", "closed_unresolved"]


async def test_one_that_failed_counts_from_when_it_was_noted(desk: TestDesk, store: Store) -> None:
    """The relay said no: the courier tells staff; the time runs."""
    ticket = await pending(desk)
    await at(desk, 3 * DAY + MINUTE)
    desk.clock.offset = 5 * DAY
    await sent(desk, "failed")
    await at(desk, 7 * DAY)
    assert await kinds(desk, ticket) == ["reminded"]
    await at(desk, 7 * DAY + 2 * MINUTE)
    assert await kinds(desk, ticket) == ["reminded", "closed_unresolved"]
    assert lines(store, ticket)[-1] == "Closed: the requester hasn't answered, and couldn't be reminded."


async def test_a_dead_address_is_told_to_staff(desk: TestDesk, store: Store) -> None:
    """Nothing is sent; the thread says so, and when the ticket is closed."""
    ticket = await pending(desk)
    store.execute("UPDATE identities SET suppressed_at = '2026-01-01' WHERE address = 'ann@example.com'")
    await at(desk, 3 * DAY + MINUTE)
    await at(desk, 3 * DAY + HOUR)
    assert to_requesters(store, ticket) == []
    told = [line for line in lines(store, ticket) if "couldn't be reminded" in line]
    assert len(told) == 1
    assert "ann@example.com, where mail bounced" in told[0]
    assert "Without an answer this ticket is closed " in told[0]
    assert await kinds(desk, ticket) == []
    await sent(desk)
    await at(desk, 7 * DAY + 2 * MINUTE)
    assert (await ticket_of(desk, ticket)).status is Status.CLOSED


async def test_an_answer_begins_anew_and_an_automatic_one_does_not(desk: TestDesk, store: Store) -> None:
    """Who answers isn't reminded; a vacation program answers nothing."""
    ticket = await pending(desk)
    mail_id = store.value("SELECT mail_id FROM messages WHERE ticket_id = :t", t=ticket)
    before = await ticket_of(desk, ticket)
    desk.clock.offset = 2 * DAY
    await desk.write("I am on holiday", to=[mail_id], automatic="auto-reply")
    after = await ticket_of(desk, ticket)
    assert (after.status, after.pending_since) == (Status.PENDING, before.pending_since)
    await at(desk, 3 * DAY + MINUTE)
    assert await kinds(desk, ticket) == ["reminded"]
    await sent(desk)
    reminded = (await ticket_of(desk, ticket)).reminded_at
    await desk.write("I am on holiday", to=[mail_id], automatic="auto-reply")
    assert (await ticket_of(desk, ticket)).reminded_at == reminded
    desk.clock.offset = 6 * DAY
    await desk.write("Yes, it is plugged in", to=[mail_id])
    row = await ticket_of(desk, ticket)
    assert (row.status, row.pending_since, row.reminded_at) == (Status.OPEN, None, None)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
    await sent(desk)
    await at(desk, 9 * DAY - MINUTE)
    assert await kinds(desk, ticket) == ["reminded"]
    await at(desk, 9 * DAY + MINUTE)
    assert await kinds(desk, ticket) == ["reminded", "reminded"]
    await sent(desk)
    await at(desk, 13 * DAY)
    assert (await ticket_of(desk, ticket)).status is Status.PENDING
    await at(desk, 13 * DAY + 2 * MINUTE)
    assert (await ticket_of(desk, ticket)).status is Status.CLOSED


@pytest.mark.parametrize("reminded", [False, True])
async def test_after_who_takes_no_part_it_begins_again(desk: TestDesk, store: Store, reminded: bool) -> None:
    """Somebody wrote, so staff have their time to look; it ends all the same. What a machine writes is no such
    thing."""
    ticket = await pending(desk)
    signed = (ticket,)
    assert (
        await desk.write("We moved", sender=EVE, signed=signed, automatic="auto-reply")
    ).outcome == "outsider"
    assert (await ticket_of(desk, ticket)).pending_since is not None
    if reminded:
        await at(desk, 3 * DAY + MINUTE)
        await sent(desk)
    else:
        await at(desk, 2 * DAY)
    receipt = await desk.write("I sit beside Ann: it's unplugged", sender=EVE, signed=signed)
    assert (receipt.outcome, receipt.ticket_id) == ("outsider", ticket)
    await sent(desk)
    begun = 3 * DAY + MINUTE if reminded else 2 * DAY
    await at(desk, begun + 3 * DAY - MINUTE)
    assert await kinds(desk, ticket) == ["reminded"] * reminded
    await at(desk, begun + 3 * DAY + MINUTE)
    assert await kinds(desk, ticket) == ["reminded"] * (reminded + 1)
    await sent(desk)
    await at(desk, begun + 7 * DAY + 2 * MINUTE)
    assert (await ticket_of(desk, ticket)).status is Status.CLOSED


async def test_whoever_takes_part_ends_it(desk: TestDesk, store: Store) -> None:
    """A colleague in Cc answers as well as the requester does."""
    ticket = await pending(desk, to_others=(BOB,), auth=Auth.VERIFIED)
    await desk.write("It is", sender=BOB, signed=(ticket,))
    assert (await ticket_of(desk, ticket)).status is Status.OPEN
    await at(desk, 40 * DAY)
    assert await kinds(desk, ticket) == []


async def test_never(store: Store) -> None:
    """ "0s" reminds nobody, or closes nothing; then the reminder doesn't threaten with it."""
    quiet = {**SUPPORT, "name": "quiet", "addresses": ["quiet@example.com"], "remind_after": "0s"}
    desk = await TestDesk.open(store, queue=[{**SUPPORT, "close_pending_after": "0s"}, quiet], staff=STAFF)
    try:
        one, other = await pending(desk), await pending(desk, queue="quiet")
        await at(desk, 100 * DAY)
        assert to_requesters(store, one) == ["notice:reminder"]
        assert store.count("deliveries", "data LIKE '%\"closes\"%false%'") == 1
        await sent(desk)
        await at(desk, 200 * DAY)
        assert (await ticket_of(desk, one)).status is Status.PENDING
        assert await kinds(desk, other) == []
    finally:
        await desk.close()


async def test_who_is_left_out(desk: TestDesk, store: Store) -> None:
    """Unconfirmed requesters, and what an archive tells; while all is on hold nobody, and then everybody once."""
    unconfirmed, held = await pending(desk), await pending(desk)
    store.execute("UPDATE tickets SET unconfirmed = 1 WHERE id = :t", t=unconfirmed)
    await desk.operations.pause()
    await at(desk, 30 * DAY)
    assert await kinds(desk, held) == []
    await desk.operations.resume()
    await at(desk, 30 * DAY + MINUTE)
    assert await kinds(desk, held) == ["reminded"]
    assert await kinds(desk, unconfirmed) == []


async def test_an_archives_tickets_are_not_reminded(store: Store) -> None:
    """They wait since long ago, and nobody counts that; what staff set to pending now is counted."""
    queue = {**SUPPORT, "after_staff_reply": "pending"}
    desk = await TestDesk.open(store, queue=[queue], staff=STAFF)
    try:
        quiet = Receiver(replace(desk.desk, quiet=True), desk.database, desk.blobs, desk.people)
        ticket = (await quiet.receive(mail("Old"))).ticket_id
        assert ticket is not None
        mail_id = store.value("SELECT mail_id FROM messages WHERE ticket_id = :t", t=ticket)
        ada = Person(kind="email", address="ada@example.com", name="Ada", place="ada@example.com")
        await quiet.receive(mail("Old answer", sender=ada, to=[mail_id], auth=Auth.VERIFIED))
        row = await ticket_of(desk, ticket)
        assert (row.status, row.pending_since) == (Status.PENDING, None)
        await at(desk, 30 * DAY)
        assert await kinds(desk, ticket) == []
        await desk.write("Again", to=[mail_id])
        staff = await desk.staff()
        await desk.manager.exchange_messages(staff, ticket, "Try this")
        await sent(desk)
        assert (await ticket_of(desk, ticket)).status is Status.PENDING
        await at(desk, 33 * DAY + MINUTE)
        assert await kinds(desk, ticket) == ["reminded"]
    finally:
        await desk.close()


async def test_once_with_three_at_it(desk: TestDesk, store: Store) -> None:
    """Three instances look at the same moment, after a long time down: each ticket is reminded, and closed, once."""
    mine = [await pending(desk) for _ in range(6)]
    desk.clock.offset = 60 * DAY
    await asyncio.gather(*(remind(jobs(desk)) for _ in range(3)))
    assert store.count("deliveries", "data LIKE '%\"reminder\"%'") == len(mine)
    await sent(desk)
    desk.clock.offset = 90 * DAY
    await asyncio.gather(*(close_pending(jobs(desk)) for _ in range(3)))
    assert store.count("deliveries", "data LIKE '%\"auto_closed\"%'") == len(mine)
    for ticket in mine:
        assert await kinds(desk, ticket) == ["reminded", "closed_unresolved"]


async def _many(desk: TestDesk, count: int) -> None:
    """So many tickets of one requester that have been pending for long."""
    first = await pending(desk)
    requester = (await ticket_of(desk, first)).requester_id
    row = {"status": "pending", "waiting_since": None}
    await fill(desk, count, requester, lambda n: {**row, "pending_since": desk.clock.now() - 9 * DAY})
    people = (
        "INSERT INTO participants (ticket_id, identity_key, role, place, since_seq) SELECT t.id, p.identity_key, "
        "p.role, p.place, 0 FROM tickets t, participants p WHERE p.ticket_id = :t AND t.id <> :t"
    )
    await desk.database.unit(lambda tx: tx.run(text(people), {"t": first}))


async def test_a_storm_waits_for_what_is_to_be_sent(desk: TestDesk, store: Store) -> None:
    """Turns are small, and no more are noted than can go: the rest follows when those have."""
    await _many(desk, 150)
    assert await remind(jobs(desk))
    assert store.count("deliveries", "state = 'queued'") == 20
    for _ in range(10):
        await remind(jobs(desk))
    assert store.count("deliveries", "state = 'queued'") == ROOM * 20
    assert not await remind(jobs(desk)), "it waits"
    for _ in range(5):
        await sent(desk)
        while await remind(jobs(desk)):
            pass
    assert store.count("tickets", "reminded_at IS NOT NULL") == 150
    assert store.count("deliveries", "data LIKE '%\"reminder\"%'") == 150


async def test_a_turn_ends_in_time(desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine a turn ends before its batch does: others wait for its end. The next one goes on."""
    monkeypatch.setattr(reminding, "TURN", 0.0)
    await _many(desk, 3)
    for done in (1, 2):
        assert await remind(jobs(desk))
        assert store.count("tickets", "reminded_at IS NOT NULL") == done
    assert not await remind(jobs(desk))
    assert store.count("tickets", "reminded_at IS NOT NULL") == 3


async def test_the_index_serves_it(desk: TestDesk, store: Store) -> None:
    """Neither job looks at tickets that aren't due."""
    if not store.sqlite:
        pytest.skip("SQLite's plan is easily read")
    plan = (
        "EXPLAIN QUERY PLAN SELECT id FROM tickets WHERE status = 'pending' AND queue = 'support' "
        "AND reminded_at IS NULL AND pending_since <= '2026-01-01' ORDER BY pending_since, id LIMIT 100"
    )
    rows = await desk.database.read(lambda tx: tx.all(text(plan)))
    assert [row.detail for row in rows] == [
        "SEARCH tickets USING COVERING INDEX ix_tickets_pending "
        "(status=? AND queue=? AND reminded_at=? AND pending_since<?)"
    ]
