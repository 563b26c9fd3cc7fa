"""What is told of targets, to whom, and that it happens once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from core import target_watch
from core.audience import Agent, Scene
from core.jobs import Jobs
from core.receive import Claim
from core.shapes import Priority, Role, Visibility
from core.staffing import StaffMember
from core.status import Status, Ticket
from core.tables import events, settings, tickets
from core.target_watch import heard, look_at, watch
from tests.core.commands import events_of, lines, ticket_of, to_requesters
from tests.core.desk import TRIAGE, TestDesk, mail
from tests.core.filling import fill
from tests.stores import Store

HOUR = timedelta(hours=1)
SUPPORT: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "first_response_target": "4h",
    "resolution_target": "40h",
    "escalate_to": ["Mia", "gone"],
}
STAFF = [
    {"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace"},
    {"username": "ben", "email": "ben@example.com"},
    {"username": "mia", "email": "mia@example.com", "role": "manager"},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk whose queue has targets and somebody to escalate to."""
    opened = await TestDesk.open(
        store, queue=[SUPPORT], staff=STAFF, scheduler={"batch": 20}, notices={"bundle": "60s"}
    )
    yield opened
    await opened.close()


@pytest.fixture
async def mailed(store: Store) -> AsyncIterator[TestDesk]:
    """The same without Slack."""
    queue = {**SUPPORT, "slack_channel": ""}
    opened = await TestDesk.open(store, queue=[queue], staff=STAFF, slack={"enabled": False})
    yield opened
    await opened.close()


def jobs(desk: TestDesk) -> Jobs:
    return Jobs(desk.desk, desk.database, desk.blobs)


async def opened(desk: TestDesk) -> int:
    ticket = (await desk.write("My screen is dark")).ticket_id
    assert ticket is not None
    return ticket


async def at(desk: TestDesk, passed: timedelta) -> None:
    """So much time has passed since the test began; the job has run."""
    desk.clock.offset = passed
    for _ in range(3):
        await watch(jobs(desk))


def personal(store: Store, sql: str = "data LIKE '%\"due\"%' AND place <> 'C1'") -> list[tuple[str, str]]:
    """Whom a notice of a target goes to: channel and place."""
    rows = store.rows(f"SELECT channel, place FROM deliveries WHERE kind = 'notice' AND {sql} ORDER BY id")
    return [(row["channel"], row["place"]) for row in rows]


async def told(desk: TestDesk, ticket: int) -> list[tuple[str, str]]:
    """The events of targets: kind and which."""
    found = await events_of(desk, ticket)
    return [(kind, data["target"]) for kind, data in found if kind.startswith("target_")]


async def test_near_then_missed_each_once(desk: TestDesk, store: Store) -> None:
    """A line in the thread, the card anew, a manager when it's missed; the requester hears nothing."""
    ticket = await opened(desk)
    await at(desk, 3 * HOUR - timedelta(minutes=1))
    assert await told(desk, ticket) == []
    before = await ticket_of(desk, ticket)
    await at(desk, 3 * HOUR + timedelta(seconds=5))
    assert await told(desk, ticket) == [("target_near", "first")]
    assert before.first_due_at is not None
    shown = f"{before.first_due_at:%Y-%m-%d %H:%M} (UTC)"
    assert lines(store, ticket) == [f"Target near: the first response is due {shown}."]
    assert personal(store) == [], "nobody has it, and the thread is there"
    assert store.count("deliveries", "kind = 'card' AND state = 'queued'") >= 1
    await at(desk, 4 * HOUR + timedelta(seconds=5))
    assert await told(desk, ticket) == [("target_near", "first"), ("target_missed", "first")]
    assert lines(store, ticket)[1:] == [f"Target missed: the first response was due {shown}."]
    assert personal(store) == [("email", "mia@example.com")]
    assert to_requesters(store, ticket) == ["notice:ack"]
    after = await ticket_of(desk, ticket)
    assert after.updated_at == before.updated_at, "nothing happened to the ticket"
    assert after.targets_at is not None
    assert after.clock_since is not None
    assert after.targets_at == after.clock_since + 30 * HOUR
    row = (await desk.database.read(lambda tx: tx.all(select(events).where(events.c.kind == "target_near"))))[
        0
    ]
    assert (row.public, row.queue, row.data["due"]) == (False, "support", before.first_due_at.isoformat())


