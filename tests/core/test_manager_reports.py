"""`TicketManager` makes tickets and takes reports: keys, and reports that wait for their person."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.failures import Invalid, NotAllowed
from core.people import mail_person
from core.shapes import Priority
from core.status import Status
from core.views import Update
from tests.core.desk import ANN, BOB, TestDesk
from tests.core.received import event_kinds, noted, parts, texts
from tests.core.test_manager import as_person
from tests.stores import Store


async def test_create(desk: TestDesk, store: Store) -> None:
    """For oneself, with a card and an acknowledgement; staff also for somebody else."""
    ann = await as_person(desk, "ann@example.com")
    ticket = await desk.manager.create_ticket(ann, "Printer", "It burns.", priority=Priority.HIGH)
    assert (ticket.title, ticket.description, ticket.status) == ("Printer", "It burns.", Status.NEW)
    assert (ticket.priority, ticket.channel, ticket.requester_email) == ("high", "web", "ann@example.com")
    assert not ticket.unconfirmed
    assert noted(store) == ["desk slack card", "out email notice:ack"]
    ada = await desk.staff()
    other = await desk.manager.create_ticket(ada, "Mouse", "Gone.", requester=BOB)
    assert other.requester_email == "bob@example.org"
    assert parts(store, other.id) == {"bob@example.org": "requester"}
    with pytest.raises(NotAllowed):
        await desk.manager.create_ticket(ann, "x", "y", requester=BOB)


@pytest.mark.parametrize(
    "more",
    [
        {"title": " "},
        {"title": "x" * 256},
        {"description": "\n"},
        {"description": "x" * 200_001},
        {"queue": "nowhere"},
    ],
)
async def test_what_makes_no_sense(desk: TestDesk, store: Store, more: dict[str, Any]) -> None:
    """Is refused and leaves nothing."""
    values = {"title": "t", "description": "d", **more}
    with pytest.raises(Invalid):
        await desk.manager.create_ticket(await as_person(desk, "ann@example.com"), **values)
    assert store.count("tickets") == 0


async def test_a_key_makes_one_ticket_and_one_message(desk: TestDesk, store: Store) -> None:
    """The client's key again, at once or later, gives what it gave; another person's same key is another."""
    ann, bob = await as_person(desk, "ann@example.com"), await as_person(desk, "bob@example.org")
    made = await asyncio.gather(
        *(desk.manager.create_ticket(ann, "t", "d", key="k") for _ in range(4)),
        desk.manager.create_ticket(bob, "t", "d", key="k"),
    )
    assert len({t.id for t in made}) == 2
    assert made[-1].requester_email == "bob@example.org"
    written = await asyncio.gather(
        *(desk.manager.exchange_messages(ann, made[0].id, "more", key="m") for _ in range(4))
    )
    assert len({m.id for m in written}) == 1
    again = await desk.manager.exchange_messages(ann, made[0].id, "more", key="m")
    assert again.id == written[0].id
    assert await texts(desk, made[0].id) == ["d", "more"]
    assert store.count("deliveries", "kind = 'message'") == 1


async def test_a_report_waits_for_its_person(desk: TestDesk, store: Store) -> None:
    """Automatic mail waits, one fixed mail asks, staff see it; following the link lets all go, and works once."""
    ticket = await desk.manager.report(ANN, "Secret words", "More of them")
    assert ticket.unconfirmed
    states = [(r["kind"], r["state"]) for r in store.rows("SELECT kind, state FROM deliveries ORDER BY id")]
    assert states == [("card", "queued"), ("notice", "held"), ("notice", "queued")]
    (asked,) = store.rows("SELECT data FROM deliveries WHERE data LIKE '%confirm%'")
    assert "ecret" not in asked["data"]
    token = asked["data"].split("/confirm/")[1].split('"')[0]
    assert await desk.manager.confirm("wrong") is None
    confirmed = await desk.manager.confirm(token)
    assert confirmed is not None
    assert not confirmed.unconfirmed
    assert await desk.manager.confirm(token) is None, "it works once"
    assert store.count("deliveries", "state = 'held'") == 0
    assert (await event_kinds(desk, ticket.id)).count("confirmed") == 1


async def test_a_confirmation_expires(desk: TestDesk, store: Store) -> None:
    """A link that nobody followed for a week works no more."""
    await desk.manager.report(ANN, "t", "d")
    asked = store.value("SELECT data FROM deliveries WHERE data LIKE '%confirm%'")
    desk.clock.offset = timedelta(days=8)
    assert await desk.manager.confirm(asked.split("/confirm/")[1].split('"')[0]) is None


async def test_an_answer_to_an_unconfirmed_report_goes_out(desk: TestDesk, store: Store) -> None:
    """A staff member's words aren't automatic; with them the rest goes too, in order."""
    ticket = await desk.manager.report(ANN, "t", "d")
    await desk.manager.notify_user(await desk.staff(), ticket.id, Update("custom", "Hello"))
    assert store.count("deliveries", "state = 'held'") == 2
    await desk.manager.exchange_messages(await desk.staff(), ticket.id, "Try again")
    assert store.count("deliveries", "state = 'held'") == 0
    lane = store.value("SELECT lane FROM deliveries WHERE kind = 'message' AND desk = 0")
    rows = store.rows("SELECT kind, due_at FROM deliveries WHERE lane = :l ORDER BY seq", l=lane)
    assert [row["kind"] for row in rows] == ["notice", "notice", "notice", "message"]
    assert [row["due_at"] is not None for row in rows] == [True, False, False, False], "one head"


async def test_confirmation_mails_are_capped(desk: TestDesk, store: Store) -> None:
    """Per address while none was followed, and per source; a link confirms the report that it was mailed for."""
    first = await desk.manager.report(ANN, "t0", "d", source="1.2.3.4")
    for number in (1, 2):
        await desk.manager.report(ANN, f"t{number}", "d", source="1.2.3.4")
    for number in range(22):
        person = mail_person(f"p{number}@example.com")
        await desk.manager.report(person, "t", "d", source="1.2.3.4")
    asked = store.rows("SELECT data FROM deliveries WHERE data LIKE '%confirm%' ORDER BY id")
    assert len(asked) == 20
    await desk.manager.confirm(asked[0]["data"].split("/confirm/")[1].split('"')[0])
    assert [row["id"] for row in store.rows("SELECT id FROM tickets WHERE unconfirmed = 0")] == [first.id]
    assert store.count("deliveries", "state = 'held'") == 24, "no other report's"
