"""`chat.scheduleMessage`, `chat.unfurl` and `pins.add`."""

from __future__ import annotations

from typing import Any

from sandbox import wire
from sandbox.blocks import check_blocks
from sandbox.chat import check_writable, target
from sandbox.contract import read_content, refuse
from sandbox.conversations import visible
from sandbox.methods import TIER_2, TIER_3, Asked, method
from sandbox.shapes import BOT_USER, Json, Message, SlackError

MOST_DAYS = 120


@method(
    "chat.scheduleMessage",
    required=("channel", "post_at"),
    optional=(
        "as_user",
        "attachments",
        "blocks",
        "link_names",
        "markdown_text",
        "metadata",
        "parse",
        "reply_broadcast",
        "text",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
    ),
    scopes=("chat:write",),
    tier=TIER_3,
)
async def schedule_message(asked: Asked) -> Json:
    """Post later, by the workspace's clock."""
    space = asked.space
    channel = target(asked, asked.text("channel"))
    check_writable(asked, channel)
    content = read_content(asked, too_long="msg_too_long")
    post_at = asked.number("post_at", 0, "invalid_time")
    ahead = post_at - space.clock.now()
    if ahead <= 0:
        raise SlackError("time_in_past")
    if ahead > MOST_DAYS * 86_400:
        raise SlackError("time_too_far")
    more: dict[str, Any] = {"blocks": content.blocks, "attachments": content.attachments}
    thread_ts = asked.text("thread_ts")

    def post() -> None:
        root = space.root_for(channel, thread_ts)
        space.add(space.bot_message(channel, content.text, root, metadata=content.metadata, **more))

    space.timers.after(ahead, post)
    shown = wire.stored(space, space.bot_message(channel, content.text, None, **more))
    message = {key: value for key, value in shown.items() if key != "ts"}
    return {
        "channel": channel.id,
        "scheduled_message_id": space.ids.make("Q"),
        "post_at": post_at,
        "message": message,
    }


@method(
    "chat.unfurl",
    optional=(
        "channel",
        "source",
        "ts",
        "unfurl_id",
        "unfurls",
        "user_auth_blocks",
        "user_auth_message",
        "user_auth_required",
        "user_auth_url",
    ),
    scopes=("links:write",),
    tier=TIER_3,
)
async def unfurl(asked: Asked) -> Json:
    """Show what is behind links of a message: it changes, but doesn't count as edited."""
    message = _unfurled(asked)
    unfurls = asked.json("unfurls", "invalid_unfurls_format")
    if not unfurls and not asked.flag("user_auth_required"):
        raise SlackError("missing_unfurls")
    if unfurls and not isinstance(unfurls, dict):
        raise SlackError("invalid_unfurls_format")
    attachments: list[Json] = []
    for number, (url, shown) in enumerate((unfurls or {}).items(), 1):
        if not isinstance(shown, dict):
            raise SlackError("invalid_unfurls_format")
        if str(url).replace("&", "&amp;") not in message.text:
            raise SlackError("cannot_unfurl_url")
        refuse(check_blocks(shown.get("blocks") or [], "message", f"/unfurls/{number - 1}/blocks"))
        attachments.append({"id": number, "from_url": url, **shown})
    if attachments:
        asked.space.edit(message, BOT_USER, {"attachments": attachments}, mark=False)
    return {}


def _unfurled(asked: Asked) -> Message:
    """The message, by channel and ts, or by the id that came with `link_shared`."""
    by_id = asked.text("unfurl_id")
    if by_id and not asked.text("source"):
        raise SlackError("missing_source")
    ts = by_id or asked.text("ts")
    if not by_id:
        if not asked.text("channel"):
            raise SlackError("missing_channel")
        if not ts:
            raise SlackError("missing_ts")
    channels = asked.space.channels
    known = channels.values() if by_id else [channels[c] for c in (asked.text("channel"),) if c in channels]
    if not known:
        raise SlackError("cannot_find_channel")
    found = next((c.messages[ts] for c in known if ts in c.messages), None)
    if found is None:
        raise SlackError("cannot_find_message")
    return found


@method("pins.add", required=("channel",), optional=("timestamp",), scopes=("pins:write",), tier=TIER_2)
async def pins_add(asked: Asked) -> Json:
    """Pin a message in its channel."""
    channel = visible(asked, asked.text("channel"))
    ts = asked.text("timestamp")
    if not ts:
        raise SlackError("no_item_specified")
    if not ts.replace(".", "", 1).isdigit():
        raise SlackError("bad_timestamp")
    if BOT_USER not in channel.members:
        raise SlackError("not_in_channel")
    message = asked.space.message(channel, ts)
    if ts in channel.pins:
        raise SlackError("already_pinned")
    asked.space.pin(message, BOT_USER)
    return {}
