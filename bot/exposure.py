"""Triage channels that become public or shared with another organisation: no ticket is shown there until an operator
allows it, and everyone concerned is told. Where a channel is archived, or without the bot, the managers are told; what
is for it waits (`bot.sender`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from bot.api import Api
from bot.failures import SHUT
from bot.home import Home, place_of
from bot.refusals import refused
from core import exposure
from core.database import Database
from core.desk import Desk
from core.desk_texts import Phrase, phrase, said
from core.failures import Failure, PermanentFailure, Unavailable

log = structlog.get_logger(__name__)

EVERY: Final = 240.0  # seconds between looks at all triage channels
FRESH: Final = 60.0  # seconds for which an answer of Slack's counts
PUBLIC: Final = phrase("reason_public")
SHARED: Final = phrase("reason_shared")
MEND: Final = "make it private, or list it in slack.exposed_channels"


class Exposure:
    """Watches triage channels. `troubles`: channel → what somebody should see to there."""

    def __init__(self, api: Api, database: Database, desk: Desk) -> None:
        self._api, self._database, self._desk = api, database, desk
        self._allowed = frozenset(api.config.slack.exposed_channels)
        self._looked: dict[str, float] = {}  # channel → when it was found fit
        self.troubles: dict[str, str] = {}

    @property
    def _began(self) -> datetime:
        """When this instance, and with it its configuration, began."""
        return self._database.clock.began

    async def why_closed(self, channel: str) -> str | None:
        """Say why nothing of a ticket may be shown in a channel now, None where it may. Raises a `Failure` where that
        can't be known yet, `Unavailable`."""
        if not channel.startswith(("C", "G")):
            return None
        allowed = channel in self._allowed
        noted = (await self._database.read(exposure.noted)).get(channel)
        if noted is not None and not (allowed and exposure.newer(self._began, noted)):
            return closed(str(noted["why"]))
        if allowed or time.monotonic() - self._looked.get(channel, -FRESH) < FRESH:
            return None
        try:
            why = await self._look(await self._api.home(), channel)
        except PermanentFailure:
            return None  # what is posted there will say so itself
        return closed(why) if why else None

    async def changed(self, channel: str) -> None:
        """Look at a channel again, at once: something about it changed. Raises `Unavailable`."""
        home = await self._api.home()
        self._looked.pop(channel, None)
        if channel not in home.triage:
            return
        await self._check(home, channel)
        if channel not in self.troubles:
            place = place_of(home.team, channel)
            await self._database.unit(lambda tx: exposure.go_on(tx, self._desk, place))

    async def check(self) -> None:
        """Look at all triage channels. Raises `Unavailable`."""
        home = await self._api.home()
        for channel in home.triage:
            await self._check(home, channel)
        noted = await self._database.read(exposure.noted)
        for channel in (
            noted.keys() - home.triage.keys()
        ):  # no triage channel any more, but old cards hang there
            try:
                await self._look(home, channel)
            except PermanentFailure:
                await self._clear(home, channel, "")

    async def run(self) -> None:
        """Check now and then, until cancelled."""
        while True:
            try:
                await self.check()
            except (Failure, Unavailable) as exc:
                log.warning("channels_unchecked", reason=str(exc))
            except Exception:
                log.exception("channels_unchecked")
            await asyncio.sleep(EVERY)

    async def _check(self, home: Home, channel: str) -> None:
        queue = home.triage[channel]
        try:
            why = await self._look(home, channel)
        except PermanentFailure as exc:
            named = phrase("exposed_triage", queue=queue)
            self._trouble(channel, f"{named}: {exc.reason}")
            if refused(exc, *SHUT):
                await self._shut(channel, named, exc.reason)
            return
        if why:
            self._trouble(channel, f"the triage channel of {queue} gets no tickets: {why}; {MEND}")

    async def _look(self, home: Home, channel: str) -> str:
        """Ask Slack about a channel and note what it says; return why it is closed, "" where it isn't."""
        info = (await self._api.call("conversations.info", channel=channel)).get("channel") or {}
        why, name = why_exposed(info), f"#{info.get('name') or channel}"
        trouble = unusable(info)
        if channel in home.triage:
            await self._see_use(channel, home.triage[channel], name, trouble)
        if why and channel not in self._allowed:
            self._looked.pop(channel, None)
            await self._note(home, channel, name, why)
            return why
        self._looked[channel] = time.monotonic()
        if channel in home.triage:
            words = f"the triage channel of {home.triage[channel]}: {trouble}" if trouble else ""
            self._trouble(channel, words)
        if why:
            await self._allow(home, channel, said(self._desk.config, "exposed_allowed", channel=name))
        else:
            await self._clear(home, channel, said(self._desk.config, "exposed_private", channel=name))
        return ""

    async def _see_use(self, channel: str, queue: str, name: str, trouble: str) -> None:
        """Note whether anything can be posted in a triage channel."""
        if trouble:
            await self._shut(channel, phrase("exposed_triage_named", channel=name, queue=queue), trouble)
            return
        noted = channel in await self._database.read(exposure.told_shut)
        if noted and await self._database.unit(lambda tx: exposure.usable(tx, channel)):
            log.warning("channel_in_use_again", channel=channel)

    async def _shut(self, channel: str, name: Phrase, why: str) -> None:
        told = (await self._database.read(exposure.told_shut)).get(channel)
        if told is not None and told > self._database.clock.now() - exposure.RECENT:
            return
        words = said(self._desk.config, "exposed_shut", channel=name, why=why)
        if await self._database.unit(lambda tx: exposure.shut(tx, self._desk, channel, words)):
            log.error("channel_shut", channel=channel, why=why)

    def _trouble(self, channel: str, words: str) -> None:
        if words and self.troubles.get(channel) != words:
            log.error("channel_trouble", channel=channel, mend=words)
        if words:
            self.troubles[channel] = words
        else:
            self.troubles.pop(channel, None)

    async def _note(self, home: Home, channel: str, name: str, why: str) -> None:
        place = place_of(home.team, channel)
        words = said(self._desk.config, "exposed_told", channel=name, why=why)
        noted = (await self._database.read(exposure.noted)).get(channel)
        if noted is not None and noted["why"] == why:
            return
        began = self._began
        if await self._database.unit(lambda tx: exposure.note(tx, self._desk, place, why, words, began)):
            log.error("channel_exposed", channel=channel, why=why)

    async def _allow(self, home: Home, channel: str, words: str) -> None:
        place, began = place_of(home.team, channel), self._began
        if await self._database.unit(lambda tx: exposure.allow(tx, self._desk, place, words, began)):
            log.warning("channel_open_again", channel=channel)

    async def _clear(self, home: Home, channel: str, words: str) -> None:
        if channel not in await self._database.read(exposure.noted):
            return
        place = place_of(home.team, channel)
        if await self._database.unit(lambda tx: exposure.clear(tx, self._desk, place, words)):
            log.warning("channel_open_again", channel=channel)


def why_exposed(info: Mapping[str, Any]) -> str:
    """Say who else reads a channel, "" where it is private and unshared. Pure."""
    pending = info.get("is_pending_ext_shared") or info.get("pending_connected_team_ids")
    if info.get("is_ext_shared") or pending or info.get("pending_shared"):
        return SHARED
    if not (info.get("is_private") or info.get("is_group")):
        return PUBLIC
    return ""


def unusable(info: Mapping[str, Any]) -> str:
    """Say why nothing can be posted in a channel, "" where it can. Pure."""
    if info.get("is_archived"):
        return phrase("reason_archived")
    if info.get("is_member") is False:
        return phrase("reason_not_in")
    return ""


def closed(why: str) -> str:
    """What is said of a delivery that waits for it. Pure."""
    return f"the triage channel gets no tickets: {why}; {MEND}"
