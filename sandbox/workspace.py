"""The state of a workspace, and everything that changes it.

Rules of threads, tombstones and events: docs.slack.dev/apis/events-api and the pages of the `chat.*` methods.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import people, wire
from sandbox.files_store import Files
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


class Workspace:
    """People, channels, messages. What the app should hear of goes to `emit`."""

    def __init__(self) -> None:
        self.base_url = ""
        self.ids = Ids()
        self.users: dict[str, User] = {u.id: u for u in people.default_people()}
        self.channels: dict[str, Channel] = {c.id: c for c in people.default_channels()}
        self.usergroups: dict[str, list[str]] = {"S0STAFF001": ["U0ADA00001", "U0GRACE001"]}
        self.scopes: set[str] = set(people.DEFAULT_SCOPES)
        self.subscriptions: set[str] = set(people.DEFAULT_EVENTS)
        self.messages_tab = True
        self.files = Files(self)
        self.calls: list[Call] = []
        self.pulse = Pulse()
        self.emit: Callable[[Json, str], None] = lambda event, subscription: None

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
        channel.put(message)
        for file in message.files:
            file.shares.setdefault(channel.id, []).append((message.ts, message.thread_ts))
        self._emit_message(channel, wire.message_event(self, message))
        if f"<@{BOT_USER}>" in message.text and channel.kind != "im" and message.user != BOT_USER:
            self._emit_in(channel, wire.mention_event(self, message), "app_mention")
        self.pulse.beat()
        return message

    def edit(self, message: Message, by: str, changes: dict[str, Any], *, mark: bool = True) -> None:
        """Change a message's text, blocks …; `mark` says whether it then counts as edited."""
        channel = self.channels[message.channel]
        before = wire.inner_message(self, message)
        for key, value in changes.items():
            setattr(message, key, value)
        now = self.ids.ts()
        if mark:
            message.edited = {"user": by, "ts": now}
        self._emit_changed(channel, wire.inner_message(self, message), before, now)
        self.pulse.beat()

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
        users = message.reactions.setdefault(name, [])
        if user in users:
            raise SlackError("already_reacted")
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

    def leave(self, user: User, channel: Channel) -> None:
        if user.id not in channel.members:
            return
        text = f"<@{user.id}> has left the channel"
        self.add(Message(self.ids.ts(), channel.id, text, user=user.id, subtype="channel_leave"))
        self._emit_member("member_left_channel", user, channel, None)
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
        return int(time.time())
