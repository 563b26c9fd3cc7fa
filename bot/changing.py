"""Changing what stands there already: other words, signs, files taken away; and what only one person is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from bot.blocks import Post
from bot.finding import parts_there
from bot.home import place_of, remote_id, split_place, split_remote
from bot.posting import Place, Poster, joined
from bot.refusals import GONE, lacks_scope, refused
from core.desk_texts import phrase
from core.failures import PermanentFailure
from core.shapes import Outgoing, Sent

log = structlog.get_logger(__name__)


def is_file(remote: str) -> bool:
    """Whether a remote id names a file of ours, not a message (`T1/C1/F1`)."""
    return remote.rpartition("/")[2].startswith("F")


class Changer:
    """Changes posts of ours."""

    def __init__(self, poster: Poster) -> None:
        self._api, self._poster = poster.api, poster

    async def change(self, outgoing: Outgoing, posts: Sequence[Post]) -> Sent:
        """Give a message of ours other words, in as many posts as they need: the old ones are changed in their order,
        further ones follow in the thread, those left over go. Raises a `Failure`."""
        parts = [t for t in outgoing.targets or (outgoing.target or "",) if t and not is_file(t)]
        if not parts:
            raise PermanentFailure(phrase("reason_never_posted"))
        sent = [await self._renew(target, post) for target, post in zip(parts, posts, strict=False)]
        more, left_over = await self._further(outgoing, parts, posts)
        for ts in [*(split_remote(target)[2] for target in parts[len(posts) :]), *left_over]:
            await self._poster.take_back(split_remote(parts[0])[1], ts)
        return joined([*sent, *more])

    async def _renew(self, target: str, post: Post) -> Sent:
        team, channel, ts = split_remote(target)
        try:
            return self._poster.sent(team, channel, ts, await self._poster.renew(channel, ts, post))
        except PermanentFailure as exc:
            if not refused(exc, *GONE):
                raise
            return self._poster.sent(
                team, channel, ts, exc.reason
            )  # somebody deleted it: nothing is wrong there

    async def _further(
        self, outgoing: Outgoing, parts: Sequence[str], posts: Sequence[Post]
    ) -> tuple[list[Sent], list[str]]:
        """Post what is more than before; return that, and what an earlier try posted that isn't needed any more."""
        if len(posts) <= len(parts) and outgoing.attempts <= 1:
            return [], []
        team, channel, first = split_remote(parts[0])
        root = (await self._poster.where(outgoing))[2] or first
        there = await parts_there(self._api, outgoing, channel, root, since=outgoing.created_at)
        sent = []
        for number in range(len(parts), len(posts)):
            if ts := there.get(str(number)):
                sent.append(self._poster.sent(team, channel, ts))
            else:
                place: Place = (team, channel, root)
                sent.append(await self._poster.post_one(outgoing, posts[number], place, str(number)))
                root = (await self._poster.where(outgoing))[2] or first  # a card may have been posted anew
        return sent, [ts for part, ts in there.items() if part.isdigit() and int(part) >= len(posts)]

    async def take_file_away(self, outgoing: Outgoing) -> Sent:
        """Delete an upload of ours; one that is gone already is fine. Raises a `Failure`."""
        named = [str(outgoing.data.get("file") or ""), outgoing.target or ""]
        if remote := next((name for name in named if is_file(name)), ""):
            await self.delete_file(remote)
        elif remote := named[0]:  # it could not go up: a line that names it stands there
            _, channel, ts = split_remote(remote)
            await self._poster.take_back(channel, ts)
        warning = None if remote else "the file was never posted"
        return Sent(remote_id=remote, pace_ms=self._poster.pace_ms, warning=warning)

    async def delete_file(self, remote: str) -> None:
        """Delete a file of ours. Raises a `Failure`."""
        try:
            await self._api.call("files.delete", file=remote.rpartition("/")[2])
        except PermanentFailure as exc:
            if not refused(exc, "file_not_found", "file_deleted"):
                raise

    async def mark(self, outgoing: Outgoing, name: str) -> Sent:
        """Put a sign on the target, or take it away. That it can't be is no reason to alarm anybody.

        Raises a `Failure` that is worth another try.
        """
        team, channel, ts = split_remote(str(outgoing.target))
        remote = remote_id(team, channel, ts)
        scopes = (await self._api.home()).scopes
        if scopes and "reactions:write" not in scopes:
            return Sent(remote_id=remote)
        method = "reactions.remove" if outgoing.data.get("remove") else "reactions.add"
        try:
            await self._api.call(method, channel=channel, timestamp=ts, name=name)
        except PermanentFailure as exc:
            if refused(exc, "already_reacted", "no_reaction") or lacks_scope(exc):
                return Sent(remote_id=remote)
            return Sent(remote_id=remote, warning=exc.reason)
        return Sent(remote_id=remote, pace_ms=self._poster.pace_ms // 4)

    async def whisper(self, outgoing: Outgoing, post: Post) -> Sent:
        """Show something to one person; it is stored nowhere. In their direct messages, where nobody else reads, it is
        said aloud if it can't be whispered. Raises a `Failure`."""
        team, place, root = split_place(outgoing.place)
        channel = await self._poster.conversation(place)
        named = str(outgoing.data.get("user") or (outgoing.to.address if outgoing.to else ""))
        user = named.rpartition("/")[2] or place
        content: dict[str, Any] = {"text": post.text, "blocks": list(post.blocks) or None, "thread_ts": root}
        try:
            answer = await self._api.call("chat.postEphemeral", channel=channel, user=user, **content)
        except PermanentFailure:
            if not channel.startswith("D"):
                raise
            return await self._poster.post_all(outgoing, [post])
        return Sent(remote_id=f"{place_of(team, channel, root)}/whisper/{answer.get('message_ts', '')}")
