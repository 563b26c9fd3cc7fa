"""What was written while we were away: read it from the conversations' histories and store it like an event.

Events that nobody took are lost after a while (docs.slack.dev/apis/events-api). Read are the triage channels, the
direct messages with the bot and the other channels that it is in, and the threads there in which something was written
since. What came twice is one by `links.key`: a message's channel and ts. Deletions leave no trace in a history, except
of a root with replies; reactions aren't looked for. A conversation that can't be read is left behind: all others go on,
its own cursor stands, and it is tried again each time when it is noted how far all has come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from bot.api import Api
from bot.events import Store, arrival_of
from bot.home import Home, later, place_of, split_place, split_remote, time_of, ts_of
from bot.sift import sift
from core.clock import Clock
from core.failures import PermanentFailure, TemporaryFailure
from core.shapes import Ignored

log = structlog.get_logger(__name__)

Json = Mapping[str, Any]
ALL: Final = "*"  # the cursor of everything: until then all has been read
REACH: Final = timedelta(
    days=14
)  # roots older than that aren't looked at for new replies, unless `threads` names them
PAGES: Final = 10  # of 200 messages of one conversation, before those that were missed
LISTED: Final = 999  # conversations in a page
BATCH: Final = 100
KEEP_EVERY: Final = 10  # conversations, after which the cursors are kept
GIVE_UP: Final = 5  # conversations that can't be read one after the other: it isn't them
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
        """Note that everything until `margin` ago has come, and try again what was left behind."""
        cursors, until = await self._load(), ts_of(self._clock.now() - margin)
        behind = left_behind(cursors)
        if behind:
            behind = await self._again(cursors, behind)
        await self._save({ALL: until} | behind)

    async def _again(self, cursors: dict[str, str], behind: dict[str, str]) -> dict[str, str]:
        """Read what was left behind; return what still is."""
        home, started = await self._api.home(), ts_of(self._clock.now())
        older = await self._older_threads()
        self._left = [split_place(place)[1] for place in behind]
        try:
            _, still = await self._read_all(home, dict(cursors), cursors[ALL], started, older)
        except TemporaryFailure as exc:
            log.warning("catch_up_failed", reason=exc.reason)
            return behind
        finally:
            self._left = []
        return still

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
            since = missed
            cursors = {place: missed if later(at, missed) else at for place, at in cursors.items()}
        self._listed = False
        try:
            older = await self._older_threads()
            self._left = await self._conversations(home, older)
            self._listed = True
            stored, behind = await self._read_all(home, cursors, since, started, older)
        finally:
            self._left, self._listed = [], True
        await self._save({ALL: started} | behind)
        log.info("catch_up", since=since, stored=stored, behind=len(behind))
        return stored

    async def _read_all(
        self, home: Home, cursors: dict[str, str], since: str, started: str, older: Mapping[str, set[str]]
    ) -> tuple[int, dict[str, str]]:
        """Read what is left, conversation by conversation; what was read before an interruption isn't read again.
        Returns how much was stored, and until when those were read that couldn't be now. Raises `TemporaryFailure`
        where many in a row couldn't."""
        stored = unkept = failed = 0
        behind: dict[str, str] = {}
        while self._left:
            channel = self._left[0]
            place = place_of(home.team, channel)
            begin = cursors.get(place, since)
            cursors[place], failed = started, failed + 1
            try:
                stored += await self._read(home, channel, begin, older.get(channel, set()))
                failed = 0
            except PermanentFailure as exc:
                log.warning("catch_up_skipped", channel=channel, reason=exc.reason)
                failed = 0
            except TemporaryFailure as exc:
                log.warning("catch_up_left_behind", channel=channel, reason=exc.reason, since=begin)
                cursors[place] = behind[place] = begin
                if failed >= GIVE_UP:
                    raise
            if channel in self._left:  # somebody hurried us to another meanwhile
                self._left.remove(channel)
            unkept += 1
            if unkept >= KEEP_EVERY:
                await self._save(cursors)
                unkept = 0
        return stored, behind

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
            async for page in self._api.pages(method, "channels", limit=LISTED, **arguments):
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
        """Store one conversation's news, oldest first: what was said there and in threads that are known to have new
        replies, and then what is found in old threads, of which nobody knows."""
        payloads: list[tuple[str, Json]] = []
        fresh, unknown = set(), set(threads)  # roots
        async for message in self._history(channel, since, unknown):
            payloads += news(home, channel, message, since)
            root, latest = str(message.get("ts") or ""), str(message.get("latest_reply") or "")
            unknown.discard(root)
            if message.get("reply_count") and (not latest or later(latest, since)):
                fresh.add(root)
        for root in sorted(fresh):
            payloads += await self._replies(home, channel, root, since)
        stored = await self._store(home, payloads)
        for root in sorted(unknown, reverse=True):
            stored += await self._store(home, await self._replies(home, channel, root, since))
        return stored

    async def _history(self, channel: str, since: str, unknown: set[str]) -> AsyncIterator[Json]:
        """A conversation's messages, newest first, for as far back as it is worth it. `unknown`: roots that are looked
        for; who reads takes out those that came."""
        reach = ts_of(time_of(since) - REACH)
        pages = self._api.pages(
            "conversations.history",
            "messages",
            channel=channel,
            oldest=min([reach, *unknown], key=time_of),
            inclusive=True,
            limit=200,
        )
        older = 0
        async for page in pages:
            for message in page:
                yield message
            at = str(page[-1].get("ts") or "") if page else ""
            older += not later(at, since)
            if not worth_more(older, len(unknown), missed=later(at, since), reached=not later(at, reach)):
                return

    async def _replies(self, home: Home, channel: str, root: str, since: str) -> list[tuple[str, Json]]:
        pages = self._api.pages(
            "conversations.replies", "messages", channel=channel, ts=root, oldest=since, limit=200
        )
        found: list[tuple[str, Json]] = []
        try:
            async for page in pages:
                for message in page:
                    if message.get("ts") != root:
                        found += news(home, channel, message, since)
        except PermanentFailure as exc:
            log.info("catch_up_skipped", channel=channel, root=root, reason=exc.reason)
        return found

    async def _store(self, home: Home, payloads: Iterable[tuple[str, Json]]) -> int:
        arrivals = [arrival_of(body, home, via="caught", name=name) for name, body in payloads]
        ordered = sorted({a.key: a for a in arrivals}.values(), key=lambda a: a.source_order)
        for at in range(0, len(ordered), BATCH):
            await self._intake.store(ordered[at : at + BATCH])
        return len(ordered)


def left_behind(cursors: Mapping[str, str]) -> dict[str, str]:
    """Return the cursors of those conversations that weren't read as far as all. Pure."""
    return {place: at for place, at in cursors.items() if place != ALL and later(cursors[ALL], at)}


def worth_more(older: int, unknown: int, *, missed: bool, reached: bool) -> bool:
    """Whether another page of a history is to be read: always while it is of what was missed. Before that, some more
    pages, for threads with new replies (`reached`: they are too old for that now); and as many as there are old threads
    still to be found, each of which costs a call of its own else. Pure."""
    return missed or older < max(0 if reached else PAGES, unknown)


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
