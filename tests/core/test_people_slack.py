"""Who somebody in Slack is: matched by a vouched address, pinned, never taken for somebody else; staff by Slack."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from core.failures import Conflict, StaleLease
from core.matching import MOST_MOVED, Known, mail_person
from core.people import actor_of
from core.shapes import Auth, Person, Role
from core.staff_sync import plain_name
from core.views import TicketCriteria
from tests.core.desk import TestDesk, post, slack_person
from tests.core.filling import fill
from tests.stores import STAFF, Store

DAN = "dan@example.com"
BY_SLACK = {"enabled": True, "bot_token": "x", "app_token": "x", "staff_from_channel": True}


@pytest.fixture
async def by_slack(store: Store) -> Any:
    """A desk where Slack says who is staff."""
    opened = await TestDesk.open(store, slack=BY_SLACK)
    yield opened
    await opened.close()


def stranger(name: str = "eve") -> Person:
    """Somebody of another team: Slack tells an id and perhaps a name, no address."""
    return replace(slack_person(name), address=f"T2/U{name.upper()}", team="T2", guest=True)


# -- matching -------------------------------------------------------------------------------------------------------


async def test_a_second_account_never_becomes_the_staff_member(desk: TestDesk) -> None:
    """Ada's Slack id is pinned when it is first seen; whoever comes with her address later is somebody else."""
    ada = await desk.people.known(slack_person("ada", "ada@example.com"))
    other = await desk.people.known(slack_person("mallory", "ada@example.com"))
    again = await desk.people.known(slack_person("mallory", "ADA@example.com"))
    assert (ada.username, ada.staff) == ("ada", True)
    assert other.user_id == again.user_id != ada.user_id
    assert not other.staff
    ticket = await desk.manager.receive(
        post("5.1", "I am Ada", sender=slack_person("mallory", "ada@example.com"), conversation="D5")
    )
    shown = await desk.manager.view_ticket(await desk.staff(), ticket.ticket_id or 0)
    assert shown.ticket.requester_email == ""
    assert shown.messages[0].author.email == ""


async def test_two_accounts_at_once(desk: TestDesk) -> None:
    """Exactly one of them is the staff member, whichever came first."""
    accounts = [slack_person(f"ada{n}", "ada@example.com") for n in range(6)]
    found = await asyncio.gather(*(desk.people.known(account) for account in accounts))
    assert [known.staff for known in found].count(True) == 1
    assert len({known.user_id for known in found}) == 6


async def test_a_second_account_known_before_its_address(desk: TestDesk) -> None:
    """Also where it was known by its id alone, and where it has tickets."""
    await desk.people.known(slack_person("ada", "ada@example.com"))
    alone = await desk.people.known(slack_person("mallory"))
    later = await desk.people.known(slack_person("mallory", "ada@example.com"))
    assert later.user_id == alone.user_id
    assert not later.staff


@pytest.mark.parametrize("how", ["slack", "command"])
async def test_a_second_account_from_before_they_were_staff(by_slack: TestDesk, how: str) -> None:
    """Two accounts were one requester: as staff they have the one that is in the channel, else the first seen then."""
    people = by_slack.people
    old, new = slack_person("old", DAN), slack_person("new", DAN)
    assert (await people.known(old)).user_id == (await people.known(new)).user_id
    if how == "slack":
        await people.sync_slack_staff([new])
    else:
        await people.add_staff("dan", DAN, Role.AGENT)
    assert [(await people.known(person)).staff for person in (new, old, new)] == [True, False, True]


async def test_the_configured_id_wins(store: Store) -> None:
    """The file names Ada's Slack id: it is hers whatever was pinned, and no other account with her address is."""
    desk = await TestDesk.open(store)
    wrong = await desk.people.known(slack_person("wrong", "ada@example.com"))
    assert wrong.staff
    await desk.close()
    desk = await TestDesk.open(store, staff=[{**STAFF[0], "slack_user": "UADA"}, STAFF[1]])
    try:
        for person, staff in (
            (slack_person("wrong", "ada@example.com"), False),
            (slack_person("new", "ada@example.com"), False),
            (slack_person("ada", "other@example.com"), True),
        ):
            known = await desk.people.known(person)
            assert known.staff == staff, person
            assert (known.username == "ada") == staff
    finally:
        await desk.close()


async def test_names_are_no_keys(desk: TestDesk) -> None:
    """PLATFORM case 26: two people of one name, one of them called like a staff member."""
    one = await desk.people.known(replace(slack_person("u1"), name="Ada Lovelace"))
    two = await desk.people.known(replace(slack_person("u2"), name="Ada Lovelace"))
    assert one.user_id != two.user_id
    assert not one.staff
    assert not two.staff


@pytest.mark.parametrize("person", [stranger(), replace(stranger(), name="")])
async def test_strangers_open_tickets(desk: TestDesk, person: Person) -> None:
    """PLATFORM case 31: somebody of another organisation, without an address, even without a name."""
    receipt = await desk.manager.receive(post("6.1", "Hello", sender=person, conversation="D6"))
    assert receipt.outcome == "opened"
    shown = await desk.manager.view_ticket(await desk.staff(), receipt.ticket_id or 0)
    assert (shown.ticket.requester_name, shown.ticket.requester_email) == (person.name or "UEVE", "")
    named = await desk.people.known(replace(person, name="Eve External"))
    assert (await desk.people.known(person)).name == (person.name or "Eve External")
    assert named.user_id == shown.ticket.requester_id


