"""What the door looks out for beside tickets: that the app was removed, that Slack held events back, that something
about a triage channel changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from bot.api import Api
from bot.events import held_back_at
from bot.exposure import Exposure
from bot.home import Home
from core import exposure
from core.database import Database
from core.failures import Failure

log = structlog.get_logger(__name__)

Json = Mapping[str, Any]
Then = Callable[[], Awaitable[None]]
LOOK: Final = 60.0  # seconds between looks whether a removed app is back
CHANNEL_EVENTS: Final = frozenset(
    {
        "channel_archive",
        "channel_shared",
        "channel_unarchive",
        "channel_unshared",
        "group_archive",
        "group_unarchive",
        "member_joined_channel",
        "member_left_channel",
    }
)
REMOVED: Final = "the app was removed from the workspace; install it again and set slack.bot_token"
REVOKED: Final = "the bot token was revoked; install the app again and set slack.bot_token"


class Watch:
    """Looks at each payload, and does what it calls for after its acknowledgement. `trouble`: what somebody should see
    to, in public words. Without parts it knows only whether the app is installed."""

    def __init__(
        self, api: Api | None = None, database: Database | None = None, channels: Exposure | None = None
    ) -> None:
        self._api, self._database, self._channels = api, database, channels
        self._home: Home | None = None
        self._gone = ""

    @property
    def trouble(self) -> str:
        """What somebody should see to, "" where all is well."""
        found = list(self._channels.troubles.values()) if self._channels is not None else []
        return "; ".join([self._gone] if self._gone else found)

    async def run(self, home: Home) -> None:
        """Watch until cancelled."""
        self._home = home
        tasks = [asyncio.create_task(self._until_back(), name="slack-installed")]
        if self._channels is not None:
            tasks.append(asyncio.create_task(self._channels.run(), name="slack-exposure"))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _until_back(self) -> None:
        """A removed app may be installed again with the same token."""
        while True:
            await asyncio.sleep(LOOK)
            if self._gone and self._api is not None:
                try:
                    await self._api.call("auth.test")
                except Failure:
                    continue
                log.info("app_back")
                self._gone = ""

    def look(self, body: Json) -> Then | None:
        """Return what is to be done because of a payload, None for nothing. Waits for nothing."""
        if (at := held_back_at(body)) is not None:
            log.warning("held_back_by_slack", minute=at.isoformat())
            return lambda: self._held_back(at.isoformat())
        event = body.get("event")
        if not isinstance(event, Mapping):
            return None
        kind, channel = event.get("type"), str(event.get("channel") or "")
        if kind == "app_uninstalled":
            self._lost(REMOVED)
        elif kind == "tokens_revoked" and (event.get("tokens") or {}).get("bot"):
            self._lost(REVOKED)
        elif kind in CHANNEL_EVENTS and self._channels is not None:
            person = event.get("user") if str(kind).startswith("member_") else None
            bot = self._home.bot_user if self._home is not None else ""
            if person in (None, bot):
                exposure_of = self._channels
                return lambda: exposure_of.changed(channel)
        return None

    def _lost(self, words: str) -> None:
        self._gone = words
        log.error("app_removed", mend=words)

    async def _held_back(self, minute: str) -> None:
        if self._database is not None and self._home is not None:
            team = self._home.team
            await self._database.unit(lambda tx: exposure.held_back(tx, team, minute))
