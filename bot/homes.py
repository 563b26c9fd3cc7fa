"""The Home tabs: drawn when somebody opens theirs, when they click in it, and when what they clicked has been done.

One drawing at a time for a person, and of all that is asked for meanwhile only the last: a slow read never overwrites a
newer tab, between instances by the view's hash (docs.slack.dev/reference/methods/views.publish). What a click does to a
ticket is the inbox's business; here it only makes the tab be drawn again afterwards.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from bot import home_tab
from bot.api import Api
from bot.directory import Directory
from bot.events import name_of
from bot.front import Answer, Json
from core.failures import Failure, PermanentFailure, Unavailable
from core.home_lists import Wanted

log = structlog.get_logger(__name__)

LONG: Final = 0.5  # seconds after which a read is long enough to say so
MOST: Final = 5_000  # people whose last view is remembered
LOOKS, PAUSE = 30, 0.1  # how often, and seconds between: whether a click on a ticket has been done


class Shows(Protocol):
    """What is to be seen: `bot.home_reads.Reads`."""

    async def view(self, user: str, wanted: Wanted) -> dict[str, Any]:
        """Return somebody's tab."""

    async def done(self, name: str) -> bool:
        """Has the inbox worked off what was stored by this name?"""


@dataclass(slots=True)
class _Seen:
    """Somebody's tab: what they look at, the hash of what was published last, what is to be drawn next; and what they
    asked for by a click, in the view of which hash."""

    wanted: Wanted = field(default_factory=Wanted)
    hash: str = ""
    asked: tuple[str, Wanted] | None = None
    drawing: bool = False
    next: Wanted | None = None


class Homes:
    """The counter for `app_home_opened` and for what is clicked in a Home tab."""

    def __init__(self, api: Api, directory: Directory, shows: Shows) -> None:
        self._api, self._directory, self._shows = api, directory, shows
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def look(self, body: Json) -> Answer | None:
        """Draw the tab for who opens it or clicks in it. A click on a ticket is stored first."""
        event = body.get("event")
        if isinstance(event, Mapping):
            return self._event(event)
        view = body.get("view")
        if body.get("type") != "block_actions" or not isinstance(view, Mapping) or view.get("type") != "home":
            return None
        action: Json = next(iter(body.get("actions") or ()), {})
        user, name = str((body.get("user") or {}).get("id") or ""), str(action.get("action_id") or "")
        wanted = self._looked_at(user, view)
        if str(action.get("block_id") or "").startswith("ticket:"):
            self._stands(user, view, wanted)
            return Answer(store=True, after=self._afterwards(user, name_of(body)))
        if not name.startswith("home_") or name == "home_new":
            return None
        wanted = home_tab.clicked(wanted, action)
        self._of(user).asked = (str(view.get("hash") or ""), wanted)
        return self._drawn(user, view, wanted)

    def _looked_at(self, user: str, view: Json) -> Wanted:
        """What a click starts from: what the view shows, or what was asked for by a click before in the same one, whose
        answer isn't there yet."""
        hash_of, asked = self._of(user).asked or ("", None)
        if asked is not None and hash_of and hash_of == view.get("hash"):
            return asked
        return home_tab.wanted_of(view.get("private_metadata"))

    def _event(self, event: Json) -> Answer | None:
        if event.get("type") in ("user_change", "team_join") and isinstance(event.get("user"), Mapping):
            self._directory.forget(str(event["user"].get("id") or ""))
            return None
        if event.get("type") != "app_home_opened" or event.get("tab", "home") != "home":
            return None
        user, view = str(event.get("user") or ""), event.get("view")
        seen = self._of(user)
        if not isinstance(view, Mapping):  # we don't know what another instance has published meanwhile
            seen.hash = seen.hash if seen.drawing else ""
            return self._drawn(user, {}, seen.wanted)
        return self._drawn(user, view, home_tab.wanted_of(view.get("private_metadata")))

    def _of(self, user: str) -> _Seen:
        seen = self._seen.setdefault(user, _Seen())
        self._seen.move_to_end(user)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)
        return seen

    def _stands(self, user: str, view: Json, wanted: Wanted) -> _Seen:
        """Note what somebody has before their eyes."""
        seen = self._of(user)
        seen.wanted = wanted
        if not seen.drawing:
            seen.hash = str(view.get("hash") or seen.hash)
        return seen

    def _drawn(self, user: str, view: Json, wanted: Wanted) -> Answer:
        seen = self._stands(user, view, wanted)
        return Answer(after=lambda: self._draw(user, seen, wanted))

    def _afterwards(self, user: str, name: str) -> Callable[[], Awaitable[None]]:
        async def after() -> None:
            for _ in range(LOOKS):
                if await self._shows.done(name):
                    break
                await asyncio.sleep(PAUSE)
            seen = self._of(user)
            await self._draw(user, seen, seen.wanted)

        return after

    # -- drawing -------------------------------------------------------------------------------------------------

    async def _draw(self, user: str, seen: _Seen, wanted: Wanted) -> None:
        """Draw what is wanted; where a drawing is under way it comes after that, in place of all that waits."""
        seen.next = wanted
        if seen.drawing:
            return
        seen.drawing = True
        try:
            while (wanted_now := seen.next) is not None:
                seen.next = None
                await self._once(user, seen, wanted_now)
        finally:
            seen.drawing = False

    async def _once(self, user: str, seen: _Seen, wanted: Wanted) -> None:
        reading = asyncio.create_task(self._shows.view(user, wanted), name="home")
        try:
            done, _ = await asyncio.wait((reading,), timeout=LONG)
            if not done and not await self._publish(user, seen, home_tab.loading(wanted)):
                return
            view = await reading
        except (Failure, Unavailable) as exc:
            log.warning("home_failed", user=user, reason=str(exc))
            view = home_tab.failed(wanted)
        except Exception:
            log.exception("home_failed", user=user)
            view = home_tab.failed(wanted)
        finally:
            reading.cancel()
        if seen.next is None:
            await self._publish(user, seen, view)

    async def _publish(self, user: str, seen: _Seen, view: dict[str, Any]) -> bool:
        """Publish; False where somebody else has published since."""
        try:
            answer = await self._api.patiently(
                "views.publish", user_id=user, view=view, hash=seen.hash or None
            )
        except PermanentFailure as exc:
            if "hash_conflict" not in exc.reason:
                raise
            log.debug("home_overtaken", user=user)
            seen.hash = ""
            return False
        seen.hash = str((answer.get("view") or {}).get("hash") or "")
        seen.wanted = home_tab.wanted_of(view.get("private_metadata"))
        log.info("home", user=user, blocks=len(view["blocks"]))
        return True
