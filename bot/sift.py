"""First look at what Slack sent: is it anything of ours, what happened, who and which files are needed to read it?
Pure. The second look, when these are known, is `bot.read:read_found`.

An allow-list decides (docs.slack.dev/reference/events/message): kinds of messages that nobody has heard of yet do
nothing, instead of opening tickets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bot import markup
from bot.found import CHATTER as CHATTER
from bot.found import MOST_NAMES as MOST_NAMES
from bot.found import NOBODYS as NOBODYS
from bot.found import OTHER_CHANNEL, OTHER_EMOJI, PERSON, Json
from bot.found import Found as Found
from bot.found import Side as Side
from bot.found import What as What
from bot.found import side_of as side_of
from bot.home import Home
from bot.sift_acts import sift_click, sift_form
from core.shapes import Ignored

CONTENT: Final = (None, "file_share", "me_message", "thread_broadcast")
_SKIN_TONE: Final = re.compile(r"::skin-tone-[2-6]$")
_MEMBERS: Final = ("member_joined_channel", "member_left_channel")
_SHARING: Final = ("channel_shared", "channel_unshared", "channel_id_changed")
_CONVERTED: Final = (
    "channel_convert_to_public",
    "channel_convert_to_private",
    "group_convert_to_public",
    "group_convert_to_private",
)
TALK: Final = "talk in the triage channel, in no ticket's thread"


def sift(payload: Json, home: Home) -> Found | Ignored:
    """Look at one payload of Slack's (an event's envelope, an interaction)."""
    kind = payload.get("type")
    if kind == "block_actions":
        return sift_click(payload, home)
    if kind == "view_submission":
        return sift_form(payload, home)
    event = payload.get("event")
    if kind != "event_callback" or not isinstance(event, Mapping):
        return Ignored(reason=f"nothing to do for {kind or 'this'}")
    return _event(event, home, str(payload.get("api_app_id") or ""))


def _event(event: Json, home: Home, app: str) -> Found | Ignored:
    kind = event.get("type")
    if kind == "reaction_added":
        return _reaction(event, home)
    if kind in _MEMBERS:
        return _about_channel(What.MEMBERS, str(event.get("channel") or ""), event, home)
    if kind in _SHARING:
        channel = str(event.get("new_channel_id") or event.get("channel") or "")
        return _about_channel(What.EXPOSURE, channel, event, home)
    if kind in ("user_change", "team_join"):
        return Ignored(reason=PERSON)
    if kind not in ("message", "app_mention"):
        return Ignored(reason=f"nothing to do for {kind}")
    match event.get("subtype"):
        case "message_changed":
            return _changed(event, home, app)
        case "message_deleted":
            return _deleted(event, home, app)
        case subtype if subtype in _CONVERTED:
            return _about_channel(What.EXPOSURE, str(event.get("channel") or ""), event, home)
        case _:
            return _new(event, home, app)


# -- messages ----------------------------------------------------------------------------------------------------


def _new(event: Json, home: Home, app: str) -> Found | Ignored:
    if (reason := _not_content(event, home, app)) is not None:
        return reason
    found = _found(What.NEW, event, event, home, at=str(event["ts"]))
    if found.side is Side.TRIAGE and found.root is None:
        return Ignored(reason=TALK)
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
        return Ignored(reason=TALK)
    return found


def _deleted(event: Json, home: Home, app: str) -> Found | Ignored:
    before = event.get("previous_message") or {}
    ts = str(event.get("deleted_ts") or "")
    if not ts:
        return Ignored(reason="a deletion that names no message")
    message = {**before, "ts": ts}
    found = _found(What.DELETED, event, message, home, at=str(event.get("event_ts") or event.get("ts") or ts))
    if found.side is Side.TRIAGE and found.root is None:  # `bot.posting` mends cards
        return Ignored(reason="a card, or talk in the triage channel, was deleted")
    if is_ours(before, home, app):
        return Ignored(reason="a message of ours was deleted")
    if before.get("bot_id"):
        return Ignored(reason="another app's message")
    return found


def message_in(channel: str, message: Json, home: Home) -> Found | Ignored:
    """Look at a message that was read from a conversation's history, as if it had just been written."""
    if (reason := _not_content(message, home, "")) is not None:
        return reason
    return _found(What.NEW, {"channel": channel}, message, home, at=str(message["ts"]))


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
    if not any(message.get(key) for key in ("text", "blocks", "files", "attachments")):
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


def names_bot(message: Json, home: Home) -> bool:
    """Whether a message mentions the bot."""
    return home.bot_user in markup.mentioned(message)


# -- other events ------------------------------------------------------------------------------------------------


def _reaction(event: Json, home: Home) -> Found | Ignored:
    """The emoji that makes a ticket of a message; the message itself is fetched to be read."""
    item = event.get("item") or {}
    name = _SKIN_TONE.sub("", str(event.get("reaction") or "").strip(":"))
    if not home.ticket_emoji or name != home.ticket_emoji or item.get("type") != "message":
        return Ignored(reason=OTHER_EMOJI)
    channel, ts, user = (
        str(value or "") for value in (item.get("channel"), item.get("ts"), event.get("user"))
    )
    if not (channel and ts) or user in ("", home.bot_user) or event.get("item_user") == home.bot_user:
        return Ignored(reason=OTHER_EMOJI)
    if side_of(channel, home) is not Side.ELSEWHERE:  # staff's own talk; what is a ticket already
        return Ignored(reason=OTHER_EMOJI)
    return Found(
        what=What.POINTED,
        side=Side.ELSEWHERE,
        team=home.team,
        channel=channel,
        ts=ts,
        root=None,
        at=str(event.get("event_ts") or ts),
        user=user,
        mention=True,
    )


def _about_channel(what: What, channel: str, event: Json, home: Home) -> Found | Ignored:
    if channel not in home.triage:
        return Ignored(reason=OTHER_CHANNEL)
    return _news(what, event, home, user=str(event.get("user") or ""), channel=channel)


def _news(what: What, event: Json, home: Home, *, user: str, channel: str = "") -> Found:
    at = str(event.get("event_ts") or event.get("ts") or "")
    side = side_of(channel, home)
    return Found(
        what=what,
        side=side,
        team=home.team,
        channel=channel,
        ts=at,
        root=None,
        at=at,
        user=user,
        mention=True,
    )
