"""Slack as a channel of the desk: what came in is read, what must go out is shown and sent.

Rendering happens while sending, so that a card shows the present state.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from bot import cards
from bot.api import Api
from bot.cards import Look, Post
from bot.directory import Directory
from bot.files import fetch, unavailable
from bot.home import Home
from bot.posting import Poster
from bot.probe import findings
from bot.read import read_event
from bot.sift import CHATTER, Found, What, sift
from bot.spec import SPEC
from bot.uploads import Uploader
from core.blobs import Blobs
from core.channel import ChannelSpec
from core.clock import Clock
from core.failures import Failure, PermanentFailure, Unavailable
from core.shapes import File, Finding, Ignored, Inbound, InboxItem, Kind, Outgoing, Ref, Seen, Sent

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=15)  # how long a message waits for files that can't be reached
DELETED: Final = "_This message was deleted by its author._"
Knows = Callable[[Ref], Awaitable[bool]]


class SlackChannel:
    """`core.channel.Channel` for Slack.

    `knows`: whether an outside name belongs to a ticket; asked about replies in threads of channels that are no
    triage channels, which are anybody's talk unless the bot was mentioned at their start.
    """

    spec: ChannelSpec = SPEC

    def __init__(
        self,
        api: Api,
        blobs: Blobs,
        clock: Clock | None = None,
        *,
        knows: Knows | None = None,
    ) -> None:
        config = api.config
        self.api, self._blobs, self._clock = api, blobs, clock or Clock()
        self._look = Look("", config.service.name)  # no page shows a ticket yet
        self._knows = knows
        self.directory = Directory(api)
        self._poster = Poster(api, self._look, config.slack.pace)
        self._uploader = Uploader(api, blobs, self._poster)

    # -- in ------------------------------------------------------------------------------------------------------

    async def read(self, item: InboxItem) -> Inbound:
        """Read one row: sift, fetch names and files, read. Raises `Unavailable`."""
        payload = json.loads(item.content())
        home = await self._home()
        found = sift(payload, home)
        if isinstance(found, Ignored):
            return found
        if found.unsure is not None and not await self._known(found.unsure):
            return Ignored(reason=CHATTER)
        people = await self.directory.people(found.users)
        files = await self._files(found, item)
        log.debug("read_event", item=item.id, what=found.what, side=found.side, files=len(files))
        return read_event(payload, home, people, files)

    async def _files(self, found: Found, item: InboxItem) -> tuple[File, ...]:
        """The files of a message; those of an edited one only where we have not seen it before."""
        if not found.files or (found.what is What.EDITED and await self._known(found.ref)):
            return ()
        waited = self._clock.now() - item.received_at
        files = []
        for file in found.files:
            try:
                files.append(await fetch(self.api, self._blobs, file))
            except Unavailable as exc:
                if waited < PATIENCE:
                    raise
                files.append(unavailable(file, str(exc)))
        return tuple(files)

    async def _known(self, ref: Ref) -> bool:
        return self._knows is not None and await self._knows(ref)

    async def _home(self) -> Home:
        try:
            return await self.api.home()
        except Failure as exc:
            raise Unavailable(exc.reason) from exc

    # -- out -----------------------------------------------------------------------------------------------------

    async def render(self, outgoing: Outgoing) -> bytes | None:
        """Nothing is kept: the present state is shown at each try."""
        return None

    async def send(self, outgoing: Outgoing, rendered: bytes | None = None) -> Sent:
        """Deliver. Raises a `Failure`."""
        sent = await self._send(outgoing)
        log.info("send", delivery=outgoing.delivery_id, kind=outgoing.kind, remote=sent.remote_id)
        if sent.warning:
            log.warning("send_warned", delivery=outgoing.delivery_id, warning=sent.warning)
        return sent

    async def _send(self, outgoing: Outgoing) -> Sent:
        match outgoing.kind:
            case Kind.CARD:
                return await self._poster.update_card(outgoing, cards.ticket_card(outgoing, self._look))
            case Kind.FILE:
                return await self._uploader.upload(outgoing)
            case Kind.MARK:
                mark = str(outgoing.data.get("mark") or "sent")
                return await self._poster.mark(outgoing, cards.MARKS.get(mark, mark))
            case Kind.EDIT:
                return await self._poster.change(outgoing, self._edited(outgoing))
            case Kind.WHISPER:
                return await self._poster.whisper(outgoing, cards.whisper(outgoing))
            case _:
                return await self._poster.post_all(outgoing, self._posts(outgoing))

    def _posts(self, outgoing: Outgoing) -> list[Post]:
        """The parts of a delivery that is posted."""
        match outgoing.kind:
            case Kind.CARD:
                return [cards.ticket_card(outgoing, self._look)]
            case Kind.MESSAGE if outgoing.desk:
                return cards.thread_messages(outgoing, self._look)
            case Kind.MESSAGE:
                return cards.dm_messages(outgoing, self._look)
            case Kind.ALERT:
                return [cards.alert(outgoing)]
            case Kind.NOTICE | Kind.DIGEST:
                return [cards.notice(outgoing)]
            case _:
                raise PermanentFailure(f"Slack has no post for {outgoing.kind}")

    def _edited(self, outgoing: Outgoing) -> Post:
        """The new text of a message; one that needs several posts now ends with where the rest is."""
        if outgoing.data.get("deleted"):
            return Post(DELETED)
        shown = cards.thread_messages if outgoing.desk else cards.dm_messages
        posts = shown(outgoing, self._look)
        return posts[0] if len(posts) == 1 else cards.continued(posts[0], outgoing, self._look)

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """Look once for a delivery whose answer was lost; the courier looks several times.

        What repeats harmlessly is never there; what nobody can look up is unknown. Raises a `Failure`.
        """
        if outgoing.kind in (Kind.MARK, Kind.EDIT):
            return Seen.NOT_THERE, None
        if outgoing.kind is Kind.WHISPER:
            return Seen.UNKNOWN, None
        sent = await self._seen(outgoing)
        log.info("look_up", delivery=outgoing.delivery_id, found=sent is not None)
        return (Seen.SENT, sent) if sent is not None else (Seen.NOT_THERE, None)

    async def _seen(self, outgoing: Outgoing) -> Sent | None:
        if outgoing.kind is Kind.FILE:
            return await self._uploader.look_up(outgoing)
        team, channel, root = await self._poster.where(outgoing)
        parts = self._posts(outgoing)
        since = outgoing.created_at if len(parts) > 1 else outgoing.sending_at
        there = await self._poster.parts_there(outgoing, channel, root, since=since)
        if all(str(number) in there for number in range(len(parts))):
            return self._poster.sent_as(team, channel, there["0"])
        return None

    async def probe(self) -> Sequence[Finding]:
        """Check token, scopes and channels (`bot.probe`)."""
        return await findings(self.api)
