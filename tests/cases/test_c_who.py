"""C, people: names are no keys, actors are known or not named, addresses that Slack doesn't find, strangers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.directory import KEEP_MISSING, Directory
from core.people import actor_of
from core.shapes import Auth
from core.views import TicketCriteria
from sandbox import Sandbox
from sandbox.shapes import Message
from tests.bot.kit import Kit, until
from tests.bot.test_asking import cards, number
from tests.core.desk import TestDesk, post, slack_person
from tests.house import House
from tests.stores import Store
from tests.waiting import until as wait_until


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk on a store of its own."""
    opened = await TestDesk.open(store)
    yield opened
    await opened.close()


def said(messages: list[Message]) -> str:
    return "\n".join(f"{m.text} {m.blocks}" for m in messages)


# -- 26 ---------------------------------------------------------------------------------------------------------------


async def test_C26_two_of_one_name_are_two_and_see_their_own(desk: TestDesk) -> None:
    """Only ids tell people apart: no ticket of the one is shown to the other, and a staff member's name makes nobody
    staff."""
    same = [replace(slack_person(name), name="Ada Lovelace") for name in ("sam1", "sam2")]
    tickets = []
    for n, person in enumerate(same):
        receipt = await desk.manager.receive(post(f"{n}.1", "Help", sender=person, conversation=f"D{n}"))
        tickets.append(receipt.ticket_id)
    for person, mine in zip(same, tickets, strict=True):
        known = await desk.people.known(person)
        assert not known.staff
        page = await desk.manager.view_tickets(actor_of(known, "slack", Auth.VERIFIED), TicketCriteria())
        assert [ticket.id for ticket in page.tickets] == [mine]
    renamed = await desk.people.known(replace(same[0], name="Somebody Else"))
    assert renamed.user_id == (await desk.people.known(same[0])).user_id


# -- 27 ---------------------------------------------------------------------------------------------------------------


async def test_C27_who_did_it_is_a_known_person_and_keeps_the_credit(house: House, box: Sandbox) -> None:
    """Ada resolves it, Grace resolves it again, Ann thanks: it stays Ada's, and nowhere is anybody called None."""
    space, store = box.workspace, house.store
    root = await space.user("ann").dm("My printer burns")
    await space.wait_for(lambda: cards(box, "My printer burns"), timeout=10)
    [card] = space.channel("triage").top
    since = house.mark()
    await space.user("ada").post("triage", "!resolve", thread_ts=card.ts)
    await house.logged("work_one", since=since)
    room = space.dm_channel("ann")
    await space.wait_for(lambda: "resolved" in said(room.thread(root)[1:]), timeout=10)
    await space.user("grace").post("triage", "!resolve", thread_ts=card.ts)
    await space.user("grace").post("triage", "note: done", thread_ts=card.ts)
    await wait_until(lambda: store.count("messages") == 2 and not store.count("inbox", "state = 'new'"))
    await space.settled()
    names = "SELECT actor_name FROM events WHERE kind = 'resolved' ORDER BY id"
    assert [row["actor_name"] for row in store.rows(names)] == ["Ada Lovelace"]
    assert store.value("SELECT status FROM tickets") == "resolved"
    shown = said([*space.channel("triage").messages, *room.messages, *space.channel("triage").ephemerals])
    assert "Ann Requester" in shown
    for nobody in ("@None", "None None", "'None", " None ", "<@>", "<@None>"):
        assert nobody not in shown


# -- 30 ---------------------------------------------------------------------------------------------------------------


