"""People: identities that no collation confuses, staff by configuration or by command, tokens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.failures import Conflict, Invalid, NotFound
from core.people import actor_of, ensure, find, identity_keys, mail_person
from core.shapes import Auth, Person, Role
from core.staffing import staff_named
from core.tables import users
from tests.core.desk import TestDesk, slack_person
from tests.stores import STAFF, Store


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("josé@example.com", "jose@example.com", False),
        ("straße@example.com", "strasse@example.com", False),
        ("ann@example.com", "ann@example.com ", True),
        ("Ann@Example.COM", "ann@example.com", True),
        ("a.nn@example.com", "ann@example.com", False),
    ],
)
async def test_addresses_are_equal_or_not(desk: TestDesk, one: str, other: str, same: bool) -> None:
    """Byte for byte after lower case: what the database's collation takes for equal are two people."""
    first = await desk.people.known(mail_person(one))
    second = await desk.people.known(mail_person(other))
    assert (first.user_id == second.user_id) == same


@pytest.mark.parametrize(
    "address", ["", "ann", "@example.com", "ann@", "a nn@b.c", "a\n@b.c", "a@" + "b" * 320]
)
def test_no_addresses(address: str) -> None:
    """Refused before it comes near the database."""
    with pytest.raises(Invalid):
        mail_person(address)


async def test_a_slack_person_with_a_vouched_address_is_that_user(desk: TestDesk) -> None:
    """A full member's address names them; a guest's, which nobody vouches for, doesn't."""
    mailed = await desk.people.known(mail_person("dan@example.com", "Dan"))
    member = await desk.people.known(slack_person("dan", "dan@example.com"))
    guest = await desk.people.known(replace(slack_person("dan2"), guest=True))
    assert member.user_id == mailed.user_id
    assert guest.user_id != mailed.user_id
    keys = await desk.database.read(lambda tx: identity_keys(tx, mailed.user_id))
    assert keys == {mail_person("dan@example.com").key, slack_person("dan").key}


async def test_slack_first_then_mail(desk: TestDesk) -> None:
    """The order in which they come makes no difference."""
    member = await desk.people.known(slack_person("dan", "Dan@Example.com"))
    mailed = await desk.people.known(mail_person("dan@example.com"))
    assert member.user_id == mailed.user_id


async def test_ten_at_once_are_one_user(desk: TestDesk, store: Store) -> None:
    """Nobody is made twice, by whichever identity they come."""
    people = [mail_person("dan@example.com"), slack_person("dan", "dan@example.com")] * 5
    found = await asyncio.gather(*(desk.people.known(person) for person in people))
    assert len({known.user_id for known in found}) == 1
    assert store.count("identities", "address IN ('dan@example.com', 'T1/UDAN')") == 2


async def test_a_name_is_learnt_once(desk: TestDesk) -> None:
    """Somebody without a name gets the first one they come with; later ones change nothing."""
    for name, shown in (("", ""), ("Dan", "Dan"), ("Impostor", "Dan")):
        known = await desk.people.known(mail_person("dan@example.com", name))
        again = await desk.people.known(mail_person("dan@example.com"))
        assert again.name == shown, known


async def test_staff_follow_the_configuration(store: Store) -> None:
    """Who is in the file is staff, who left it is not; what was added by command stays."""
    desk = await TestDesk.open(store)
    await desk.people.add_staff("linus", "linus@example.com", Role.AGENT, "Linus")
    assert [(m.username, m.role, m.source) for m in await desk.people.list_staff()] == [
        ("ada", Role.MANAGER, "config"),
        ("grace", Role.AGENT, "config"),
        ("linus", Role.AGENT, "added"),
    ]
    await desk.close()
    changed = [{**STAFF[0], "role": "agent"}, {"username": "grace", "email": "hopper@example.com"}]
    desk = await TestDesk.open(store, staff=changed)
    try:
        found = {m.username: m for m in await desk.people.list_staff()}
        assert found["ada"].role is Role.AGENT
        assert (found["grace"].email, found["grace"].name) == ("hopper@example.com", "Grace")
        before = await desk.people.known(mail_person("grace@example.com"))
        assert (before.role, before.username) == (Role.REQUESTER, None)
        assert "linus" in found
    finally:
        await desk.close()


async def test_the_operator_is_there_once_and_is_staff(desk: TestDesk, store: Store) -> None:
    """However often and by how many instances the staff are brought in."""
    await asyncio.gather(*(desk.people.sync() for _ in range(4)))
    operator = await desk.staff("operator")
    assert (operator.role, operator.staff) == (Role.SYSTEM, True)
    assert store.count("users", "username = 'operator'") == 1
    assert "operator" not in {m.username for m in await desk.people.list_staff()}


