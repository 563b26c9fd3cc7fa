"""`conversations.*`: docs.slack.dev/reference/methods/conversations.history and its neighbours."""

from __future__ import annotations

import re

from sandbox import wire
from sandbox.methods import TIER_2, TIER_3, TIER_4, Asked, cursor_value, make_cursor, method, paged
from sandbox.shapes import BOT_USER, Channel, Json, Message, SlackError

_TS = re.compile(r"\d+(\.\d+)?")
_KIND_SCOPE = {"channel": "channels", "group": "groups", "im": "im"}
_TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
_ANY_READ = ("channels:read", "groups:read", "im:read", "mpim:read")


def visible(asked: Asked, name: str) -> Channel:
    """A conversation by id that the bot may know of."""
    channel = asked.space.channels.get(name)
    if channel is None or (channel.kind != "channel" and BOT_USER not in channel.members):
        raise SlackError("channel_not_found")
    return channel


def _readable(asked: Asked) -> Channel:
    """A conversation whose messages the bot may read: as a member, with the scope for its kind."""
    channel = visible(asked, asked.text("channel"))
    asked.need(f"{_KIND_SCOPE[channel.kind]}:history")
    if BOT_USER not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _bound(asked: Asked, name: str) -> float | None:
    value = asked.text(name)
    if not value or value == "now":
        return None
    if not _TS.fullmatch(value):
        raise SlackError(f"invalid_ts_{name}")
    return float(value) or None


def _between(asked: Asked, messages: list[Message]) -> list[Message]:
    """Those within `oldest` and `latest`; the bounds themselves only if `inclusive`."""
    oldest, latest = asked.text("oldest"), asked.text("latest")
    low, high = _bound(asked, "oldest"), _bound(asked, "latest")
    inclusive = asked.flag("inclusive")

    def within(message: Message) -> bool:
        at = float(message.ts)
        after = low is None or at > low or (inclusive and message.ts == oldest)
        before = high is None or at < high or (inclusive and message.ts == latest)
        return after and before

    return [message for message in messages if within(message)]


def _by_cursor(messages: list[Message], asked: Asked, default: int) -> tuple[list[Message], str]:
    """A page that stays right while messages come: the cursor names the last message that was given."""
    limit = min(max(asked.number("limit", default), 1), 999)
    after = cursor_value(asked.text("cursor"))
    names = [_position(message) for message in messages]
    start = names.index(after) + 1 if after in names else 0
    page = messages[start : start + limit]
    more = start + limit < len(messages)
    return page, make_cursor(_position(page[-1])) if more and page else ""


def _position(message: Message) -> int:
    return int(message.ts.replace(".", ""))


def _messages(asked: Asked, page: list[Message], cursor: str) -> Json:
    metadata = asked.flag("include_all_metadata")
    body = [wire.stored(asked.space, message, metadata=metadata) for message in page]
    out: Json = {"messages": body, "has_more": bool(cursor)}
    return out | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


@method(
    "conversations.history",
    required=("channel",),
    optional=("cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest"),
    tier=TIER_3,
)
async def history(asked: Asked) -> Json:
    """Top-level messages, the newest first; replies only when they were broadcast."""
    channel = _readable(asked)
    top = [m for m in channel.messages.values() if not m.is_reply or m.subtype == "thread_broadcast"]
    found = _between(asked, list(reversed(top)))
    page, cursor = _by_cursor(found, asked, 100)
    return _messages(asked, page, cursor) | {"pin_count": 0}


@method(
    "conversations.replies",
    required=("channel", "ts"),
    optional=("cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest"),
    tier=TIER_3,
)
async def replies(asked: Asked) -> Json:
    """A thread, the oldest first, its root on each page; of a reply's own ts, that reply."""
    channel = _readable(asked)
    root = channel.messages.get(asked.text("ts"))
    if root is None:
        raise SlackError("thread_not_found")
    if root.is_reply:
        return _messages(asked, [root], "")
    found = _between(asked, channel.replies(root.ts))
    page, cursor = _by_cursor(found, asked, 999)
    return _messages(asked, [root, *page], cursor)


@method(
    "conversations.info",
    required=("channel",),
    optional=("include_locale", "include_num_members"),
    tier=TIER_3,
)
async def info(asked: Asked) -> Json:
    channel = visible(asked, asked.text("channel"))
    asked.need(f"{_KIND_SCOPE[channel.kind]}:read")
    return {"channel": wire.channel_json(channel, members=asked.flag("include_num_members"))}


