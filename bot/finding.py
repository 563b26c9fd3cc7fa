"""Finding what we posted. Slack has no idempotency key: each post carries its delivery's number as metadata, which any
app in the channel may read and which therefore holds nothing else. After a lost answer we look for it first.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from bot.api import Api
from bot.home import ts_of
from core.failures import PermanentFailure
from core.shapes import Kind, Outgoing

EVENT: Final = "relaydesk_delivery"
CARD_PART: Final = "card"  # the part that is a ticket's card, posted anew for what goes below it
SKEW: Final = timedelta(seconds=60)
LOOK_PAGES: Final = 5


def marked(delivery: int, part: str) -> dict[str, Any]:
    """Return the metadata of a post."""
    return {"event_type": EVENT, "event_payload": {"delivery": delivery, "part": part}}


async def parts_there(
    api: Api, outgoing: Outgoing, channel: str, root: str | None, *, since: datetime
) -> dict[str, str]:
    """Return which parts of a delivery stand there: part → ts. Raises a `Failure`."""
    found: dict[str, str] = {}
    oldest = ts_of(since - SKEW)
    if root is not None:
        found |= await _scan(api, "conversations.replies", outgoing, channel, oldest, ts=root)
    if not found:
        found |= await _scan(api, "conversations.history", outgoing, channel, oldest)
        if (first := _stands_over(found, outgoing, root)) is not None:
            below = await _scan(api, "conversations.replies", outgoing, channel, oldest, ts=first)
            found = below | found
    return found


def _stands_over(found: dict[str, str], outgoing: Outgoing, root: str | None) -> str | None:
    """Below which of the parts at top level the others stand: the card that it brought along, or the first one."""
    if CARD_PART in found:
        return found[CARD_PART]
    return found.get("0") if root is None and outgoing.kind is not Kind.CARD else None


async def _scan(
    api: Api, method: str, outgoing: Outgoing, channel: str, oldest: str, **more: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    arguments = {"channel": channel, "oldest": oldest, "limit": 200, "include_all_metadata": True, **more}
    try:
        async for page in api.pages(method, "messages", most=LOOK_PAGES, **arguments):
            for message in page:
                metadata = message.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                mine = metadata.get("event_type") == EVENT
                if mine and payload.get("delivery") == outgoing.delivery_id and message.get("bot_id"):
                    found.setdefault(str(payload.get("part", "0")), str(message["ts"]))
    except PermanentFailure:
        if method == "conversations.history":
            raise
    return found
