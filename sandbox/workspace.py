"""The state of a workspace, and everything that changes it.

Rules of threads, tombstones and events: docs.slack.dev/apis/events-api and the pages of the `chat.*` methods.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import people, wire
from sandbox.clock import Clock, Timers
from sandbox.files_store import Files
from sandbox.install import Installed
from sandbox.markup import rich_text, typed_text
from sandbox.pulse import Pulse
from sandbox.shapes import (
    BOT,
    BOT_USER,
    SLACKBOT,
    TEAM,
    Call,
    Channel,
    File,
    Ids,
    Json,
    Message,
    SlackError,
    User,
)

MOST_REACTIONS = 50


class Workspace:
    """People, channels, messages. What the app should hear of goes to `emit`."""

    def __init__(self, app: Installed | None = None) -> None:
        self.base_url = ""
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.ids = Ids(self.clock.now)
        self.users: dict[str, User] = {u.id: u for u in people.default_people()}
        self.channels: dict[str, Channel] = {c.id: c for c in people.default_channels()}
        self.usergroups: dict[str, list[str]] = {"S0STAFF001": ["U0ADA00001", "U0GRACE001"]}
        self.install(app or Installed())
        self.revoked: str | None = None
        """The error that the bot's token gets, once the app is uninstalled."""
        self.counters_tell = False
        """Whether a reply changes its root, as a `message_changed` without an edit: some workspaces were seen to."""
        self.files = Files(self)
        self.calls: list[Call] = []
        self.pulse = Pulse()
        self.emit: Callable[[Json, str], None] = lambda event, subscription: None

    def install(self, app: Installed) -> None:
        """What the app may and hears from now on; tests take single things out of it."""
        self.app = app
        self.scopes, self.subscriptions = app.scopes, app.events
        self.messages_tab, self.home_tab = app.messages_tab, app.home_tab

    # -- finding ---------------------------------------------------------------------------------------------

    def user(self, name: str) -> User:
        """By id or by name."""
        found = self.users.get(name) or next((u for u in self.users.values() if u.name == name), None)
        if found is None:
            raise SlackError("user_not_found")
        return found

    def channel(self, name: str) -> Channel:
        """By id, or by name with or without `#`."""
        plain = name.removeprefix("#")
        by_name = (c for c in self.channels.values() if c.kind != "im" and c.name == plain)
        found = self.channels.get(name) or next(by_name, None)
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def dm(self, user: User) -> Channel:
        """The direct messages between the bot and that person; opened where there are none yet."""
        channel_id = f"D{user.id[1:]}"
        if channel_id not in self.channels:
            self.channels[channel_id] = Channel(
                channel_id, f"dm-{user.name}", "im", [BOT_USER, user.id], user=user.id
            )
        return self.channels[channel_id]

    def message(self, channel: Channel, ts: str) -> Message:
        found = channel.messages.get(ts)
        if found is None or found.subtype == "tombstone":
            raise SlackError("message_not_found")
        return found

    # -- messages --------------------------------------------------------------------------------------------

    def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Iterable[File] = (),
        broadcast: bool = False,
        subtype: str | None = None,
    ) -> Message:
        """A person writes in their client."""
        root = self.root_for(channel, thread_ts)
        shared = list(files)
        if broadcast and root:
            subtype = "thread_broadcast"
        message = Message(
            ts=self.ids.ts(),
            channel=channel.id,
            text=typed_text(text),
            user=user.id,
            blocks=rich_text(text, self.ids.make("b")) if subtype != "me_message" else [],
            files=shared,
            thread_ts=root,
            subtype="file_share" if shared else subtype,
            client_msg_id=str(uuid.uuid4()),
        )
        return self.add(message)

    def root_for(self, channel: Channel, thread_ts: str | None) -> str | None:
        """The thread that a reply joins: none where its root is gone (then it lands at top level)."""
        root = channel.messages.get(thread_ts or "")
        if root is None:
            return None
        if root.is_reply:
            raise SlackError("cannot_reply_to_message")
        return root.ts

    def add(self, message: Message) -> Message:
        """Store a message and tell of it."""
        channel = self.channels[message.channel]
        root = channel.messages.get(message.thread_ts or "") if message.is_reply else None
        before = [(root, wire.inner_message(self, root))] if root and self.counters_tell else []
        channel.put(message)
        for file in message.files:
            file.shares.setdefault(channel.id, []).append((message.ts, message.thread_ts))
        self._emit_message(channel, wire.message_event(self, message))
        if f"<@{BOT_USER}>" in message.text and channel.kind != "im" and message.user != BOT_USER:
            self._emit_in(channel, wire.mention_event(self, message), "app_mention")
        self.show_again(before)
        self._emit_files(channel, message)
        self._emit_links(channel, message)
        self.pulse.beat()
        return message

    def _emit_files(self, channel: Channel, message: Message) -> None:
        for file in message.files:
            named = {"file_id": file.id, "user_id": file.user, "file": {"id": file.id}}
            event = {"type": "file_shared", "channel_id": channel.id, "event_ts": self.ids.ts()}
            self._emit_in(channel, event | named, "file_shared")

    def _emit_links(self, channel: Channel, message: Message) -> None:
        """`link_shared`, for links to the app's own domains in what people write."""
        links = [] if message.bot_id else wire.links_to(message.text, self.app.unfurl_domains)
        if links:
            event: Json = {"type": "link_shared", "channel": channel.id, "user": message.user, "links": links}
            event |= {"message_ts": message.ts, "is_bot_user_member": BOT_USER in channel.members}
            if message.is_reply:
                event["thread_ts"] = message.thread_ts
            more = {"unfurl_id": message.ts, "source": "conversations_history", "event_ts": self.ids.ts()}
            self._emit_in(channel, event | more, "link_shared")

    def edit(self, message: Message, by: str, changes: dict[str, Any], *, mark: bool = True) -> None:
        """Change a message's text, blocks …; `mark` says whether it then counts as edited."""
        channel = self.channels[message.channel]
        before = wire.inner_message(self, message)
        if changes.get("blocks", message.blocks) != message.blocks:
            message.selected = {}
        for key, value in changes.items():
            setattr(message, key, value)
        now = self.ids.ts()
        if mark:
            message.edited = {"user": by, "ts": now}
        self._emit_changed(channel, wire.inner_message(self, message), before, now)
        self.pulse.beat()

    def as_shown(self, shares: dict[str, list[tuple[str, str | None]]]) -> list[tuple[Message, Json]]:
        """The messages that a file is in, and what they look like now."""
        placed = [
            (self.channels[c], ts) for c, posts in shares.items() if c in self.channels for ts, _ in posts
        ]
        found = [channel.messages[ts] for channel, ts in placed if ts in channel.messages]
        return [(message, wire.inner_message(self, message)) for message in found]

    def show_again(self, before: list[tuple[Message, Json]]) -> None:
        """Tell that these messages changed, though nobody edited them."""
        for message, old in before:
            new = wire.inner_message(self, message)
            self._emit_changed(self.channels[message.channel], new, old, self.ids.ts())

    def retype(self, message: Message, text: str) -> None:
        """A person edits what they wrote."""
        blocks = rich_text(text, self.ids.make("b"))
        self.edit(message, message.user or "", {"text": typed_text(text), "blocks": blocks})

    def delete(self, message: Message) -> None:
        """Delete a message: a root that has replies leaves a tombstone, the last reply takes it along."""
        channel = self.channels[message.channel]
        before = wire.inner_message(self, message)
        now = self.ids.ts()
        if not message.is_reply and channel.replies(message.ts):
            self._entomb(channel, message, before, now)
        else:
            channel.drop(message)
            self._emit_deleted(channel, before, now)
            root = channel.messages.get(message.thread_ts or "")
            if root and root.subtype == "tombstone" and not channel.replies(root.ts):
                gone = wire.inner_message(self, root)
                channel.drop(root)
                self._emit_deleted(channel, gone, self.ids.ts())
        self.pulse.beat()

    def _entomb(self, channel: Channel, message: Message, before: Json, now: str) -> None:
        grave = Message(
            message.ts,
            channel.id,
            "This message was deleted.",
            user=SLACKBOT,
            subtype="tombstone",
        )
        channel.put(grave)
        self._emit_changed(channel, wire.inner_message(self, grave), before, now)

    # -- reactions, members ----------------------------------------------------------------------------------

    def react(self, message: Message, user: str, name: str) -> None:
        if user in message.reactions.get(name, []):
            raise SlackError("already_reacted")
        if name not in message.reactions and len(message.reactions) >= MOST_REACTIONS:
            raise SlackError("too_many_emoji")
        users = message.reactions.setdefault(name, [])
        users.append(user)
        self._emit_reaction("reaction_added", message, user, name)

    def unreact(self, message: Message, user: str, name: str) -> None:
        users = message.reactions.get(name, [])
        if user not in users:
            raise SlackError("no_reaction")
        users.remove(user)
        if not users:
            del message.reactions[name]
        self._emit_reaction("reaction_removed", message, user, name)

    def _emit_reaction(self, kind: str, message: Message, user: str, name: str) -> None:
        item = {"type": "message", "channel": message.channel, "ts": message.ts}
        event: Json = {"type": kind, "user": user, "reaction": name, "item": item, "event_ts": self.ids.ts()}
        if message.user:
            event["item_user"] = message.user
        self._emit_in(self.channels[message.channel], event, kind)
        self.pulse.beat()

    def pin(self, message: Message, by: str) -> None:
        """Pin a message in its channel."""
        channel = self.channels[message.channel]
        channel.pins[message.ts] = by
        now = self.now()
        item = {"type": "message", "created": now, "created_by": by, "channel": channel.id}
        event = {"type": "pin_added", "user": by, "channel_id": channel.id, "pin_count": len(channel.pins)}
        event |= {"item": item | {"message": wire.pinned(self, message)}, "event_ts": self.ids.ts()}
        self._emit_in(channel, event, "pin_added")
        self.pulse.beat()

    def revoke(self, error: str = "account_inactive", *, uninstalled: bool = False) -> None:
        """The bot's token works no longer; the app is told, and hears nothing after that."""
        self.revoked = error
        tokens = {"oauth": [], "bot": [BOT_USER]}
        self.emit({"type": "tokens_revoked", "tokens": tokens}, "tokens_revoked")
        if uninstalled:
            self.emit({"type": "app_uninstalled"}, "app_uninstalled")
        self.pulse.beat()

    def join(self, user: User, channel: Channel, inviter: str | None = None) -> None:
        """Somebody (the bot too) becomes a member: an event, and a `channel_join` message."""
        if user.id in channel.members:
            return
        channel.members.append(user.id)
        self._emit_member("member_joined_channel", user, channel, inviter)
        text = f"<@{user.id}> has joined the channel"
        self.add(
            Message(self.ids.ts(), channel.id, text, user=user.id, subtype="channel_join", inviter=inviter)
        )

    def leave(self, user: User, channel: Channel, by: str | None = None) -> None:
        """Somebody goes, or is removed by somebody."""
        if user.id not in channel.members:
            return
        text = f"<@{user.id}> has left the channel"
        self.add(Message(self.ids.ts(), channel.id, text, user=user.id, subtype="channel_leave"))
        self._emit_member("member_left_channel", user, channel, None)
        if user.id == BOT_USER:
            kind = "channel_left" if channel.kind == "channel" else "group_left"
            event = {"type": kind, "channel": channel.id, "actor_id": by or user.id}
            self._emit_in(channel, event | {"event_ts": self.ids.ts()}, kind)
        channel.members.remove(user.id)

    def _emit_member(self, kind: str, user: User, channel: Channel, inviter: str | None) -> None:
        event: Json = {
            "type": kind,
            "user": user.id,
            "channel": channel.id,
            "channel_type": "C" if channel.kind == "channel" else "G",
            "team": TEAM,
            "event_ts": self.ids.ts(),
        }
        if inviter:
            event["inviter"] = inviter
        self._emit_in(channel, event, kind)

    # -- telling ---------------------------------------------------------------------------------------------

    def _emit_changed(self, channel: Channel, now: Json, before: Json, ts: str) -> None:
        event = {"type": "message", "subtype": "message_changed", "channel": channel.id, "hidden": True}
        event |= {"message": now, "previous_message": before, "ts": ts, "event_ts": ts}
        self._emit_message(channel, event | {"channel_type": channel.kind})

    def _emit_deleted(self, channel: Channel, before: Json, ts: str) -> None:
        event = {"type": "message", "subtype": "message_deleted", "channel": channel.id, "hidden": True}
        event |= {"deleted_ts": before["ts"], "previous_message": before, "ts": ts, "event_ts": ts}
        self._emit_message(channel, event | {"channel_type": channel.kind})

    def _emit_message(self, channel: Channel, event: Json) -> None:
        plural = {"channel": "channels", "group": "groups", "im": "im"}[channel.kind]
        self._emit_in(channel, event, f"message.{plural}")

    def _emit_in(self, channel: Channel, event: Json, subscription: str) -> None:
        """The app hears only of conversations that its bot is in."""
        if BOT_USER in channel.members:
            self.emit(event, subscription)

    def bot_message(self, channel: Channel, text: str, thread_ts: str | None, **more: Any) -> Message:
        """A message of the bot, not stored yet; with a customised name it's a `bot_message` without a user."""
        username = more.pop("username", None)
        custom = {"subtype": "bot_message", "username": username} if username else {"user": BOT_USER}
        return Message(
            ts=self.ids.ts(),
            channel=channel.id,
            text=text,
            thread_ts=thread_ts,
            bot_id=BOT,
            **custom,
            **more,
        )

    def now(self) -> int:
        return int(self.clock.now())