def _of_types(asked: Asked, channels: list[Channel]) -> list[Channel]:
    names = [name.strip() for name in asked.text("types", "public_channel").split(",")]
    if any(name not in _TYPES for name in names):
        raise SlackError("invalid_types")
    kinds = {_TYPES[name] for name in names}
    for kind in kinds & _KIND_SCOPE.keys():
        asked.need(f"{_KIND_SCOPE[kind]}:read")
    archived_too = not asked.flag("exclude_archived")
    return [c for c in channels if c.kind in kinds and (archived_too or not c.is_archived)]


@method(
    "conversations.list",
    optional=("cursor", "exclude_archived", "limit", "team_id", "types"),
    scopes=_ANY_READ,
    tier=TIER_2,
)
async def list_(asked: Asked) -> Json:
    known = [c for c in asked.space.channels.values() if c.kind == "channel" or BOT_USER in c.members]
    page, cursor = paged(_of_types(asked, known), asked, default=100, most=1000)
    shown = [wire.channel_json(channel, members=True) for channel in page]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


@method(
    "users.conversations",
    optional=("cursor", "exclude_archived", "limit", "team_id", "types", "user"),
    scopes=_ANY_READ,
    tier=TIER_3,
)
async def of_user(asked: Asked) -> Json:
    """Where the bot is a member, or somebody else as far as the bot may know."""
    who = asked.text("user") or BOT_USER
    known = [c for c in asked.space.channels.values() if who in c.members]
    if who != BOT_USER:
        known = [c for c in known if c.kind == "channel" or BOT_USER in c.members]
    page, cursor = paged(_of_types(asked, known), asked, default=100, most=1000)
    shown = [{k: v for k, v in wire.channel_json(c).items() if k != "is_member"} for c in page]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


@method(
    "conversations.members",
    required=("channel",),
    optional=("cursor", "limit"),
    scopes=_ANY_READ,
    tier=TIER_4,
)
async def members(asked: Asked) -> Json:
    channel = visible(asked, asked.text("channel"))
    page, cursor = paged(channel.members, asked, default=100, most=1000)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


@method(
    "conversations.open",
    optional=("channel", "prevent_creation", "return_im", "users"),
    scopes=("im:write", "mpim:write", "channels:manage", "groups:write"),
    tier=TIER_3,
)
async def open_(asked: Asked) -> Json:
    """The direct messages with one person."""
    space = asked.space
    if name := asked.text("channel"):
        channel = visible(asked, name)
        if channel.kind != "im":
            raise SlackError("method_not_supported_for_channel_type")
        return {"no_op": True, "already_open": True, "channel": {"id": channel.id}}
    names = [name for name in asked.text("users").split(",") if name]
    if not names:
        raise SlackError("users_list_not_supplied")
    if len(names) > 8:
        raise SlackError("too_many_users")
    if len(names) > 1:
        raise SlackError("invalid_user_combination")  # this workspace has no group messages
    user = space.users.get(names[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.deleted:
        raise SlackError("user_disabled")
    if user.is_bot:
        raise SlackError("invalid_user_combination")
    known = f"D{user.id[1:]}" in space.channels
    channel = space.dm(user)
    shown = wire.channel_json(channel) if asked.flag("return_im") else {"id": channel.id}
    return {"channel": shown} | ({"no_op": True, "already_open": True} if known else {})


@method(
    "conversations.invite",
    required=("channel", "users"),
    optional=("force",),
    scopes=("channels:manage", "channels:write.invites", "groups:write", "groups:write.invites"),
    tier=TIER_3,
)
async def invite(asked: Asked) -> Json:
    """Bring people into a channel that the bot is in."""
    channel = visible(asked, asked.text("channel"))
    names = [name for name in asked.text("users").split(",") if name]
    refusal = _uninvitable(asked, channel, names)
    if refusal:
        raise SlackError(refusal)
    for name in names:
        asked.space.join(asked.space.users[name], channel, BOT_USER)
    return {"channel": wire.channel_json(channel)}


def _uninvitable(asked: Asked, channel: Channel, names: list[str]) -> str:
    if channel.kind == "im":
        return "method_not_supported_for_channel_type"
    if channel.is_archived:
        return "is_archived"
    if BOT_USER not in channel.members:
        return "not_in_channel"
    if BOT_USER in names:
        return "cant_invite_self"
    if not names or any(name not in asked.space.users for name in names):
        return "user_not_found" if names else "no_user"
    return "already_in_channel" if all(name in channel.members for name in names) else ""


@method("conversations.join", required=("channel",), scopes=("channels:join",), tier=TIER_3)
async def join(asked: Asked) -> Json:
    channel = visible(asked, asked.text("channel"))
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    already = BOT_USER in channel.members
    asked.space.join(asked.space.users[BOT_USER], channel)
    shown = {"channel": wire.channel_json(channel)}
    if not already:
        return shown
    warned = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return shown | warned
