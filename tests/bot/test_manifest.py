"""The app's manifest: valid both ways, and asking for what is used and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from bot import probe
from bot.home import Home
from bot.listened import LISTENED
from bot.manifest import command, manifest
from bot.watch import CHANNEL_EVENTS

ROOT = Path(__file__).parents[2]
URL = "https://desk.example.com"
EVENT_SCOPES = {  # docs.slack.dev/reference/events, each event's page
    "app_home_opened": set(),
    "app_mention": {"app_mentions:read"},
    "app_uninstalled": set(),
    "channel_archive": {"channels:read"},
    "channel_shared": {"channels:read", "groups:read"},
    "channel_unarchive": {"channels:read"},
    "channel_unshared": {"channels:read", "groups:read"},
    "group_archive": {"groups:read"},
    "group_unarchive": {"groups:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "member_left_channel": {"channels:read", "groups:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "reaction_added": {"reactions:read"},
    "tokens_revoked": set(),
    "user_change": {"users:read"},
}


def bot_scopes(found: dict[str, Any]) -> set[str]:
    return set(found["oauth_config"]["scopes"]["bot"])


def called() -> set[str]:
    """The methods that the source calls."""
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").glob("*.py"))
    families = "chat|conversations|files|reactions|users|usergroups|views"
    return set(re.findall(rf'"((?:{families})\.[A-Za-z.]+)"', source))


@pytest.mark.parametrize("http", ["", URL])
def test_the_manifest_is_valid(shared_folder: Path, http: str) -> None:
    schema = json.loads((shared_folder / "slack/contract/manifest.schema.2.0.0.json").read_text("utf-8"))
    jsonschema.validate(manifest(http), schema)


def test_the_variants_differ_in_the_way_in_alone() -> None:
    socket, http = manifest(), manifest(URL)
    url = f"{URL}/slack/events"
    assert http["settings"]["event_subscriptions"].pop("request_url") == url
    assert http["settings"]["interactivity"].pop("request_url") == url
    assert [one.pop("url") for one in http["features"]["slash_commands"]] == [url]
    assert (socket["settings"]["socket_mode_enabled"], http["settings"]["socket_mode_enabled"]) == (
        True,
        False,
    )
    http["settings"]["socket_mode_enabled"] = True
    assert http == socket


def test_the_command_prints_either() -> None:
    assert json.loads(CliRunner().invoke(command, []).output) == manifest()
    ran = CliRunner().invoke(command, ["--http", f"{URL}/slack/events"])
    assert json.loads(ran.output) == manifest(URL)
    assert CliRunner().invoke(command, ["--http", "http://desk.example.com"]).exit_code == 2


def test_what_is_listened_to_is_subscribed_and_nothing_else() -> None:
    assert (
        set(manifest()["settings"]["event_subscriptions"]["bot_events"]) == set(LISTENED) == set(EVENT_SCOPES)
    )
    for event, listened in LISTENED.items():
        assert set(listened.scopes) == EVENT_SCOPES[event], event
        assert set(listened.scopes) <= bot_scopes(manifest()), event


def test_each_subscribed_event_has_a_listener() -> None:
    source = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "bot").glob("*.py") if path.name != "listened.py"
    )
    for event in LISTENED:
        name = event.partition(".")[0]
        assert event in CHANNEL_EVENTS or re.search(rf'"{name}"', source), event


def test_no_scope_is_unused_and_none_is_missing(shared_folder: Path) -> None:
    """Every scope is some event's, some called method's or some feature's; every called method has one."""
    scopes = bot_scopes(manifest())
    assert scopes == set(probe.USES)
    used = {"commands", "files:read", "users:read.email"}  # a slash command, downloads, a field of profiles
    used |= {scope for one in LISTENED.values() for scope in one.scopes}
    methods = called()
    assert {"chat.postMessage", "conversations.history", "users.conversations"} <= methods
    for method in methods:
        page = shared_folder / f"slack/contract/methods/{method}.json"
        if page.is_file():
            wanted = {s["name"] for s in json.loads(page.read_text("utf-8"))["scopes"].get("bot", ())}
            assert not wanted or wanted & scopes, method
            used |= wanted
    assert scopes <= used


def test_optional_scopes_are_those_of_features_that_can_be_missed() -> None:
    optional = {scope for feature in probe.FEATURES if feature.optional for scope in feature.scopes}
    assert set(manifest()["oauth_config"]["scopes"]["bot_optional"]) == optional < bot_scopes(manifest())


def test_people_can_write_to_the_app_and_open_forms() -> None:
    features = manifest()["features"]
    assert features["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert [one["command"] for one in features["slash_commands"]] == ["/ticket"]
    shortcuts = {one["callback_id"]: one["type"] for one in features["shortcuts"]}
    assert shortcuts == {"new_ticket": "global", "make_ticket": "message"}


@pytest.mark.parametrize("scope", sorted(probe.USES))
def test_a_missing_scope_is_named_with_what_is_off(scope: str) -> None:
    home = Home(team="T1", bot_user="U", bot_id="B", scopes=frozenset(probe.USES) - {scope})
    problem = probe.scopes(home).problem or ""
    assert scope in problem
    assert probe.USES[scope] in problem
    assert len([use for use in set(probe.USES.values()) if use in problem]) == 1


def test_without_addresses_staff_are_to_be_named() -> None:
    home = Home(team="T1", bot_user="U", bot_id="B", scopes=frozenset(probe.USES) - {"users:read.email"})
    problem = probe.scopes(home).problem or ""
    assert "aren't matched by their mail address" in problem
    assert "slack_user" in problem


def test_with_all_scopes_nothing_is_missing() -> None:
    assert (
        probe.scopes(Home(team="T1", bot_user="U", bot_id="B", scopes=frozenset(probe.USES))).problem is None
    )


PRIVATE = {"is_member": True, "is_private": True}


@pytest.mark.parametrize(
    ("info", "allowed", "word"),
    [
        (PRIVATE, False, None),
        (PRIVATE | {"is_member": False}, False, "invite"),
        (PRIVATE | {"is_archived": True}, False, "archived"),
        (PRIVATE | {"is_private": False}, False, "public"),
        (PRIVATE | {"is_ext_shared": True}, False, "shared"),
        (PRIVATE | {"is_pending_ext_shared": True}, False, "shared"),
        (PRIVATE | {"is_private": False}, True, None),
        (PRIVATE | {"is_archived": True}, True, "archived"),
    ],
)
def test_channels_that_need_a_word(info: dict[str, bool], allowed: bool, word: str | None) -> None:
    problem = probe.channel_problem(info, allowed=allowed)
    assert (problem is None) if word is None else (problem is not None and word in problem)
