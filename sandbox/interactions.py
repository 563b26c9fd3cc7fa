"""Clicks, commands, shortcuts and modals: their payloads, trigger ids and response URLs.

docs.slack.dev/interactivity/handling-user-interaction: a trigger_id works once, within three seconds; a response_url
five times, within thirty minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import wire
from sandbox.blocks import check_blocks
from sandbox.shapes import APP, BOT, BOT_USER, TEAM, Channel, Json, Message, SlackError, User, View

if TYPE_CHECKING:
    from sandbox.workspace import Workspace

TOKEN = "sandbox-verification-token"
DOMAIN = "sandbox"


@dataclass
class ResponseUrl:
    """Where an app may answer a person, for a while."""

    user: str
    channel: str
    message_ts: str | None
    until: float
    uses: int = 5


class Interactions:
    """Makes payloads, and keeps what they open for a short time."""

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self.trigger_seconds = 3.0
        self.older_refusals = False
        """Refuse an expired trigger in the other form that apps have seen (Netflix/dispatch issue 833)."""
        self._triggers: dict[str, tuple[str, float]] = {}
        self._used: set[str] = set()
        self._urls: dict[str, ResponseUrl] = {}

    # -- tokens of a moment ----------------------------------------------------------------------------------

    def trigger(self, user: User) -> str:
        trigger_id = f"{self._space.ids.make('')}.{TEAM}.{self._space.ids.make('x')}"
        self._triggers[trigger_id] = (user.id, self._space.clock.now() + self.trigger_seconds)
        return trigger_id

    def spend(self, trigger_id: str) -> str:
        """Use a trigger; whose it was."""
        if trigger_id in self._used:
            raise SlackError("exchanged_trigger_id")
        if trigger_id not in self._triggers:
            raise SlackError("invalid_trigger_id")
        user, until = self._triggers.pop(trigger_id)
        if self._space.clock.now() > until:
            if self.older_refusals:
                said = "[ERROR] `trigger_id` expired [json-pointer:/trigger_id]"
                raise SlackError("invalid_arguments", response_metadata={"messages": [said]})
            raise SlackError("expired_trigger_id")
        self._used.add(trigger_id)
        return user

    def response_url(self, user: User, channel: Channel, message_ts: str | None = None) -> str:
        key = self._space.ids.make("R")
        self._urls[key] = ResponseUrl(user.id, channel.id, message_ts, self._space.clock.now() + 1800)
        return f"{self._space.base_url}/response/{key}"

    def use_url(self, key: str) -> ResponseUrl:
        found = self._urls.get(key)
        if found is None or self._space.clock.now() > found.until:
            raise SlackError("expired_url")
        if found.uses <= 0:
            raise SlackError("used_url")
        found.uses -= 1
        return found

    # -- payloads --------------------------------------------------------------------------------------------

    def _base(self, kind: str, user: User) -> Json:
        who = {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id}
        return {
            "type": kind,
            "user": who,
            "api_app_id": APP,
            "token": TOKEN,
            "team": {"id": TEAM, "domain": DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def message_place(self, message: Message) -> Json:
        """Where something in a message was used: `container`, `channel`, `message`."""
        channel = self._space.channels[message.channel]
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.ephemeral_to is not None,
        }
        if message.is_reply:
            container["thread_ts"] = message.thread_ts
        return {
            "container": container,
            "channel": {"id": channel.id, "name": _name(channel)},
            "message": wire.action_message(self._space, message),
        }

    def suggestion(self, user: User, place: Json, block_id: str, action_id: str, query: str) -> Json:
        """`block_suggestion`: somebody types into an external_select."""
        asked = {"action_id": action_id, "block_id": block_id, "value": query}
        return self._base("block_suggestion", user) | place | asked

    def block_actions(self, user: User, message: Message, action: Json, state: Json) -> Json:
        """A click or a choice in a message."""
        channel = self._space.channels[message.channel]
        return (
            self._base("block_actions", user)
            | self.message_place(message)
            | {
                "trigger_id": self.trigger(user),
                "state": {"values": state},
                "response_url": self.response_url(user, channel, message.ts),
                "actions": [action | {"action_ts": self._space.ids.ts()}],
            }
        )

    def view_actions(self, user: User, view: View, action: Json) -> Json:
        """A click within a modal or the home tab."""
        return self._base("block_actions", user) | {
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self.trigger(user),
            "view": wire.view_json(view),
            "actions": [action | {"action_ts": self._space.ids.ts()}],
        }

    def view_submission(self, user: User, view: View) -> Json:
        return self._base("view_submission", user) | {
            "trigger_id": self.trigger(user),
            "view": wire.view_json(view),
        }

    def view_closed(self, user: User, view: View, everything: bool = False) -> Json:
        return self._base("view_closed", user) | {"view": wire.view_json(view), "is_cleared": everything}

    def command(self, user: User, channel: Channel, command: str, text: str) -> Json:
        return {
            "token": TOKEN,
            "team_id": TEAM,
            "team_domain": DOMAIN,
            "channel_id": channel.id,
            "channel_name": _name(channel),
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self.response_url(user, channel),
            "trigger_id": self.trigger(user),
        }

    def message_shortcut(self, user: User, callback_id: str, message: Message) -> Json:
        channel = self._space.channels[message.channel]
        base = self._base("message_action", user)
        base["user"] = {"id": user.id, "name": user.name, "team_id": user.team_id}
        del base["api_app_id"]
        return base | {
            "callback_id": callback_id,
            "trigger_id": self.trigger(user),
            "message_ts": message.ts,
            "response_url": self.response_url(user, channel, message.ts),
            "message": wire.action_message(self._space, message),
            "channel": {"id": channel.id, "name": _name(channel)},
            "action_ts": self._space.ids.ts(),
        }

    def global_shortcut(self, user: User, callback_id: str) -> Json:
        base = self._base("shortcut", user)
        del base["api_app_id"]
        return base | {
            "callback_id": callback_id,
            "trigger_id": self.trigger(user),
            "action_ts": self._space.ids.ts(),
        }

    # -- answers by response_url -----------------------------------------------------------------------------

    def respond(self, key: str, body: Json) -> None:
        """What an app posts to a response_url: delete, replace, or say something, by default to one person only."""
        if problems := check_blocks(body.get("blocks") or []):
            raise SlackError("invalid_blocks", errors=[p.pointer for p in problems])
        target = self.use_url(key)
        channel = self._space.channels[target.channel]
        original = channel.messages.get(target.message_ts or "")
        whispered = next((m for m in channel.ephemerals if m.ts == target.message_ts), None)
        changes = {"text": body.get("text", ""), "blocks": body.get("blocks", [])}
        if body.get("delete_original") and (original or whispered):
            if original:
                self._space.delete(original)
            elif whispered:
                channel.ephemerals.remove(whispered)
        elif body.get("replace_original") and original:
            self._space.edit(original, BOT_USER, changes, mark=False)
        elif body.get("replace_original") and whispered:
            whispered.text, whispered.blocks = changes["text"], changes["blocks"]
            self._space.pulse.beat()
        elif body.get("response_type") == "in_channel":
            thread = self._space.root_for(channel, body.get("thread_ts"))
            more = {"blocks": body.get("blocks", [])}
            self._space.add(self._space.bot_message(channel, body.get("text", ""), thread, **more))
        else:
            self.whisper(channel, target.user, body)

    def whisper(self, channel: Channel, user: str, body: Json) -> Message:
        """An ephemeral message: seen by one person, not stored, not editable."""
        message = Message(
            self._space.ids.ts(),
            channel.id,
            body.get("text") or "",
            user=BOT_USER,
            bot_id=BOT,
            blocks=body.get("blocks") or [],
            thread_ts=body.get("thread_ts"),
            ephemeral_to=user,
        )
        channel.ephemerals.append(message)
        self._space.pulse.beat()
        return message


def _name(channel: Channel) -> str:
    return {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)
