"""Files up to Slack: get an address, send the bytes, complete (docs.slack.dev/messaging/working-with-files).

Completing shares the file, and its answer names no message: that comes when Slack has looked through the file. A lost
answer is settled by looking at the file's shares where we still know its id, else at the files of the thread by name
and size; a file is never sent up twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from bot.api import Api
from bot.blocks import Post, comes, context, file_line, file_name, plain
from bot.files import push
from bot.finding import LOOK_PAGES, SKEW
from bot.home import remote_id, split_remote, ts_of
from bot.markup import escape
from bot.posting import Place, Poster, joined
from bot.refusals import lacks_scope
from bot.thread_posts import ATTACHED
from core.blobs import Blobs
from core.desk_texts import phrase
from core.failures import Failure, PermanentFailure
from core.shapes import Attachment, Outgoing, Sent

log = structlog.get_logger(__name__)

MOST_REMEMBERED: Final = 500
SHARED: Final = (0.1, 0.3, 0.8)  # seconds between looks for the message of a file that was just shared
Taken = Callable[[Outgoing, Sequence[str]], Awaitable[Collection[str]]]
NO_SCOPE: Final = "not shown here: the app lacks the permission files:write"


@dataclass(frozen=True, slots=True)
class _File:
    """What goes up."""

    name: str
    blob: str
    size: int


class Uploader:
    """Sends attachments, and texts that are too long for posts, as Slack files. `taken`: says which of some files,
    by their remote ids, another delivery of the ticket is known to have brought."""

    def __init__(self, api: Api, blobs: Blobs, poster: Poster, taken: Taken | None = None) -> None:
        self._api, self._blobs, self._poster, self._taken = api, blobs, poster, taken
        self._ids: OrderedDict[int, str] = OrderedDict()

    async def allowed(self) -> bool:
        """Whether the app may upload. Raises a `Failure`."""
        scopes = (await self._api.home()).scopes
        return not scopes or "files:write" in scopes

    async def upload(self, outgoing: Outgoing) -> Sent:
        """Upload the attachment that `data["attachment_id"]` names, into the delivery's thread; what can't go up is
        named there.

        Raises a `Failure`; `PermanentFailure` where the file is gone or Slack doesn't take it.
        """
        attachment = attachment_of(outgoing)
        if not comes(attachment) or attachment.blob is None:
            return await self._named(outgoing, attachment)
        if not await self.allowed():
            return await self._named(outgoing, attachment, NO_SCOPE)
        file = _File(file_name(attachment.name), attachment.blob, attachment.size)
        try:
            return await self._into_thread(outgoing, file, await self._poster.where(outgoing))
        except PermanentFailure as exc:
            if not lacks_scope(exc):
                raise
            return await self._named(outgoing, attachment, NO_SCOPE)

    async def _named(self, outgoing: Outgoing, file: Attachment, why: str = "") -> Sent:
        line = f"{file_line(file)}{', ' if why else ''}{why}"
        post = Post(f":paperclip: {escape(line)}", (context(":paperclip:", plain(line)),))
        return await self._poster.post_all(outgoing, [post])

    async def whole_text(self, outgoing: Outgoing, text: str, *, but: Collection[str] = ()) -> Sent:
        """Upload a message's text below its first words, unless it is there. `but`: files that aren't it. Raises a
        `Failure`."""
        team, channel, root = await self._text_place(outgoing)
        content = text.encode()
        found = await self._text_there(outgoing, len(content), (team, channel, root), but)
        if found is not None:
            sent = self._sent(team, channel, found)
        else:
            file = _File(ATTACHED, await self._blobs.put(content), len(content))
            sent = await self._into_thread(outgoing, file, (team, channel, root))
        links = (f"slack:{sent.remote_id}", *((sent.card,) if sent.card else ()))
        return replace(sent, links=links)  # by the file's own name an edit finds it

    async def text_is_there(self, outgoing: Outgoing, text: str) -> bool:
        """Whether a message's text was uploaded. Raises a `Failure`."""
        place = await self._text_place(outgoing)
        return await self._text_there(outgoing, len(text.encode()), place, ()) is not None

    async def _text_place(self, outgoing: Outgoing) -> Place:
        team, channel, root = await self._poster.where(outgoing)
        first = next((t for t in outgoing.targets if root is None), None)
        return team, channel, split_remote(first)[2] if first else root

    async def _text_there(
        self, outgoing: Outgoing, size: int, place: Place, but: Collection[str]
    ) -> str | None:
        if (known := self._ids.get(outgoing.delivery_id)) is not None and await self._may_look():
            return known if await self._landed(known, place[1]) else None
        since = outgoing.created_at
        return await self._by_name(outgoing, ATTACHED, size, place, since, but)

    # -- the three steps -----------------------------------------------------------------------------------------

    async def _into_thread(self, outgoing: Outgoing, file: _File, place: Place) -> Sent:
        """Upload, and see that it stands in its thread."""
        team, channel, root = place
        file_id = await self._up(outgoing, file, channel, root)
        landed = await self._patiently_landed(file_id, channel)
        if landed is None or root is None or landed[1] == root:
            return self._sent(team, channel, file_id, landed[0] if landed else None)
        if not outgoing.desk and channel.startswith("D"):
            return self._sent(team, channel, file_id, landed[0])
        log.info("upload_orphan", delivery=outgoing.delivery_id, channel=channel, root=root)
        await self._poster.take_back(channel, landed[0])
        if not outgoing.desk:
            raise PermanentFailure(phrase("reason_their_thread_deleted"))
        card = await self._poster.card_anew(outgoing, place)
        file_id = await self._up(outgoing, file, channel, split_remote(str(card.card))[2])
        return joined([self._sent(team, channel, file_id), card])

    async def _up(self, outgoing: Outgoing, file: _File, channel: str, root: str | None) -> str:
        path = self._blobs.path(file.blob)
        if not await asyncio.to_thread(path.is_file):
            raise PermanentFailure(phrase("reason_file_gone"))
        asked = await self._api.call("files.getUploadURLExternal", filename=file.name, length=file.size)
        file_id = str(asked["file_id"])
        try:
            await push(self._api, str(asked["upload_url"]), path, file.size)
        except OSError as exc:
            raise PermanentFailure(phrase("reason_file_unreadable", error=exc.strerror)) from exc
        self._remember(outgoing.delivery_id, file_id)
        await self._api.call(
            "files.completeUploadExternal",
            files=[{"id": file_id, "title": file.name}],
            channel_id=channel,
            thread_ts=root,
        )
        return file_id

    # -- finding -------------------------------------------------------------------------------------------------

    async def look_up(self, outgoing: Outgoing) -> Sent | None:
        """Return the delivery where it was shared, None where it isn't (yet). Raises a `Failure`."""
        team, channel, root = await self._poster.where(outgoing)
        attachment = attachment_of(outgoing)
        if (file_id := self._ids.get(outgoing.delivery_id)) is not None and await self._may_look():
            landed = await self._landed(file_id, channel)
            return self._sent(team, channel, file_id, landed[0]) if landed else None
        name = file_name(attachment.name)
        place = (team, channel, root)
        found = await self._by_name(outgoing, name, attachment.size, place, outgoing.sending_at)
        return self._sent(team, channel, found) if found else None

    async def _patiently_landed(self, file_id: str, channel: str) -> tuple[str, str | None] | None:
        """Wait a moment for the message of a file; later nobody needs to know."""
        for wait in SHARED if await self._may_look() else ():
            await asyncio.sleep(wait)
            try:
                if (landed := await self._landed(file_id, channel)) is not None:
                    return landed
            except Failure as exc:
                log.info("upload_not_seen", file=file_id, reason=exc.reason)
                return None
        return None

    async def _may_look(self) -> bool:
        """Whether the app may ask for a file's shares (`files.info`)."""
        scopes = (await self._api.home()).scopes
        return not scopes or "files:read" in scopes

    async def _landed(self, file_id: str, channel: str) -> tuple[str, str | None] | None:
        """Return (ts, root of its thread) of the message that carries a file there, None while there is none."""
        answer = await self._api.call("files.info", file=file_id)
        shares = (answer.get("file") or {}).get("shares") or {}
        for kind in ("public", "private"):
            for share in (shares.get(kind) or {}).get(channel) or ():
                return str(share.get("ts") or ""), share.get("thread_ts") or None
        return None

    async def _by_name(
        self,
        outgoing: Outgoing,
        name: str,
        size: int,
        place: Place,
        since: datetime,
        but: Collection[str] = (),
    ) -> str | None:
        """Return the id of a file of ours there, by name and size; not one that another delivery brought."""
        team, channel, root = place
        home = await self._api.home()
        others = [known for delivery, known in self._ids.items() if delivery != outgoing.delivery_id]
        taken = {*(remote.rpartition("/")[2] for remote in but), *others}
        method = "conversations.replies" if root else "conversations.history"
        arguments: dict[str, Any] = {
            "channel": channel,
            "ts": root,
            "oldest": ts_of(since - SKEW),
            "limit": 200,
        }
        async for page in self._api.pages(method, "messages", most=LOOK_PAGES, **arguments):
            ours = [m for m in page if m.get("user") == home.bot_user or m.get("bot_id") == home.bot_id]
            files = [seen for message in ours for seen in message.get("files") or ()]
            same = [str(f.get("id")) for f in files if f.get("name") == name and f.get("size") == size]
            remotes = [f"{team}/{channel}/{file_id}" for file_id in same if file_id not in taken]
            known = await self._taken(outgoing, remotes) if self._taken is not None and remotes else ()
            for remote in remotes:
                if remote not in known:
                    return remote.rpartition("/")[2]
        return None

    def _remember(self, delivery: int, file_id: str) -> None:
        self._ids[delivery] = file_id
        while len(self._ids) > MOST_REMEMBERED:
            self._ids.popitem(last=False)

    def _sent(self, team: str, channel: str, file_id: str, ts: str | None = None) -> Sent:
        links = (f"slack:{remote_id(team, channel, ts)}",) if ts else ()
        return Sent(remote_id=f"{team}/{channel}/{file_id}", links=links, pace_ms=self._poster.pace_ms)


def attachment_of(outgoing: Outgoing) -> Attachment:
    """Return the attachment that a delivery carries. Raises `PermanentFailure` where its message has it no more."""
    wanted: Any = outgoing.data.get("attachment_id")
    files = outgoing.message.attachments if outgoing.message else ()
    for file in files:
        if file.id == wanted:
            return file
    raise PermanentFailure(phrase("reason_file_apart"))
