"""A report made without signing in is confirmed by who is signed in, too: by a word, or by anything they do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.failures import NotAllowed, NotFound
from core.manager import TicketManager
from core.people import mail_person
from core.shapes import Actor, Visibility
from core.status import Status, Ticket
from core.views import TicketCriteria
from tests.core.commands import dans_ticket, pressed
from tests.core.desk import ANN, BOB, TestDesk, slack_person
from tests.core.received import event_kinds
from tests.core.test_manager import as_person
from tests.stores import Store

Does = Callable[[TicketManager, Actor, int], Awaitable[object]]
WAYS: dict[str, Does] = {
    "word": lambda manager, ann, number: manager.confirm_own(ann, number),
    "reply": lambda manager, ann, number: manager.exchange_messages(ann, number, "Still so."),
    "resolve": lambda manager, ann, number: manager.assign_status(ann, number, Status.RESOLVED),
}


async def _is_confirmed(desk: TestDesk, store: Store, ticket: Ticket) -> None:
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 0
    assert store.count("deliveries", "state = 'held'") == 0
    assert (await event_kinds(desk, ticket.id)).count("confirmed") == 1
    heads = "SELECT lane FROM deliveries WHERE due_at IS NOT NULL AND ticket_id = :id GROUP BY lane"
    lanes = store.rows("SELECT DISTINCT lane FROM deliveries WHERE ticket_id = :id", id=ticket.id)
    assert len(store.rows(heads, id=ticket.id)) == len(lanes), "each lane has its turn"


@pytest.mark.parametrize("way", WAYS)
async def test_its_requester_confirms_it_signed_in(desk: TestDesk, store: Store, way: str) -> None:
    """What waited goes out, once; another report under their name stays as it is; the link does nothing more."""
    ann = await as_person(desk, "ann@example.com")
    ticket = await desk.manager.report(ANN, "Printer", "It burns.")
    asked = store.value("SELECT data FROM deliveries WHERE data LIKE '%confirm%'")
    assert (await desk.manager.show_ticket(ann, ticket.id)).asked
    await WAYS[way](desk.manager, ann, ticket.id)
    await _is_confirmed(desk, store, ticket)
    assert not (await desk.manager.show_ticket(ann, ticket.id)).asked
    other = await desk.manager.report(ANN, "Mouse", "Gone.")
    links = store.count("deliveries", "data LIKE '%/confirm/%'")
    assert links == 2, "the link of what is confirmed keeps nobody from another one"
    await WAYS[way](desk.manager, ann, ticket.id)
    await desk.manager.confirm(asked.split("/confirm/")[1].split('"')[0])
    assert (await event_kinds(desk, ticket.id)).count("confirmed") == 1
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=other.id) == 1


async def test_rating_it_confirms_it(desk: TestDesk, store: Store) -> None:
    ann = await as_person(desk, "ann@example.com")
    ticket = await desk.manager.report(ANN, "Printer", "It burns.")
    await desk.manager.assign_status(await desk.staff(), ticket.id, Status.RESOLVED)
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 1
    await desk.manager.rate(ann, ticket.id, 5)
    await _is_confirmed(desk, store, ticket)


async def test_a_click_in_slack_confirms_it(desk: TestDesk, store: Store) -> None:
    """There it's them as well; one that is refused says nothing."""
    dan = slack_person("dan", ANN.address, place="T1/D1#1.0")
    await dans_ticket(desk, sender=dan)
    ticket = await desk.manager.report(ANN, "Printer", "It burns.")
    await pressed(desk, ticket.id, "rate", "5", sender=dan)
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 1
    await pressed(desk, ticket.id, "resolve", sender=dan)
    await _is_confirmed(desk, store, ticket)


async def test_nobody_else_does(desk: TestDesk, store: Store) -> None:
    """Not staff, not who takes part, not a stranger; none of them is asked."""
    ada, bob = await desk.staff(), await as_person(desk, "bob@example.org")
    eve = await as_person(desk, "eve@example.net")
    ticket = await desk.manager.report(ANN, "Printer", "It burns.")
    await desk.manager.admit(ada, ticket.id, BOB.address)
    for actor, failure in ((ada, NotAllowed), (bob, NotAllowed), (eve, NotFound)):
        with pytest.raises(failure):
            await desk.manager.confirm_own(actor, ticket.id)
    for actor in (ada, bob):
        assert not (await desk.manager.show_ticket(actor, ticket.id)).asked
    await desk.manager.exchange_messages(bob, ticket.id, "Me too")
    await desk.manager.exchange_messages(ada, ticket.id, "A note", visibility=Visibility.NOTE)
    await desk.manager.assign_status(ada, ticket.id, Status.PENDING)
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 1
    assert "confirmed" not in await event_kinds(desk, ticket.id)
    assert store.count("deliveries", "state = 'held'") > 0


async def test_staff_who_are_named_as_the_requester(desk: TestDesk, store: Store) -> None:
    """What they do as staff says nothing of it; their answer to it does."""
    ada = await desk.staff()
    ticket = await desk.manager.report(mail_person(ada.email), "Printer", "It burns.")
    await desk.manager.assign_status(ada, ticket.id, Status.PENDING)
    await desk.manager.exchange_messages(ada, ticket.id, "Who was it?", visibility=Visibility.NOTE)
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 1
    await desk.manager.exchange_messages(ada, ticket.id, "It was me.")
    assert store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket.id) == 0


async def test_all_at_once(desk: TestDesk, store: Store) -> None:
    """The button, the link and answers at the same time confirm it once, and all is said."""
    ann = await as_person(desk, "ann@example.com")
    ticket = await desk.manager.report(ANN, "Printer", "It burns.")
    asked = store.value("SELECT data FROM deliveries WHERE data LIKE '%confirm%'")
    await asyncio.gather(
        *(desk.manager.confirm_own(ann, ticket.id) for _ in range(3)),
        *(desk.manager.exchange_messages(ann, ticket.id, f"More {n}") for n in range(3)),
        desk.manager.confirm(asked.split("/confirm/")[1].split('"')[0]),
    )
    await _is_confirmed(desk, store, ticket)
    assert (await event_kinds(desk, ticket.id)).count("message") == 3
    assert len((await desk.manager.view_tickets(ann, TicketCriteria())).tickets) == 1
