"""The Slack door and channel on a desk's parts; nothing is opened yet."""

from __future__ import annotations

from collections.abc import Sequence

from bot.api import Api
from bot.channel import SlackChannel
from bot.connect import SlackDoor
from bot.front import Counter, Front
from core import actions, work
from core.parts import Parts
from core.shapes import Ref
from core.views import open_roots


def slack_api(parts: Parts) -> Api:
    """The Web API that door and channel share."""
    return Api(parts.config)


def slack_channel(parts: Parts, api: Api) -> SlackChannel:
    """What reads what came in, and sends."""

    async def knows(ref: Ref) -> bool:
        found = await parts.database.read(lambda tx: actions.linked(tx, ref))
        return found is not None

    return SlackChannel(api, parts.blobs, parts.clock, knows=knows)


def slack_door(parts: Parts, api: Api) -> SlackDoor:
    """What takes in."""
    name, kind = "slack:catch-up", "cursor"

    async def load() -> dict[str, str]:
        return await work.remembered(parts.database, name)

    async def save(cursors: dict[str, str]) -> None:
        await work.remember(parts.database, name, kind, cursors)

    async def threads() -> list[str]:
        return await parts.database.read(open_roots)

    front = Front(counters(parts, api))
    return SlackDoor(api, parts.intake, load, save, threads=threads, clock=parts.clock, front=front)


def counters(parts: Parts, api: Api) -> Sequence[Counter]:
    """Who answers at the door, in the order in which they are asked."""
    return ()
