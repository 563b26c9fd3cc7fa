"""Posting: the Web API calls that put a delivery where it belongs, once (`bot.finding`), and keep it there.

A reply to a thread whose root is gone is no error to Slack: it lands at top level. So each answer is looked at, and
what went astray is taken back (docs.slack.dev/reference/methods/chat.postMessage).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog

from bot.api import Api
from bot.blocks import Look, Post
from bot.cards import ticket_card
from bot.finding import CARD_PART, marked, parts_there
from bot.home import remote_id, split_place, split_remote
from bot.markup import fallback
from bot.refusals import LAYOUT, NOT_OURS, refused
from bot.thread_posts import orphan
from core.desk_texts import phrase
from core.failures import PermanentFailure, TemporaryFailure
from core.shapes import Kind, Outgoing, Sent

log = structlog.get_logger(__name__)

MOST_REMEMBERED: Final = 2_000
PLAIN: Final = "Slack didn't take the layout; posted as plain text"
Place = tuple[str, str, str | None]


class Poster:
    """Puts posts where they belong: in the thread of a card, a direct message, a channel."""

    def __init__(self, api: Api, look: Look, pace: timedelta) -> None:
        self.api, self.look = api, look
        self.pace_ms = int(pace / timedelta(milliseconds=1))
        self._opened: OrderedDict[str, str] = OrderedDict()
        self._replaced: OrderedDict[str, str] = OrderedDict()

    # -- where ---------------------------------------------------------------------------------------------------

    async def where(self, outgoing: Outgoing) -> Place:
        """Return (team, conversation, ts of the thread's root or None) that a delivery goes to.

        A place that names a person is their direct message with the bot; one without a team is in ours. Where the
        place names no thread, it is that of the ticket's first post there. Raises a `Failure`.
        """
        team, channel, root = split_place(outgoing.place)
        team = team or (await self.api.home()).team
        channel = await self.conversation(channel)
        if outgoing.kind is not Kind.CARD and outgoing.anchor and root is None:
            anchor = self._replaced.get(outgoing.anchor, outgoing.anchor)
            _, anchored, ts = split_remote(anchor)
            root = ts if anchored == channel else None
        return team, channel, root

    async def conversation(self, name: str) -> str:
        """Return a conversation's id: a person's is their direct message (`conversations.open`, remembered)."""
        if not name.startswith(("U", "W")):
            return name
        if name not in self._opened:
            answer = await self.api.call("conversations.open", users=name)
            _remember(self._opened, name, str(answer["channel"]["id"]))
        return self._opened[name]

    # -- posting -------------------------------------------------------------------------------------------------

    async def post_all(self, outgoing: Outgoing, posts: Sequence[Post]) -> Sent:
        """Post a delivery's parts, in order; those of an earlier try that stand there already are left out.

        Raises a `Failure`.
        """
        team, channel, root = await self.where(outgoing)
        there: dict[str, str] = {}
        if len(posts) > 1 or posts[-1].attached:
            there = await parts_there(self.api, outgoing, channel, root, since=outgoing.created_at)
        cards: list[Sent] = []
        if ts := there.get(CARD_PART):
            cards, root = [self.card_replaced(team, channel, root, ts)], ts
        if outgoing.desk and root is None and outgoing.kind is not Kind.CARD:
            posts = [orphan(posts[0], outgoing), *posts[1:]]
        sent: list[Sent] = []
        for number, post in enumerate(posts):
            if ts := there.get(str(number)):
                sent.append(self.sent(team, channel, ts))
            else:
                sent.append(await self.post_one(outgoing, post, (team, channel, root), str(number)))
                root = await self._root_after(outgoing, root)
            if root is None and len(posts) > 1:  # the first of several is the root of the others
                root = split_remote(sent[0].remote_id)[2]
        return joined([*sent, *cards])

    async def _root_after(self, outgoing: Outgoing, root: str | None) -> str | None:
        """The root for further parts: another one where the card had to be posted anew."""
        return (await self.where(outgoing))[2] if root and outgoing.desk and outgoing.anchor else root

    async def post_one(self, outgoing: Outgoing, post: Post, place: Place, part: str) -> Sent:
        """Post one part, and see that it stands in its thread. Raises a `Failure`."""
        team, channel, root = place
        ts, thread, warning = await self._post(channel, root, post, outgoing.delivery_id, part)
        if root is None or thread == root:
            return self.sent(team, channel, ts, warning)
        if not outgoing.desk and channel.startswith("D"):
            return self.sent(team, channel, ts, "the thread's first message was deleted; posted below it")
        log.info("post_orphan", delivery=outgoing.delivery_id, channel=channel, root=root)
        await self.take_back(channel, ts)
        if not outgoing.desk:
            return await self._in_person(outgoing, post, part)
        card = await self.card_anew(outgoing, place)
        new_root = split_remote(str(card.card))[2]
        ts, thread, _ = await self._post(channel, new_root, post, outgoing.delivery_id, part)
        if thread != new_root:
            await self.take_back(channel, ts)
            raise TemporaryFailure(phrase("slack_card_goes"))
        return joined([self.sent(team, channel, ts), card])

    async def _in_person(self, outgoing: Outgoing, post: Post, part: str) -> Sent:
        """The thread in a channel where they wrote is gone: they have it by direct message. Raises a `Failure`."""
        if outgoing.to is None or outgoing.to.kind != "slack":
            raise PermanentFailure(phrase("reason_their_thread_deleted"))
        team, _, user = outgoing.to.address.rpartition("/")
        channel = await self.conversation(user)
        ts = (await parts_there(self.api, outgoing, channel, None, since=outgoing.created_at)).get(part)
        if ts is None:
            ts, _, _ = await self._post(channel, None, orphan(post, outgoing), outgoing.delivery_id, part)
        return self.sent(team, channel, ts, "the thread in the channel was deleted; sent as a direct message")

    async def card_anew(self, outgoing: Outgoing, place: Place) -> Sent:
        """The ticket's card was deleted: post it again, for what goes into its thread, unless an earlier try of this
        delivery did. Raises a `Failure`."""
        team, channel, root = place
        if outgoing.ticket is None:
            raise PermanentFailure(phrase("reason_thread_deleted"))
        there = await parts_there(self.api, outgoing, channel, None, since=outgoing.created_at)
        ts = there.get(CARD_PART)
        if ts is None:
            card = ticket_card(outgoing, self.look)
            ts, _, _ = await self._post(channel, None, card, outgoing.delivery_id, CARD_PART)
        return self.card_replaced(team, channel, root, ts)

    def card_replaced(self, team: str, channel: str, root: str | None, ts: str) -> Sent:
        """Another card hangs in the place of the one that was deleted: what is for that thread goes below it."""
        _remember(self._replaced, remote_id(team, channel, str(root)), remote_id(team, channel, ts))
        sent = self.sent(team, channel, ts, "the card was deleted in Slack; posted anew")
        return replace(sent, card=sent.links[0])

    async def _post(
        self, channel: str, root: str | None, post: Post, delivery: int, part: str
    ) -> tuple[str, str | None, str | None]:
        """Return (ts, root of the thread that it stands in, a warning). A layout that Slack doesn't take goes as its
        words alone; a text that Slack cuts doesn't stay."""
        warning = None
        arguments: dict[str, Any] = {
            "channel": channel,
            "thread_ts": root,
            "metadata": marked(delivery, part),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            answer = await self.api.call(
                "chat.postMessage", text=post.text, blocks=list(post.blocks) or None, **arguments
            )
        except PermanentFailure as exc:
            if not post.blocks or not refused(exc, *LAYOUT):
                raise
            if post.plainer:
                log.info("layout_plainer", delivery=delivery, reason=exc.reason[:200])
                return await self._post(
                    channel, root, replace(post, blocks=post.plainer, plainer=()), delivery, part
                )
            log.error("layout_refused", delivery=delivery, reason=exc.reason[:200])
            warning = PLAIN
            answer = await self.api.call("chat.postMessage", text=post.whole or post.text, **arguments)
        ts = str(answer["ts"])
        if "message_truncated" in ((answer.get("response_metadata") or {}).get("warnings") or ()):
            log.error("text_cut", delivery=delivery, part=part)
            await self.take_back(channel, ts)
            raise PermanentFailure(phrase("reason_text_cut"))
        return ts, (answer.get("message") or {}).get("thread_ts"), warning

    async def take_back(self, channel: str, ts: str) -> None:
        """Delete a post of ours; one that can't be deleted stays."""
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
                    warning = await self.renew(channel, ts, card)
                    return self.sent(team, channel, ts, warning)
                except PermanentFailure as exc:
                    if not refused(exc, *NOT_OURS):
                        raise
                    log.info("card_gone", delivery=outgoing.delivery_id, channel=channel, ts=ts)
        return await self.post_all(outgoing, [card])

    async def renew(self, channel: str, ts: str, post: Post) -> str | None:
        """Give a post of ours other words. Returns a warning. Raises a `Failure`.

        With blocks Slack doesn't call it edited; text alone takes the old ones away.
        """
        blocks = list(post.blocks) or [{"type": "section", "text": {"type": "mrkdwn", "text": post.text}}]
        try:
            await self.api.call("chat.update", channel=channel, ts=ts, text=post.text, blocks=blocks)
        except PermanentFailure as exc:
            if not refused(exc, *LAYOUT):
                raise
            log.error("layout_refused", channel=channel, ts=ts, reason=exc.reason[:200])
            text = fallback(post.whole or post.text)
            await self.api.call("chat.update", channel=channel, ts=ts, text=text)
            return PLAIN
        return None

    def sent(self, team: str, channel: str, ts: str, warning: str | None = None) -> Sent:
        """Return what a post is remembered by."""
        remote = remote_id(team, channel, ts)
        return Sent(remote_id=remote, links=(f"slack:{remote}",), pace_ms=self.pace_ms, warning=warning)


def joined(sent: Sequence[Sent]) -> Sent:
    """Return several posts as one delivery: remembered by the first, linked by all; its lane rests for each."""
    return replace(
        sent[0],
        pace_ms=sum(one.pace_ms for one in sent),
        links=tuple(dict.fromkeys(name for one in sent for name in one.links)),
        warning=next((one.warning for one in sent if one.warning), None),
        card=next((one.card for one in sent if one.card), None),
    )


def _remember(shelf: OrderedDict[str, str], key: str, value: str) -> None:
    shelf[key] = value
    while len(shelf) > MOST_REMEMBERED:
        shelf.popitem(last=False)
