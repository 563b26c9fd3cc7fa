"""What was written while we were away: read it from the conversations' histories and store it like an event.

Events that nobody took are lost after a while (docs.slack.dev/apis/events-api). Read are the triage channels, the
direct messages with the bot and the other channels that it is in, and the threads there in which something was written
since. What came twice is one by `links.key`: a message's channel and ts. Deletions leave no trace in a history, except
of a root with replies; reactions aren't looked for.
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
THREADS: Final = 100  # of one channel, those with the latest replies first
BATCH: Final = 100
KEEP_EVERY: Final = 10  # conversations, after which the cursors are kept
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
        self._left: list[str] = []  # conversations that are still to be read, the next one first
        self._listed = True  # False while we find out which

    def hurry(self, channel: str) -> bool:
        """Whether that conversation, where something was just said, is still to be read; then it's the next."""
        if channel in self._left:
            self._left.remove(channel)
            self._left.insert(0, channel)
            return True
        return not self._listed

    async def note(self, margin: timedelta) -> None:
        """Note that everything until `margin` ago has come."""
        await self._save({ALL: ts_of(self._clock.now() - margin)})

    async def run(self, missed: str | None = None) -> int:
        """Read everything since the cursors, and since `missed` if that is earlier; returns how many payloads were
        stored. The very first time there is nothing to catch up with: what was written before the desk existed is
        nobody's request.

        Raises `TemporaryFailure`, `Unavailable`, `StaleLease`: the cursors stand where it got to.
        """
        home, cursors = await self._api.home(), await self._load()
        started = ts_of(self._clock.now())
        since = cursors.get(ALL)
        if since is None:
            await self._save({ALL: started})
            return 0
        if missed is not None and later(since, missed):
            since, cursors = missed, {ALL: missed}
        self._listed = False
        try:
            older = await self._older_threads()
            self._left = await self._conversations(home, older)
            self._listed = True
            stored = await self._read_all(home, cursors, since, started, older)
        finally:
            self._left, self._listed = [], True
        await self._save({ALL: started})
        log.info("catch_up", since=since, stored=stored)
        return stored

    async def _read_all(
        self, home: Home, cursors: dict[str, str], since: str, started: str, older: Mapping[str, set[str]]
    ) -> int:
        """Read what is left, conversation by conversation; what was read before an interruption isn't read again."""
        stored = unkept = 0
        while self._left:
            channel = self._left[0]
            place = place_of(home.team, channel)
            begin = cursors.get(place, since)
            try:
                stored += await self._read(home, channel, begin, older.get(channel, set()))
            except PermanentFailure as exc:
                log.warning("catch_up_skipped", channel=channel, reason=exc.reason)
            if channel in self._left:  # somebody hurried us to another meanwhile
                self._left.remove(channel)
            cursors[place] = started
            unkept += 1
            if unkept >= KEEP_EVERY:
                await self._save(cursors)
                unkept = 0
        return stored

    async def _conversations(self, home: Home, older: Mapping[str, set[str]]) -> list[str]:
        """Where something may have been missed: triage channels first, then where tickets are open, then the rest."""
        direct = [
            str(one["id"])
            async for one in self._listing("conversations.list", types="im")
            if not one.get("is_user_deleted")
        ]
        kinds = "public_channel,private_channel"
        channels = [
            str(one["id"])
            async for one in self._listing("users.conversations", types=kinds, exclude_archived=True)
        ]
        rest = sorted([*direct, *channels], key=lambda one: one not in older)
        return list(dict.fromkeys([*home.triage, *rest]))

    async def _listing(self, method: str, **arguments: Any) -> AsyncIterator[Json]:
        try:
            async for page in self._api.pages(method, "channels", limit=200, **arguments):
                for one in page:
                    yield one
        except PermanentFailure as exc:
            log.warning("catch_up_skipped", method=method, reason=exc.reason)

    async def _older_threads(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for remote in await self._threads() if self._threads else ():
            _, channel, ts = split_remote(remote)
            found.setdefault(channel, set()).add(ts)
        return found

    async def _read(self, home: Home, channel: str, since: str, threads: set[str]) -> int:
        """Store one conversation's news, oldest first."""
        payloads: list[tuple[str, Json]] = []
        roots = dict.fromkeys(threads, "")  # root → its latest reply, "" where we don't know
        oldest = ts_of(time_of(since) - REACH)
        pages = self._api.pages(
            "conversations.history", "messages", most=PAGES, channel=channel, oldest=oldest, limit=200
        )
        async for page in pages:
            for message in page:
                payloads += news(home, channel, message, since)
                latest = str(message.get("latest_reply") or "")
                if message.get("reply_count") and (not latest or later(latest, since)):
                    roots[str(message["ts"])] = latest
                else:
                    roots.pop(str(message["ts"]), None)
        for root in _most(roots, channel):
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


def _most(roots: Mapping[str, str], channel: str) -> list[str]:
    """Return the threads to look into, oldest first: those of open tickets, and those with the latest replies."""
    wanted = sorted(roots, key=lambda root: (roots[root] == "", roots[root]), reverse=True)
    if len(wanted) > THREADS:
        log.warning("catch_up_cut", channel=channel, threads=len(wanted), read=THREADS)
    return sorted(wanted[:THREADS])


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
