"""Files up to Slack: get an address, send the bytes, complete (docs.slack.dev/messaging/working-with-files).

Completing shares the file, and its answer names no message. A lost answer is settled by looking at the file's
shares where we still know its id, else at the files of the thread by name and size.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import structlog

from bot.api import Api
from bot.cards import Post
from bot.files import push
from bot.home import ts_of
from bot.posting import LOOK_PAGES, SKEW, Poster
from core.blobs import Blobs
from core.failures import PermanentFailure
from core.shapes import Attachment, Outgoing, Sent

log = structlog.get_logger(__name__)

MOST_REMEMBERED: Final = 500


class Uploader:
    """Sends attachments as Slack files."""

    def __init__(self, api: Api, blobs: Blobs, poster: Poster) -> None:
        self._api, self._blobs, self._poster = api, blobs, poster
        self._ids: OrderedDict[int, str] = OrderedDict()

    async def upload(self, outgoing: Outgoing) -> Sent:
        """Upload the attachment that `data["attachment_id"]` names, into the delivery's thread.

        Raises a `Failure`; `PermanentFailure` where the file is gone or Slack doesn't take it.
        """
        file = attachment_of(outgoing)
        if file.blob is None or file.size == 0:
            return await self._poster.post_all(
                outgoing, [Post(f":paperclip: {file.size} bytes: nothing to send")]
            )
        team, channel, root = await self._poster.where(outgoing)
        asked = await self._api.call("files.getUploadURLExternal", filename=file.name, length=file.size)
        file_id = str(asked["file_id"])
        try:
            await push(self._api, str(asked["upload_url"]), self._blobs.path(file.blob), file.size)
        except OSError as exc:
            raise PermanentFailure(f"the file can't be read any more: {exc.strerror}") from exc
        self._remember(outgoing.delivery_id, file_id)
        await self._api.call(
            "files.completeUploadExternal",
            files=[{"id": file_id, "title": file.name}],
            channel_id=channel,
            thread_ts=root,
        )
        return self._sent(team, channel, file_id)

    async def look_up(self, outgoing: Outgoing) -> Sent | None:
        """Return the delivery where it was shared, None where it isn't (yet). Raises a `Failure`."""
        team, channel, root = await self._poster.where(outgoing)
        file_id = self._ids.get(outgoing.delivery_id)
        if file_id is not None:
            answer = await self._api.call("files.info", file=file_id)
            shares = (answer.get("file") or {}).get("shares") or {}
            shared = any(channel in (shares.get(kind) or {}) for kind in ("public", "private"))
            return self._sent(team, channel, file_id) if shared else None
        found = await self._by_name(outgoing, channel, root)
        return self._sent(team, channel, found) if found else None

    async def _by_name(self, outgoing: Outgoing, channel: str, root: str | None) -> str | None:
        file, home = attachment_of(outgoing), await self._api.home()
        method = "conversations.replies" if root else "conversations.history"
        oldest = ts_of(outgoing.sending_at - SKEW)
        pages = self._api.pages(
            method, "messages", most=LOOK_PAGES, channel=channel, ts=root, oldest=oldest, limit=200
        )
        async for page in pages:
            for message in page:
                if message.get("user") != home.bot_user and message.get("bot_id") != home.bot_id:
                    continue
                for seen in message.get("files") or ():
                    if seen.get("name") == file.name and seen.get("size") == file.size:
                        return str(seen.get("id"))
        return None

    def _remember(self, delivery: int, file_id: str) -> None:
        self._ids[delivery] = file_id
        while len(self._ids) > MOST_REMEMBERED:
            self._ids.popitem(last=False)

    def _sent(self, team: str, channel: str, file_id: str) -> Sent:
        return Sent(remote_id=f"{team}/{channel}/{file_id}", pace_ms=self._poster.pace_ms)


def attachment_of(outgoing: Outgoing) -> Attachment:
    """Return the attachment that a delivery carries. Raises `PermanentFailure` where its message has it no more."""
    wanted: Any = outgoing.data.get("attachment_id")
    files = outgoing.message.attachments if outgoing.message else ()
    for file in files:
        if file.id == wanted:
            return file
    raise PermanentFailure("the file is no longer part of its message")
