"""The workspace as the page's JSON."""

from __future__ import annotations

from typing import Any

from sandbox.driver import Driver
from sandbox.shapes import BOT_USER, SLACKBOT, Channel, Json, Message, User, View
from sandbox.wire import view_json
from sandbox.workspace import Workspace

MOST_SHOWN = 200


def shown(driver: Driver, me: str, channel_id: str, thread_ts: str, tab: str = "") -> Json:
    """People, the channels of one of them, one channel's messages and one thread."""
    space = driver.state
    user = space.users.get(me) or space.user("ada")
    rooms = [c for c in space.channels.values() if user.id in c.members] + _own_dm(space, user)
    channel = next((c for c in rooms if c.id == channel_id), rooms[0])
    people = [u for u in space.users.values() if not u.is_bot and not u.deleted]
    stack = driver.views.stacks.get(user.id, [])
    home = driver.views.homes.get(user.id)
    offers = "commands" in space.scopes
    return {
        "me": user.id,
        "people": [{"id": u.id, "name": u.name, "real_name": u.real_name} for u in people],
        "names": {u.id: u.name for u in space.users.values()}
        | {c.id: c.name for c in space.channels.values() if c.kind != "im"},
        "channels": [_channel(c) for c in sorted(rooms, key=lambda c: (c.kind == "im", c.created))],
        "channel": _channel(channel),
        "messages": _messages(driver, channel, user),
        "thread": _thread(driver, channel, user, thread_ts),
        "modal": _view(stack[-1]) | {"depth": len(stack)} if stack else None,
        "home": _view(home) if home else None,
        "tab": tab or "messages",
        "dm": f"D{user.id[1:]}",
        "shortcuts": [vars(s) for s in space.app.shortcuts] if offers else [],
        "commands": list(space.app.commands) if offers else [],
        "connected": driver.delivery.reachable,
    }


def _own_dm(space: Workspace, user: User) -> list[Channel]:
    """Everybody sees their direct messages with the bot, also before the first one."""
    channel_id = f"D{user.id[1:]}"
    if channel_id in space.channels:
        return []
    return [Channel(channel_id, f"dm-{user.name}", "im", [BOT_USER, user.id], user=user.id)]


def _channel(channel: Channel) -> Json:
    newest = next(reversed(channel.messages), "")
    label = "relaydesk" if channel.kind == "im" else channel.name
    return {"id": channel.id, "label": label, "kind": channel.kind, "newest": newest}


def _messages(driver: Driver, channel: Channel, user: User) -> list[Json]:
    top = [m for m in channel.messages.values() if not m.is_reply or m.subtype == "thread_broadcast"]
    top += [m for m in channel.ephemerals if m.ephemeral_to == user.id and not m.thread_ts]
    newest = sorted(top, key=lambda m: m.ts)[-MOST_SHOWN:]
    return [_message(driver, channel, m, user) for m in newest]


def _thread(driver: Driver, channel: Channel, user: User, root_ts: str) -> Json | None:
    root = channel.messages.get(root_ts)
    if root is None:
        return None
    private = [m for m in channel.ephemerals if m.ephemeral_to == user.id and m.thread_ts == root_ts]
    replies = sorted([*channel.replies(root_ts), *private], key=lambda m: m.ts)
    return {"ts": root_ts, "messages": [_message(driver, channel, m, user) for m in (root, *replies)]}


def _message(driver: Driver, channel: Channel, message: Message, user: User) -> Json:
    space = driver.state
    replies = channel.replies(message.ts)
    author = space.users.get(message.user or "")
    name = message.username or (author.real_name if author else "relaydesk")
    out: dict[str, Any] = {
        "ts": message.ts,
        "author": name,
        "bot": message.bot_id is not None or message.user in (BOT_USER, SLACKBOT),
        "own": message.user == user.id and message.subtype in (None, "file_share", "thread_broadcast"),
        "text": message.text,
        "blocks": message.blocks,
        "edited": bool(message.edited),
        "subtype": message.subtype,
        "private": message.ephemeral_to is not None,
        "is_reply": message.is_reply,
        "replies": len(replies),
        "last_reply": replies[-1].ts if replies else None,
        "selected": message.selected,
    }
    out["files"] = [
        {
            "id": f.id,
            "name": f.name,
            "size": len(f.content),
            "image": f.mimetype.startswith("image/"),
            "gone": f.deleted or f.hidden,
        }
        for f in message.files
    ]
    out["reactions"] = [
        {"name": name, "users": [space.users[u].name for u in users], "mine": user.id in users}
        for name, users in message.reactions.items()
    ]
    return out


def _view(view: View) -> Json:
    return view_json(view) | {"errors": view.errors, "values": view.values}
