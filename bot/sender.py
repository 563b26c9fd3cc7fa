"""The way out: what a delivery looks like in Slack, and how it gets there. Rendering happens while sending, so that
what is shown is the present state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from bot import thread_posts
from bot.api import Api
from bot.blocks import Look, Post
from bot.cards import ticket_card
from bot.changing import Changer, is_file
from bot.digest_blocks import digest
from bot.exposure import why_exposed
from bot.failures import SHUT, Ailing
from bot.finding import CARD_PART, parts_there
from bot.home import split_place
from bot.posting import Poster, joined
from bot.refusals import refused
from bot.told import told
from bot.uploads import Taken, Uploader
from core.blobs import Blobs
from core.config import Config
from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure
from core.shapes import Kind, Outgoing, Seen, Sent

log = structlog.get_logger(__name__)

MARKS: Final = {"sent": "envelope", "note": "lock", "failed": "warning", "done": "white_check_mark"}
CLOSED_FOR: Final = timedelta(seconds=60)
SEVERAL: Final = 3  # deliveries in a row that meet the same trouble: it is Slack's
SHOWING: Final = (Kind.CARD, Kind.MESSAGE, Kind.FILE, Kind.NOTICE, Kind.ALERT, Kind.EDIT, Kind.DIGEST)
WhyClosed = Callable[[str], Awaitable[str | None]]


def look_of(config: Config) -> Look:
    """Return what all posts of this desk share. Only the HTTP door has pages to open."""
    triage = {queue.name: queue.slack_channel for queue in config.queue}
    base_url = config.service.base_url if config.http.enabled else ""
    return Look(
        base_url,
        config.service.name,
        triage=triage,
        texts=config.slack.texts,
        language=config.service.language,
        languages={queue.name: queue.language for queue in config.queue},
    )


class Sender:
    """Delivers to Slack. `why_closed`: says why a triage channel must be shown nothing now, None where it may.
    `taken`: says which files other deliveries brought (`bot.uploads`)."""

    def __init__(
        self, api: Api, blobs: Blobs, why_closed: WhyClosed | None = None, taken: Taken | None = None
    ) -> None:
        self._api, self._why_closed = api, why_closed
        self._poster = Poster(api, look_of(api.config), api.config.slack.pace)
        self._changer = Changer(self._poster)
        self.uploader = Uploader(api, blobs, self._poster, taken)
        self._ailing: set[int] = set()  # deliveries that Slack failed since it last did anything

    async def send(self, outgoing: Outgoing) -> Sent:
        """Deliver. Raises a `Failure`."""
        try:
            sent = await self._send(outgoing)
        except Failure as exc:
            meant = await self._meant(outgoing, exc)
            if meant is exc:
                raise
            raise meant from exc
        self._ailing.clear()
        return sent

    async def _meant(self, outgoing: Outgoing, failure: Failure) -> Failure:
        """What a failure means beyond its delivery: where several in a row meet the same trouble it is Slack's, and
        all wait; a triage channel that can't be used now makes its lane wait, whatever is to be shown there."""
        if isinstance(failure, Ailing):
            if len(self._ailing) < SEVERAL:
                self._ailing.add(outgoing.delivery_id)
            if len(self._ailing) == SEVERAL:
                return TemporaryFailure(failure.reason, scope=Scope.CHANNEL)
        elif isinstance(failure, PermanentFailure):
            self._ailing.clear()
            if refused(failure, *SHUT) and await self._is_for_triage(outgoing):
                return TemporaryFailure(failure.reason, CLOSED_FOR, Scope.LANE)
        return failure

    async def _is_for_triage(self, outgoing: Outgoing) -> bool:
        """Whether it is to be shown in a channel that is a queue's now; one that was is not waited for."""
        channel = split_place(outgoing.place)[1]
        return outgoing.desk and outgoing.kind in SHOWING and channel in (await self._api.home()).triage

    async def _send(self, outgoing: Outgoing) -> Sent:
        await self._may_show(outgoing)
        look = await self._look()
        match outgoing.kind:
            case Kind.CARD:
                return await self._poster.update_card(outgoing, ticket_card(outgoing, look))
            case Kind.FILE:
                return await self.uploader.upload(outgoing)
            case Kind.MARK:
                mark = str(outgoing.data.get("mark") or "sent")
                return await self._changer.mark(outgoing, MARKS.get(mark, mark))
            case Kind.EDIT if "file" in outgoing.data:
                return await self._changer.take_file_away(outgoing)
            case Kind.EDIT:
                return await self._edit(outgoing, look)
            case Kind.WHISPER:
                return await self._changer.whisper(outgoing, thread_posts.whisper(outgoing))
            case Kind.DIGEST:
                return await self._post(await self._for_readers(outgoing), look)
            case _:
                return await self._post(outgoing, look)

    async def _for_readers(self, outgoing: Outgoing) -> Outgoing:
        """A digest as its channel may see it: where others than staff read along, without tickets' titles."""
        channel = split_place(outgoing.place)[1]
        if not channel.startswith(("C", "G")) or channel in self._api.config.slack.exposed_channels:
            return outgoing
        info = (await self._api.call("conversations.info", channel=channel)).get("channel") or {}
        return replace(outgoing, data={**outgoing.data, "titles": not why_exposed(info)})

    async def _may_show(self, outgoing: Outgoing) -> None:
        """Hold back what a triage channel with strangers in it would show. Taking something away is always right; a
        digest goes where its operator says, without titles (`_for_readers`)."""
        if self._why_closed is None or not outgoing.desk or outgoing.kind not in SHOWING:
            return
        if outgoing.kind is Kind.DIGEST:
            return
        channel = split_place(outgoing.place)[1]
        if not channel.startswith(("C", "G")) or outgoing.data.get("deleted"):
            return
        if (why := await self._why_closed(channel)) is not None:
            raise TemporaryFailure(why, CLOSED_FOR, Scope.LANE)

    async def _look(self) -> Look:
        home = await self._api.home()
        self._poster.look = replace(self._poster.look, team=home.team, uploads=await self.uploader.allowed())
        return self._poster.look

    async def _post(self, outgoing: Outgoing, look: Look) -> Sent:
        posts = posts_of(outgoing, look)
        sent = await self._poster.post_all(outgoing, posts)
        if not posts[-1].attached:
            return sent
        try:
            return joined([sent, await self.uploader.whole_text(outgoing, posts[-1].attached)])
        except PermanentFailure as exc:
            return await self._in_parts(outgoing, look, sent, exc)

    async def _in_parts(self, outgoing: Outgoing, look: Look, sent: Sent, why: Failure) -> Sent:
        """The file isn't taken: the text comes in as many posts as it needs."""
        log.info("text_in_parts", delivery=outgoing.delivery_id, reason=why.reason[:200])
        posts = posts_of(outgoing, replace(look, uploads=False))
        first = replace(outgoing, target=sent.remote_id, targets=())
        await self._changer.change(replace(first, kind=Kind.EDIT, attempts=1), posts[:1])
        return joined([sent, await self._poster.post_all(outgoing, posts)])

    async def _edit(self, outgoing: Outgoing, look: Look) -> Sent:
        posts = thread_posts.edited(outgoing, look)
        sent = await self._changer.change(outgoing, posts)
        files = [target for target in outgoing.targets if is_file(target)]
        if posts[-1].attached:
            whole = await self.uploader.whole_text(outgoing, posts[-1].attached, but=files)
            sent = joined([sent, whole])
        for file in files:
            if f"slack:{file}" not in sent.links:
                await self._changer.delete_file(file)
        return sent

    # -- after an unknown outcome --------------------------------------------------------------------------------

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """Look once for a delivery whose answer was lost; the courier looks several times.

        What repeats harmlessly is never there; what nobody can look up is unknown. Raises a `Failure`.
        """
        if outgoing.kind in (Kind.MARK, Kind.EDIT):
            return Seen.NOT_THERE, None
        if outgoing.kind is Kind.WHISPER:
            return Seen.UNKNOWN, None
        sent = await self._seen(outgoing)
        return (Seen.SENT, sent) if sent is not None else (Seen.NOT_THERE, None)

    async def _seen(self, outgoing: Outgoing) -> Sent | None:
        if outgoing.kind is Kind.FILE:
            return await self.uploader.look_up(outgoing)
        if outgoing.kind is Kind.DIGEST:
            outgoing = await self._for_readers(outgoing)
        team, channel, root = await self._poster.where(outgoing)
        posts = posts_of(outgoing, await self._look())
        several = len(posts) > 1 or bool(posts[-1].attached)
        since = outgoing.created_at if several else outgoing.sending_at
        there = await parts_there(self._api, outgoing, channel, root, since=since)
        if not all(str(number) in there for number in range(len(posts))):
            return None
        sent = joined([self._poster.sent(team, channel, there[str(n)]) for n in range(len(posts))])
        if ts := there.get(CARD_PART):
            sent = joined([sent, self._poster.card_replaced(team, channel, root, ts)])
        if posts[-1].attached:
            if not await self.uploader.text_is_there(outgoing, posts[-1].attached):
                return None
            sent = joined([sent, await self.uploader.whole_text(outgoing, posts[-1].attached)])
        return sent


def posts_of(outgoing: Outgoing, look: Look) -> list[Post]:
    """Return the parts of a delivery that is posted. Raises `PermanentFailure` for what isn't."""
    match outgoing.kind:
        case Kind.CARD:
            return [ticket_card(outgoing, look)]
        case Kind.MESSAGE if outgoing.desk:
            return thread_posts.thread_messages(outgoing, look)
        case Kind.MESSAGE:
            return thread_posts.dm_messages(outgoing, look)
        case Kind.ALERT:
            return [thread_posts.alert(outgoing, look)]
        case Kind.DIGEST:
            return digest(outgoing, look)
        case Kind.NOTICE if outgoing.desk:
            return [thread_posts.line(outgoing, look)]
        case Kind.NOTICE:
            return [told(outgoing, look)]
        case _:
            raise PermanentFailure(f"Slack has no post for {outgoing.kind}")
