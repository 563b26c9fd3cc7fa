"""What the Slack door's tests share: a configuration, deliveries to send, a door with an inbox of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.api import Api
from bot.channel import SlackChannel
from bot.connect import SlackDoor
from bot.home import Home
from core.blobs import Blobs
from core.config import Config, Queue, Service, Slack
from core.failures import Unavailable
from core.inbox import Arrival
from core.shapes import Attachment, Author, InboxItem, Kind, Message, Outgoing, Priority, Ref, Visibility
from core.status import Status, Ticket
from core.threads import LinkFact

TRIAGE = "C0TRIAGE01"
HOME = Home(
    team="T1",
    bot_user="UBOT",
    bot_id="BBOT",
    triage={TRIAGE: "support"},
    dm_queue="support",
    public=("support", "billing"),
)
NUMBERS = itertools.count(100)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def config(api_url: str = "http://127.0.0.1:1/api/", **slack: Any) -> Config:
    given = {
        "enabled": True,
        "bot_token": "xoxb-sandbox-bot",
        "app_token": "xapp-sandbox-app",
        "signing_secret": "sandbox-signing-secret",
        "api_url": api_url,
        "ask_timeout": "3s",
    } | slack
    queue = Queue(name="support", addresses=("support@example.com",), slack_channel=TRIAGE)
    return Config(
        service=Service(name="Acme Support", base_url="https://desk.example"),
        slack=Slack(**given),
        queue=(queue,),
    )


def ticket(**more: Any) -> Ticket:
    given: dict[str, Any] = {
        "id": 12,
        "queue": "support",
        "title": "The printer burns",
        "description": "It burns. Please help.",
        "status": Status.NEW,
        "priority": Priority.NORMAL,
        "channel": "email",
        "requester_id": 1,
        "requester_name": "Ann",
        "requester_email": "ann@example.com",
        "assignee_id": None,
        "assignee": None,
        "version": 3,
        "created_at": NOW,
        "updated_at": NOW,
        "public_updated_at": NOW,
    }
    return Ticket(**(given | more))


def message(
    text: str = "Hello", *, staff: bool = False, files: Sequence[Attachment] = (), **more: Any
) -> Message:
    given: dict[str, Any] = {
        "id": 5,
        "ticket_id": 12,
        "seq": 1,
        "author": Author(name="Ada" if staff else "Ann", email="x@example.com", staff=staff),
        "author_id": 1,
        "visibility": Visibility.PUBLIC,
        "channel": "slack" if staff else "email",
        "text": text,
        "full_text": text,
        "source_time": NOW,
        "created_at": NOW,
        "attachments": tuple(files),
    }
    return Message(**(given | more))


def outgoing(kind: Kind, *, desk: bool = True, place: str = "", **more: Any) -> Outgoing:
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "delivery_id": next(NUMBERS),
        "kind": kind,
        "place": place or f"T0SANDBOX1/{TRIAGE}",
        "desk": desk,
        "attempts": 1,
        "sending_at": now,
        "created_at": now,
        "queue": "support",
        "ticket": ticket(),
        "requester": Author(name="Ann", email="ann@example.com", staff=False),
    }
    return Outgoing(**(given | more))


class Shelf:
    """An inbox in memory. `broken`: storing fails."""

    def __init__(self) -> None:
        self.arrivals: dict[bytes, Arrival] = {}
        self.broken = False
        self.calls = 0
        self.pause = 0.0

    async def store(self, arrivals: Sequence[Arrival]) -> int:
        self.calls += 1
        await asyncio.sleep(self.pause)
        if self.broken:
            raise Unavailable("database: away")
        for arrival in arrivals:
            self.arrivals.setdefault(arrival.key, arrival)
        return len(arrivals)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What is stored, in the order of its conversation."""
        return [json.loads(a.raw) for a in sorted(self.arrivals.values(), key=lambda a: a.source_order)]

    @property
    def texts(self) -> list[str]:
        return [body["event"].get("text") for body in self.bodies if "event" in body]

    def items(self) -> list[InboxItem]:
        return [
            InboxItem(
                id=n,
                key=a.key,
                channel="slack",
                envelope=a.envelope,
                raw=a.raw,
                received_at=datetime.now(UTC),
            )
            for n, a in enumerate(sorted(self.arrivals.values(), key=lambda a: a.source_order), 1)
        ]


class Kit:
    """A channel and a door against a workspace on loopback."""

    def __init__(self, api_url: str, folder: Path, **slack: Any) -> None:
        self.api = Api(config(api_url, **slack))
        self.blobs = Blobs(folder / "blobs")
        self.shelf = Shelf()
        self.cursors: dict[str, str] = {}
        self.known: set[str] = set()
        self.cards: set[str] = set()
        self.channel = SlackChannel(self.api, self.blobs, linked=self._linked)
        self.door = SlackDoor(self.api, self.shelf, self._load, self._save, heartbeat=0.6)

    async def _linked(self, ref: Ref) -> LinkFact | None:
        if ref.name in self.cards:
            return LinkFact("card", 12, None)
        return LinkFact("received", 12, 5) if ref.name in self.known else None

    async def _load(self) -> dict[str, str]:
        return dict(self.cursors)

    async def _save(self, cursors: dict[str, str]) -> None:
        self.cursors = dict(cursors)

    async def close(self) -> None:
        await self.door.stop()
        await self.api.close()


async def until(true: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for a condition of ours that no event of the sandbox tells of."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