async def test_who_became_a_guest_has_no_staff_rights(desk: TestDesk, store: Store) -> None:
    """An account that was Ada's and is a guest's now acts for nobody but itself, also where the configuration
    names it; one of another team with that id is somebody else."""
    assert (await desk.people.known(slack_person("ada", "ada@example.com"))).staff
    guest = replace(slack_person("ada"), guest=True)
    assert not (await desk.people.known(guest)).staff
    await desk.close()
    named = await TestDesk.open(store, staff=[{**STAFF[0], "slack_user": "UADA"}, STAFF[1]])
    try:
        assert not (await named.people.known(guest)).staff
        assert not (await named.people.known(replace(guest, place="T1/C1"))).staff
        other = Person(kind="slack", address="T2/UADA", name="Fake", team="T2", place="T1/C1#1.0")
        assert not (await named.people.known(other)).staff
        assert not (await named.people.known(replace(other, guest=True, place=""))).staff
        assert (await named.people.known(slack_person("ada", place="T1/C1"))).staff
    finally:
        await named.close()


# -- joined later ---------------------------------------------------------------------------------------------------


async def _asked(desk: TestDesk, ts: str, name: str = "dan", email: str | None = None) -> int:
    receipt = await desk.manager.receive(
        post(ts, f"Help {ts}", sender=slack_person(name, email), conversation=f"D{ts}")
    )
    assert receipt.ticket_id is not None
    return receipt.ticket_id


async def _mine(desk: TestDesk, known: Known) -> set[int]:
    actor = actor_of(known, "slack", Auth.VERIFIED)
    page = await desk.manager.view_tickets(actor, TicketCriteria())
    return {ticket.id for ticket in page.tickets if ticket.requester_id == known.user_id}


async def test_known_by_id_alone_then_vouched_for(desk: TestDesk, store: Store) -> None:
    """The scope came later: what they asked by their id alone is the mail user's now, with its messages and events."""
    mailed = (await desk.write(sender=mail_person(DAN, "Dan Mail"))).ticket_id
    slacked = [await _asked(desk, "7.1"), await _asked(desk, "7.2")]
    before = await desk.people.known(slack_person("dan"))
    store.execute(
        "INSERT INTO ratings (ticket_id, user_id, score, rated_at) "
        f"SELECT {slacked[1]}, {before.user_id}, 5, created_at FROM users LIMIT 1"
    )
    after = await desk.people.known(slack_person("dan", DAN))
    mail = await desk.people.known(mail_person(DAN))
    assert after.user_id == mail.user_id != before.user_id
    assert await _mine(desk, after) == {mailed, *slacked}
    shown = await desk.manager.view_ticket(await desk.staff(), slacked[0])
    assert (shown.ticket.requester_email, shown.messages[0].author.email) == (DAN, DAN)
    moved = {"tickets": "requester_id", "messages": "author_id", "events": "actor_id", "ratings": "user_id"}
    for table, column in moved.items():
        assert store.count(table, f"{column} = {mail.user_id}"), table
        assert store.count(table, f"{column} = {before.user_id}") == 0, table
    assert store.count("identities", f"user_id = {before.user_id}") == 0


async def test_joined_by_many_at_once(desk: TestDesk, store: Store) -> None:
    """Ten of their messages are read at once."""
    await desk.write(sender=mail_person(DAN))
    await _asked(desk, "7.3")
    found = await asyncio.gather(*(desk.people.known(slack_person("dan", DAN)) for _ in range(10)))
    assert len({known.user_id for known in found}) == 1
    assert store.count("identities", f"user_id = {found[0].user_id}") == 2


async def test_an_address_that_nobody_mailed_from(desk: TestDesk) -> None:
    """It becomes one of theirs, so that their first mail is theirs too."""
    before = await desk.people.known(slack_person("dan"))
    after = await desk.people.known(slack_person("dan", DAN))
    mail = await desk.people.known(mail_person(DAN))
    assert before.user_id == after.user_id == mail.user_id


async def test_a_staff_members_first_match_may_come_late(desk: TestDesk) -> None:
    """Ada wrote before Slack told her address; nobody else is pinned, so she is found then."""
    assert not (await desk.people.known(slack_person("ada"))).staff
    assert (await desk.people.known(slack_person("ada", "ada@example.com"))).username == "ada"


