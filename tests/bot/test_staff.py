"""Staff by Slack: the user group, the private triage channel, what makes nobody staff, and one reading at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bot.api import Api
from bot.directory import KEEP, KEEP_MEMBER, Directory
from bot.home import triage_of
from bot.staff import ASKED_KIND, KIND, NAME, StaffSync, is_closed
from core import work
from core.failures import Unavailable
from core.parts import Parts, build
from sandbox import TRIAGE, Sandbox
from tests.core.desk import MAIL, SLACK
from tests.stores import QUEUE, STAFF, Store

GROUP = "S0STAFF001"


@dataclass
class Team:
    """A desk, its workspace, and what keeps its staff."""

    parts: Parts
    api: Api
    directory: Directory
    sync: StaffSync
    box: Sandbox

    @classmethod
    async def open(cls, store: Store, box: Sandbox, **slack: Any) -> Team:
        settings = {
            "enabled": True,
            "bot_token": box.bot_token,
            "app_token": box.app_token,
            "api_url": box.api_url,
        }
        config = store.config(
            slack=settings | slack, queue=[{**QUEUE, "slack_channel": TRIAGE}], staff=[{**STAFF[0]}]
        )
        parts = build(config, {"email": MAIL, "slack": SLACK})
        await parts.people.sync()
        api = Api(config)
        directory = Directory(api)
        return cls(parts, api, directory, StaffSync(parts.people, parts.database, api, directory), box)

    async def staff(self) -> dict[str, str]:
        return {member.username: member.source for member in await self.parts.people.list_staff()}

    async def close(self) -> None:
        await self.sync.stop()
        await self.api.close()
        await self.parts.database.close()


@pytest.fixture
async def team(store: Store, box: Sandbox) -> AsyncIterator[Team]:
    """Ada is configured; the triage channel's members are staff too."""
    opened = await Team.open(store, box, staff_from_channel=True)
    yield opened
    await opened.close()


async def test_members_of_the_private_channel(team: Team) -> None:
    """Full members only: no guest, nobody of another team, no bot; who is configured stays so."""
    space = team.box.workspace
    for name in ("bob", "gil", "eve"):
        await space.user(name).join("triage")
    await team.sync.read()
    assert await team.staff() == {"ada": "config", "grace": "slack", "bob": "slack"}
    await space.user("bob").leave("triage")
    space.change_user("grace", deleted=True)
    team.directory.forget(space.user("grace").id)
    await team.sync.read()
    assert await team.staff() == {"ada": "config"}


async def test_members_of_the_user_group(store: Store, box: Sandbox) -> None:
    """By `usergroups.users.list`, with an own scope; the channel says nothing then."""
    team = await Team.open(store, box, staff_usergroup=GROUP)
    try:
        box.workspace.state.usergroups[GROUP] = ["U0BOB00001", "U0GIL00001"]
        await team.sync.read()
        assert await team.staff() == {"ada": "config", "bob": "slack"}
        box.workspace.state.scopes.discard("usergroups:read")
        box.workspace.state.usergroups[GROUP] = []
        await team.sync.read()
        assert "bob" in await team.staff(), "what can't be asked revokes nobody"
        box.workspace.state.scopes.add("usergroups:read")
        await team.sync.read()
        assert await team.staff() == {"ada": "config"}
    finally:
        await team.close()


@pytest.mark.parametrize("how", ["public", "shared"])
async def test_a_channel_that_becomes_open_makes_nobody_staff(team: Team, how: str) -> None:
    """As soon as it is public or another company's too, who was staff by it is staff no longer."""
    await team.sync.read()
    assert "grace" in await team.staff()
    channel = team.box.workspace.state.channels[TRIAGE]
    if how == "public":
        channel.kind = "channel"
    else:
        channel.teams.append("T0EXTERN01")
        await team.box.workspace.user("eve").join("triage")
    info = (await team.api.call("conversations.info", channel=TRIAGE))["channel"]
    assert not is_closed(info)
    await team.sync.read()
    assert await team.staff() == {"ada": "config"}


async def test_what_slack_refuses_revokes_nobody(team: Team) -> None:
    """The bot was put out of the channel, Slack is down, a name can't be had: everybody stays what they are."""
    await team.sync.read()
    space = team.box.workspace
    await space.user("relaydesk").leave("triage")
    await team.sync.read()
    assert "grace" in await team.staff()
    await space.user("relaydesk").join("triage")
    space.state.scopes.discard("users:read")
    team.directory.forget(space.user("grace").id)
    await team.sync.read()
    assert "grace" in await team.staff()


