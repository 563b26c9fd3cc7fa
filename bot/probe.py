"""What `relaydesk check` finds out about Slack: the tokens, the permissions, the triage channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.api import Api
from bot.exposure import MEND, unusable, why_exposed
from bot.home import Home
from core.failures import Failure
from core.shapes import Finding


@dataclass(frozen=True, slots=True)
class Feature:
    """What needs permissions, and what doesn't work without one of them. `optional`: only this one thing is off."""

    scopes: tuple[str, ...]
    off: str
    optional: bool = False


FEATURES: Final = (
    Feature(("app_mentions:read",), "mentions in channels open no tickets"),
    Feature(("channels:history",), "nothing in public channels is read"),
    Feature(
        ("channels:read", "groups:read"), "who reads a triage channel isn't checked, and nothing is caught up"
    ),
    Feature(("chat:write",), "no cards and no answers are posted"),
    Feature(("commands",), "/ticket and the shortcuts do nothing"),
    Feature(("groups:history",), "replies in private triage channels aren't read"),
    Feature(("im:history",), "direct messages open no tickets"),
    Feature(("im:read",), "direct messages of a downtime aren't read"),
    Feature(("im:write",), "the bot begins no direct message"),
    Feature(("users:read",), "people have no names"),
    Feature(
        ("users:read.email",),
        "people aren't matched by their mail address, and staff need slack_user in their [[staff]] entry",
        True,
    ),
    Feature(("files:read",), "files stay in Slack and are only named", True),
    Feature(("files:write",), "no files are brought to Slack", True),
    Feature(("reactions:read",), "no emoji makes a ticket of a message", True),
    Feature(("reactions:write",), "what went out isn't marked by an emoji", True),
    Feature(("usergroups:read",), "slack.staff_usergroup makes nobody staff", True),
)
"""What the app uses its permissions for; `bot/manifest.json` asks for these and no others."""

USES: Final = {scope: feature.off for feature in FEATURES for scope in feature.scopes}
"""Scope → what doesn't work without it."""


async def findings(api: Api) -> list[Finding]:
    """Ask Slack; never raises for what Slack answers."""
    try:
        home = await api.home()
    except Failure as exc:
        return [Finding(part="slack token", text="auth.test", problem=exc.reason)]
    found = [Finding(part="slack token", text=f"bot {home.bot_user} of team {home.team}"), scopes(home)]
    if api.config.slack.app_token:
        found.append(await _socket(api))
    if api.config.slack.staff_usergroup:
        found.append(await _usergroup(api))
    for channel, queue in home.triage.items():
        found.append(await _channel(api, channel, queue))
    for channel, queue in home.requests.items():
        found.append(await _channel(api, channel, queue, asking=True))
    if not home.triage:
        problem = "no queue has a slack_channel: tickets are shown to nobody in Slack"
        found.append(Finding(part="slack channel", text="none", problem=problem))
    return found


def scopes(home: Home) -> Finding:
    """Say which permissions are missing, and what doesn't work without them. Pure."""
    if not home.scopes:
        return Finding(part="slack scopes", text="Slack doesn't name them")
    lacking = [(feature, [s for s in feature.scopes if not home.can(s)]) for feature in FEATURES]
    missing = [f"{' and '.join(names)} ({feature.off})" for feature, names in lacking if names]
    text = f"{len(home.scopes)} granted"
    if not missing:
        return Finding(part="slack scopes", text=text)
    return Finding(
        part="slack scopes",
        text=text,
        problem=f"missing: {', '.join(missing)}; add them to the app, install it again, and restart relaydesk",
    )


async def _socket(api: Api) -> Finding:
    try:
        await api.call("apps.connections.open", token=api.config.slack.app_token)
    except Failure as exc:
        problem = f"{exc.reason}; slack.app_token needs connections:write"
        return Finding(part="slack socket", text="apps.connections.open", problem=problem)
    return Finding(part="slack socket", text="Socket Mode can connect")


async def _usergroup(api: Api) -> Finding:
    group = api.config.slack.staff_usergroup
    try:
        users = (await api.call("usergroups.users.list", usergroup=group)).get("users") or ()
    except Failure as exc:
        problem = f"{exc.reason}; nobody becomes staff by slack.staff_usergroup"
        return Finding(part="slack user group", text=group, problem=problem)
    return Finding(part="slack user group", text=f"{group} makes staff of its {len(users)} members")


async def _channel(api: Api, channel: str, queue: str, *, asking: bool = False) -> Finding:
    """Look at a triage channel, or at one in which people ask."""
    part = f"slack {'request channel' if asking else 'channel'} of {queue}"
    try:
        info = (await api.call("conversations.info", channel=channel)).get("channel") or {}
    except Failure as exc:
        return Finding(part=part, text=channel, problem=exc.reason)
    allowed = asking or channel in api.config.slack.exposed_channels
    text = f"{channel} {info.get('name') or ''}".strip()
    return Finding(part=part, text=text, problem=channel_problem(info, allowed=allowed))


def channel_problem(info: Mapping[str, Any], *, allowed: bool = False) -> str | None:
    """Say what is wrong with a triage channel. `allowed`: an operator said that others may read it. Pure."""
    if trouble := unusable(info):
        return trouble
    why = "" if allowed else why_exposed(info)
    return f"it gets no tickets: {why}; {MEND}" if why else None
