"""`reactions.*`: docs.slack.dev/reference/methods/reactions.add and its neighbours."""

from __future__ import annotations

import re

from sandbox import wire
from sandbox.methods import TIER_2, TIER_3, Asked, method
from sandbox.shapes import BOT_USER, Json, Message, SlackError

_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")
_TS = re.compile(r"\d+\.\d+")


def _message(asked: Asked) -> Message:
    if not asked.text("channel") or not asked.text("timestamp"):
        raise SlackError("no_item_specified")
    channel = asked.space.channels.get(asked.text("channel"))
    if channel is None or (channel.kind != "channel" and BOT_USER not in channel.members):
        raise SlackError("channel_not_found")
    if not _TS.fullmatch(asked.text("timestamp")):
        raise SlackError("bad_timestamp")
    return asked.space.message(channel, asked.text("timestamp"))


def emoji_name(name: str) -> str:
    """A reaction's name; an unknown form of it isn't one."""
    plain = name.strip(":")
    if not _NAME.fullmatch(plain):
        raise SlackError("invalid_name")
    return plain


@method(
    "reactions.add",
    required=("channel", "name", "timestamp"),
    scopes=("reactions:write",),
    tier=TIER_3,
)
async def add(asked: Asked) -> Json:
    message = _message(asked)
    if asked.space.channels[message.channel].is_archived:
        raise SlackError("is_archived")
    asked.space.react(message, BOT_USER, emoji_name(asked.text("name")))
    return {}


@method(
    "reactions.remove",
    required=("name",),
    optional=("channel", "file", "file_comment", "timestamp"),
    scopes=("reactions:write",),
    tier=TIER_2,
)
async def remove(asked: Asked) -> Json:
    asked.space.unreact(_message(asked), BOT_USER, emoji_name(asked.text("name")))
    return {}


@method(
    "reactions.get",
    optional=("channel", "file", "file_comment", "full", "timestamp"),
    scopes=("reactions:read",),
    tier=TIER_3,
)
async def get(asked: Asked) -> Json:
    message = _message(asked)
    body = wire.stored(asked.space, message)
    return {"type": "message", "channel": message.channel, "message": body}
