"""Small answers of the door and the reader that only one person sees: at most once, and never the only copy of
anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog

from bot.api import Api
from core.failures import Failure, PermanentFailure

log = structlog.get_logger(__name__)

Json = dict[str, Any]


async def hint(
    api: Api, channel: str, user: str, text: str, *, root: str | None = None, blocks: Sequence[Json] = ()
) -> bool:
    """Say something to one person in a conversation, beside what they did. False where Slack doesn't let us."""
    shown = list(blocks) or None
    try:
        await api.call(
            "chat.postEphemeral", channel=channel, user=user, text=text, thread_ts=root, blocks=shown
        )
    except Failure as exc:
        log.info("hint", channel=channel, refused=exc.reason)
        return False
    return True


async def tell(
    api: Api, user: str, text: str, *, channel: str = "", url: str = "", blocks: Sequence[Json] = ()
) -> None:
    """Say something to one person, wherever they can be reached: where they acted (`url`: the answer's address that
    Slack gave, `channel`), else in their direct messages."""
    body: Json = {"text": text, "response_type": "ephemeral", "replace_original": False}
    if url and await respond(api, url, {**body, **({"blocks": list(blocks)} if blocks else {})}):
        return
    if channel and await hint(api, channel, user, text, blocks=blocks):
        return
    try:
        await api.call("chat.postMessage", channel=user, text=text, blocks=list(blocks) or None)
    except PermanentFailure as exc:
        log.info("tell", user=user, refused=exc.reason)


async def respond(api: Api, url: str, body: Json) -> bool:
    """Post to a `response_url`, which needs no token and is good for half an hour. False where it isn't taken."""
    if not api.token_may_go_to(url):
        return False
    try:
        async with api.session.post(
            url, json=body, proxy=api.proxy_for(url), allow_redirects=False
        ) as answer:
            taken = answer.status == 200
    except (aiohttp.ClientError, TimeoutError) as exc:
        log.info("respond", failed=type(exc).__name__)
        return False
    if not taken:
        log.info("respond", status=answer.status)
    return taken
