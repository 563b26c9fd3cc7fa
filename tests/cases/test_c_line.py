"""C, the line to Slack: a socket that looks alive, strangers on our token, events that Slack held back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.api import Api
from bot.socket_mode import SocketMode, Taken
from sandbox import Sandbox
from tests.bot.kit import Kit, config, until
from tests.conftest import Houses
from tests.house import House
from tests.waiting import until as wait_until

WAYS: dict[str, Callable[[Sandbox], None]] = {
    "silent": lambda box: box.workspace.faults.silence_sockets(),
    "reset": lambda box: box.workspace.faults.drop_sockets(),
    "warning": lambda box: box.workspace.faults.disconnect("warning"),
    "refresh": lambda box: box.workspace.faults.disconnect("refresh_requested"),
}


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    """A connected door; its line counts as dead after a second without a pong."""
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


@pytest.mark.parametrize("way", list(WAYS))
async def test_C17_a_line_that_ends_in_any_way_is_replaced(box: Sandbox, kit: Kit, way: str) -> None:
    """Within seconds, also where the socket stays open and says nothing; what is written meanwhile comes once."""
    first = box.sockets.sockets[0]
    WAYS[way](box)
    await box.workspace.user("ann").dm("written meanwhile")
    await until(lambda: any(one is not first for one in box.sockets.sockets), 8)
    await box.workspace.user("ann").dm("written afterwards")
    await until(lambda: {"written meanwhile", "written afterwards"} <= set(kit.shelf.texts), 8)
    assert len(kit.shelf.texts) == 2
    assert (kit.door.state, kit.door.trouble) == ("connected", "")


@pytest.mark.parametrize("way", ["silent", "reset"])
async def test_C17_the_end_is_bounded_whatever_the_line_does(box: Sandbox, kit: Kit, way: str) -> None:
    WAYS[way](box)
    begun = time.monotonic()
    await kit.door.stop()
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("store_name", ["sqlite"])
async def test_C17_readiness_names_slack_and_stopping_ends(house: House, box: Sandbox) -> None:
    """With Slack away `/readyz` says so, and is well again with it; SIGTERM ends the service all the same."""

    async def slack() -> tuple[str, str]:
        async with house.client() as http:
            said = (await http.get("/readyz")).json()
        return said["parts"]["slack"], said["status"]

    await wait_until(lambda: _is(slack, ("ok", "ok")))
    box.workspace.faults.down()
    await wait_until(lambda: _is(slack, ("degraded", "degraded")))
    box.workspace.faults.up()
    await wait_until(lambda: _is(slack, ("ok", "ok")), 20)
    box.workspace.faults.silence_sockets()
    box.workspace.faults.down()
    await house.terminate(within=10)


async def _is(look: Callable[[], Any], wanted: object) -> bool:
    return bool(await look() == wanted)


async def test_C18_strangers_on_our_token_are_warned_of(box: Sandbox, tmp_path: Path) -> None:
    """Another deployment is connected with the same token: the log says how many there are and what to do."""
    other = Api(config(box.api_url))

    async def take(_: Any) -> Taken:
        return Taken(True)

    lines = [asyncio.create_task(SocketMode(other, take, lambda up: None).run()) for _ in range(3)]
    await until(lambda: len(box.sockets.sockets) == len(lines))
    kit = Kit(box.api_url, tmp_path)
    with capture_logs() as logs:
        await kit.door.start()
        assert await kit.door.until_ready(5)
    [warned] = [one for one in logs if one["event"] == "strange_connections"]
    assert warned["log_level"] == "warning"
    assert warned["connections"] > warned["expected"]
    assert "slack.app_token" in warned["hint"]
    for line in lines:
        line.cancel()
    await asyncio.gather(*lines, return_exceptions=True)
    await kit.close()
    await other.close()


async def test_C19_what_slack_held_back_is_read_and_managers_see_it(houses: Houses, box: Sandbox) -> None:
    """A dropped message becomes its one ticket; the manager's Home says what happened, an agent's doesn't."""
    house = await houses()
    await wait_until(lambda: house.store.count("work", "kind = 'cursor' AND data LIKE '%*%'"))
    space = box.workspace
    ada, grace = space.user("ada"), space.user("grace")
    space.faults.hold_events()
    await space.user("ann").dm("My printer burns")
    told = {"type": "app_rate_limited", "team_id": box.team_id, "minute_rate_limited": int(time.time()) - 1}
    assert (await box.sockets.send("events_api", told, attempt=0, reason="", timeout=3)).acked
    await space.wait_for(lambda: "My printer burns" in space.render(), timeout=15)
    space.faults.release_events()  # it comes after all
    await ada.open_home()
    await grace.open_home()
    await space.wait_for(lambda: "held events back" in ada.render_home(), timeout=10)
    await space.wait_for(lambda: "Unassigned" in grace.render_home(), timeout=10)
    await space.settled()
    assert "held events back" not in grace.render_home()
    assert house.store.count("tickets") == 1
    assert len(space.channel("triage").top) == 1
