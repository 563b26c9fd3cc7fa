"""Staff by Slack: the user group, the private triage channel, what makes nobody staff, and one reading at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bot.api import Api
from bot.directory import Directory
from bot.home import triage_of
from bot.staff import KIND, NAME, StaffSync, is_closed
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
    """Nothing answers: whoever asked waits, nobody is revoked, and the work isn't held by anybody."""
    settings = {"enabled": True, "bot_token": "xoxb-1", "app_token": "xapp-1", "staff_from_channel": True}
    config = store.config(
        slack=settings | {"api_url": "http://127.0.0.1:1/api/"}, queue=[{**QUEUE, "slack_channel": TRIAGE}]
    )
    parts, api = build(config, {"email": MAIL, "slack": SLACK}), Api(config)
    await parts.people.sync()
    sync = StaffSync(parts.people, parts.database, api, Directory(api))
    try:
        with pytest.raises(Unavailable):
            await sync.changed(TRIAGE)
        assert await work.claim_named(parts.database, NAME, KIND, due=False) is not None
    finally:
        await api.close()
        await parts.database.close()


async def test_who_comes_is_staff_before_they_write(team: Team) -> None:
    """`changed` reads at once, for triage channels alone, and once for all that came before it."""
    await team.sync.read()
    asked = len(team.box.workspace.calls_of("conversations.members"))
    await team.sync.changed("C0GENERAL1")
    came = team.parts.clock.now()
    await team.box.workspace.user("bob").join("triage")
    await team.sync.changed(TRIAGE, came)
    assert (await team.staff())["bob"] == "slack"
    for _ in range(20):
        await team.sync.changed(TRIAGE, came)
    assert len(team.box.workspace.calls_of("conversations.members")) == asked + 1


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
    waiting = asyncio.create_task(team.sync.changed(TRIAGE))
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
    """PLATFORM case 30: that nobody has an address is forgotten with `user_change`, so is who somebody was."""
    space, directory = team.box.workspace, team.directory
    assert await directory.user_by_email("new@example.com") is None
    assert (await directory.person("U0BOB00001")).email == "bob@example.com"
    space.change_user("bob", email="new@example.com", real_name="Robert")
    assert await directory.user_by_email("new@example.com") is None, "kept for a minute"
    directory.changed({"id": "U0BOB00001", "profile": {"email": "New@example.com"}})
    assert await directory.user_by_email("new@example.com") == "U0BOB00001"
    assert (await directory.person("U0BOB00001")).email == "new@example.com"
    space.change_user("bob", email="newer@example.com")
    directory.changed({"id": "U0BOB00001"})
    assert await directory.user_by_email("new@example.com") is None


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
