"""How what is stored looks outside: messages, users, channels, files and views as JSON.

Keys are those of the contract (events, interactions, responses of java-slack-sdk's json-logs) and no others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.keys import ACTION_KEYS, EVENT_KEYS, INNER_KEYS, MENTION_KEYS, ROOT_KEYS
from sandbox.shapes import APP, BOT, BOT_USER, TEAM, Channel, File, Json, Message, User, View

if TYPE_CHECKING:
    from sandbox.workspace import Workspace

ICON = "https://example.com/relaydesk.png"


def bot_profile() -> Json:
    icons = {"image_36": ICON, "image_48": ICON, "image_72": ICON}
    return {
        "id": BOT,
        "app_id": APP,
        "name": "relaydesk",
        "deleted": False,
        "updated": 1_700_000_000,
        "icons": icons,
        "team_id": TEAM,
    }


def stored(space: Workspace, message: Message, *, metadata: bool = False) -> Json:
    """A message as `conversations.history` and `.replies` show it."""
    out: Json = {"type": "message", "ts": message.ts, "text": message.text}
    for key in ("subtype", "user", "bot_id", "username", "icons", "client_msg_id", "edited", "inviter"):
        if (value := getattr(message, key)) is not None:
            out[key] = value
    if message.subtype != "tombstone":
        out["team"] = _team_of(space, message)
    if message.bot_id:
        out |= {"app_id": APP, "bot_profile": bot_profile()}
    if message.subtype == "tombstone":
        out["hidden"] = True
    if message.blocks:
        out["blocks"] = message.blocks
    if message.attachments:
        out["attachments"] = message.attachments
    if message.files:
        out |= {
            "files": [shared_file(space, f, space.channels[message.channel]) for f in message.files],
            "upload": False,
            "display_as_bot": False,
        }
    if metadata and message.metadata:
        out["metadata"] = message.metadata
    if message.reactions:
        out["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in message.reactions.items()
        ]
    return out | thread_keys(space, message)


def _team_of(space: Workspace, message: Message) -> str:
    user = space.users.get(message.user or "")
    return user.team_id if user else TEAM


def thread_keys(space: Workspace, message: Message) -> Json:
    """`thread_ts`, and for a root its counters, for a reply who wrote its root."""
    channel = space.channels[message.channel]
    if message.is_reply:
        root = channel.messages.get(message.thread_ts or "")
        author = root.user if root else None
        return {"thread_ts": message.thread_ts} | ({"parent_user_id": author} if author else {})
    replies = channel.replies(message.ts)
    if not replies:
        return {}
    authors = list(dict.fromkeys(r.user or r.bot_id or "" for r in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len(authors),
        "reply_users": authors[:5],
        "latest_reply": replies[-1].ts,
        "is_locked": False,
        "subscribed": any(r.user == BOT_USER for r in replies) or message.user == BOT_USER,
    }


def links_to(text: str, domains: tuple[str, ...]) -> list[Json]:
    """The links in a text that lead to one of these domains."""
    found = []
    for url in re.findall(r"<(https?://[^|>]+)", text):
        host = re.split(r"[/:?#]", url.partition("://")[2])[0]
        found += [{"domain": d, "url": url} for d in domains if host == d or host.endswith(f".{d}")]
    return found


def _only(body: Json, keys: tuple[str, ...]) -> Json:
    return {key: body[key] for key in keys if key in body}


def message_event(space: Workspace, message: Message) -> Json:
    """The `message` event of a new message."""
    channel = space.channels[message.channel]
    body = _only(stored(space, message), EVENT_KEYS[message.subtype])
    if message.subtype == "thread_broadcast":
        root = channel.messages.get(message.thread_ts or "")
        body["root"] = _only(stored(space, root), ROOT_KEYS) if root else {}
    return body | {"channel": channel.id, "event_ts": message.ts, "channel_type": channel.kind}


def mention_event(space: Workspace, message: Message) -> Json:
    body = _only(stored(space, message), MENTION_KEYS)
    return {"type": "app_mention"} | body | {"channel": message.channel, "event_ts": message.ts}


def inner_message(space: Workspace, message: Message) -> Json:
    """The message within `message_changed` and `message_deleted`."""
    return _only(stored(space, message), INNER_KEYS)


def pinned(space: Workspace, message: Message) -> Json:
    """The message within `pin_added`."""
    keys = ("bot_id", "type", "text", "user", "ts", "app_id", "team", "bot_profile")
    return _only(stored(space, message), keys)


def action_message(space: Workspace, message: Message) -> Json:
    """The message within an interactive payload."""
    return _only(stored(space, message), ACTION_KEYS)


def user_json(user: User, *, with_email: bool = True) -> Json:
    first, _, last = user.real_name.partition(" ")
    profile: Json = {
        "title": "",
        "phone": "",
        "skype": "",
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "status_text": "",
        "status_emoji": "",
        "status_expiration": 0,
        "avatar_hash": "g0",
        "first_name": first,
        "last_name": last,
        "image_48": ICON,
        "image_72": ICON,
        "team": user.team_id,
    }
    if user.email and with_email:
        profile["email"] = user.email
    if user.is_bot and user.id == BOT_USER:
        profile |= {"bot_id": BOT, "api_app_id": APP, "always_active": True}
    out: Json = {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "profile": profile,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": user.updated,
    }
    if user.deleted:
        return out
    hours = {"Europe/London": 0, "America/New_York": -5}.get(user.tz, 0)
    out |= {"color": "9f69e7", "real_name": user.real_name, "tz": user.tz, "tz_label": user.tz}
    out |= {"tz_offset": hours * 3600, "is_admin": False, "is_owner": False, "is_primary_owner": False}
    out |= {
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_email_confirmed": True,
    }
    if user.external:
        out["is_stranger"] = True
    return out


def channel_json(channel: Channel, *, members: bool = False) -> Json:
    """A conversation as `conversations.info` and `.list` show it."""
    if channel.kind == "im":
        return {
            "id": channel.id,
            "created": channel.created,
            "is_im": True,
            "is_archived": False,
            "is_org_shared": False,
            "context_team_id": TEAM,
            "user": channel.user,
            "is_user_deleted": False,
            "priority": 0,
        }
    private = channel.kind == "group"
    empty = {"value": "", "creator": "", "last_set": 0}
    out: Json = {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not private,
        "is_group": private,
        "is_im": False,
        "is_mpim": False,
        "is_private": private,
        "created": channel.created,
        "creator": channel.creator,
        "is_archived": channel.is_archived,
        "is_general": channel.name == "general",
        "is_member": BOT_USER in channel.members,
        "is_shared": channel.is_ext_shared,
        "is_ext_shared": channel.is_ext_shared,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "shared_team_ids": [TEAM, *channel.teams],
        "context_team_id": TEAM,
        "unlinked": 0,
        "topic": empty,
        "purpose": dict(empty),
        "previous_names": [],
    }
    return out | ({"num_members": len(channel.members)} if members else {})


_FILE_TYPES: dict[str, tuple[str, str]] = {
    "text/plain": ("text", "Plain Text"),
    "application/pdf": ("pdf", "PDF"),
    "image/png": ("png", "PNG"),
    "image/jpeg": ("jpg", "JPEG"),
    "image/gif": ("gif", "GIF"),
}


def file_json(space: Workspace, file: File) -> Json:
    """A file; what the scan finds out is empty until it's done."""
    if file.deleted:
        return {"id": file.id, "mode": "tombstone"}
    if file.hidden:
        return {"id": file.id, "mode": "hidden_by_limit"}
    kind, label = _FILE_TYPES.get(file.mimetype, ("binary", "Binary"))
    name = re.sub(r"[^a-z0-9._-]+", "_", file.name.lower()) or "file"
    base = f"{space.base_url}/files-pri/{TEAM}-{file.id}"
    owner = space.users[file.user]
    link = f"{space.base_url}/files/{file.user}/{file.id}/{name}"
    return {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title,
        "mimetype": file.mimetype if file.scanned else "",
        "filetype": kind if file.scanned else "",
        "pretty_type": label if file.scanned else "",
        "user": file.user,
        "user_team": owner.team_id,
        "editable": False,
        "size": len(file.content),
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": any(space.channels[c].kind == "channel" for c in file.shares),
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{base}/{name}",
        "url_private_download": f"{base}/download/{name}",
        "media_display_type": "unknown",
        "permalink": link,
        "has_rich_preview": False,
        "file_access": "visible",
    } | ({"alt_txt": file.alt_txt} if file.alt_txt else {})


