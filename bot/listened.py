"""Which events are listened to, what for, and the permissions that Slack wants for each: one table, which the manifest
follows (docs.slack.dev/reference/events)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Listened:
    """An event: what it is for, and the scopes of which Slack wants one (of each group)."""

    use: str
    scopes: tuple[str, ...] = ()


LISTENED: Final = {
    "app_home_opened": Listened("the Home tab is filled"),
    "app_mention": Listened("mentions in channels open tickets", ("app_mentions:read",)),
    "app_uninstalled": Listened("that the app was removed is told"),
    "channel_archive": Listened("an archived triage channel is told", ("channels:read",)),
    "channel_shared": Listened("a shared triage channel gets no tickets", ("channels:read", "groups:read")),
    "channel_unarchive": Listened("a triage channel is in use again", ("channels:read",)),
    "channel_unshared": Listened("a triage channel is private again", ("channels:read", "groups:read")),
    "group_archive": Listened("an archived triage channel is told", ("groups:read",)),
    "group_unarchive": Listened("a triage channel is in use again", ("groups:read",)),
    "member_joined_channel": Listened("who is staff by a triage channel", ("channels:read", "groups:read")),
    "member_left_channel": Listened(
        "who is staff no longer; the bot removed", ("channels:read", "groups:read")
    ),
    "message.channels": Listened("what is written in public channels", ("channels:history",)),
    "message.groups": Listened("what is written in private channels", ("groups:history",)),
    "message.im": Listened("direct messages open tickets", ("im:history",)),
    "reaction_added": Listened("an emoji makes a ticket of a message", ("reactions:read",)),
    "tokens_revoked": Listened("that the app was removed is told"),
    "user_change": Listened("people's names, addresses and guests", ("users:read",)),
}
