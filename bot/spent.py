"""Buttons that have done their work go from their posts: "Try again" of an alert, "This belongs to" of a receipt.

What such a click does is the inbox's business; here its post is changed once that is done. Where that doesn't come to
pass the button stays: pressed again it does no harm, and says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import structlog

from bot.api import Api
from bot.blocks import context
from bot.front import Answer, Json
from core.failures import Failure, Unavailable

log = structlog.get_logger(__name__)

LOOKS, PAUSE = 40, 0.25  # how often, and seconds between: whether it is done
DONE: Final[Mapping[str, str]] = {
    "retry": ":white_check_mark: It was delivered by another try.",
    "belongs": "",
}


class Sees(Protocol):
    """What is asked of the desk: `bot.form_facts.Facts`."""

    async def delivered(self, delivery_id: int) -> bool:
        """Has a delivery gone out?"""

    async def merged(self, ticket_id: int) -> bool:
        """Was a ticket merged away?"""


class Spent:
    """`bot.front.Counter` for clicks on such buttons: they are stored first."""

    def __init__(self, api: Api, sees: Sees) -> None:
        self._api, self._sees = api, sees
        self._watched: set[tuple[str, str]] = set()  # channel and ts of posts whose click isn't done yet

    def look(self, body: Json) -> Answer | None:
        """Store it; the post is changed afterwards."""
        action: Json = next(iter(body.get("actions") or ()), {})
        message, channel = body.get("message"), (body.get("channel") or {})
        if body.get("type") != "block_actions" or action.get("action_id") not in DONE:
            return None
        if not (isinstance(message, Mapping) and isinstance(channel, Mapping) and channel.get("id")):
            return None
        return Answer(store=True, after=lambda: self._afterwards(str(channel["id"]), message, action))

    async def _afterwards(self, channel: str, message: Json, action: Json) -> None:
        post = (channel, str(message.get("ts") or ""))
        if post in self._watched:
            return
        self._watched.add(post)
        try:
            for _ in range(LOOKS):
                if await self._is_done(action):
                    await self._take_off(post, message, action)
                    return
                await asyncio.sleep(PAUSE)
        except (Failure, Unavailable) as exc:
            log.info("button_stays", action=action.get("action_id"), reason=str(exc))
        finally:
            self._watched.discard(post)

    async def _take_off(self, post: tuple[str, str], message: Json, action: Json) -> None:
        channel, ts = post
        left, text = without(message, action), message.get("text")
        await self._api.patiently("chat.update", channel=channel, ts=ts, text=text, blocks=left)

    async def _is_done(self, action: Json) -> bool:
        if action.get("action_id") == "retry":
            value = str(action.get("value") or "")
            return value.isdecimal() and len(value) <= 18 and await self._sees.delivered(int(value))
        found = re.match(r"ticket:(\d{1,18}):", str(action.get("block_id") or ""))
        return found is not None and await self._sees.merged(int(found[1]))


def without(message: Json, action: Json) -> list[dict[str, Any]]:
    """Return a post's blocks without those of a button that is spent, and what came of it. Pure."""
    blocks = [dict(block) for block in message.get("blocks") or ()]
    at = next((i for i, block in enumerate(blocks) if block.get("block_id") == action.get("block_id")), None)
    if at is None:
        return blocks
    offers = action.get("action_id") == "belongs"  # the question above the button goes too
    told = DONE[str(action.get("action_id"))]
    return [*blocks[: at - 1 if offers else at], *([context(told)] if told else []), *blocks[at + 1 :]]
