"""First look at what Slack sent: is it anything of ours, what happened, who and which files are needed to read it?
Pure. The second look, when these are known, is `bot.read:read_event`.

An allow-list decides (docs.slack.dev/reference/events/message): kinds of messages that nobody has heard of yet do
nothing, instead of opening tickets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bot import markup
from bot.home import Home, ref_of
from core.shapes import Ignored, Ref

Json = Mapping[str, Any]
CONTENT: Final = (None, "file_share", "me_message", "thread_broadcast")
CHATTER: Final = "talk in a channel that isn't ours"

MOST_NAMES: Final = 20  # people mentioned in one message who are shown by name


class What(StrEnum):
    """What happened to a message."""

    NEW = "new"
    EDITED = "edited"
    DELETED = "deleted"
    CLICKED = "clicked"


class Side(StrEnum):
    """Where it happened: a direct message, a triage channel, another channel."""

    DM = "dm"
    TRIAGE = "triage"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something to read. `ts`: of the message; `root`: of its thread's root, None at top level; `at`: when it
    happened, as a ts; `team`: the workspace we are installed in; `mention`: it names the bot."""

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
        """Whose names are needed: the author's and those of the people whom the text mentions."""
        if self.what is What.DELETED:
            return frozenset()
        mentioned = sorted(markup.mentioned(self.message))[:MOST_NAMES]  # each costs a call
        return frozenset({self.user} - {""}) | frozenset(mentioned)

    @property
    def files(self) -> tuple[Json, ...]:
        """The files of the message, as Slack describes them."""
        return tuple(self.message.get("files") or ()) if self.what in (What.NEW, What.EDITED) else ()

    @property
    def ref(self) -> Ref:
        """The message's outside name."""
        return ref_of(self.team, self.channel, self.ts)

    @property
    def unsure(self) -> Ref | None:
        """The root that must be one of ours for this to be: a reply in a thread elsewhere, with no mention."""
        if self.side is not Side.ELSEWHERE or self.mention:
            return None
        return ref_of(self.team, self.channel, self.root or self.ts)


def sift(payload: Json, home: Home) -> Found | Ignored:
    """Look at one payload of Slack's (an event's envelope, an interaction)."""
    kind = payload.get("type")
    if kind == "block_actions":
        return _click(payload, home)
    event = payload.get("event")
    if kind != "event_callback" or not isinstance(event, Mapping):
        return Ignored(reason=f"nothing to do for {kind or 'this'}")
    if event.get("type") not in ("message", "app_mention"):
        return Ignored(reason=f"nothing to do for {event.get('type')}")
    app = str(payload.get("api_app_id") or "")
    match event.get("subtype"):
        case "message_changed":
            return _changed(event, home, app)
        case "message_deleted":
            return _deleted(event, home, app)
        case _:
            return _new(event, home, app)


def _new(event: Json, home: Home, app: str) -> Found | Ignored:
    if (reason := _not_content(event, home, app)) is not None:
        return reason
    found = _found(What.NEW, event, event, home, at=str(event["ts"]))
    if found.side is Side.TRIAGE and found.root is None:
        return Ignored(reason="talk in the triage channel, in no ticket's thread")
    if found.side is Side.ELSEWHERE and not found.mention and found.root is None:
        return Ignored(reason=CHATTER)
    return found


def _changed(event: Json, home: Home, app: str) -> Found | Ignored:
    message, before = event.get("message") or {}, event.get("previous_message") or {}
    if message.get("subtype") == "tombstone":
        return _deleted({**event, "deleted_ts": message.get("ts")}, home, app)
    if (reason := _not_content(message, home, app)) is not None:
        return reason
    edited = message.get("edited") or {}
    if not edited or edited == before.get("edited"):
        return Ignored(reason="not edited: a preview, a reply count or a file changed")
    if before and all(message.get(key) == before.get(key) for key in ("text", "blocks", "files")):
        return Ignored(reason="edited, but it says the same")
    at = str(edited.get("ts") or event.get("event_ts") or message["ts"])
    found = _found(What.EDITED, event, message, home, at=at)
    if found.side is Side.TRIAGE and found.root is None:
        return Ignored(reason="talk in the triage channel, in no ticket's thread")
    return found