async def test_the_assignee_hears_of_it(desk: TestDesk, store: Store) -> None:
    """By mail, or by a direct message where Slack knows them: one that belongs to no ticket."""
    mine, bens = await opened(desk), await opened(desk)
    boss = await desk.staff("mia")
    await desk.manager.assign(boss, mine, "ada")
    await desk.manager.assign(boss, bens, "ben")

    async def known(tx: Any) -> None:
        await tx.run(
            text(
                "INSERT INTO identities (`key`, user_id, kind, address, guest) "
                "SELECT :k, id, 'slack', 'T1/UBEN', 0 FROM users WHERE username = 'ben'"
            ),
            {"k": b"b" * 32},
        )

    await desk.database.unit(known)
    await at(desk, 3 * HOUR + timedelta(seconds=5))
    assert sorted(personal(store)) == [("email", "ada@example.com"), ("slack", "T1/UBEN")]
    row = store.rows("SELECT ticket_id, data FROM deliveries WHERE place = 'T1/UBEN'")[0]
    assert row["ticket_id"] == 0
    (line,) = json.loads(row["data"])["lines"]
    assert (line["news"], line["ticket"], line["title"], line["target"]) == (
        "near",
        bens,
        "A question",
        "first",
    )
    await at(desk, 4 * HOUR + timedelta(seconds=5))
    assert sorted(personal(store)) == [
        ("email", "ada@example.com"),
        ("email", "ada@example.com"),
        ("email", "mia@example.com"),
        ("slack", "T1/UBEN"),
        ("slack", "T1/UBEN"),
    ]
    row = store.rows("SELECT data FROM deliveries WHERE place = 'mia@example.com'")[0]
    both = [(line["news"], line["ticket"]) for line in json.loads(row["data"])["lines"]]
    assert sorted(both) == [("missed", mine), ("missed", bens)], "two within a minute: one message"


async def test_where_staff_read_mail_all_hear_of_what_nobody_has(mailed: TestDesk, store: Store) -> None:
    """A desk without Slack: all agents, and once the manager who is one of them."""
    ticket = await opened(mailed)
    await at(mailed, 4 * HOUR + timedelta(seconds=5))
    assert await told(mailed, ticket) == [("target_missed", "first")], "it was near while nobody looked"
    places = [f"{name}@example.com" for name in ("ada", "ben", "mia")]
    assert sorted(personal(store)) == [("email", place) for place in places]
    await mailed.manager.assign(await mailed.staff(), ticket, "ben")
    await at(mailed, 30 * HOUR + timedelta(seconds=5))
    assert personal(store)[3:] == [("email", "ben@example.com")]


async def test_met_in_time_nobody_hears(desk: TestDesk, store: Store) -> None:
    """Answered, resolved, pending, spam: the target is gone; looked at too late it isn't told."""
    cases = [await opened(desk) for _ in range(4)]
    staff = await desk.staff()
    await desk.manager.exchange_messages(staff, cases[0], "Try again", visibility=Visibility.PUBLIC)
    await desk.manager.assign_status(staff, cases[1], Status.RESOLVED)
    await desk.manager.assign_status(staff, cases[2], Status.PENDING)
    await desk.database.unit(lambda tx: _spam(tx, desk, staff, cases[3]))
    await at(desk, 5 * HOUR)
    for ticket in cases:
        await look_at(jobs(desk), ticket)
        assert await told(desk, ticket) == []
    answered = await ticket_of(desk, cases[0])
    assert (answered.first_due_at, answered.next_due_at) == (None, None)
    assert answered.resolve_due_at is not None
    assert [(await ticket_of(desk, t)).targets_at for t in cases[1:]] == [None, None, None]


