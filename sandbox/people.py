"""Who is in the workspace from the start. The ids are stable, so that configurations and tests may name them."""

from __future__ import annotations

from sandbox.shapes import (
    BOT_USER,
    EXTERNAL_TEAM,
    GENERAL,
    SLACKBOT,
    TRIAGE,
    Channel,
    User,
)


def default_people() -> list[User]:
    """The bot, two staff members, requesters, a guest, and Eve of another organisation (Slack Connect)."""
    return [
        User(SLACKBOT, "slackbot", "Slackbot", is_bot=True),
        User(BOT_USER, "relaydesk", "relaydesk", is_bot=True),
        User("U0ADA00001", "ada", "Ada Lovelace", "ada@example.com"),
        User("U0GRACE001", "grace", "Grace Hopper", "grace@example.com", tz="America/New_York"),
        User("U0ANN00001", "ann", "Ann Requester", "ann@example.com"),
        User("U0BOB00001", "bob", "Bob Requester", "bob@example.com"),
        User("U0GIL00001", "gil", "Gil Guest", "gil@example.com", is_restricted=True),
        User("U0EVE00001", "eve", "Eve External", None, team_id=EXTERNAL_TEAM),
    ]


def default_channels() -> list[Channel]:
    """The triage channel of the staff, and the public one of everybody."""
    staff = ["U0ADA00001", "U0GRACE001"]
    everybody = [*staff, "U0ANN00001", "U0BOB00001", "U0GIL00001", "U0EVE00001"]
    return [
        Channel(TRIAGE, "triage", "group", [BOT_USER, *staff], creator="U0ADA00001"),
        Channel(GENERAL, "general", "channel", [BOT_USER, *everybody], creator="U0ADA00001"),
    ]
