"""What an app has once it is installed: scopes, events, commands, shortcuts. A manifest says it, else all there is.

docs.slack.dev/reference/scopes and docs.slack.dev/reference/events: which event needs which scope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.shapes import Json

DEFAULT_SCOPES: frozenset[str] = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:join",
        "channels:manage",
        "channels:read",
        "channels:write.invites",
        "chat:write",
        "chat:write.customize",
        "chat:write.public",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "groups:write",
        "groups:write.invites",
        "im:history",
        "im:read",
        "im:write",
        "links:read",
        "links:write",
        "mpim:history",
        "mpim:read",
        "mpim:write",
        "pins:read",
        "pins:write",
        "reactions:read",
        "reactions:write",
        "team:read",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)

DEFAULT_EVENTS: frozenset[str] = frozenset(
    {
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "channel_archive",
        "channel_deleted",
        "channel_left",
        "channel_rename",
        "channel_shared",
        "channel_unarchive",
        "channel_unshared",
        "file_deleted",
        "group_archive",
        "group_deleted",
        "group_left",
        "group_rename",
        "group_unarchive",
        "member_joined_channel",
        "member_left_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "reaction_added",
        "reaction_removed",
        "subteam_members_changed",
        "subteam_updated",
        "team_join",
        "tokens_revoked",
        "user_change",
    }
)

_CHANNELS = ("channels:read",)
_GROUPS = ("groups:read",)
_EITHER = ("channels:read", "groups:read")
_EVENT_SCOPES: dict[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "link_shared": ("links:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "member_joined_channel": _EITHER,
    "member_left_channel": _EITHER,
    "channel_shared": _EITHER,
    "channel_unshared": _EITHER,
    "channel_id_changed": _EITHER,
    "team_join": ("users:read",),
    "user_change": ("users:read",),
}
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("channel_", _CHANNELS),
    ("group_", _GROUPS),
    ("file_", ("files:read",)),
    ("pin_", ("pins:read",)),
    ("reaction_", ("reactions:read",)),
    ("subteam_", ("usergroups:read",)),
)


def scopes_of_event(name: str) -> tuple[str, ...]:
    """One of these is needed to hear of it; none means that every app may."""
    if name in _EVENT_SCOPES:
        return _EVENT_SCOPES[name]
    return next((scopes for start, scopes in _FAMILIES if name.startswith(start)), ())


@dataclass(frozen=True)
class Shortcut:
    """An entry of the shortcuts menu (`global`) or of a message's menu (`message`)."""

    kind: Literal["global", "message"]
    callback_id: str
    name: str


DEFAULT_COMMANDS: tuple[str, ...] = ("/ticket",)
DEFAULT_SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("global", "new_ticket", "Open a ticket"),
    Shortcut("message", "make_ticket", "Make a ticket"),
)


@dataclass
class Installed:
    """The app as the workspace knows it."""

    scopes: set[str] = field(default_factory=lambda: set(DEFAULT_SCOPES))
    events: set[str] = field(default_factory=lambda: set(DEFAULT_EVENTS))
    commands: tuple[str, ...] = DEFAULT_COMMANDS
    shortcuts: tuple[Shortcut, ...] = DEFAULT_SHORTCUTS
    home_tab: bool = True
    messages_tab: bool = True
    unfurl_domains: tuple[str, ...] = ()
    strict: bool = False
    """Whether there are no commands and shortcuts but these."""


def from_manifest(manifest: Json) -> Installed:
    """What "create an app from a manifest" and installing it would give."""
    features = manifest.get("features", {})
    home = features.get("app_home", {})
    scopes: dict[str, Any] = manifest.get("oauth_config", {}).get("scopes", {})
    events = manifest.get("settings", {}).get("event_subscriptions", {})
    return Installed(
        scopes={*scopes.get("bot", []), *scopes.get("bot_optional", [])},
        events=set(events.get("bot_events", [])),
        commands=tuple(command["command"] for command in features.get("slash_commands", [])),
        shortcuts=tuple(
            Shortcut(s["type"], s["callback_id"], s["name"]) for s in features.get("shortcuts", [])
        ),
        home_tab=bool(home.get("home_tab_enabled")),
        messages_tab=bool(home.get("messages_tab_enabled")),
        unfurl_domains=tuple(features.get("unfurl_domains", [])),
        strict=True,
    )