async def _spam(tx: Any, desk: TestDesk, staff: Any, ticket: int) -> None:
    from core import spamming

    await spamming.mark(tx, desk.desk, staff, ticket)


async def test_several_instances_and_a_later_priority(desk: TestDesk, store: Store) -> None:
    """Each notice once, whoever looks; a ticket that is pressing now is told of at once."""
    found = [await opened(desk) for _ in range(4)]
    desk.clock.offset = 3 * HOUR + timedelta(seconds=5)
    await asyncio.gather(*(watch(jobs(desk)) for _ in range(4)))
    assert store.count("events", "kind = 'target_near'") == len(found)
    assert store.count("tickets", "targets_at <= '2000-01-01' OR targets_at IS NULL") == 0


async def test_the_rows_hold_what_was_counted(desk: TestDesk) -> None:
    """By priority and queue, in pending, after reopening: as the row has it, read again."""
    ticket = await opened(desk)
    staff = await desk.staff()
    desk.clock.offset = HOUR
    await desk.manager.assign_status(staff, ticket, Status.PENDING)
    pending = await ticket_of(desk, ticket)
    assert (pending.clock_since, pending.first_due_at, pending.targets_at) == (None, None, None)
    assert pending.pending_since is not None
    worked = pending.pending_since - pending.created_at  # by the rows' own times, however slow the test is
    assert HOUR <= worked < 2 * HOUR
    assert timedelta() <= worked - pending.clock_used < timedelta(seconds=1)
    desk.clock.offset = 11 * HOUR
    await desk.manager.assign_status(staff, ticket, Status.OPEN)
    again = await ticket_of(desk, ticket)
    assert again.first_due_at is not None
    assert again.clock_since is not None
    assert again.clock_since - pending.pending_since > 9 * HOUR
    assert again.first_due_at == again.clock_since + 4 * HOUR - pending.clock_used


async def test_events_tell_how_long_it_took(desk: TestDesk) -> None:
    """What the figures read: of the first answer, a further one, and the resolution."""
    ticket = await opened(desk)
    staff = await desk.staff()
    desk.clock.offset = 5 * HOUR
    await desk.manager.exchange_messages(staff, ticket, "Try again", visibility=Visibility.PUBLIC)
    await desk.manager.exchange_messages(staff, ticket, "And again", visibility=Visibility.PUBLIC)
    desk.clock.offset = 6 * HOUR
    await desk.manager.assign_status(staff, ticket, Status.RESOLVED)
    found = dict(reversed([e for e in await events_of(desk, ticket) if e[0] in ("answered", "resolved")]))
    rows = await desk.database.read(
        lambda tx: tx.all(select(events).where(events.c.kind.in_(found)).order_by(events.c.id))
    )
    begun = (await ticket_of(desk, ticket)).created_at
    answer, _, resolution = ((row.at - begun).total_seconds() for row in rows)
    assert 5 * 3600 <= answer < resolution
    assert found["answered"]["first"] is True
    assert found["answered"]["wall"] == pytest.approx(answer, abs=1)
    assert found["answered"]["business"] == found["answered"]["wall"]
    assert found["answered"]["met"] is False
    assert (found["resolved"]["from"], found["resolved"]["to"]) == ("open", "resolved")
    assert found["resolved"]["business"] == pytest.approx(resolution, abs=1)
    assert found["resolved"]["met"] is True
    second = [data for kind, data in await events_of(desk, ticket) if kind == "answered"][1]
    assert set(second) == {"message", "first"}
    assert second["first"] is False


