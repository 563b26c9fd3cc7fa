"""Tickets are found by their words, by whoever may read these, before and after their entries are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from core import editing, searching
from core.indexing import index
from core.jobs import Jobs
from core.matching import find, mail_person
from core.people import actor_of
from core.shapes import Actor, Auth, Visibility
from core.tables import search, search_due
from core.views import TicketCriteria
from tests.core.desk import ANN, BOB, TestDesk
from tests.stores import Store

Look = Callable[[], Awaitable[None]]


@pytest.fixture(params=["noted", "indexed"])
def settle(request: pytest.FixtureRequest, desk: TestDesk) -> Look:
    """Make the entries, or leave it at the notes: what is found is the same."""

    async def settled() -> None:
        if request.param == "indexed":
            await indexed(desk)

    return settled


async def indexed(desk: TestDesk) -> None:
    while await index(Jobs(desk.desk, desk.database, desk.blobs)):
        pass


@pytest.fixture
async def ada(desk: TestDesk) -> Actor:
    return await desk.staff()


async def found(desk: TestDesk, actor: Actor, q: str) -> list[int]:
    page = await desk.manager.view_tickets(actor, TicketCriteria(q=q))
    return sorted(ticket.id for ticket in page.tickets)


async def wrote(desk: TestDesk, text: str, **more: Any) -> int:
    return (await desk.write(text, **more)).ticket_id or 0


async def requester_of(desk: TestDesk, email: str) -> Actor:
    person = mail_person(email)
    known = await desk.database.read(lambda tx: find(tx, person.key))
    assert known is not None
    return actor_of(known, "web", Auth.VERIFIED)


async def test_words_of_title_messages_and_people(desk: TestDesk, ada: Actor, settle: Look) -> None:
    first = await wrote(desk, "The tray is empty since Monday", subject="Printer on floor 3", mail_id="a@x")
    second = await wrote(
        desk, "Kein Zugriff auf das Straßenverzeichnis", subject="VPN", sender=BOB, mail_id="b@x"
    )
    await desk.manager.exchange_messages(ada, first, "Did you open the cupboard?")
    await settle()
    for q, ids in (
        ("printer", [first]),
        ("MONDAY tray", [first]),
        ("print empt cupb", [first]),  # beginnings of words, from title, mail and answer
        ("strasse", [second]),
        ("vpn monday", []),
        ("bob", [second]),
        (BOB.address, [second]),
        (f"#{second}", [second]),
        ("is", [first]),  # short words and those that are everywhere, too
        ("", [first, second]),
        ("\N{WAVING HAND SIGN}", []),
        ("'; DROP TABLE tickets; --", []),
        ("printer* OR vpn", []),
    ):
        assert await found(desk, ada, q) == ids, q


async def test_requesters_find_what_they_may_read(desk: TestDesk, ada: Actor, settle: Look) -> None:
    mine = await wrote(desk, "My mouse is gone", sender=ANN, mail_id="a@x")
    other = await wrote(desk, "My mouse bites", sender=BOB, mail_id="b@x")
    await desk.manager.exchange_messages(ada, mine, "probably stolen", visibility=Visibility.NOTE)
    await settle()
    ann = await requester_of(desk, ANN.address)
    assert await found(desk, ann, "mouse") == [mine]
    assert await found(desk, ann, "stolen") == []
    assert await found(desk, ann, "bites") == []
    assert await found(desk, ada, "stolen") == [mine]
    assert await found(desk, ada, "mouse") == [mine, other]
    assert await found(desk, ann, f"#{other}") == []


async def test_what_was_changed_is_found_as_it_is(desk: TestDesk, ada: Actor, settle: Look) -> None:
    """Titles and edits; an answer that became a note is found by staff alone."""
    ticket = await wrote(desk, "Help", subject="Old words")
    message = await desk.manager.exchange_messages(ada, ticket, "Turn it off")
    await indexed(desk)
    await desk.database.unit(
        lambda tx: editing.into_note(
            tx, desk.desk, message.id, ticket, "Turn it upside down", ada, at=desk.database.clock.now()
        )
    )
    await settle()
    ann = await requester_of(desk, ANN.address)
    assert await found(desk, ada, "upside") == [ticket]
    assert await found(desk, ada, "off") == []
    assert await found(desk, ann, "upside") == []
    assert await found(desk, ann, "words") == [ticket]


async def test_a_common_word_asks_no_index(
    desk: TestDesk, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a word that many of the latest have, the latest are the answer; of a rare one, all."""
    monkeypatch.setattr(searching, "LATEST", 8)
    monkeypatch.setattr(searching, "COMMON", 3)
    old = [await wrote(desk, f"common rare{n}", mail_id=f"o{n}@x") for n in range(2)]
    new = [await wrote(desk, "common", mail_id=f"n{n}@x") for n in range(9)]
    await indexed(desk)
    await indexed(desk)
    assert await found(desk, ada, "common") == new[-8:]
    assert await found(desk, ada, "rare") == old
    assert await found(desk, ada, "rare1 common") == old[1:]


async def test_an_index_that_takes_too_long_is_left(
    desk: TestDesk, ada: Actor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then what was read through is the answer."""
    if store.name == "sqlite":
        pytest.skip("SQLite has no time limit")
    monkeypatch.setattr(
        searching,
        "_limited",
        lambda tx, sql: (
            "SET STATEMENT max_statement_time=0.01 FOR "
            "SELECT ticket_id, SLEEP(1) FROM search WHERE :q <> '' LIMIT :most"
        ),
    )
    ticket = await wrote(desk, "printer")
    await indexed(desk)
    assert await found(desk, ada, "printer") == [ticket]


async def test_notes_that_come_while_an_entry_is_made_stay(desk: TestDesk) -> None:
    """Nothing is left noted at the end, and each ticket has one entry."""
    ticket = await wrote(desk, "one")
    await indexed(desk)
    await desk.database.unit(lambda tx: searching.changed(tx, ticket, ticket))
    assert await desk.database.read(lambda tx: tx.scalar(select(func.count()).select_from(search_due))) == 1
    await indexed(desk)
    assert await desk.database.read(lambda tx: tx.scalar(select(func.count()).select_from(search_due))) == 0
    assert await desk.database.read(lambda tx: tx.scalar(select(func.count()).select_from(search))) == 1


async def test_of_a_ticket_that_is_gone_nothing_is_left(desk: TestDesk, ada: Actor) -> None:
    await desk.database.unit(lambda tx: tx.run(insert(search_due).values(ticket_id=4711)))
    await indexed(desk)
    assert await found(desk, ada, "4711") == []
