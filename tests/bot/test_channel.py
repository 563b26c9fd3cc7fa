"""The way out, over the wire: the sandbox is a workspace that refuses what Slack would."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.channel import SlackChannel
from core.failures import PermanentFailure, Scope, TemporaryFailure
from core.shapes import Kind, Outgoing
from sandbox import Sandbox
from tests.bot.kit import TRIAGE, Kit, message, outgoing


async def test_a_rate_limit_holds_the_lane(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.ratelimit("chat.postMessage", retry_after=7)
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(Kind.CARD))
    assert caught.value.scope is Scope.LANE
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 7


async def scope_of(kit: Kit, given: Outgoing) -> Scope:
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(given)
    return caught.value.scope


@pytest.mark.parametrize("status", [500, 503])
async def test_slack_in_trouble_holds_the_channel(box: Sandbox, kit: Kit, status: int) -> None:
    """Once several deliveries in a row have met it; one that went says that Slack is there."""
    box.workspace.faults.http_error("chat.postMessage", status, times=6)
    several = [outgoing(Kind.CARD) for _ in range(5)]
    scopes = [await scope_of(kit, given) for given in several]
    assert scopes == [Scope.DELIVERY] * 2 + [Scope.CHANNEL] * 3
    assert await scope_of(kit, several[0]) is Scope.CHANNEL
    await kit.channel.send(several[0])
    box.workspace.faults.http_error("chat.postMessage", status)
    assert await scope_of(kit, several[1]) is Scope.DELIVERY


async def test_one_delivery_that_slack_fails_holds_nothing_else(box: Sandbox, kit: Kit) -> None:
    """However often it is tried."""
    box.workspace.faults.fail("chat.postMessage", "access_denied", times=9)
    given = outgoing(Kind.CARD)
    assert [await scope_of(kit, given) for _ in range(9)] == [Scope.DELIVERY] * 9


@pytest.mark.parametrize("how", ["kick", "archive", "delete_channel"])
@pytest.mark.parametrize("kind", [Kind.CARD, Kind.MESSAGE, Kind.NOTICE, Kind.ALERT])
async def test_what_is_for_a_triage_channel_waits_until_it_can_be_used(
    box: Sandbox, kit: Kit, how: str, kind: Kind
) -> None:
    getattr(box.workspace, how)("triage")
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(kind, message=message()))
    assert (caught.value.scope, caught.value.retry_after) == (Scope.LANE, timedelta(seconds=60))


async def test_nothing_waits_for_a_channel_that_is_no_triage_channel(box: Sandbox, kit: Kit) -> None:
    """One that a queue had before, or a requester's."""
    box.workspace.archive("general")
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}"
    for desk in (True, False):
        with pytest.raises(PermanentFailure, match=r"archived|no such conversation|isn't in"):
            await kit.channel.send(outgoing(Kind.MESSAGE, desk=desk, place=place, message=message()))


async def test_slack_away_holds_the_channel(tmp_path: Path) -> None:
    kit = Kit("http://127.0.0.1:9/api/", tmp_path)
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(Kind.CARD))
    assert caught.value.scope is Scope.CHANNEL
    await kit.close()


async def test_probe_names_what_is_wrong(box: Sandbox, kit: Kit) -> None:
    findings = await kit.channel.probe()
    assert [f.problem for f in findings] == [None] * len(findings)
    box.workspace.archive("triage")
    problems = [f.problem for f in await kit.channel.probe() if f.problem]
    assert len(problems) == 1
    assert "archived" in problems[0]


async def test_probe_of_a_false_token_is_one_problem(box: Sandbox, tmp_path: Path) -> None:
    kit = Kit(box.api_url, tmp_path, bot_token="xoxb-false")
    findings = await kit.channel.probe()
    assert len(findings) == 1
    assert findings[0].problem is not None
    await kit.close()


@pytest.mark.parametrize(("group", "problem"), [("S0STAFF001", False), ("S0WRONG001", True)])
async def test_probe_looks_at_the_user_group(box: Sandbox, tmp_path: Path, group: str, problem: bool) -> None:
    kit = Kit(box.api_url, tmp_path, staff_usergroup=group)
    [found] = [f for f in await kit.channel.probe() if f.part == "slack user group"]
    assert bool(found.problem) is problem
    assert group in found.text
    await kit.close()


async def test_probe_says_what_to_do_about_permissions(box: Sandbox, kit: Kit) -> None:
    box.workspace.state.scopes.discard("reactions:read")
    [found] = [f for f in await kit.channel.probe() if f.part == "slack scopes"]
    assert found.problem is not None
    assert "reactions:read" in found.problem
    assert "restart" in found.problem


async def test_one_connection_serves_many_calls(box: Sandbox, kit: Kit) -> None:
    session = kit.api.session
    await asyncio.gather(*(kit.channel.send(outgoing(Kind.CARD, delivery_id=n)) for n in range(5)))
    assert kit.api.session is session
    assert len(box.workspace.channel("triage").top) == 5


@pytest.mark.parametrize("kind", [Kind.CARD, Kind.MESSAGE, Kind.NOTICE, Kind.ALERT, Kind.FILE, Kind.EDIT])
async def test_a_channel_with_strangers_in_it_is_shown_nothing(
    box: Sandbox, tmp_path: Path, kind: Kind
) -> None:
    asked: list[str] = []

    async def why_closed(channel: str) -> str | None:
        asked.append(channel)
        return "the channel is shared with another company"

    kit = Kit(box.api_url, tmp_path)
    channel = SlackChannel(kit.api, kit.blobs, why_closed=why_closed)
    with pytest.raises(TemporaryFailure) as caught:
        await channel.send(outgoing(kind, message=message(), target=f"T0SANDBOX1/{TRIAGE}/1.1"))
    assert (caught.value.scope, caught.value.retry_after) == (Scope.LANE, timedelta(seconds=60))
    assert "shared" in caught.value.reason
    assert asked == [TRIAGE]
    assert not [call for call in box.workspace.calls if call.method != "auth.test"]
    await kit.close()


async def test_what_is_no_channel_of_the_desks_or_takes_away_is_never_held(
    box: Sandbox, tmp_path: Path
) -> None:
    async def why_closed(channel: str) -> str | None:
        return "no"

    kit = Kit(box.api_url, tmp_path)
    card = await kit.channel.send(outgoing(Kind.CARD))
    channel = SlackChannel(kit.api, kit.blobs, why_closed=why_closed)
    ann = box.workspace.user("ann")
    notice = outgoing(
        Kind.NOTICE, place=f"T0SANDBOX1/{ann.id}", data={"text": "the channel is open to strangers"}
    )
    await channel.send(notice)
    answer = outgoing(
        Kind.MESSAGE, desk=False, place=f"T0SANDBOX1/{ann.id}", message=message("x", staff=True)
    )
    await channel.send(answer)
    await channel.send(outgoing(Kind.EDIT, target=card.remote_id, data={"deleted": True}))
    await channel.send(outgoing(Kind.MARK, target=card.remote_id, data={"mark": "done"}))
    assert len(box.workspace.dm_channel("ann").messages) == 2
    assert "deleted" in str(box.workspace.channel("triage").top[0].text)
    await kit.close()


async def test_a_send_that_worked_oddly_says_so(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.fail("chat.postMessage", "invalid_blocks")
    sent = await kit.channel.send(outgoing(Kind.CARD))
    assert sent.warning is not None
    assert "plain text" in sent.warning
