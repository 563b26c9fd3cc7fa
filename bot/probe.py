"""What `relaydesk check` finds out about Slack: the tokens, the permissions, the triage channels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bot.api import Api
from bot.home import Home
from core.failures import Failure
from core.shapes import Finding

MANIFEST: Final = Path(__file__).with_name("manifest.json")
USES: Final = {
    "app_mentions:read": "mentions in channels open tickets",
    "channels:history": "replies in public triage channels are read",
    "channels:read": "triage channels are checked",
    "chat:write": "cards and answers are posted",
    "files:read": "files are taken from Slack",
    "files:write": "files are brought to Slack",
    "groups:history": "replies in private triage channels are read",
    "groups:read": "private triage channels are checked",
    "im:history": "direct messages open tickets",
    "im:read": "direct messages are caught up with",
    "im:write": "the bot opens a direct message",
    "reactions:write": "what went out is marked",
    "users:read": "people have names",
    "users:read.email": "people are known by their mail address",
}
"""Scope → what it is for; the app does without one that's missing, except for that."""


def manifest() -> dict[str, Any]:
    """Return the app's manifest, as an administrator installs it."""
    found: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8"))
    return found


async def findings(api: Api) -> list[Finding]:
    """Ask Slack; never raises for what Slack answers."""
    try:
        home = await api.home()
    except Failure as exc:
        return [Finding(part="slack token", text="auth.test", problem=exc.reason)]
    found = [Finding(part="slack token", text=f"bot {home.bot_user} of team {home.team}"), scopes(home)]
    if api.config.slack.app_token:
        found.append(await _socket(api))
    for channel, queue in home.triage.items():
        found.append(await _channel(api, channel, queue))
    if not home.triage:
        problem = "no queue has a slack_channel: tickets are shown to nobody in Slack"
        found.append(Finding(part="slack channel", text="none", problem=problem))
    return found


def scopes(home: Home) -> Finding:
    """Say which permissions are missing, and what doesn't work without them. Pure."""
    if not home.scopes:
        return Finding(part="slack scopes", text="Slack doesn't name them")
    missing = [f"{scope} ({use})" for scope, use in USES.items() if scope not in home.scopes]
    text = f"{len(home.scopes)} granted"
    if not missing:
        return Finding(part="slack scopes", text=text)
    return Finding(
        part="slack scopes",
        text=text,
        problem=f"missing: {', '.join(missing)}; add them to the app and install it again",
    )


async def _socket(api: Api) -> Finding:
    try:
        await api.call("apps.connections.open", token=api.config.slack.app_token)
    except Failure as exc:
        problem = f"{exc.reason}; slack.app_token needs connections:write"
        return Finding(part="slack socket", text="apps.connections.open", problem=problem)
    return Finding(part="slack socket", text="Socket Mode can connect")


async def _channel(api: Api, channel: str, queue: str) -> Finding:
    part = f"slack channel of {queue}"
    try:
        info = (await api.call("conversations.info", channel=channel)).get("channel") or {}
    except Failure as exc:
        return Finding(part=part, text=channel, problem=exc.reason)
    return Finding(
        part=part, text=f"{channel} {info.get('name') or ''}".strip(), problem=channel_problem(info)
    )


def channel_problem(info: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a triage channel. Pure."""
    if info.get("is_archived"):
        return "it is archived; unarchive it or give the queue another slack_channel"
    if info.get("is_member") is False:
        return "the bot isn't in it; /invite it there"
    if info.get("is_ext_shared") or info.get("is_pending_ext_shared"):
        return "it is shared with another organisation, whose people read every ticket; use a private channel"
    if not (info.get("is_private") or info.get("is_group")):
        return "it is public: everybody in the workspace can read every ticket; make it private"
    return None
