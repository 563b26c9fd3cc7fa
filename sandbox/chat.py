"""`chat.*`: posting, changing, deleting. docs.slack.dev/reference/methods/chat.postMessage and its neighbours."""

from __future__ import annotations

from typing import Any

from sandbox import wire
from sandbox.contract import Content, read_content
from sandbox.methods import SPECIAL, TIER_3, TIER_4, Asked, method
from sandbox.shapes import BOT_USER, Channel, Json, SlackError

_POST = (
    "as_user",
    "attachments",
    "blocks",
    "icon_emoji",
    "icon_url",
    "link_names",
    "markdown_text",
    "metadata",
    "mrkdwn",
    "parse",
    "reply_broadcast",
    "text",
    "thread_ts",
    "unfurl_links",
    "unfurl_media",
    "username",
)
_UPDATE = (
    "as_user",
    "attachments",
    "blocks",
    "file_ids",
    "link_names",
    "markdown_text",
    "metadata",
    "parse",
    "reply_broadcast",
    "text",
    "unfurled_attachments",
)
_EPHEMERAL = (
    "as_user",
    "attachments",
    "blocks",
    "icon_emoji",
    "icon_url",
    "link_names",
    "markdown_text",
    "parse",
    "text",
    "thread_ts",
    "username",
)


def target(asked: Asked, name: str) -> Channel:
    """The channel to post to: by id, by name, or a person's direct messages."""
    if name.startswith(("U", "W")) and name in asked.space.users:
        user = asked.space.users[name]
        if asked.text("username") or asked.text("icon_emoji") or asked.text("icon_url"):
            raise SlackError("channel_not_found")  # on Slack it lands in the person's Slackbot messages: lost
        return asked.space.dm(user)
    channel = asked.space.channel(name)
    if BOT_USER not in channel.members:
        if channel.kind != "channel":
            raise SlackError("channel_not_found")
        if "chat:write.public" not in asked.space.scopes:
            raise SlackError("not_in_channel")
    return channel


def check_writable(asked: Asked, channel: Channel) -> None:
    if channel.is_archived:
        raise SlackError("is_archived")
    if channel.kind == "im":
        if not asked.space.messages_tab:
            raise SlackError("messages_tab_disabled")
        if asked.space.users[channel.user or ""].deleted:
            raise SlackError("account_inactive")


def _icons(asked: Asked) -> Json | None:
    if emoji := asked.text("icon_emoji"):
        return {"emoji": emoji}
    if url := asked.text("icon_url"):
        return {"image_36": url, "image_48": url, "image_72": url}
    return None


def _metadata_part(asked: Asked, content: Content) -> Json:
    return {"metadata": content.metadata} if content.metadata else {}


@method("chat.postMessage", required=("channel",), optional=_POST, scopes=("chat:write",), tier=SPECIAL)
async def post_message(asked: Asked) -> Json:
    """Post; the answer's message has no thread_ts when the thread's root is gone."""
    channel = target(asked, asked.text("channel"))
    check_writable(asked, channel)
    content = read_content(asked)
    custom: dict[str, Any] = {}
    if (username := asked.text("username")) or _icons(asked):
        asked.need("chat:write.customize")
        custom = {"username": username or "relaydesk", "icons": _icons(asked)}
    root = asked.space.root_for(channel, asked.text("thread_ts"))
    message = asked.space.bot_message(
        channel,
        content.text,
        root,
        blocks=content.blocks,
        attachments=content.attachments,
        metadata=content.metadata,
        **custom,
    )
    if root and asked.flag("reply_broadcast") and not message.subtype:
        message.subtype = "thread_broadcast"
    asked.space.add(message)
    body = wire.stored(asked.space, message, metadata=True)
    warned = {"response_metadata": {"warnings": content.warnings}} if content.warnings else {}
    return {"channel": channel.id, "ts": message.ts, "message": body} | warned


@method("chat.update", required=("channel", "ts"), optional=_UPDATE, scopes=("chat:write",), tier=TIER_3)
async def update(asked: Asked) -> Json:
    """Change a message of ours: text alone removes the blocks; with blocks it isn't marked as edited."""
    channel = asked.space.channels.get(asked.text("channel"))
    if channel is None or (BOT_USER not in channel.members and channel.kind != "channel"):
        raise SlackError("channel_not_found")
    message = asked.space.message(channel, asked.text("ts"))
    if message.bot_id is None:
        raise SlackError("cant_update_message")
    content = read_content(asked, update=True, too_long="msg_too_long")
    changes: dict[str, Any] = {"text": content.text, "blocks": content.blocks}
    changes["attachments"] = content.attachments
    if content.metadata is not None:
        changes["metadata"] = content.metadata
    asked.space.edit(message, BOT_USER, changes, mark=not content.blocks)
    body = wire.stored(asked.space, message, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": body}


@method("chat.delete", required=("channel", "ts"), optional=("as_user",), scopes=("chat:write",), tier=TIER_3)
async def delete(asked: Asked) -> Json:
    channel = asked.space.channels.get(asked.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    message = asked.space.message(channel, asked.text("ts"))
    if message.bot_id is None or message.username:
        raise SlackError("cant_delete_message")
    asked.space.delete(message)
    return {"channel": channel.id, "ts": message.ts}


@method(
    "chat.postEphemeral",
    required=("channel", "user"),
    optional=_EPHEMERAL,
    scopes=("chat:write",),
    tier=TIER_4,
)
async def post_ephemeral(asked: Asked) -> Json:
    channel = target(asked, asked.text("channel"))
    check_writable(asked, channel)
    user = asked.text("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    content = read_content(asked, too_long="msg_too_long")
    body = {"text": content.text, "blocks": content.blocks, "thread_ts": asked.args.get("thread_ts")}
    return {"message_ts": asked.interactions.whisper(channel, user, body).ts}


@method("chat.getPermalink", required=("channel", "message_ts"), tier=SPECIAL)
async def get_permalink(asked: Asked) -> Json:
    channel = asked.space.channels.get(asked.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    message = asked.space.message(channel, asked.text("message_ts"))
    link = f"{asked.space.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}
