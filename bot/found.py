"""What the first look at a payload finds (`bot.sift`): what happened, on which side, and what is needed to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bot import form_reading, markup
from bot.home import Home, ref_of
from core.shapes import Ref

Json = Mapping[str, Any]

CHATTER: Final = "talk in a channel that isn't ours"
OTHER_EMOJI: Final = "a reaction that asks for nothing"
OTHER_CHANNEL: Final = "something about a channel that isn't the desk's"
PERSON: Final = "something about a person, which the door has heard"
NOBODYS: Final = frozenset({CHATTER, OTHER_EMOJI, OTHER_CHANNEL, PERSON})
"""Reasons for which a payload isn't even stored: there is much of it, and none of it is our business."""

MOST_NAMES: Final = 20  # people mentioned in one message who are shown by name


class What(StrEnum):
    """What happened."""

    NEW = "new"
    EDITED = "edited"
    DELETED = "deleted"
    CLICKED = "clicked"
    SUBMITTED = "submitted"  # a form
    POINTED = "pointed"  # somebody makes a ticket of a message that is named: by an emoji, a click, a form
    MEMBERS = "members"  # somebody came into a triage channel, or left it
    EXPOSURE = "exposure"  # who can read a triage channel may have changed


WRITTEN: Final = (What.NEW, What.EDITED)
NEWS: Final = (What.MEMBERS, What.EXPOSURE)


class Side(StrEnum):
    """Where it happened: a direct message, a triage channel, another channel."""

    DM = "dm"
    TRIAGE = "triage"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something to read. `ts`: of the message; `root`: of its thread's root, None at top level; `at`: when it
    happened, as a ts, "" where only its arrival says so; `team`: the workspace we are installed in; `user`: who did
    it; `mention`: it names the bot. `message`: the message; of a click its action, of a form its view."""

    what: What
    side: Side
    team: str
    channel: str
    ts: str
    root: str | None
    at: str
    user: str
    mention: bool = False
    message: Json = field(default_factory=dict)

    @property
    def users(self) -> frozenset[str]:
        """Whose names are needed: the author's, and those of the people whom it names."""
        match self.what:
            case What.NEW | What.EDITED:
                named = set(sorted(markup.mentioned(self.message))[:MOST_NAMES])  # each costs a call
            case What.CLICKED:
                named = {str(self.message["action"].get("selected_user") or "")}
            case What.SUBMITTED:
                named = form_reading.users_of(self.message["view"])
            case What.POINTED:
                named = set()
            case _:
                return frozenset()
        return frozenset({self.user, *named} - {""})

    @property
    def files(self) -> tuple[Json, ...]:
        """The files that came with it, as Slack describes them."""
        if self.what is What.SUBMITTED:
            return form_reading.files_of(self.message["view"])
        return tuple(self.message.get("files") or ()) if self.what in WRITTEN else ()

    @property
    def ref(self) -> Ref:
        """The message's outside name."""
        return ref_of(self.team, self.channel, self.ts)

    @property
    def thread(self) -> Ref:
        """The outside name of its thread's root, which may be itself."""
        return ref_of(self.team, self.channel, self.root or self.ts)

    @property
    def unsure(self) -> bool:
        """Whether it is ours only where its thread is: a message elsewhere that doesn't name the bot."""
        return self.side is Side.ELSEWHERE and not self.mention and self.what in (*WRITTEN, What.DELETED)


def side_of(channel: str, home: Home) -> Side:
    """Say which side a conversation is on: ids of direct messages start with D."""
    if channel in home.triage:
        return Side.TRIAGE
    return Side.DM if channel.startswith("D") else Side.ELSEWHERE