async def test_C30_addresses_are_those_of_profiles(box: Sandbox, tmp_path: Path) -> None:
    """So case, aliases and deactivated people are no trouble: nobody is looked up by an address. Who isn't found goes
    without one, and is asked for again after a minute; so is at once whose profile changed."""
    kit, now = Kit(box.api_url, tmp_path), [1_000.0]
    directory = Directory(kit.api, lambda: now[0])
    space = box.workspace
    bob, grace = space.user("bob").id, space.user("grace").id
    space.change_user("bob", email="Bob+Alias@Example.com")
    assert (await directory.person(bob)).email == "bob+alias@example.com"
    space.faults.fail("users.info", "user_not_found")
    for _ in range(3):
        unknown = await directory.person(grace)
        assert (unknown.address.rpartition("/")[2], unknown.email) == (grace, None)
    assert len(space.calls_of("users.info")) == 2
    now[0] += KEEP_MISSING + 1
    assert (await directory.person(grace)).email == "grace@example.com"
    space.change_user("grace", deleted=True)
    assert (await directory.person(grace)).email == "grace@example.com", "kept"
    directory.forget(grace)
    assert (await directory.person(grace)).email is None
    assert space.calls_of("users.lookupByEmail") == []
    await kit.close()


@pytest.mark.parametrize("store_name", ["sqlite"])
async def test_C30_whom_slack_does_not_know_is_reached_by_mail(house: House, box: Sandbox) -> None:
    """And a profile that changed counts from then on: Bob's address is known with his next message."""
    space, store = box.workspace, house.store
    space.change_user("ann", deleted=True)
    space.change_user("bob", email=None)
    await house.send_mail("Ann <ann+alias@example.com>", subject="It burns")
    await space.wait_for(lambda: cards(box, "It burns"), timeout=10)
    await space.user("ada").post("triage", "Turn it off", thread_ts=cards(box, "It burns")[0].ts)
    mail = await box.mailbox.wait_for(lambda m: "Turn it off" in m.text)
    assert mail.recipients == ["ann+alias@example.com"]
    root = await space.user("bob").dm("Hello")
    await space.wait_for(lambda: cards(box, "Bob Requester"), timeout=10)
    bobs = "address = 'bob@new.example.com'"
    assert ".com" not in str(cards(box, "Bob Requester")[0].blocks)
    space.change_user("bob", email="bob@new.example.com")
    await space.settled()
    assert store.count("identities", bobs) == 0
    await space.user("bob").dm("One more thing", thread_ts=root)
    await wait_until(lambda: store.count("identities", bobs))


# -- 31 ---------------------------------------------------------------------------------------------------------------


async def test_C31_a_stranger_without_address_or_profile_is_served(house: House, box: Sandbox) -> None:
    """Somebody of another organisation: the ticket opens, they are shown by name or id, answered there, and no mail
    is tried."""
    space, store = box.workspace, house.store
    eve = space.add_user("eve", "Eve Elsewhere", team_id="T0ELSEWHERE")
    who = space.add_user("u2", "", team_id="T0ELSEWHERE")
    for one in (eve, who):
        await one.join("general")
    roots = [
        await one.post("general", f"@relaydesk my {what} burns")
        for one, what in ((eve, "fax"), (who, "mouse"))
    ]
    await space.wait_for(lambda: cards(box, "fax") and cards(box, "mouse"), timeout=10)
    fax, mouse = str(cards(box, "fax")[0].blocks), str(cards(box, "mouse")[0].blocks)
    assert "Eve Elsewhere" in fax
    assert who.id in mouse or "u2" in mouse
    for words in (fax, mouse):
        assert "Slack" in words
        assert "None" not in words
        assert "@example" not in words
    for card in (cards(box, "fax")[0], cards(box, "mouse")[0]):
        await space.user("ada").post("triage", f"About {number(card)}", thread_ts=card.ts)
    for root in roots:
        await space.wait_for(lambda r=root: "About " in said(space.thread(r)[1:]), timeout=10)
    await space.settled()
    assert store.count("deliveries", "channel = 'email'") == 0
    assert box.mailbox.mails == []
    assert store.count("deliveries", "state = 'failed'") == 0


async def test_C31_a_profile_that_slack_refuses_opens_the_ticket(box: Sandbox, tmp_path: Path) -> None:
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    box.workspace.faults.fail("users.info", "user_not_found", times=2)
    await box.workspace.user("bob").dm("Help")
    await until(lambda: kit.shelf.arrivals)
    read: Any = await kit.channel.read(kit.shelf.items()[0])
    assert read.text == "Help"
    assert (read.sender.address, read.sender.email) == (f"{box.team_id}/{box.workspace.user('bob').id}", None)
    await kit.close()