async def test_a_configured_slack_id_is_its_staff_member(store: Store) -> None:
    """Even where Slack tells no address, and where they wrote before the file named them."""
    desk = await TestDesk.open(store)
    early = await desk.people.known(slack_person("ada"))
    assert not early.staff
    await desk.close()
    desk = await TestDesk.open(
        store, staff=[{**STAFF[0], "slack_user": "UADA"}, {**STAFF[1], "slack_user": "UGH"}]
    )
    try:
        for person, name in ((slack_person("ada"), "ada"), (slack_person("gh"), "grace")):
            known = await desk.people.known(person)
            assert (known.username, known.staff) == (name, True)
    finally:
        await desk.close()


async def test_staff_by_command(desk: TestDesk) -> None:
    """The file wins; a name belongs to one person; who is removed is a requester with a clean name."""
    for username, email in (
        ("ada", "other@example.com"),
        ("other", "ADA@example.com"),
        ("operator", "o@x.y"),
    ):
        with pytest.raises(Conflict):
            await desk.people.add_staff(username, email, Role.AGENT)
    with pytest.raises(Invalid):
        await desk.people.add_staff("x", "x@example.com", Role.SYSTEM)
    await desk.people.add_staff("linus", "linus@example.com", Role.MANAGER)
    with pytest.raises(Conflict):
        await desk.people.add_staff("linus", "torvalds@example.com", Role.AGENT)
    await desk.people.remove_staff("linus")
    with pytest.raises(NotFound):
        await desk.staff("linus")
    with pytest.raises(NotFound):
        await desk.people.remove_staff("linus")
    with pytest.raises(Conflict):
        await desk.people.remove_staff("ada")
    assert not (await desk.people.known(mail_person("linus@example.com"))).staff


async def test_staff_are_found_by_what_people_call_them(desk: TestDesk) -> None:
    """By username, address or Slack id, with or without an @; a strange name is refused, not an error."""
    await desk.people.known(slack_person("ada", "ada@example.com"))
    for name in ("ada", "@Ada", "ADA@example.com", "UADA"):
        member = await desk.database.read(lambda tx, n=name: staff_named(tx, n))
        assert member.username == "ada"
    for name in ("nobody", "", "áda", "operator", "😀"):
        with pytest.raises(NotFound):
            await desk.database.read(lambda tx, n=name: staff_named(tx, n))
        if name != "operator":
            with pytest.raises(NotFound):
                await desk.staff(name)


@pytest.mark.parametrize(
    ("auth", "staff"), [(Auth.CLAIMED, False), (Auth.LINKED, False), (Auth.VERIFIED, True)]
)
async def test_rights_need_authentication(desk: TestDesk, auth: Auth, staff: bool) -> None:
    """A From header that names a staff member gives nobody their rights."""
    actor = actor_of(await desk.people.known(mail_person("ada@example.com")), "email", auth)
    assert actor.staff == staff
    assert actor.role is (Role.MANAGER if staff else Role.REQUESTER)


async def test_a_token_speaks_for_its_owner_until_it_ends(desk: TestDesk, store: Store) -> None:
    """Only its hash is kept; it ends by time, by revocation by its id or by itself, and with staff rights taken."""
    token = await desk.people.create_token("ada@example.com", timedelta(days=1))
    actor = await desk.people.by_token(token)
    assert actor is not None
    assert (actor.email, actor.staff, actor.channel) == ("ada@example.com", True, "web")
    for row in store.rows("SELECT * FROM tokens"):
        assert token not in repr(row)
    assert await desk.people.by_token(token + "x") is None
    assert await desk.people.by_token("é\ud800") is None
    requester = await desk.people.create_token("new@example.com", timedelta(days=1))
    speaks = await desk.people.by_token(requester)
    assert speaks is not None
    assert not speaks.staff
    listed = await desk.people.list_tokens()
    assert {info.email for info in listed} == {"ada@example.com", "new@example.com"}
    assert all(info.last_used_at for info in listed)
    await desk.people.revoke_token(next(i.id for i in listed if i.email == "new@example.com"))
    assert await desk.people.by_token(requester) is None
    desk.clock.offset = timedelta(days=2)
    assert await desk.people.by_token(token) is None
    assert await desk.people.list_tokens() == []
    with pytest.raises(NotFound):
        await desk.people.revoke_token(token)
    with pytest.raises(Invalid):
        await desk.people.create_token("a@b.c", timedelta())


async def test_a_person_who_vouches_for_nobody(desk: TestDesk) -> None:
    """An identity of another kind with the same address is another identity."""
    one = Person(kind="telegram", address="ann@example.com")
    known = await desk.people.known(one)
    mailed = await desk.people.known(mail_person("ann@example.com"))
    assert known.user_id != mailed.user_id
    assert (await desk.database.read(lambda tx: find(tx, one.key))) is not None
    made = await desk.database.unit(lambda tx: ensure(tx, one))
    assert made.user_id == known.user_id
    count = await desk.database.read(lambda tx: tx.all(select(users.c.id).where(users.c.id == known.user_id)))
    assert len(count) == 1