def shared_file(space: Workspace, file: File, channel: Channel) -> Json:
    """A file in a message: where another organisation shares it, only `files.info` tells what it is."""
    if channel.is_ext_shared and space.users[file.user].external and not (file.deleted or file.hidden):
        access = {"file_access": "check_file_info", "mode": "file_access"}
        return {"id": file.id, **access, "created": 0, "timestamp": 0, "user": ""}
    return file_json(space, file)


def file_shares(space: Workspace, file: File) -> Json:
    """`shares`, `channels`, `groups`, `ims` of `files.info`: empty until the scan is done."""
    out: Json = {"shares": {}, "channels": [], "groups": [], "ims": []}
    if not file.scanned:
        return out
    for channel_id, posts in file.shares.items():
        channel = space.channels[channel_id]
        side = "public" if channel.kind == "channel" else "private"
        plural = {"channel": "channels", "group": "groups", "im": "ims"}[channel.kind]
        out[plural].append(channel_id)
        out["shares"].setdefault(side, {})[channel_id] = [
            {
                "reply_users": [],
                "reply_users_count": 0,
                "reply_count": 0,
                "ts": ts,
                "channel_name": channel.name,
                "team_id": TEAM,
                "share_user_id": file.user,
            }
            | ({"thread_ts": thread_ts} if thread_ts else {})
            for ts, thread_ts in posts
        ]
    return out


def view_json(view: View) -> Json:
    """A view as answers and payloads carry it."""
    body = view.body
    return {
        "id": view.id,
        "team_id": TEAM,
        "type": body["type"],
        "blocks": body.get("blocks", []),
        "private_metadata": body.get("private_metadata", ""),
        "callback_id": body.get("callback_id", ""),
        "external_id": body.get("external_id", ""),
        "state": {"values": view.values},
        "hash": view.hash,
        "title": body.get("title"),
        "submit": body.get("submit"),
        "close": body.get("close"),
        "clear_on_close": bool(body.get("clear_on_close", False)),
        "notify_on_close": bool(body.get("notify_on_close", False)),
        "submit_disabled": bool(body.get("submit_disabled", False)),
        "previous_view_id": view.previous_view_id,
        "root_view_id": view.root_view_id,
        "app_id": APP,
        "app_installed_team_id": TEAM,
        "bot_id": BOT,
    }
