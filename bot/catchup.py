"""What was written while we were away: read it from the conversations' histories and store it like an event.

Events that nobody took are lost after a while (docs.slack.dev/apis/events-api). Read are the direct messages with
the bot, the triage channels, and the threads there in which something was written since. What came twice is one by
`links.key`: a message's channel and ts. Deletions leave no trace in a history, except of a root with replies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from bot.api import Api
from bot.events import Store, arrival_of
from bot.home import Home, later, place_of, split_remote, time_of, ts_of
from bot.sift import sift
from core.clock import Clock
from core.failures import PermanentFailure
from core.inbox import Arrival
from core.shapes import Ignored

log = structlog.get_logger(__name__)

Json = Mapping[str, Any]
ALL: Final = "*"  # the cursor of everything: until then all has been read
REACH: Final = timedelta(
    days=14
)  # roots older than that aren't looked at for new replies, unless `threads` names them
PAGES: Final = 10  # of 200 messages, of one conversation
BATCH: Final = 100
Load = Callable[[], Awaitable[dict[str, str]]]
Save = Callable[[dict[str, str]], Awaitable[None]]
Threads = Callable[[], Awaitable[Iterable[str]]]


class CatchUp:
    """Reads what was missed. `load` and `save` keep the cursors: conversation → ts until which it was read, and
    `*` for all. `threads`: remote ids of roots of tickets that are still open, however old."""

    def __init__(
        self, api: Api, intake: Store, load: Load, save: Save, clock: Clock, threads: Threads | None = None
    ) -> None:
        self._api, self._intake, self._clock = api, intake, clock
        self._load, self._save, self._threads = load, save, threads

    async def note(self, margin: timedelta) -> None:
        """Note that everything until `margin` ago has come."""
        await self._save({ALL: ts_of(self._clock.now() - margin)})

    async def run(self) -> int:
        """Read everything since the cursors; returns how many payloads were stored. The very first time there is
        nothing to catch up with: what was written before the desk existed is nobody's request.

        Raises `TemporaryFailure`, `Unavailable`: the cursors stand where it got to.
        """
        home, cursors = await self._api.home(), await self._load()
        started = ts_of(self._clock.now())
        since = cursors.get(ALL)
        if since is None:
            await self._save({ALL: started})
            return 0
        older = await self._older_threads()
        stored = 0
        for channel in await self._conversations(home, cursors):
            place = place_of(home.team, channel)
            begin = cursors.get(place, since)
            try:
                found = await self._read(home, channel, begin, older.get(channel, set()))
            except PermanentFailure as exc:
                log.warning("catch_up_skipped", channel=channel, reason=exc.reason)
                continue
            if found:
                stored += found
                cursors[place] = started
                await self._save(cursors)
        await self._save({ALL: started})
        log.info("catch_up", since=since, stored=stored)
        return stored

    async def _conversations(self, home: Home, cursors: Mapping[str, str]) -> list[str]:
        """Triage channels first, then the direct messages, those with the latest known message first."""
        direct: list[str] = []
        try:
            async for page in self._api.pages("conversations.list", "channels", types="im", limit=200):
                direct += [str(one["id"]) for one in page if not one.get("is_user_deleted")]
        except PermanentFailure as exc:
            log.warning("catch_up_skipped", channel="direct messages", reason=exc.reason)
        direct.sort(key=lambda one: cursors.get(place_of(home.team, one), ""), reverse=True)
        return [*home.triage, *direct]

    async def _older_threads(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for remote in await self._threads() if self._threads else ():
            _, channel, ts = split_remote(remote)
            found.setdefault(channel, set()).add(ts)
        return found

    async def _read(self, home: Home, channel: str, since: str, threads: set[str]) -> int:
        """Store one conversation's news, oldest first."""
        payloads: list[tuple[str, Json]] = []
        roots = set(threads)
        oldest = ts_of(time_of(since) - REACH)
        pages = self._api.pages(
            "conversations.history", "messages", most=PAGES, channel=channel, oldest=oldest, limit=200
        )
        async for page in pages:
            for message in page:
                payloads += news(home, channel, message, since)
                latest = str(message.get("latest_reply") or "")
                if message.get("reply_count") and (not latest or later(latest, since)):
                    roots.add(str(message["ts"]))
                else:
                    roots.discard(str(message["ts"]))
        for root in sorted(roots):
            async for reply in self._replies(channel, root, since):
                payloads += news(home, channel, reply, since)
        arrivals = [arrival_of(body, home, via="caught", name=name) for name, body in payloads]
        return await self._store(arrivals)

    async def _replies(self, channel: str, root: str, since: str) -> AsyncIterator[Json]:
        pages = self._api.pages(
            "conversations.replies", "messages", most=PAGES, channel=channel, ts=root, oldest=since, limit=200
        )
        try:
            async for page in pages:
                for message in page:
                    if message.get("ts") != root:
                        yield message
        except PermanentFailure as exc:
            log.info("catch_up_skipped", channel=channel, root=root, reason=exc.reason)

    async def _store(self, arrivals: list[Arrival]) -> int:
        ordered = sorted({a.key: a for a in arrivals}.values(), key=lambda a: a.source_order)
        for at in range(0, len(ordered), BATCH):
            await self._intake.store(ordered[at : at + BATCH])
        return len(ordered)


def news(home: Home, channel: str, message: Json, since: str) -> list[tuple[str, Json]]:
    """Return what is new in a message of a history since a ts, as (name, payload), each like the event that was
    missed: the message, its edit, its deletion. Nothing where it's not for us. Pure."""
    ts = str(message.get("ts") or "")
    edited = str((message.get("edited") or {}).get("ts") or "")
    name = f"slack:caught:{place_of(home.team, channel)}/{ts}"
    event: dict[str, Any] = {"type": "message", "channel": channel}
    if message.get("subtype") == "tombstone":
        name, at = f"{name}:gone", ts
        event |= {"subtype": "message_deleted", "deleted_ts": ts, "previous_message": {"thread_ts": ts}}
    elif edited and later(edited, since):
        name, at = f"{name}:{edited}", edited
        event |= {"subtype": "message_changed", "message": message, "previous_message": {}}
    elif later(ts, since):
        at = ts
        event = dict(message) | event
    else:
        return []
    body = {
        "type": "event_callback",
        "team_id": home.team,
        "event": {**event, "ts": event.get("ts", at), "event_ts": at},
    }
    return [] if isinstance(sift(body, home), Ignored) else [(name, body)]
