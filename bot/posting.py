"""Posting, changing and finding what we posted: the Web API calls behind `bot.channel:send` and `look_up`.

Slack has no idempotency key. Each post carries its delivery's number as metadata, which any app in the channel may
read and which therefore holds nothing else; after a lost answer we look for it before we post again.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bot.api import Api
from bot.cards import Look, Post, orphan, ticket_card
from bot.home import place_of, remote_id, split_place, split_remote, ts_of
from core.failures import PermanentFailure
from core.shapes import Kind, Outgoing, Sent

log = structlog.get_logger(__name__)

EVENT: Final = "relaydesk_delivery"
CARD_PART: Final = "card"
SKEW: Final = timedelta(seconds=60)
LOOK_PAGES: Final = 5
MOST_REMEMBERED: Final = 2_000

GONE: Final = ("that message is gone in Slack", "Slack doesn't let the bot change that message")


class Poster:
    """Puts posts where they belong: in the thread of a card, a direct message, a channel."""

    def __init__(self, api: Api, look: Look, pace: timedelta) -> None:
        self.api, self.look = api, look
        self.pace_ms = int(pace / timedelta(milliseconds=1))
        self._opened: OrderedDict[str, str] = OrderedDict()
        self._replaced: OrderedDict[str, str] = OrderedDict()

    # -- where ---------------------------------------------------------------------------------------------------

    async def where(self, outgoing: Outgoing) -> tuple[str, str, str | None]:
        """Return (team, conversation, ts of the thread's root or None) that a delivery goes to.

        A place that names a person is their direct message with the bot (`conversations.open`, remembered); one
        without a team is in ours. Raises a `Failure`.
        """
        team, channel, root = split_place(outgoing.place)
        team = team or (await self.api.home()).team
        if channel.startswith(("U", "W")):
            channel = await self._open(channel)
        if outgoing.desk and outgoing.kind is not Kind.CARD and outgoing.anchor and root is None:
            anchor = self._replaced.get(outgoing.anchor, outgoing.anchor)
            _, anchored, ts = split_remote(anchor)
            root = ts if anchored == channel else None
        return team, channel, root

    async def _open(self, user: str) -> str:
        if user not in self._opened:
            answer = await self.api.call("conversations.open", users=user)
            _remember(self._opened, user, str(answer["channel"]["id"]))
        return self._opened[user]

    # -- posting -------------------------------------------------------------------------------------------------

    async def post_all(self, outgoing: Outgoing, posts: list[Post]) -> Sent:
        """Post a delivery's parts, in order; those of an earlier try that stand there already are left out.

        Raises a `Failure`.
        """
        team, channel, root = await self.where(outgoing)
        there: dict[str, str] = {}
        if len(posts) > 1:
            there = await self.parts_there(outgoing, channel, root, since=outgoing.created_at)
        if outgoing.desk and root is None and outgoing.kind is not Kind.CARD:
            posts = [orphan(posts[0], outgoing, self.look), *posts[1:]]
        sent: Sent | None = None
        for number, post in enumerate(posts):
            ts = there.get(str(number))
            if ts is None:
                one = await self._post_one(outgoing, post, (team, channel, root), str(number))
                root = await self._root_after(outgoing, root)
            else:
                one = self._sent(team, channel, ts)
            sent = sent or one
        assert sent is not None, "a delivery has at least one part"
        return sent

    async def _root_after(self, outgoing: Outgoing, root: str | None) -> str | None:
        """The root for further parts: another one where the card had to be posted anew."""
        return (await self.where(outgoing))[2] if root and outgoing.desk else root

    async def _post_one(
        self, outgoing: Outgoing, post: Post, place: tuple[str, str, str | None], part: str
    ) -> Sent:
        team, channel, root = place
        answer = await self._post(channel, root, post, outgoing.delivery_id, part)
        ts = str(answer["ts"])
        message = answer.get("message") or {}
        if root is None or message.get("thread_ts") == root:
            return self._sent(team, channel, ts, _warning(answer))
        if not outgoing.desk and channel.startswith("D"):
            return self._sent(team, channel, ts, "the thread's first message was deleted; posted below it")
        log.info("post_orphan", delivery=outgoing.delivery_id, channel=channel, root=root)
        await self._take_back(channel, ts)
        if not outgoing.desk:
            raise PermanentFailure("the thread where the requester wrote was deleted in Slack")
        return await self._post_under_new_card(outgoing, post, (team, channel, root), part)

    async def _post_under_new_card(
        self, outgoing: Outgoing, post: Post, place: tuple[str, str, str | None], part: str
    ) -> Sent:
        """The ticket's card was deleted: post it anew, and the message in its thread."""
        team, channel, root = place
        if outgoing.ticket is None:
            raise PermanentFailure("the thread was deleted in Slack")
        card = ticket_card(outgoing, self.look)
        answer = await self._post(channel, None, card, outgoing.delivery_id, CARD_PART)
        new_root = str(answer["ts"])
        _remember(self._replaced, remote_id(team, channel, str(root)), remote_id(team, channel, new_root))
        answer = await self._post(channel, new_root, post, outgoing.delivery_id, part)
        sent = self._sent(team, channel, str(answer["ts"]), "the card was deleted in Slack; posted anew")
        name = f"slack:{remote_id(team, channel, new_root)}"
        return Sent(
            remote_id=sent.remote_id,
            links=(*sent.links, name),
            pace_ms=sent.pace_ms,
            warning=sent.warning,
            card=name,
        )

    async def _post(
        self, channel: str, root: str | None, post: Post, delivery: int, part: str
    ) -> dict[str, Any]:
        return await self.api.call(
            "chat.postMessage",
            channel=channel,
            thread_ts=root,
            text=post.text,
            blocks=list(post.blocks) or None,
            metadata={"event_type": EVENT, "event_payload": {"delivery": delivery, "part": part}},
            unfurl_links=False,
            unfurl_media=False,
        )

    async def _take_back(self, channel: str, ts: str) -> None:
        try:
            await self.api.call("chat.delete", channel=channel, ts=ts)
        except PermanentFailure as exc:
            log.warning("take_back", channel=channel, ts=ts, reason=exc.reason)

    # -- changing ------------------------------------------------------------------------------------------------

    async def update_card(self, outgoing: Outgoing, card: Post) -> Sent:
        """Show a card's present state: change it where it stands, else post it. Raises a `Failure`."""
        if outgoing.earlier:
            earlier = self._replaced.get(outgoing.earlier, outgoing.earlier)
            team, channel, ts = split_remote(earlier)
            if channel == split_place(outgoing.place)[1]:
                try:
                    await self._update(channel, ts, card)
                    return self._sent(team, channel, ts)
                except PermanentFailure as exc:
                    if not exc.reason.startswith(GONE):
                        raise
                    log.info("card_gone", delivery=outgoing.delivery_id, channel=channel, ts=ts)
        return await self.post_all(outgoing, [card])

    async def change(self, outgoing: Outgoing, post: Post) -> Sent:
        """Give a message of ours, the target, another text. Raises a `Failure`."""
        team, channel, ts = split_remote(str(outgoing.target))
        await self._update(channel, ts, post)
        return self._sent(team, channel, ts)

    async def _update(self, channel: str, ts: str, post: Post) -> None:
        blocks = list(post.blocks) or [{"type": "section", "text": {"type": "mrkdwn", "text": post.text}}]
        await self.api.call("chat.update", channel=channel, ts=ts, text=post.text, blocks=blocks)

    async def mark(self, outgoing: Outgoing, name: str) -> Sent:
        """Put a sign on the target. That it can't be put there is no reason to alarm anybody.

        Raises a `Failure` that is worth another try.
        """
        team, channel, ts = split_remote(str(outgoing.target))
        try:
            await self.api.call("reactions.add", channel=channel, timestamp=ts, name=name)
        except PermanentFailure as exc:
            if not exc.reason.endswith("already_reacted"):
                return Sent(remote_id=remote_id(team, channel, ts), warning=exc.reason)
        return Sent(remote_id=remote_id(team, channel, ts), pace_ms=self.pace_ms // 4)

    async def whisper(self, outgoing: Outgoing, post: Post) -> Sent:
        """Show something to one person in a channel; it is stored nowhere. Raises a `Failure`."""
        team, channel, root = split_place(outgoing.place)
        user = str(outgoing.data.get("user") or (outgoing.to.address if outgoing.to else ""))
        answer = await self.api.call(
            "chat.postEphemeral",
            channel=channel,
            user=user.rpartition("/")[2],
            thread_ts=root,
            text=post.text,
            blocks=list(post.blocks) or None,
        )
        return Sent(remote_id=f"{place_of(team, channel, root)}/whisper/{answer.get('message_ts', '')}")

    # -- finding -------------------------------------------------------------------------------------------------

    async def parts_there(
        self, outgoing: Outgoing, channel: str, root: str | None, *, since: datetime
    ) -> dict[str, str]:
        """Return which parts of a delivery stand there: part → ts. Raises a `Failure`."""
        found: dict[str, str] = {}
        oldest = ts_of(since - SKEW)
        if root is not None:
            found |= await self._scan("conversations.replies", outgoing, channel, oldest, ts=root)
        if not found:
            found |= await self._scan("conversations.history", outgoing, channel, oldest)
        return found

    async def _scan(
        self, method: str, outgoing: Outgoing, channel: str, oldest: str, **more: str
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        arguments = {"channel": channel, "oldest": oldest, "limit": 200, "include_all_metadata": True, **more}
        try:
            async for page in self.api.pages(method, "messages", most=LOOK_PAGES, **arguments):
                for message in page:
                    metadata = message.get("metadata") or {}
                    payload = metadata.get("event_payload") or {}
                    mine = metadata.get("event_type") == EVENT
                    if mine and payload.get("delivery") == outgoing.delivery_id and message.get("bot_id"):
                        found.setdefault(str(payload.get("part", "0")), str(message["ts"]))
        except PermanentFailure:
            if method == "conversations.history":
                raise
        return found

    def sent_as(self, team: str, channel: str, ts: str) -> Sent:
        """What a delivery that was found there is remembered by."""
        return self._sent(team, channel, ts)

    def _sent(self, team: str, channel: str, ts: str, warning: str | None = None) -> Sent:
        remote = remote_id(team, channel, ts)
        return Sent(remote_id=remote, links=(f"slack:{remote}",), pace_ms=self.pace_ms, warning=warning)


def _warning(answer: dict[str, Any]) -> str | None:
    """Slack says ok and cuts a text: that is a fault of ours, and worth a line."""
    warnings = (answer.get("response_metadata") or {}).get("warnings") or ()
    return "Slack cut the text" if "message_truncated" in warnings else None


def _remember(shelf: OrderedDict[str, str], key: str, value: str) -> None:
    shelf[key] = value
    while len(shelf) > MOST_REMEMBERED:
        shelf.popitem(last=False)
