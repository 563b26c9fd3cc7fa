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
DESKS: Final = "what is said at the desk is nobody's request"
DESKS_FORM: Final = "No ticket was opened: this is the help desk's own talk. Use /ticket for a new one."
WORDLESS: Final = "Write what it is about after the mention, and it becomes a ticket."
Linked = Callable[[Ref], Awaitable[LinkFact | None]]
Changed = Callable[[str, datetime | None], Awaitable[None]]


async def _nothing(ref: Ref) -> None:
    return None


async def _unheard(channel: str, at: datetime | None) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hears:
    """Who wants to know what, before anything that follows it is read: somebody came into a triage channel or left it,
    who can read one may have changed. `forget`: something about a person did."""

    staff_changed: Changed = _unheard
    exposure_changed: Changed = _unheard
    forget: Callable[[str], None] | None = None


class Reader:
    """Reads rows of the inbox. `linked`: what is known of an outside name; it says whose thread a message is in."""

    def __init__(
        self,
        api: Api,
        blobs: Blobs,
        clock: Clock | None = None,
        *,
        linked: Linked | None = None,
        hears: Hears | None = None,
    ) -> None:
        self._api, self._blobs, self._clock = api, blobs, clock or Clock()
        self._linked = linked or _nothing
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
        if found.what is What.POINTED:
            return await self._pointed(found, home, item)
        return await self._read(found, home, item)

    async def _read(self, found: Found, home: Home, item: InboxItem) -> Inbound:
        fact = await self._linked(found.thread) if found.side is Side.ELSEWHERE else None
        ours = fact is not None and fact.ticket_id is not None
        if fact is not None and fact.kind == "card" and found.root is not None:
            found = replace(found, side=Side.TRIAGE)  # the card of a channel that was the desk's once
        elif found.unsure and not ours:
            return Ignored(reason=CHATTER)
        people = await self._directory.people(found.users)
        inbound = read_found(found, home, people, await self._files(found, item), item.received_at)
        if found.side is Side.ELSEWHERE and found.mention and found.root is not None and not ours:
            return await self._with_thread(inbound, found, home, item)
        return inbound

    async def _news(self, found: Found) -> Inbound:
        at = time_of(found.at) if found.at else None
        if found.what is What.MEMBERS:
            await self._hears.staff_changed(found.channel, at)
        elif found.what is What.EXPOSURE:
            await self._hears.exposure_changed(found.channel, at)
        elif self._hears.forget is not None:
            self._hears.forget(found.user)
        return Ignored(reason=f"noted: {found.what}")

    # -- threads -------------------------------------------------------------------------------------------------

    async def _with_thread(self, inbound: Inbound, found: Found, home: Home, item: InboxItem) -> Inbound:
        """A mention in a thread that is no ticket yet brings what was said there before. Where it says nothing itself,
        the ticket is the thread's."""
        if isinstance(inbound, MessageEdited):
            if inbound.as_new is None or await self._linked(inbound.ref) is not None:
                return inbound
            before = await self._thread(found, home, item)
            return replace(inbound, as_new=replace(inbound.as_new, thread=before))
        if isinstance(inbound, NewMessage):
            return replace(inbound, thread=await self._thread(found, home, item))
        if inbound is not ONLY_MENTION:
            return inbound
        before = await self._thread(found, home, item)
        if not before:
            await hint(self._api, found.channel, found.user, WORDLESS, root=found.root)
            return inbound
        return wordless(found, home, await self._directory.people(found.users), before)

    async def _thread(
        self, found: Found, home: Home, item: InboxItem, *, after: bool = False
    ) -> tuple[NewMessage, ...]:
        """People's other messages in a message's thread, oldest first: those before it, with `after` all."""
        root = found.root or found.ts
        before = None if after else found.ts
        messages = await self._history.thread(found.channel, root, before=before)
        read = []
        for message in messages:
            if message.get("ts") != found.ts:
                one = await self._message(found.channel, message, home, item)
                if isinstance(one, NewMessage):
                    read.append(one)
        return tuple(read)

    async def _message(self, channel: str, message: Json, home: Home, item: InboxItem) -> Inbound:
        """Read one message of a conversation's history."""
        found = message_in(channel, message, home)
        if isinstance(found, Ignored):
            return found
        people = await self._directory.people(found.users)
        return read_found(found, home, people, await self._files(found, item))

    # -- a ticket of somebody's message --------------------------------------------------------------------------

    async def _pointed(self, found: Found, home: Home, item: InboxItem) -> Inbound:
        """Somebody makes a ticket of a message: by an emoji, a click, a form."""
        message = await self._history.message(found.channel, found.ts)
        if message is None:
            return await self._unseen(found, home, item)
        root = str(message.get("thread_ts") or found.ts)
        fact = await self._linked(ref_of(home.team, found.channel, root))
        if side_of(found.channel, home) is Side.TRIAGE or (fact is not None and fact.kind == "card"):
            if found.message.get("view") is not None:  # filled in with care: not without a word
                await hint(self._api, found.channel, found.user, DESKS_FORM, root=root)
            return Ignored(reason=DESKS)
        new = await self._message(found.channel, message, home, item)
        if not isinstance(new, NewMessage):
            return new
        people = await self._directory.people({found.user})
        whole = replace(found, root=root if root != found.ts else None)
        alone = fact is not None or (root == found.ts and not message.get("reply_count"))
        thread = () if alone else await self._thread(whole, home, item, after=True)
        return as_ticket(new, found, home, people, thread)

    async def _unseen(self, found: Found, home: Home, item: InboxItem) -> Inbound:
        """The message can't be read (any more): a form has its words, and is its sender's own ticket then."""
        view = found.message.get("view")
        if view is None:
            return read_found(found, home)
        people = await self._directory.people({found.user, form_reading.about(view).author} - {""})
        return form_reading.read_form(view, found.user, home, people, (), item.received_at)

    # -- what it takes -------------------------------------------------------------------------------------------

    async def _files(self, found: Found, item: InboxItem) -> tuple[File, ...]:
        """The files of a message; those of an edited one only where we have not seen it before."""
        if not found.files or (found.what is What.EDITED and await self._linked(found.ref) is not None):
            return ()
        waited = self._clock.now() - item.received_at
        files = []
        for file in found.files:
            try:
                files.append(await fetch(self._api, self._blobs, file))
            except Unavailable as exc:
                if waited < PATIENCE:
                    raise
                files.append(unavailable(file, str(exc)))
        return tuple(files)

    async def _home(self) -> Home:
        try:
            return await self._api.home()
        except Failure as exc:
            raise Unavailable(exc.reason) from exc