async def test_slack_away(store: Store) -> None:
    """Nothing answers: nobody else waits for it, nobody is revoked, it is asked for later, and nobody holds it."""
    settings = {"enabled": True, "bot_token": "xoxb-1", "app_token": "xapp-1", "staff_from_channel": True}
    config = store.config(
        slack=settings | {"api_url": "http://127.0.0.1:1/api/"}, queue=[{**QUEUE, "slack_channel": TRIAGE}]
    )
    parts, api = build(config, {"email": MAIL, "slack": SLACK}), Api(config)
    await parts.people.sync()
    sync = StaffSync(parts.people, parts.database, api, Directory(api))
    try:
        await sync.changed(TRIAGE, parts.clock.now(), "U0BOB00001")
        assert await work.claim(parts.database, ASKED_KIND) is not None
        with pytest.raises(Unavailable):
            await sync.read()
        assert await work.claim_named(parts.database, NAME, KIND, due=False) is not None
    finally:
        await api.close()
        await parts.database.close()


async def test_who_comes_is_staff_before_they_write(team: Team) -> None:
    """Only who came is looked at, by triage channels alone, and a list of members serves all that came before it."""
    await team.sync.read()
    asked, known = (len(team.box.workspace.calls_of(m)) for m in ("conversations.members", "users.info"))
    await team.sync.changed("C0GENERAL1", None, team.box.workspace.user("ann").id)
    came = team.parts.clock.now()
    bob = team.box.workspace.user("bob")
    await bob.join("triage")
    await team.sync.changed(TRIAGE, came, bob.id)
    assert (await team.staff())["bob"] == "slack"
    for _ in range(20):
        await team.sync.changed(TRIAGE, came, bob.id)
    await team.sync.changed(TRIAGE, came, team.box.workspace.user("ann").id)  # who isn't there (any more)
    assert "ann" not in await team.staff()
    assert len(team.box.workspace.calls_of("conversations.members")) == asked + 1
    assert len(team.box.workspace.calls_of("users.info")) == known + 1


async def test_who_comes_waits_for_no_other_reading(team: Team) -> None:
    """Another instance reads who is staff, for minutes; who comes meanwhile is staff at once."""
    await team.sync.read()
    assert await work.claim_named(team.parts.database, NAME, KIND, due=False) is not None
    bob = team.box.workspace.user("bob")
    await bob.join("triage")
    async with asyncio.timeout(2):
        await team.sync.changed(TRIAGE, team.parts.clock.now(), bob.id)
    assert "bob" in await team.staff()