async def test_what_isnt_joined(by_slack: TestDesk) -> None:
    """Who has an address keeps it; who is staff by themselves stays it; more tickets than a unit moves stay."""
    people = by_slack.people
    first = await people.known(slack_person("dan", DAN))
    await people.known(mail_person("daniel@example.com"))
    moved = await people.known(slack_person("dan", "daniel@example.com"))
    assert moved.user_id == first.user_id
    await people.sync_slack_staff([slack_person("kim")])
    await people.known(mail_person("kim@example.com"))
    kim = await people.known(slack_person("kim", "kim@example.com"))
    assert (kim.username, kim.staff) == ("kim", True)
    assert (await people.known(mail_person("kim@example.com"))).user_id != kim.user_id
    busy = await people.known(slack_person("busy"))
    await people.known(mail_person("busy@example.com"))
    await fill(by_slack, MOST_MOVED + 1, busy.user_id)
    same = await people.known(slack_person("busy", "busy@example.com"))
    assert same.user_id == busy.user_id


# -- staff by Slack -------------------------------------------------------------------------------------------------


async def test_staff_by_slack_come_and_go(by_slack: TestDesk) -> None:
    """Agents with names of their own; who is gone is a requester, whose tickets stay assigned to them."""
    people = by_slack.people
    kim, lee = slack_person("kim", "kim.li@example.com"), slack_person("lee")
    changes = await people.sync_slack_staff([kim, lee])
    assert sorted(changes.added) == ["kim.li", "lee"]
    staff = {m.username: (m.role, m.source) for m in await people.list_staff()}
    assert staff["kim.li"] == (Role.AGENT, "slack")
    assert (await people.sync_slack_staff([kim, lee])).added == ()
    ticket = (await by_slack.write()).ticket_id or 0
    await by_slack.manager.assign(await by_slack.staff(), ticket, "kim.li")
    changes = await people.sync_slack_staff([lee])
    assert changes.revoked == ("kim.li",)
    assert not (await people.known(kim)).staff
    shown = await by_slack.manager.view_ticket(await by_slack.staff(), ticket)
    assert shown.ticket.assignee == "kim.li"
    assert (await people.sync_slack_staff([kim, lee])).added == ("kim.li",)


async def test_slack_overrides_nobody(by_slack: TestDesk) -> None:
    """The configured and the added stay what they are, in the channel or out of it."""
    people = by_slack.people
    await people.add_staff("linus", "linus@example.com", Role.MANAGER)
    members = [slack_person("ada", "ada@example.com"), slack_person("linus", "linus@example.com")]
    assert (await people.sync_slack_staff(members)).added == ()
    assert (await people.sync_slack_staff([])).revoked == ()
    staff = {m.username: (m.role, m.source) for m in await people.list_staff()}
    assert staff["ada"] == (Role.MANAGER, "config")
    assert staff["linus"] == (Role.MANAGER, "added")


async def test_usernames_of_staff_by_slack(by_slack: TestDesk) -> None:
    """PLATFORM case 26: unique whatever they are called; never one that the file names, nor the system's."""
    members = [
        slack_person("k1", "kim@example.com"),
        slack_person("k2", "kim@example.org"),
        slack_person("g", "grace@example.org"),
        slack_person("o", "operator@example.com"),
        replace(slack_person("x"), name="😀"),
    ]
    changes = await by_slack.people.sync_slack_staff(members)
    assert sorted(changes.added) == ["agent", "grace2", "kim", "kim2", "operator2"]
    with pytest.raises(Conflict):
        await by_slack.people.remove_staff("kim")
    with pytest.raises(Conflict):
        await by_slack.people.add_staff("kim", "other@example.com", Role.AGENT)
    await by_slack.people.sync_slack_staff([])
    await by_slack.people.add_staff("kim", "other@example.com", Role.AGENT)


@pytest.mark.parametrize(
    ("email", "name", "username"),
    [
        ("Kim.Li@example.com", "Kim", "kim.li"),
        (None, "Kim Van Li", "kim.van.li"),
        ("_@example.com", "Kim", "agent"),
        ("ü+x@example.com", "", "x"),
        ("a" * 64 + "@example.com", "", "a" * 40),
    ],
)
def test_plain_names(email: str | None, name: str, username: str) -> None:
    """Usernames as the configuration takes them."""
    assert plain_name(replace(slack_person("kim", email), name=name)) == username


async def test_what_isnt_complete_revokes_nobody(by_slack: TestDesk) -> None:
    """Slack could not be asked about all: who is known is added, nobody is taken off."""
    await by_slack.people.sync_slack_staff([slack_person("kim")])
    changes = await by_slack.people.sync_slack_staff([slack_person("lee")], complete=False)
    assert (changes.added, changes.revoked) == (("lee",), ())


async def test_a_lost_lease_writes_nothing(by_slack: TestDesk) -> None:
    """The fence ends the unit: an older reading never undoes a newer one."""

    async def lost(tx: Any) -> None:
        raise StaleLease("slack:staff")

    with pytest.raises(StaleLease):
        await by_slack.people.sync_slack_staff([slack_person("kim")], fence=lost)
    assert "kim" not in {m.username for m in await by_slack.people.list_staff()}


async def test_turned_off_means_nobody(by_slack: TestDesk, store: Store) -> None:
    """The next start without it: who was staff by Slack alone is staff no longer."""
    await by_slack.people.sync_slack_staff([slack_person("kim")])
    await by_slack.close()
    plain = await TestDesk.open(store)
    try:
        assert {m.username for m in await plain.people.list_staff()} == {"ada", "grace"}
    finally:
        await plain.close()
