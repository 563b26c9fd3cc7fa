"""A box, a client of the real SDK, a Bolt app on Socket Mode; after each test the contract is held against it all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import Sandbox
from tests.sandbox.contract import Contract

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK obeys HTTP_PROXY even for loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def contract_folder() -> Path | None:
    shared = os.environ.get("RELAYDESK_SHARED", "") or Path(__file__).parents[3] / "shared"
    folder = Path(shared) / "slack" / "contract"
    return folder if folder.is_dir() else None


@pytest.fixture
def contract() -> Contract:
    folder = contract_folder()
    if folder is None:
        pytest.skip("no ../shared/slack/contract here; RELAYDESK_SHARED may name the folder `shared`")
    return Contract(folder)


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A box whose retries take no time; at the end nothing of it may be unknown to the contract."""
    made = Sandbox()
    made.workspace.delivery.retry_factor = 0.001
    made.workspace.state.files.scan_delay = 0.02
    await made.start()
    yield made
    await made.stop()
    folder = contract_folder()
    if folder is not None:
        assert Contract(folder).check(made) == []


@pytest.fixture
async def client(box: Sandbox) -> AsyncWebClient:
    return AsyncWebClient(box.bot_token, base_url=box.api_url, retry_handlers=[])


class App:
    """A Bolt app that notes what it hears."""

    def __init__(self, box: Sandbox) -> None:
        web = AsyncWebClient(box.bot_token, base_url=box.api_url, retry_handlers=[])
        self.bolt = AsyncApp(client=web, process_before_response=True, ignoring_self_events_enabled=False)
        self.handler = AsyncSocketModeHandler(self.bolt, box.app_token, ping_interval=0.3)
        self.bodies: list[Json] = []
        self.frames: list[Json] = []
        self.on_event: Callable[[Json], Awaitable[None]] | None = None
        self._box = box
        for kind in ("message", "app_mention", "reaction_added", "member_joined_channel", "user_change"):
            self.bolt.event(kind)(self._heard)

    async def _heard(self, body: Json) -> None:
        self.bodies.append(body)
        self._box.workspace.state.pulse.beat()
        if self.on_event:
            await self.on_event(body)

    @property
    def events(self) -> list[Json]:
        return [body["event"] for body in self.bodies]

    @property
    def texts(self) -> list[str]:
        return [event.get("text", "") for event in self.events]

    async def connect(self) -> None:
        await self.handler.connect_async()
        await self._box.workspace.wait_for(lambda: self._box.sockets.sockets)

    async def close(self) -> None:
        await asyncio.wait_for(self.handler.close_async(), 5)
        await self.handler.client.aiohttp_client_session.close()


@pytest.fixture
async def app(box: Sandbox) -> AsyncIterator[App]:
    """The app, connected."""
    made = App(box)
    await made.connect()
    yield made
    await made.close()
