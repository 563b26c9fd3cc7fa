"""Tickets that are put aside: until when, what ends it, and that it happens once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.failures import Invalid
from core.jobs import JOBS, Jobs
from core.snoozing import Until, take_up, wake, wanted
from core.status import Status
from tests.core.commands import (
    DAN,
    KIM,
    dans_ticket,
    events_of,
    lines,
    pressed,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import BOB, EVE, TestDesk, mail, post
from tests.stores import Store

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (("2d",), NOW + timedelta(days=2)),
        (("1h30m",), NOW + timedelta(minutes=90)),
        (("2", "d"), NOW + timedelta(days=2)),
        (("until", "3h"), NOW + timedelta(hours=3)),
        (("until", "2026-12-01"), datetime(2026, 11, 30, 23, 0, tzinfo=UTC)),
        (("2026-12-01",), datetime(2026, 11, 30, 23, 0, tzinfo=UTC)),
        (("Until", "2026-12-01", "14:30"), datetime(2026, 12, 1, 13, 30, tzinfo=UTC)),
        (("2026-12-01T14:30",), datetime(2026, 12, 1, 13, 30, tzinfo=UTC)),
        (("2027-07-01", "09:00"), datetime(2027, 7, 1, 7, 0, tzinfo=UTC)),
    ],
)
def test_times(words: tuple[str, ...], at: datetime) -> None:
    """A while from now, or a moment by the queue's clocks (summer time too)."""
    assert wanted(words).at(NOW, "Europe/Berlin") == at


@pytest.mark.parametrize(
    "words",
    [
        ("soon",),
        ("until",),
        ("until", "monday"),
        ("0",),
        ("30s",),
        ("500d",),
        ("9" * 400 + "d",),
        ("2026-11-27",),
        ("2026-11-01",),
        ("2029-01-01",),
        ("0001-01-01",),
        ("9999-12-31",),
        ("0004-02-29",),
        ("9996-02-29",),
        ("2026-12-01T14:00+01:00",),
        ("2026-02-30",),
        ("-2d",),
    ],
)
def test_times_that_make_no_sense(words: tuple[str, ...]) -> None:
    """Passed, too far, too short, or no time at all: refused, never a crash."""
    for zone in ("Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12"):
        with pytest.raises(Invalid):
            wanted(words).at(NOW, zone)


async def _turn(desk: TestDesk) -> bool:
    return await wake(Jobs(desk.desk, desk.database, desk.blobs))


async def test_put_aside_and_here_again(desk: TestDesk, store: Store) -> None:
    """Waits on meanwhile; over time it's here again, once, with one line; the requester hears nothing."""
    ticket = await dans_ticket(desk)
    waiting = (await ticket_of(desk, ticket)).waiting_since
    await typed(desk, ticket, "snooze", "2d")
    snoozed = await ticket_of(desk, ticket)
    assert snoozed.snoozed_until is not None
    assert timedelta(days=1, hours=23) < snoozed.snoozed_until - desk.clock.now() <= timedelta(days=2)
    assert (snoozed.status, snoozed.waiting_since) == (Status.NEW, waiting)
    assert lines(store, ticket)[0].startswith("Ada Lovelace put this aside until 20")
    await _turn(desk)
    assert (await ticket_of(desk, ticket)).snoozed_until is not None, "it isn't over yet"
    desk.clock.offset = timedelta(days=2, minutes=1)
    for _ in range(3):
        assert not await _turn(desk)
    awake = await ticket_of(desk, ticket)
    assert (awake.snoozed_until, awake.waiting_since, awake.status) == (None, waiting, Status.NEW)
    assert lines(store, ticket)[1:] == ["The snooze is over: this ticket is here again."]
    assert [kind for kind, _ in await events_of(desk, ticket)][-2:] == ["snoozed", "woke"]
    assert to_requesters(store, ticket) == ["notice:ack"]


async def test_woken_by_several_at_once(desk: TestDesk, store: Store) -> None:
    """Any number of instances: each ticket once."""
    tickets = [await dans_ticket(desk) for _ in range(4)]
    for ticket in tickets:
        await typed(desk, ticket, "snooze", "1h")
    desk.clock.offset = timedelta(hours=2)
    await asyncio.gather(*(_turn(desk) for _ in range(4)))
    assert store.count("events", "kind = 'woke'") == len(tickets)
    assert store.count("tickets", "snoozed_until IS NOT NULL") == 0


