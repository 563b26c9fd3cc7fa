"""The counter for small hints in channels: "Open a ticket?" where people ask, and what a mention alone lacks."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final, Protocol

import structlog

from bot.answering import hint, respond
from bot.api import Api
from bot.blocks import actions, button, section
from bot.form_wishes import OPEN
from bot.front import Answer, Json
from bot.home import requests_of, triage_of
from bot.sift_acts import NUDGED
from core.people import Known

log = structlog.get_logger(__name__)

NO: Final = "nudge_no"
FEW: Final = 3  # words that are no request yet: thanks, a greeting
REMEMBERED: Final = 1_000
WORDLESS: Final = "Write what it is about after the mention, and it becomes a ticket. Or fill in a form:"
_ALONE: Final = re.compile(r"\s*<@(?P<user>[UW][A-Z0-9]+)(?:\|[^>]*)?>[\s,:!?.]*")


class Knows(Protocol):
    """What the nudges want to know of the desk: `bot.form_facts.Facts`."""

    async def who(self, user: str) -> Known:
        """Who somebody is there."""

    async def once_a_day(self, what: str) -> bool:
        """Count that something is about to be done; False where it was, today."""


class Nudges:
    """`bot.front.Counter` for messages that nobody but their author gets an answer to."""

    def __init__(self, api: Api, knows: Knows) -> None:
        self._api, self._knows = api, knows
        self._on = api.config.slack.nudge
        self._requests, self._triage = requests_of(api.config), triage_of(api.config)
        self._hinted: OrderedDict[str, None] = OrderedDict()

    def look(self, body: Json) -> Answer | None:
        """Nudge, hint, or take the answer to a nudge."""
        if body.get("type") == "block_actions":
            return self._clicked(body)
        event = body.get("event")
        if not isinstance(event, dict) or event.get("thread_ts") or event.get("bot_id"):
            return None
        if event.get("type") != "message":
            return None
        if (alone := _ALONE.fullmatch(str(event.get("text") or ""))) is not None:
            return self._mentioned(event, alone["user"])
        if self._on and is_asking(event) and str(event.get("channel")) in self._requests:
            return Answer(after=lambda: self._nudge(event))
        return None

    def _clicked(self, body: Json) -> Answer | None:
        action: Json = next(iter(body.get("actions") or ()), {})
        url = str(body.get("response_url") or "")
        if action.get("action_id") not in (NUDGED, NO):
            return None

        async def done() -> None:
            await respond(self._api, url, {"delete_original": True})

        return Answer(store=action.get("action_id") == NUDGED, after=done)

    def _mentioned(self, event: Json, whom: str) -> Answer | None:
        """A mention at top level that says nothing: no ticket, but a word how to open one. Of its two events the
        message's is the one that says whether a file came with it."""
        if event.get("subtype") or event.get("files"):
            return None
        channel, user, ts = (str(event.get(key) or "") for key in ("channel", "user", "ts"))
        name = f"{channel}/{ts}"
        if not user or channel.startswith("D") or channel in self._triage or name in self._hinted:
            return None
        self._hinted[name] = None
        while len(self._hinted) > REMEMBERED:
            self._hinted.popitem(last=False)

        async def say() -> None:
            if whom != (await self._api.home()).bot_user:
                return
            form = actions("form", [button("Open a ticket", OPEN, '{"form":"new_ticket"}')])
            await hint(self._api, channel, user, WORDLESS, blocks=(section(WORDLESS), form))

        return Answer(store=True, after=say)

    async def _nudge(self, event: Json) -> None:
        """Ask once a day and channel whether somebody wants a ticket: not staff, who talk about tickets."""
        channel, user, ts = (str(event.get(key) or "") for key in ("channel", "user", "ts"))
        if (await self._knows.who(user)).staff:
            return
        if not await self._knows.once_a_day(f"nudge:{channel}:{user}"):
            return
        text = "Shall I open a ticket of that?"
        choice = [button("Open a ticket", NUDGED, ts, "primary"), button("No", NO, ts)]
        await hint(self._api, channel, user, text, blocks=(section(text), actions("nudge", choice)))
        log.info("nudge", channel=channel)


def is_asking(event: Json) -> bool:
    """Whether a message at top level may be a request: a person's words, more than a few, that call nobody. Pure."""
    text = str(event.get("text") or "")
    return (
        event.get("type") == "message"
        and event.get("subtype") in (None, "file_share")
        and event.get("user") not in (None, "", "USLACKBOT")
        and "<@" not in text
        and "<!" not in text
        and len(text.split()) > FEW
    )