async def test_older_tickets_get_theirs_once(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open tickets of before: in bounded turns, which end; nobody hears of what they have missed."""
    requester = (await ticket_of(desk, await opened(desk))).requester_id
    await fill(desk, 40, requester, lambda n: {"created_at": datetime.now(UTC) - timedelta(hours=n)})
    monkeypatch.setattr(target_watch, "_WINDOW", 7)
    turns = 0
    while await watch(jobs(desk)):
        turns += 1
        assert turns < 400
    assert store.count("tickets", "status IN ('new', 'open', 'pending') AND targets_told = ''") == 0
    assert store.count("tickets", "status IN ('new', 'open') AND targets_at IS NOT NULL") > 10
    assert store.count("events", "kind LIKE 'target%'") == 0
    assert store.count("tickets", "status = 'closed' AND targets_told <> ''") == 0
    value = await desk.database.read(
        lambda tx: tx.scalar(select(settings.c.value).where(settings.c.scope == target_watch.SCOPE))
    )
    assert value["after"] == value["until"] >= store.count("tickets")
    assert not await watch(jobs(desk))


async def test_out_of_an_archive(desk: TestDesk, store: Store) -> None:
    """It has no targets, and nothing is told of it."""
    await desk.take_in(mail("Long ago"))
    claim = Claim(item_id=store.rows("SELECT id FROM inbox")[0]["id"], quiet=True)
    ticket = (await desk.manager.receive(mail("Long ago"), claim)).ticket_id
    assert ticket is not None
    await at(desk, 50 * HOUR)
    found = await ticket_of(desk, ticket)
    assert (found.targets_told, found.targets_at, found.clock_since) == ("imported", None, None)
    assert await told(desk, ticket) == []


async def test_a_turn_has_an_end(desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a batch at once; what is left comes with the next turn."""
    monkeypatch.setattr(target_watch, "TURN", 60.0)
    requester = (await ticket_of(desk, await opened(desk))).requester_id
    running = {"status": "open", "targets_told": "on", "clock_since": datetime.now(UTC)}
    await fill(desk, 24, requester, lambda n: running)
    due = {"targets_at": datetime.now(UTC), "resolve_due_at": datetime.now(UTC)}
    await desk.database.unit(lambda tx: tx.run(update(tickets).values(**due)))
    desk.clock.offset = 41 * HOUR
    for missed in (20, 25):
        assert await watch(jobs(desk)) is (missed == 20)
        assert store.count("events", "kind = 'target_missed' AND data LIKE '%resolve%'") == missed
    assert store.count("tickets", "targets_at IS NOT NULL") == 0


def test_who_hears() -> None:
    """The assignee; where there is none the queue's agents; of a missed one those above, nobody twice."""
    members = [_member(n, name) for n, name in enumerate(("ada", "ben", "mia"), 1)]
    agents = [Agent(user_id=m.user_id, email=m.email, key=b"") for m in members[:2]]

    def names(assignee: int | None, missed: bool, by_mail: bool, above: tuple[str, ...] = ("mia",)) -> str:
        ticket = _ticket(assignee)
        scene = Scene(
            ticket=ticket, triage=None, agents=agents if by_mail else (), listeners=(), actor_id=None
        )
        return " ".join(m.username for m in heard(scene, members, above, missed=missed))

    assert names(1, False, True) == "ada"
    assert names(1, True, False) == "ada mia"
    assert names(3, True, True) == "mia"
    assert names(None, False, True) == "ada ben"
    assert names(None, False, False) == ""
    assert names(None, True, False, ("MIA", "nobody")) == "mia"
    assert names(None, True, False, ()) == ""


def _member(number: int, name: str) -> StaffMember:
    return StaffMember(
        user_id=number,
        username=name,
        name=name,
        email=f"{name}@example.com",
        slack_user="",
        role=Role.AGENT,
        source="config",
    )


def _ticket(assignee: int | None) -> Ticket:
    from tests.core.test_targets import fresh

    return fresh(assignee_id=assignee, priority=Priority.NORMAL)
