"""Messages that are read from a conversation after the fact: one by its ts, or a thread. Bounded."""

from __future__ import annotations

from typing import Any, Final

import structlog

from bot.api import Api
from core.failures import Failure, PermanentFailure, Unavailable

log = structlog.get_logger(__name__)

Json = dict[str, Any]
MOST: Final = 200  # messages of a thread that come into a ticket: its root and the latest
PAGE: Final = 200
PAGES: Final = 5


class History:
    """Reads conversations in which the bot is."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def message(self, channel: str, ts: str) -> Json | None:
        """Return a message, None where it is gone or the bot may not read it. Raises `Unavailable`.

        A reply isn't part of the history (docs.slack.dev/reference/methods/conversations.history): it is asked for as
        a thread of its own.
        """
        asked: tuple[tuple[str, dict[str, Any]], ...] = (
            ("conversations.history", {"latest": ts, "oldest": ts, "inclusive": True, "limit": 1}),
            ("conversations.replies", {"ts": ts, "latest": ts, "oldest": ts, "inclusive": True, "limit": 2}),
        )
        for method, more in asked:
            try:
                answer = await self._api.call(method, channel=channel, **more)
            except PermanentFailure as exc:
                log.info("history_message", channel=channel, ts=ts, refused=exc.reason)
                continue
            except Failure as exc:
                raise Unavailable(exc.reason) from exc
            for message in answer.get("messages") or ():
                if message.get("ts") == ts:
                    return dict(message)
        return None

    async def thread(self, channel: str, root: str, *, before: str | None = None) -> list[Json]:
        """Return a thread, the root first: of a long one the root and the latest, up to the message `before`. Nothing
        where it can't be read. Raises `Unavailable`."""
        found: list[Json] = []
        seen, cursor = 0, None
        for _ in range(PAGES):
            try:
                answer = await self._api.call(
                    "conversations.replies",
                    channel=channel,
                    ts=root,
                    latest=before,
                    limit=PAGE,
                    cursor=cursor,
                )
            except PermanentFailure as exc:
                log.info("history_thread", channel=channel, root=root, refused=exc.reason)
                return []
            except Failure as exc:
                raise Unavailable(exc.reason) from exc
            fresh = [dict(m) for m in answer.get("messages") or () if not (found and m.get("ts") == root)]
            seen += len(fresh)
            found += fresh
            found = found if len(found) <= MOST else [found[0], *found[1 - MOST :]]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        if seen > len(found):
            log.info("history_thread_cut", channel=channel, root=root, seen=seen, kept=len(found))
        return [m for m in found if before is None or str(m.get("ts") or "") < before]