def _deleted(event: Json, home: Home, app: str) -> Found | Ignored:
    before = event.get("previous_message") or {}
    ts = str(event.get("deleted_ts") or "")
    if not ts:
        return Ignored(reason="a deletion that names no message")
    message = {**before, "ts": ts}
    found = _found(What.DELETED, event, message, home, at=str(event.get("event_ts") or event.get("ts") or ts))
    if found.side is Side.TRIAGE and found.root is None:
        return Ignored(
            reason="a card, or talk in the triage channel, was deleted"
        )  # `bot.posting` mends cards
    if is_ours(before, home, app):
        return Ignored(reason="a message of ours was deleted")
    if before.get("bot_id"):
        return Ignored(reason="another app's message")
    return found


def _click(payload: Json, home: Home) -> Found | Ignored:
    container = payload.get("container") or {}
    channel = str(container.get("channel_id") or (payload.get("channel") or {}).get("id") or "")
    ts = str(container.get("message_ts") or (payload.get("message") or {}).get("ts") or "")
    action = next(iter(payload.get("actions") or ()), None)
    if not (channel and ts and action):
        return Ignored(reason="a click on nothing that we posted")
    root = container.get("thread_ts") or (payload.get("message") or {}).get("thread_ts")
    return Found(
        what=What.CLICKED,
        side=side_of(channel, home),
        team=home.team,
        channel=channel,
        ts=ts,
        root=str(root) if root and root != ts else None,
        at=str(action.get("action_ts") or ts),
        user=str((payload.get("user") or {}).get("id") or ""),
        mention=True,
        message={"action": action},
    )


def _found(what: What, event: Json, message: Json, home: Home, *, at: str) -> Found:
    channel, ts = str(event.get("channel") or ""), str(message["ts"])
    root = message.get("thread_ts")
    return Found(
        what=what,
        side=side_of(channel, home),
        team=home.team,
        channel=channel,
        ts=ts,
        root=str(root) if root and root != ts else None,
        at=at,
        user=str(message.get("user") or ""),
        mention=names_bot(message, home),
        message=message,
    )


def _not_content(message: Json, home: Home, app: str) -> Ignored | None:
    """Say why a message is no person's words to us; None when it is."""
    if message.get("subtype") not in CONTENT and not is_ours(message, home, app):
        return Ignored(reason=f"not written by a person: {message.get('subtype')}")
    if is_ours(message, home, app):
        return Ignored(reason="our own message")
    if message.get("bot_id") or message.get("user") in (None, "", "USLACKBOT"):
        return Ignored(reason="another app's message")
    if not message.get("ts"):
        return Ignored(reason="a message without a ts")
    if not (
        message.get("text") or message.get("blocks") or message.get("files") or message.get("attachments")
    ):
        return Ignored(reason="an empty message")
    return None


def is_ours(message: Json, home: Home, app: str) -> bool:
    """Whether we posted it: by bot id, bot user or app id (a customised name hides the user, not those)."""
    profile = message.get("bot_profile") or {}
    theirs = message.get("app_id") or profile.get("app_id")
    return (
        (bool(home.bot_id) and message.get("bot_id") == home.bot_id)
        or (bool(home.bot_user) and message.get("user") == home.bot_user)
        or (bool(app) and bool(message.get("bot_id")) and theirs == app)
    )


def side_of(channel: str, home: Home) -> Side:
    """Say which side a conversation is on: ids of direct messages start with D."""
    if channel in home.triage:
        return Side.TRIAGE
    return Side.DM if channel.startswith("D") else Side.ELSEWHERE


def names_bot(message: Json, home: Home) -> bool:
    """Whether a message mentions the bot."""
    return home.bot_user in markup.mentioned(message)


def without_leading_mention(text: str, *mentions: str) -> str:
    """Take a mention of the bot (`@relaydesk`, `<@U1>`), as often as it stands at the front, off a text."""
    names = "|".join(rf"{re.escape(m)}(?!\w)" for m in mentions)
    return re.sub(rf"^(?:\s*(?:{names})[\s,:]*)+", "", text)