async def test_put_aside_again_meanwhile(desk: TestDesk, store: Store) -> None:
    """Staff gave it another time after the job had looked: that one counts."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "snooze", "1h")
    await take_up(Jobs(desk.desk, desk.database, desk.blobs), ticket)
    await take_up(Jobs(desk.desk, desk.database, desk.blobs), 4711)
    assert (await ticket_of(desk, ticket)).snoozed_until is not None
    assert store.count("events", "kind = 'woke'") == 0


async def test_a_batch_at_a_time(store: Store) -> None:
    """A turn is bounded and says whether there is more."""
    desk = await TestDesk.open(store, scheduler={"batch": 2})
    try:
        for _ in range(3):
            await typed(desk, await dans_ticket(desk), "snooze", "1h")
        desk.clock.offset = timedelta(hours=2)
        assert await _turn(desk)
        assert not await _turn(desk)
        assert store.count("tickets", "snoozed_until IS NOT NULL") == 0
    finally:
        await desk.close()


@pytest.mark.parametrize("who", ["requester", "participant", "mail"])
async def test_its_people_end_it(desk: TestDesk, store: Store, who: str) -> None:
    """A message of the requester's or of a participant's: it's over, and the thread says so."""
    ticket = await dans_ticket(desk)
    await desk.people.known(KIM)
    await pressed(desk, ticket, "cc", "UKIM")
    await pressed(desk, ticket, "cc", "bob@example.org")
    await typed(desk, ticket, "snooze", "2d")
    if who == "mail":
        await desk.write("Any news?", sender=BOB, signed=(ticket,))
    else:
        sender = DAN if who == "requester" else KIM
        place = store.value(
            "SELECT place FROM participants WHERE ticket_id = :t AND role = 'requester'", t=ticket
        )
        conversation = place.partition("#")[0].rpartition("/")[2]
        await desk.manager.receive(
            post("9.0", "Any news?", sender=sender, root="1.0", conversation=conversation)
        )
    assert (await ticket_of(desk, ticket)).snoozed_until is None
    assert lines(store, ticket)[-1].endswith("wrote, so the snooze is over.")
    assert store.count("events", "kind = 'woke'") == 1


async def test_nobody_else_ends_it(desk: TestDesk, store: Store) -> None:
    """Not an outsider, not automatic mail, not staff's answer or note."""
    ticket = await dans_ticket(desk)
    await pressed(desk, ticket, "cc", "bob@example.org")
    await typed(desk, ticket, "snooze", "2d")
    await desk.write("Let me in", sender=EVE, signed=(ticket,))
    await desk.manager.receive(mail("I'm away", sender=BOB, signed=(ticket,), automatic="auto-reply"))
    await desk.manager.exchange_messages(await desk.staff(), ticket, "Still on it")
    assert (await ticket_of(desk, ticket)).snoozed_until is not None
    assert store.count("events", "kind = 'woke'") == 0


@pytest.mark.parametrize("verb", ["resolve", "close", "spam"])
async def test_the_end_of_a_ticket_ends_it(desk: TestDesk, store: Store, verb: str) -> None:
    """What is done with needn't come back; it can't be put aside either."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "snooze", "1h")
    await typed(desk, ticket, verb)
    assert (await ticket_of(desk, ticket)).snoozed_until is None
    desk.clock.offset = timedelta(hours=2)
    await _turn(desk)
    assert store.count("events", "kind = 'woke'") == 0
    await typed(desk, ticket, "snooze", "1h")
    assert "can't be put aside" in whispers(store)[-1]


async def test_off_and_again(desk: TestDesk, store: Store) -> None:
    """`off` ends it, twice is once; another time replaces the first; without words it says how."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "snooze", "off")
    assert store.count("events", "kind = 'woke'") == 0
    await typed(desk, ticket, "snooze", "1h")
    await typed(desk, ticket, "snooze", "2099-01-01")
    assert "too far away" in whispers(store)[-1]
    await typed(desk, ticket, "snooze", "3h")
    until = (await ticket_of(desk, ticket)).snoozed_until
    assert until is not None
    assert until - desk.clock.now() > timedelta(hours=2)
    for _ in range(2):
        await typed(desk, ticket, "snooze", "off")
    assert (await ticket_of(desk, ticket)).snoozed_until is None
    assert lines(store, ticket)[-1] == "Ada Lovelace ended the snooze."
    assert store.count("events", "kind = 'woke'") == 1
    await typed(desk, ticket, "snooze")
    assert "write it like: !snooze 2d" in whispers(store)[-1]


async def test_staff_by_mail_hear_that_it_is_over(store: Store) -> None:
    """A queue without Slack: whoever has it gets a mail, as nobody sees a thread."""
    desk = await TestDesk.open(
        store, slack={"enabled": False}, queue=[{"name": "support", "addresses": ["s@x.example"]}]
    )
    try:
        ticket = (await desk.write()).ticket_id or 0
        await pressed(desk, ticket, "snooze", "1h")
        before = store.count("deliveries")
        desk.clock.offset = timedelta(hours=2)
        await _turn(desk)
        sql = f"SELECT place, data FROM deliveries ORDER BY id LIMIT 9 OFFSET {before}"
        rows = store.rows(sql)
        assert sorted(row["place"] for row in rows) == ["ada@example.com", "grace@example.com"]
        assert all("staff_told" in row["data"] for row in rows)
    finally:
        await desk.close()


async def test_what_is_due_is_found_by_its_index(desk: TestDesk) -> None:
    """Among any number of tickets."""

    async def plan(tx: object) -> str:
        sql = "SELECT id FROM tickets WHERE snoozed_until <= '2030-01-01' ORDER BY snoozed_until LIMIT 100"
        explain = "EXPLAIN QUERY PLAN " if desk.database.sqlite else "EXPLAIN "
        return str(await tx.all(text(explain + sql)))  # type: ignore[attr-defined]

    assert "ix_tickets_snoozed" in await desk.database.read(plan)


def test_it_is_a_job() -> None:
    """Looked at every few seconds, so that it's at most that late."""
    job = next(job for job in JOBS if job.name == "wake")
    assert job.every <= timedelta(seconds=5)
    assert job.repeats
    assert Until(after=timedelta(hours=1)).at(NOW, "UTC") == NOW + timedelta(hours=1)
