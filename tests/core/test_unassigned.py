"""The list of what nobody has taken: who is on it, where it goes, and on which days."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import runs
from core.hours import DAYS
from core.jobs import Jobs, Slot
from core.shapes import Priority
from core.status import Status
from core.tables import events
from core.unassigned import MOST, jobs_of, works
from tests.core.commands import ticket_of
from tests.core.desk import TRIAGE, TestDesk, mail
from tests.core.filling import fill
from tests.stores import Store

HOUR = timedelta(hours=1)
SUPPORT: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "unassigned_after": "8h",
}
STAFF = [
    {"username": "ada", "email": "ada@example.com"},
    {"username": "ben", "email": "ben@example.com"},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk with a triage channel."""
    opened = await TestDesk.open(store, queue=[SUPPORT], staff=STAFF)
    yield opened
    await opened.close()


@pytest.fixture
async def mailed(store: Store) -> AsyncIterator[TestDesk]:
    """The same without Slack."""
    queue = {**SUPPORT, "slack_channel": ""}
    opened = await TestDesk.open(store, queue=[queue], staff=STAFF, slack={"enabled": False})
    yield opened
    await opened.close()


async def listed(desk: TestDesk, number: int = 1) -> str | None:
    """The job's slot: what its run shows; None where somebody had it."""
    job = jobs_of(desk.config)[0]
    slot = Slot(desk.clock.now().replace(microsecond=number), late=False)
    effect = await job.run(Jobs(desk.desk, desk.database, desk.blobs), slot)
    return await runs.carry_out(desk.database, job.name, slot.at, effect)


def lists(store: Store) -> list[dict[str, Any]]:
    """What was noted for no ticket, in order."""
    rows = store.rows("SELECT channel, place, desk, data FROM deliveries WHERE ticket_id = 0 ORDER BY id")
    return [{**row, **json.loads(row["data"])} for row in rows]


async def opened(desk: TestDesk, subject: str) -> int:
    ticket = (await desk.manager.receive(mail("Help", subject=subject))).ticket_id
    assert ticket is not None
    return ticket


async def test_who_is_on_it(desk: TestDesk, store: Store) -> None:
    """Who waits for staff for so long, with nobody, and isn't put aside; the longest wait first."""
    first = await opened(desk, "The first <!channel>")
    taken, answered, aside = [await opened(desk, name) for name in ("taken", "pending", "aside")]
    ada = await desk.staff()
    await desk.manager.assign(ada, taken, "ada")
    await desk.manager.assign_status(ada, answered, Status.PENDING)
    store.execute("UPDATE tickets SET snoozed_until = '2999-01-01' WHERE id = :t", t=aside)
    assert await listed(desk) == "nothing to list"
    desk.clock.offset = 5 * HOUR
    urgent = await opened(desk, "Urgent")
    await desk.manager.set_priority(ada, urgent, Priority.URGENT)
    desk.clock.offset = 7 * HOUR
    await opened(desk, "too young")
    desk.clock.offset = 8 * HOUR - timedelta(minutes=1)
    assert await listed(desk, 2) == "nothing to list"
    assert lists(store) == []
    desk.clock.offset = 14 * HOUR
    assert await listed(desk, 3) == "listed 2 to the triage channel"
    [one] = lists(store)
    assert (one["channel"], one["place"], bool(one["desk"])) == ("slack", TRIAGE, True)
    assert one["text"].split("\n") == [
        "2 tickets wait in support for somebody to take them:",
        f"#{first} The first <!channel> (waits 14 h)",
        f"#{urgent} Urgent (waits 9 h, urgent)",
    ]
    assert (await ticket_of(desk, first)).assignee_id is None


async def test_what_staff_opened_again(desk: TestDesk, store: Store) -> None:
    """Nobody waits there, and nobody has it: on the list from then on, until somebody answers, takes or ends it."""
    ada = await desk.staff()
    ids = [await opened(desk, name) for name in ("resolved", "pending", "answered", "taken", "young")]
    for ticket in ids:
        await desk.manager.exchange_messages(ada, ticket, "Is it plugged in?")
        await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    await desk.manager.assign_status(ada, ids[1], Status.PENDING)
    desk.clock.offset = HOUR
    for ticket in ids[:4]:
        await desk.manager.assign_status(ada, ticket, Status.OPEN)
    await desk.manager.exchange_messages(ada, ids[2], "Once more: is it?")
    await desk.manager.assign(ada, ids[3], "ben")
    desk.clock.offset = 9 * HOUR - timedelta(minutes=1)
    assert await listed(desk) == "nothing to list"
    await desk.manager.assign_status(ada, ids[4], Status.OPEN)
    desk.clock.offset = 10 * HOUR
    assert await listed(desk, 2) == "listed 2 to the triage channel"
    (one,) = [each for each in lists(store) if "text" in each]
    assert one["text"].split("\n")[1:] == [
        f"#{ids[0]} resolved (open again for 9 h)",
        f"#{ids[1]} pending (open again for 9 h)",
    ]
    await desk.manager.exchange_messages(ada, ids[0], "There.")
    await desk.manager.assign_status(ada, ids[1], Status.RESOLVED)
    assert await listed(desk, 3) == "nothing to list"


