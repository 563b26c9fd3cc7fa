"""Socket Mode in trouble: what Slack refuses is told, teardown is bounded, silence and failed openings end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.api import Api
from bot.socket_mode import SocketMode, Taken
from sandbox import Sandbox
from tests.bot.kit import Kit, config, until


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.socket_mode.REFUSED_WAIT", 0.3)


@pytest.fixture
async def strangers(box: Sandbox) -> AsyncIterator[Callable[[int], Any]]:
    """Another deployment that uses the same app token."""
    api = Api(config(box.api_url))
    tasks: list[asyncio.Task[None]] = []

    async def take(_: Any) -> Taken:
        return Taken(True)

    async def come(count: int) -> None:
        there = len(box.sockets.sockets)
        tasks.extend(asyncio.create_task(SocketMode(api, take, lambda up: None).run()) for _ in range(count))
        await until(lambda: len(box.sockets.sockets) == there + count)

    yield come
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await api.close()


async def test_a_disabled_link_is_told_and_tried_again_later(box: Sandbox, kit: Kit, impatient: None) -> None:
    with capture_logs() as logs:
        box.workspace.faults.disconnect("link_disabled")
        await until(lambda: "switched off" in kit.door.trouble)
    assert [one["reason"] for one in logs if one["event"] == "socket_refused"] == ["link_disabled"]
    assert kit.door.state == "away"
    await until(lambda: kit.door.state == "connected")
    assert kit.door.trouble == ""


async def test_too_many_connections_are_told(
    box: Sandbox, tmp_path: Path, strangers: Any, impatient: None
) -> None:
    await strangers(10)
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    await until(lambda: "slack.app_token" in kit.door.trouble)
    assert not kit.door.ready
    box.workspace.faults.drop_sockets()
    await kit.close()


async def test_strange_connections_are_warned_of(box: Sandbox, tmp_path: Path, strangers: Any) -> None:
    await strangers(3)  # two seats and one that replaces another are ours
    with capture_logs() as logs:
        kit = Kit(box.api_url, tmp_path)
        await kit.door.start()
        assert await kit.door.until_ready(5)
    [warned] = [one for one in logs if one["event"] == "strange_connections"]
    assert (warned["connections"], warned["expected"]) == (4, 3)
    assert "slack.app_token" in warned["hint"]
    await kit.close()


async def test_our_own_connections_are_no_strangers(box: Sandbox, kit: Kit, strangers: Any) -> None:
    await strangers(1)
    with capture_logs() as logs:
        box.workspace.faults.disconnect("warning")
        await until(lambda: any(one["event"] == "connected" for one in logs))
    assert not [one for one in logs if one["event"] == "strange_connections"]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_an_opening_that_fails_during_a_refresh_is_tried_again(
    box: Sandbox, kit: Kit, reason: str
) -> None:
    first = box.sockets.sockets[0]
    box.workspace.faults.http_error("apps.connections.open", 503)
    box.workspace.faults.disconnect(reason)
    await until(lambda: any(one is not first for one in box.sockets.sockets))
    await until(lambda: kit.door.state == "connected")
    await box.workspace.user("ann").dm("still there?")
    await until(lambda: kit.shelf.texts == ["still there?"])


async def test_a_silent_socket_is_seen_and_replaced_in_bounded_time(box: Sandbox, kit: Kit) -> None:
    """Pings get no pong: with a heartbeat of 0.6 s the line is dead after 0.9 s."""
    first = box.sockets.sockets[0]
    begun = time.monotonic()
    box.workspace.faults.silence_sockets()
    await until(lambda: any(one is not first for one in box.sockets.sockets), 8)
    assert time.monotonic() - begun < 5
    await until(lambda: kit.door.state == "connected")


async def test_a_close_that_hangs_holds_nobody_up(
    box: Sandbox, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = aiohttp.ClientWebSocketResponse.close

    async def never(self: Any, **more: Any) -> bool:
        if not self.closed:  # aiohttp's own, within its time limit
            return await closes(self, **more)
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "close", never)
    box.workspace.faults.drop_sockets()
    await until(lambda: kit.door.state == "connected" and len(box.sockets.sockets) == 1)
    begun = time.monotonic()
    await kit.door.stop()
    assert time.monotonic() - begun < 8


async def test_lines_that_break_at_once_are_not_opened_in_a_storm(
    box: Sandbox, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = len([c for c in box.workspace.calls if c.method == "apps.connections.open"])
    until_then = time.monotonic() + 1.5
    while time.monotonic() < until_then:
        box.workspace.faults.drop_sockets()
        await asyncio.sleep(0.02)
    again = len([c for c in box.workspace.calls if c.method == "apps.connections.open"]) - opened
    assert 1 <= again <= 6
    await until(lambda: kit.door.state == "connected")
