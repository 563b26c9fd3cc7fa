"""Reads what came in from Slack: what it takes to know who wrote, which files and which other messages belong to it is
fetched, then `bot.read` says what it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot import form_reading
from bot.answering import hint
from bot.api import Api
from bot.files import fetch, unavailable
from bot.found import CHATTER, NEWS, Found, Json, Side, What, side_of
from bot.history import History
from bot.home import Home, ref_of, time_of
from bot.read import ONLY_MENTION, as_ticket, read_found, wordless
from bot.sift import message_in, sift
from core.blobs import Blobs
from core.clock import Clock
from core.failures import Failure, Unavailable
from core.shapes import File, Ignored, Inbound, InboxItem, MessageEdited, NewMessage, Ref
from core.threads import LinkFact

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=15)  # how long a message waits for files that can't be reached
MOST_FILES, MOST_TIMES = 60, 4  # files that one row brings, of so many times the largest file's bytes
SEEN: Final = "the desk has it"
TOO_MUCH: Final = "too many files came at once"
DESKS: Final = "what is said at the desk is nobody's request"
DESKS_FORM: Final = "No ticket was opened: this is the help desk's own talk. Use /ticket for a new one."
MENTION: Final = "app_mention"
WORDLESS: Final = "Write what it is about after the mention, and it becomes a ticket."
Linked = Callable[[Ref], Awaitable[LinkFact | None]]
IsStaff = Callable[[str], Awaitable[bool]]  # given a user's id
Changed = Callable[[str, datetime | None], Awaitable[None]]
Came = Callable[[str, datetime | None, str], Awaitable[None]]  # the last: who came or went


async def _nothing(ref: Ref) -> None:
    return None


async def _nobody(user: str) -> bool:
    return False


async def _unheard(channel: str, at: datetime | None, user: str = "") -> None:
    return None


@dataclass(slots=True)
class _Row:
    """A row that is read, in which workspace, and how many files and bytes of files may still come with it."""

    item: InboxItem
    home: Home
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hears:
    """Who wants to know what, before anything that follows it is read: somebody came into a triage channel or left it,
    who can read one may have changed."""

    staff_changed: Came = _unheard
    exposure_changed: Changed = _unheard


class Reader:
    """Reads rows of the inbox. `linked`: what is known of an outside name; it says whose thread a message is in.
    `is_staff`: whether somebody is staff; it says which queues they may choose."""

    def __init__(
        self,
        api: Api,
        blobs: Blobs,
        clock: Clock | None = None,
        *,
        linked: Linked | None = None,
        is_staff: IsStaff | None = None,
        hears: Hears | None = None,
    ) -> None:
        self._api, self._blobs, self._clock = api, blobs, clock or Clock()
        self._linked, self._is_staff = linked or _nothing, is_staff or _nobody
        self._hears = hears or Hears()
        self._directory = api.directory
        self._history = History(api)

    async def read(self, item: InboxItem) -> Inbound:
        """Read one row. Raises `Unavailable`."""
        payload = json.loads(item.content())
        home = await self._home()
        found = sift(payload, home)
        if isinstance(found, Ignored):
            return found
        log.debug("read_event", item=item.id, what=found.what, side=found.side, files=len(found.files))
        if found.what in NEWS:
            return await self._news(found)
        row = _Row(item, home, MOST_FILES, MOST_TIMES * self._api.config.slack.max_file_bytes)
        return await (self._pointed if found.what is What.POINTED else self._read)(found, row)

    async def _read(self, found: Found, row: _Row) -> Inbound:
        fact = await self._linked(found.thread) if found.side is Side.ELSEWHERE else None
        ours = fact is not None and fact.ticket_id is not None
        if fact is not None and fact.kind == "card" and found.root is not None:
            found = replace(found, side=Side.TRIAGE)  # the card of a channel that was the desk's once
        elif found.unsure and not ours:
            return Ignored(reason=CHATTER, private=True)
        people = await self._directory.people(found.users)
        files = await self._files(found, row)
        staff = await self._by_staff(found, row.home)
        inbound = read_found(found, row.home, people, files, row.item.received_at, staff=staff)
        if found.side is Side.ELSEWHERE and found.mention and found.root is not None and not ours:
            return await self._with_thread(inbound, found, row)
        return inbound

    async def _news(self, found: Found) -> Inbound:
        at = time_of(found.at) if found.at else None
        if found.what is What.MEMBERS:
            await self._hears.staff_changed(found.channel, at, found.user)
        else:
            await self._hears.exposure_changed(found.channel, at)
        return Ignored(reason=f"noted: {found.what}")

    # -- threads -------------------------------------------------------------------------------------------------

    async def _with_thread(self, inbound: Inbound, found: Found, row: _Row) -> Inbound:
        """A mention in a thread that is no ticket yet brings what was said there before. Where it says nothing itself,
        the ticket is the thread's. It comes as two events, and is read in full by the first."""
        if isinstance(inbound, MessageEdited):
            if inbound.as_new is None or await self._linked(inbound.ref) is not None:
                return inbound
            before = await self._thread(found, row)
            return replace(inbound, as_new=replace(inbound.as_new, thread=before))
        if not (isinstance(inbound, NewMessage) or inbound is ONLY_MENTION) or await self._known(found.ref):
            return inbound
        before = await self._thread(found, row)
        if isinstance(inbound, NewMessage):
            return replace(inbound, thread=before)
        if not before:
            if found.message.get("type") == MENTION:  # it comes as a message too
                await hint(self._api, found.channel, found.user, WORDLESS, root=found.root)
            return inbound
        return wordless(found, row.home, await self._directory.people(found.users), before)

    async def _thread(self, found: Found, row: _Row, *, after: bool = False) -> tuple[NewMessage, ...]:
        """People's other messages in a message's thread, oldest first: those before it, with `after` all."""
        root = found.root or found.ts
        before = None if after else found.ts
        messages = await self._history.thread(found.channel, root, before=before)
        read = []
        for message in messages:
            if message.get("ts") != found.ts:
                one = await self._message(found.channel, message, row)
                if isinstance(one, NewMessage):
                    read.append(one)
        return tuple(read)

    async def _message(self, channel: str, message: Json, row: _Row) -> Inbound:
        """Read one message of a conversation's history."""
        found = message_in(channel, message, row.home)
        if isinstance(found, Ignored):
            return found
        people = await self._directory.people(found.users)
        return read_found(found, row.home, people, await self._files(found, row))

    # -- a ticket of somebody's message --------------------------------------------------------------------------

    async def _pointed(self, found: Found, row: _Row) -> Inbound:
        """Somebody makes a ticket of a message: by an emoji, a click, a form."""
        message = await self._history.message(found.channel, found.ts)
        if message is None:
            return await self._unseen(found, row)
        home = row.home
        root = str(message.get("thread_ts") or found.ts)
        fact = await self._linked(ref_of(home.team, found.channel, root))
        if side_of(found.channel, home) is Side.TRIAGE or (fact is not None and fact.kind == "card"):
            if found.message.get("view") is not None:  # filled in with care: not without a word
                await hint(self._api, found.channel, found.user, DESKS_FORM, root=root)
            return Ignored(reason=DESKS)
        new = await self._message(found.channel, message, row)
        if not isinstance(new, NewMessage):
            return new
        people = await self._directory.people({found.user})
        whole = replace(found, root=root if root != found.ts else None)
        alone = fact is not None or (root == found.ts and not message.get("reply_count"))
        alone = alone or await self._known(found.ref)
        thread = () if alone else await self._thread(whole, row, after=True)
        return as_ticket(new, found, home, people, thread, staff=await self._by_staff(found, home))

    async def _unseen(self, found: Found, row: _Row) -> Inbound:
        """The message can't be read (any more): a form has its words, and is its sender's own ticket then."""
        view = found.message.get("view")
        if view is None:
            return read_found(found, row.home)
        people = await self._directory.people({found.user, form_reading.about(view).author} - {""})
        staff, at = await self._by_staff(found, row.home), row.item.received_at
        return form_reading.read_form(view, found.user, row.home, people, (), at, staff=staff)

    # -- what it takes -------------------------------------------------------------------------------------------

    async def _by_staff(self, found: Found, home: Home) -> bool:
        """Whether staff sent off a form, where that matters to what it opens."""
        view = found.message.get("view") or {}
        return form_reading.asks_staff(view, home) and await self._is_staff(found.user)

    async def _known(self, ref: Ref, *unread: str) -> bool:
        """Whether the desk has that message, so that what belongs to it was read before. `unread`: a kind that
        doesn't count."""
        fact = await self._linked(ref)
        return fact is not None and fact.kind not in ("referenced", *unread)

    async def _files(self, found: Found, row: _Row) -> tuple[File, ...]:
        """The files of a message: as many as one row may bring, the others by their names. Those of one that the desk
        has aren't read again."""
        if found.files and found.what is not What.SUBMITTED and await self._known(found.ref, "mention"):
            return () if found.what is What.EDITED else tuple(unavailable(f, SEEN) for f in found.files)
        waited = self._clock.now() - row.item.received_at
        files = []
        for file in found.files:
            if row.files < 1 or int(file.get("size") or 0) > row.bytes:
                files.append(unavailable(file, f"{TOO_MUCH}: {file.get('permalink') or ''}"))
                continue
            try:
                one = await fetch(self._api, self._blobs, file)
            except Unavailable as exc:
                if waited < PATIENCE:
                    raise
                one = unavailable(file, str(exc))
            files.append(one)
            row.files, row.bytes = row.files - 1, row.bytes - (one.size if one.blob else 0)
        return tuple(files)

    async def _home(self) -> Home:
        try:
            return await self._api.home()
        except Failure as exc:
            raise Unavailable(exc.reason) from exc