async def test_both_kinds_in_the_order_of_their_wait(desk: TestDesk, store: Store) -> None:
    """Twenty lines of all together."""
    ticket = await ticket_of(desk, await opened(desk, "A question"))
    old = desk.clock.now() - 99 * HOUR
    await fill(desk, 15, ticket.requester_id, lambda n: {"status": "open", "waiting_since": old + n * HOUR})
    await fill(desk, 15, ticket.requester_id, lambda n: {"status": "open", "waiting_since": None})
    ids = [row["id"] for row in store.rows("SELECT id FROM tickets WHERE waiting_since IS NULL")]
    row = {"kind": "reopened", "actor_name": "Ada", "public": True, "queue": "support", "data": {}}
    rows = [{**row, "ticket_id": one, "at": old + n * HOUR} for n, one in enumerate(ids)]
    await desk.database.unit(lambda tx: tx.run(events.insert(), rows))
    desk.clock.offset = 9 * HOUR
    assert await listed(desk) == "listed 31 to the triage channel"
    lines = lists(store)[0]["text"].split("\n")
    assert (len(lines), lines[-1]) == (MOST + 2, "and 11 more")
    assert [sum("open again" in one for one in lines), sum("(waits" in one for one in lines)] == [10, 10]


async def test_once_a_slot(desk: TestDesk, store: Store) -> None:
    """Whoever comes second finds the slot taken."""
    await opened(desk, "A question")
    desk.clock.offset = 9 * HOUR
    assert await listed(desk) == "listed 1 to the triage channel"
    job = jobs_of(desk.config)[0]
    slot = Slot(desk.clock.now().replace(microsecond=1), late=False)
    effect = await job.run(Jobs(desk.desk, desk.database, desk.blobs), slot)
    await runs.carry_out(desk.database, job.name, slot.at, effect)
    again = await runs.carry_out(desk.database, job.name, slot.at, effect)
    assert again is None


async def test_twenty_lines_and_so_many_more(desk: TestDesk, store: Store) -> None:
    """One message, whatever there is."""
    ticket = await ticket_of(desk, await opened(desk, "A question"))
    old = desk.clock.now() - 99 * HOUR
    await fill(desk, 130, ticket.requester_id, lambda n: {"status": "open", "waiting_since": old})
    desk.clock.offset = 9 * HOUR
    assert await listed(desk) == "listed 131 to the triage channel"
    lines = lists(store)[0]["text"].split("\n")
    assert lines[0].startswith("131 tickets wait")
    assert (len(lines), lines[-1]) == (MOST + 2, "and 111 more")


async def test_by_mail_where_there_is_no_channel(mailed: TestDesk, store: Store) -> None:
    """Each agent of the queue gets it."""
    await opened(mailed, "A question")
    mailed.clock.offset = 9 * HOUR
    assert await listed(mailed) == "listed 1 to 2 agents by mail"
    assert {one["place"] for one in lists(store)} == {"ada@example.com", "ben@example.com"}
    assert {one["subject"] for one in lists(store)} == {"Tickets that nobody has taken: support"}


async def test_nothing_while_all_is_on_hold(desk: TestDesk, store: Store) -> None:
    """It would be old when it goes."""
    await opened(desk, "A question")
    await desk.operations.pause()
    desk.clock.offset = 9 * HOUR
    assert await listed(desk) == "skipped: everything outgoing is on hold"
    assert lists(store) == []


async def test_free_days(store: Store) -> None:
    """By the queue's own clocks and hours; a queue that works around the clock has none."""
    berlin = {
        **SUPPORT,
        "name": "berlin",
        "addresses": ["berlin@example.com"],
        "business_hours": "mon-fri 09:00-17:00",
        "timezone": "Europe/Berlin",
        "holidays": "DE-BY",
    }
    sydney = {
        **SUPPORT,
        "business_hours": "mon-fri 09:00-17:00",
        "timezone": "Australia/Sydney",
        "extra_holidays": ["2026-12-24"],
    }
    around = {**SUPPORT, "name": "around", "addresses": ["around@example.com"]}
    silent = {**SUPPORT, "name": "silent", "addresses": ["silent@example.com"], "unassigned_after": "0s"}
    config = store.config(queue=[sydney, around, silent, berlin])
    names = ["unassigned:support", "unassigned:around", "unassigned:berlin"]
    assert [job.name for job in jobs_of(config)] == names
    assert [job.zone.key for job in jobs_of(config)] == ["Australia/Sydney", "UTC", "Europe/Berlin"]
    first = config.queue[0]
    sunday_there = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)  # 01:00 on Sunday in Sydney
    assert DAYS[sunday_there.weekday()] == "saturday"
    assert not works(config, first, sunday_there)
    assert works(config, first, datetime(2026, 11, 29, 22, 0, tzinfo=UTC)), "Monday morning there"
    assert not works(config, first, datetime(2026, 12, 23, 22, 0, tzinfo=UTC)), "a day of its own"
    assert works(config, config.queue[1], sunday_there)
    epiphany = datetime(2027, 1, 6, 8, 0, tzinfo=UTC)  # a Wednesday, in Bavaria free
    assert not works(config, config.queue[3], epiphany)
    assert works(config, first, epiphany)


async def test_a_free_day_says_so(store: Store) -> None:
    """ "skipped" is what `jobs list` shows."""
    days = [name[:3] for name in DAYS]
    today = datetime.now(UTC) + 9 * HOUR
    work = [day for day in days if day != days[today.weekday()]]
    queue = {**SUPPORT, "business_hours": f"{' '.join(work)} 09:00-17:00"}
    desk = await TestDesk.open(store, queue=[queue], staff=STAFF)
    try:
        await opened(desk, "A question")
        desk.clock.offset = 9 * HOUR
        assert await listed(desk) == "skipped: a free day"
        assert lists(store) == []
    finally:
        await desk.close()
