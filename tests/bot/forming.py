"""A door with the counters of forms and nudges before a workspace; what the desk knows is in the test's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.api import Api
from bot.connect import SlackDoor
from bot.forms import Forms
from bot.front import Front
from bot.nudges import Nudges
from core.config import Config
from core.failures import Unavailable
from core.people import Known
from core.shapes import Ref, Role, key_of
from core.status import Ticket
from core.threads import LinkFact
from sandbox import TRIAGE, Sandbox
from sandbox.shapes import Message
from tests.bot.kit import Shelf, config, ticket

Json = dict[str, Any]
STAFF = ("U0ADA00001", "U0GRACE001")


@dataclass
class Desk:
    """What the desk knows. `away`: it can't be asked now."""

    facts: dict[str, LinkFact] = field(default_factory=dict)
    others: list[Ticket] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    cards: list[int] = field(default_factory=list)
    away: bool = False

    async def who(self, user: str) -> Known:
        self._there()
        role = Role.AGENT if user in STAFF else Role.REQUESTER
        return Known(user_id=1, name="", username=None, role=role, identity=key_of(user))

    async def linked(self, ref: Ref) -> LinkFact | None:
        self._there()
        return self.facts.get(ref.name)

    async def ticket(self, ticket_id: int) -> Ticket | None:
        self._there()
        return ticket(id=ticket_id, title="The *printer* burns")

    async def beside(self, ticket_id: int, asker: Known) -> list[Ticket]:
        self._there()
        return self.others

    async def card_again(self, ticket_id: int) -> None:
        self._there()
        self.cards.append(ticket_id)

    async def once_a_day(self, what: str) -> bool:
        self._there()
        fresh = what not in self.done
        self.done.add(what)
        return fresh

    def _there(self) -> None:
        if self.away:
            raise Unavailable("database: away")


@dataclass
class Room:
    """The workspace, the inbox behind the door, the desk."""

    box: Sandbox
    shelf: Shelf
    desk: Desk

    def bot_says(self, channel: str, text: str, blocks: list[Json]) -> Message:
        """A message of the bot's, as the desk posts it."""
        space = self.box.workspace.state
        where = space.dm(space.user(channel[1:])) if channel.startswith("@") else space.channel(channel)
        return space.add(space.bot_message(where, text, None, blocks=blocks))

    async def modal(self, name: str, words: str = "") -> str:
        """Wait for somebody's form, and that it shows these words; its id."""
        person = self.box.workspace.user(name)
        await self.box.workspace.wait_for(lambda: person.modal and words in str(person.modal.body))
        assert person.modal is not None
        return person.modal.id

    def whispers(self, channel: str, name: str) -> list[Message]:
        """What somebody alone was told in a channel."""
        user = self.box.workspace.user(name).id
        return [m for m in self.box.workspace.channel(channel).ephemerals if m.ephemeral_to == user]

    def errors(self, method: str) -> list[str]:
        """How its calls were refused."""
        calls = self.box.workspace.calls_of(method)
        return [str(call.answer.get("error")) for call in calls if not call.answer["ok"]]


def two_queues(
    box: Sandbox, requests: str = "", public: Sequence[str] = ("support", "billing"), **slack: Any
) -> Config:
    """A desk of two queues, which are public where `public` says so; in the channel `requests` people ask."""
    base = config(box.api_url, bot_token=box.bot_token, app_token=box.app_token, **slack)
    first = base.queue[0].model_copy(
        update={"slack_channel": TRIAGE, "request_channels": (requests,) if requests else ()}
    )
    queues = (first, first.model_copy(update={"name": "billing"}))
    queues = tuple(queue.model_copy(update={"public": queue.name in public}) for queue in queues)
    return base.model_copy(update={"queue": queues})


@asynccontextmanager
async def opened(box: Sandbox, settings: Config) -> AsyncIterator[Room]:
    """Open the door."""
    api, shelf, desk = Api(settings), Shelf(), Desk()
    cursors: dict[str, str] = {}

    async def load() -> dict[str, str]:
        return dict(cursors)

    async def save(given: dict[str, str]) -> None:
        cursors.update(given)

    front = Front((Forms(api, api.directory, desk), Nudges(api, desk)))
    door = SlackDoor(api, shelf, load, save, front=front)
    await door.start()
    assert await door.until_ready(5)
    yield Room(box, shelf, desk)
    await door.stop()
    await api.close()