async def test_slack_that_hangs_holds_up_nobody(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while Slack answers nothing in time is staff by the next reading."""
    monkeypatch.setattr("bot.staff.PATIENCE", 0.2)
    await team.sync.read()
    bob = team.box.workspace.user("bob")
    await bob.join("triage")
    team.box.workspace.faults.ratelimit("users.info", retry_after=2)
    async with asyncio.timeout(1.5):
        await team.sync.changed(TRIAGE, team.parts.clock.now(), bob.id)
    assert "bob" not in await team.staff()
    await team.sync.start()
    async with asyncio.timeout(10):
        while "bob" not in await team.staff():
            await asyncio.sleep(0.02)


async def test_members_are_not_asked_for_each_time(team: Team) -> None:
    """Ten minutes later nobody is asked for again but who is new; after some hours everybody is."""
    clock = [0.0]
    directory = Directory(team.api, now=lambda: clock[0])
    sync = StaffSync(team.parts.people, team.parts.database, team.api, directory)
    calls = team.box.workspace.calls_of
    await sync.read()
    first = len(calls("users.info"))
    assert first >= 2
    clock[0] += KEEP + 5
    await team.box.workspace.user("bob").join("triage")
    await sync.read()
    assert len(calls("users.info")) == first + 1
    assert (await directory.person("U0GRACE001")).name
    assert len(calls("users.info")) == first + 2, "who writes is looked up as often as ever"
    clock[0] += KEEP_MEMBER + 5
    await sync.read()
    assert len(calls("users.info")) == 2 * first + 3


async def test_who_leaves_is_staff_no_longer_soon(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading that is asked for follows."""
    monkeypatch.setattr("bot.staff.LOOK", 0.1)
    await team.sync.start()
    async with asyncio.timeout(10):
        while "grace" not in await team.staff():
            await asyncio.sleep(0.02)
    grace = team.box.workspace.user("grace")
    await grace.leave("triage")
    await team.sync.changed(TRIAGE, team.parts.clock.now(), grace.id)
    async with asyncio.timeout(10):
        while "grace" in await team.staff():
            await asyncio.sleep(0.02)


async def test_nothing_to_do_where_slack_says_nothing(store: Store, box: Sandbox) -> None:
    """Neither asked for: no call is made."""
    team = await Team.open(store, box)
    try:
        await team.sync.start()
        await team.sync.changed(TRIAGE)
        assert box.workspace.calls == []
        assert triage_of(team.api.config) == {TRIAGE: "support"}
    finally:
        await team.close()


async def test_one_reads_at_a_time(team: Team) -> None:
    """What is held by another instance isn't done beside it; it is waited for, or left to it."""
    await team.sync.read()
    assert (await team.sync.read(due=True)).added == (), "it isn't time"
    calls = len(team.box.workspace.calls)
    other = await work.claim_named(team.parts.database, NAME, KIND, due=False)
    assert other is not None
    waiting = asyncio.create_task(team.sync.read())
    await asyncio.sleep(0.3)  # time enough to do it, if it weren't held
    assert len(team.box.workspace.calls) == calls
    assert not waiting.done()
    await work.finish(team.parts.database, other, due=None, not_before=None)
    await waiting
    assert len(team.box.workspace.calls) > calls


async def test_it_is_read_every_ten_minutes(team: Team) -> None:
    """By whoever looks first after that."""
    await team.sync.read()
    await team.box.workspace.user("bob").join("triage")
    assert (await team.sync.read(due=True)).added == ()
    team.parts.clock.offset = timedelta(minutes=11)
    assert (await team.sync.read(due=True)).added == ("bob",)


async def test_started_it_reads_at_once(team: Team) -> None:
    """The first reading follows the start."""
    await team.sync.start()
    async with asyncio.timeout(10):
        while "grace" not in await team.staff():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("info", "closed"),
    [
        ({"is_private": True}, True),
        ({"is_group": True}, True),
        ({"is_channel": True}, False),
        ({"is_private": True, "is_ext_shared": True}, False),
        ({"is_private": True, "is_pending_ext_shared": True}, False),
        ({"is_private": True, "is_org_shared": True}, False),
        ({"is_private": True, "is_shared": True}, False),
        ({}, False),
    ],
)
def test_closed_channels(info: dict[str, bool], closed: bool) -> None:
    """Private and nobody else's."""
    assert is_closed(info) is closed


# -- the directory --------------------------------------------------------------------------------------------------


async def test_the_directory_forgets(team: Team) -> None:
    """Who somebody was is kept until their profile changes."""
    space, directory = team.box.workspace, team.directory
    assert (await directory.person("U0BOB00001")).email == "bob@example.com"
    space.change_user("bob", email="New@example.com", real_name="Robert")
    assert (await directory.person("U0BOB00001")).email == "bob@example.com", "kept for a while"
    directory.forget("U0BOB00001")
    again = await directory.person("U0BOB00001")
    assert (again.email, again.name) == ("new@example.com", "Robert")


# -- through the service --------------------------------------------------------------------------------------------


async def test_who_writes_in_a_triage_thread_and_isnt_staff(houses: Any, box: Sandbox) -> None:
    """Refused with an ephemeral answer, nothing is sent; with `staff_from_channel` members of the channel answer."""
    house = await houses(slack={"staff_from_channel": True})
    await house.logged("staff_sync")
    space = box.workspace
    await space.user("gil").join("triage")
    await space.user("ann").dm("My printer burns")
    await space.wait_for(lambda: _card(space))
    card = _card(space)
    await space.user("gil").post("triage", "I know it all", thread_ts=card.ts)
    await space.wait_for(lambda: any("staff" in m.text for m in space.channel("triage").ephemerals))
    await space.user("grace").post("triage", "Plug it out", thread_ts=card.ts)
    await space.wait_for(
        lambda: any("Plug it out" in str(m.blocks) for m in space.dm_channel("ann").messages)
    )
    assert not any("I know it all" in str(m.blocks) + m.text for m in space.dm_channel("ann").messages)


def _card(space: Any) -> Any:
    return next((m for m in space.channel("triage").top if m.bot_id), None)
