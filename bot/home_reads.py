"""What the Home tabs show, read from the desk: who somebody is, their lists, where their conversations are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from bot import home_tab
from bot.api import Api
from bot.directory import Directory
from bot.home import split_place, split_remote
from core import figures
from core.database import Tx
from core.exposure import last_held_back
from core.failures import Failure
from core.figures import Figures, Now
from core.home_lists import Requests, Wanted, requests_of, staff_list
from core.parts import Parts
from core.people import actor_of
from core.shapes import Actor, Auth, Role, key_of
from core.tables import inbox
from core.views import Period

log = structlog.get_logger(__name__)

MOST_LINKS: Final = 5_000
FRESH: Final = timedelta(minutes=5)  # yesterday's figures hardly change any more
SHORTLY: Final = timedelta(seconds=2)  # how old those of this moment may be: many tabs are drawn at once


class Reads:
    """Reads tabs through the desk's parts."""

    def __init__(self, parts: Parts, api: Api, directory: Directory) -> None:
        self._parts, self._api, self._directory = parts, api, directory
        self._links: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._figures: tuple[datetime, date, Figures] | None = None
        self._now: tuple[datetime, Now] | None = None

    async def view(self, user: str, wanted: Wanted) -> dict[str, Any]:
        """Return somebody's tab. Raises `Unavailable`."""
        known = await self._parts.people.known(await self._directory.person(user))
        actor = actor_of(known, "slack", Auth.VERIFIED)
        hold = self._parts.config.slack.reply_hold
        database, name = self._parts.database, self._parts.config.service.name
        own = await database.read(lambda tx: requests_of(tx, actor, "slack", hold))
        links = await self._conversations(own)
        if not actor.staff:
            return home_tab.for_requester(name, own, links)
        listed = await database.read(lambda tx: staff_list(tx, known.user_id, wanted))
        manages = actor.role is Role.MANAGER
        desk = home_tab.Desk(
            wanted=wanted,
            listed=listed,
            queues=tuple(queue.name for queue in self._parts.config.queue),
            user_id=known.user_id,
            yesterday=await self._yesterday(actor) if manages else None,
            held_back=await database.read(last_held_back) if manages else None,
        )
        return home_tab.for_staff(name, desk, own, links)

    async def done(self, name: str) -> bool:
        """Has the inbox worked off what was stored by this name?"""

        async def look(tx: Tx) -> str | None:
            state: str | None = await tx.scalar(select(inbox.c.state).where(inbox.c.key == key_of(name)))
            return state

        return await self._parts.database.read(look) not in (None, "new")

    async def _yesterday(self, actor: Actor) -> tuple[date, Figures]:
        now = self._parts.database.clock.now()
        day, period = day_before(now, self._parts.config.service.timezone)
        kept = self._figures
        if kept is None or kept[1] != day or now - kept[0] >= FRESH:
            kept = self._figures = (now, day, await self._parts.manager.analyze_data(actor, period))
        present = await self._present(now)
        return day, replace(
            kept[2],
            unassigned=present.unassigned,
            waiting_for_staff=present.waiting_for_staff,
            waiting_for_customer=present.waiting_for_customer,
        )

    async def _present(self, now: datetime) -> Now:
        if self._now is None or now - self._now[0] >= SHORTLY:
            self._now = (now, await self._parts.database.read(figures.now))
        return self._now[1]

    # -- where conversations are ---------------------------------------------------------------------------------

    async def _conversations(self, requests: Requests) -> Mapping[int, str]:
        """The links to them, of what Slack gives one for."""
        wanted = {}
        for request in (*requests.open, *requests.resolved):
            if post := post_of(request.place, request.anchor):
                wanted[request.ticket.id] = post
        found = await asyncio.gather(*(self._permalink(*post) for post in wanted.values()))
        return {ticket_id: link for ticket_id, link in zip(wanted, found, strict=True) if link}

    async def _permalink(self, channel: str, ts: str) -> str:
        if link := self._links.get((channel, ts)):
            self._links.move_to_end((channel, ts))
            return link
        try:
            answer = await self._api.call("chat.getPermalink", channel=channel, message_ts=ts)
        except Failure as exc:  # a post that is gone, a rate limit: the tab does without
            log.debug("no_permalink", reason=exc.reason)
            return ""
        link = str(answer.get("permalink") or "")
        self._links[channel, ts] = link
        while len(self._links) > MOST_LINKS:
            self._links.popitem(last=False)
        return link


def post_of(place: str, anchor: str) -> tuple[str, str] | None:
    """The conversation and the ts of the post that a place, or the first post there, names. Pure."""
    _, channel, root = split_place(place)
    if root:
        return channel, root
    try:
        _, channel, ts = split_remote(anchor)
    except ValueError:
        return None
    return channel, ts


def day_before(now: datetime, zone: str) -> tuple[date, Period]:
    """Return the last whole day in a time zone, and its period (of 23 to 25 hours). Pure."""
    here = ZoneInfo(zone)
    today = now.astimezone(here).date()
    day = today - timedelta(days=1)

    def midnight(of: date) -> datetime:
        return datetime(of.year, of.month, of.day, tzinfo=here).astimezone(now.tzinfo)

    return day, Period(midnight(day), midnight(today))
