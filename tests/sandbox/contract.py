"""The contract data beside the checkout, and what holds the sandbox's payloads and answers against it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sandbox import Sandbox

Json = dict[str, Any]

# What the samples leave blank or out, though Slack has it: the body of a block, what a form holds, texts in a view.
FREE = {"blocks", "attachments", "state", "event_payload", "root", "shares", "selected_options"}
# `files` is in the samples of file_share alone; an edited or deleted message has its files too.
EXTRA = {"MessageChanged": {"files"}, "MessageDeleted": {"files"}}
INTERACTION = {
    "block_actions": "interactive-components/BlockActionPayload",
    "message_action": "interactive-components/MessageShortcutPayload",
    "view_submission": "views/ViewSubmissionPayload",
    "view_closed": "views/ViewClosedPayload",
}
# There's no sample of these two: their keys as docs.slack.dev has them.
_WHO = {"type", "user", "team", "enterprise", "is_enterprise_install", "token"}
DOCUMENTED = {
    "shortcut": {*_WHO, "action_ts", "callback_id", "trigger_id"},
    "block_suggestion": {
        *_WHO,
        "api_app_id",
        "container",
        "action_id",
        "block_id",
        "value",
        "view",
        "channel",
        "message",
    },
}


@cache
def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


class Contract:
    """`shared/slack/contract`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def method(self, name: str) -> Json | None:
        path = self.folder / "methods" / f"{name}.json"
        return load(path) if path.is_file() else None

    @property
    def methods(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "methods").glob("*.json"))

    @property
    def common_errors(self) -> set[str]:
        return set(load(self.folder / "common_errors.json"))

    def response(self, name: str) -> Json | None:
        path = self.folder / "responses" / f"{name}.json"
        return load(path) if path.is_file() else None

    def unknown_in_event(self, body: Json) -> list[str]:
        """Keys of an event's envelope that its sample doesn't have."""
        if body["type"] == "app_rate_limited":
            sample = load(self.folder / "events" / "AppRateLimitedPayload.json")
            return unknown(body, sample["event"])  # Slack documents it without an envelope
        name = sample_name(body["event"])
        sample = load(self.folder / "events" / f"{name}Payload.json")
        return [key for key in unknown(body, sample) if key.rpartition(".")[2] not in EXTRA.get(name, ())]

    def unknown_in_interaction(self, kind: str, payload: Json) -> list[str]:
        if kind == "slash_commands":
            return unknown(
                payload, load(self.folder / "interactions/slash-commands/SlashCommandPayload.json")
            )
        name = INTERACTION.get(payload["type"])
        if name is None:
            return sorted(payload.keys() - DOCUMENTED[payload["type"]])
        return unknown(payload, load(self.folder / f"interactions/{name}.json"))

    def check(self, box: Sandbox) -> list[str]:
        """All that this box did and its contract doesn't know."""
        space = box.workspace
        wrong = [
            f"{b.get('event', b)['type']}: {key}" for b in space.events for key in self.unknown_in_event(b)
        ]
        for kind, payload in space.delivery.interactions:
            name = payload.get("type", kind)
            wrong += [f"{name}: {key}" for key in self.unknown_in_interaction(kind, payload)]
        for call in space.calls:
            wrong += self._check_call(call.method, call.answer)
        return wrong

    def _check_call(self, name: str, answer: Json) -> list[str]:
        known = self.method(name)
        if known is None or not answer:
            return []
        if not answer["ok"]:
            errors = {*known["errors"], *self.common_errors}
            return [] if answer["error"] in errors else [f"{name} answered {answer['error']}"]
        sample = self.response(name)
        return [f"{name}: {key}" for key in unknown(answer, sample)] if sample else []


def sample_name(event: Json) -> str:
    if event["type"] != "message":
        words = event["type"].split("_")
        return "".join(word.title() for word in words)
    subtype = event.get("subtype")
    special = {None: "", "bot_message": "Bot", "me_message": "Me", "file_share": "FileShare"}
    name = special.get(
        subtype, "".join(word.title() for word in str(subtype).removeprefix("message_").split("_"))
    )
    return f"Message{name}"


def unknown(value: Any, sample: Any, path: str = "") -> list[str]:
    """Paths of keys that the sample hasn't; what it leaves empty is free."""
    if isinstance(value, list) and isinstance(sample, list) and sample:
        return [key for item in value for key in unknown(item, sample[0], path)]
    if not isinstance(value, dict) or not isinstance(sample, dict) or not sample:
        return []
    out: list[str] = []
    for key, inner in value.items():
        where = f"{path}.{key}" if path else key
        if key in FREE:
            continue
        if key not in sample:
            out.append(where)
        else:
            out += unknown(inner, sample[key], where)
    return out
