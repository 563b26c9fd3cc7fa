"""The app's manifest: valid, and asking for what the door uses and nothing else."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from bot import probe
from bot.home import Home

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RELAYDESK_SHARED") or ROOT.parent / "shared")
CONTRACT = SHARED / "slack/contract"
LISTENED = {"app_mention", "message.channels", "message.groups", "message.im"}


@pytest.mark.skipif(not CONTRACT.is_dir(), reason="the contract isn't here")
def test_the_manifest_is_valid() -> None:
    schema = json.loads((CONTRACT / "manifest.schema.2.0.0.json").read_text("utf-8"))
    jsonschema.validate(probe.manifest(), schema)


def test_it_asks_for_what_is_used_and_nothing_else() -> None:
    manifest = probe.manifest()
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set(probe.USES)
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == LISTENED
    assert manifest["features"]["app_home"]["messages_tab_read_only_enabled"] is False


@pytest.mark.skipif(not CONTRACT.is_dir(), reason="the contract isn't here")
def test_every_method_that_is_called_has_a_scope() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot").glob("*.py"))
    called = set(re.findall(r'"((?:chat|conversations|files|reactions|users)\.[A-Za-z]+)"', source))
    assert "chat.postMessage" in called
    for method in called:
        page = CONTRACT / f"methods/{method}.json"
        if page.is_file():
            scopes = {s["name"] for s in json.loads(page.read_text("utf-8"))["scopes"].get("bot", ())}
            assert not scopes or scopes & set(probe.USES), method


def test_missing_scopes_are_named_with_what_they_are_for() -> None:
    home = Home(team="T1", bot_user="U", bot_id="B", scopes=frozenset(probe.USES) - {"files:read"})
    finding = probe.scopes(home)
    assert finding.problem is not None
    assert "files:read (files are taken from Slack)" in finding.problem
    assert (
        probe.scopes(Home(team="T1", bot_user="U", bot_id="B", scopes=frozenset(probe.USES))).problem is None
    )


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({"is_member": True, "is_private": True}, None),
        ({"is_member": False, "is_private": True}, "invite"),
        ({"is_member": True, "is_private": True, "is_archived": True}, "archived"),
        ({"is_member": True, "is_private": False}, "public"),
        ({"is_member": True, "is_private": True, "is_ext_shared": True}, "shared"),
    ],
)
def test_channels_that_need_a_word(info: dict[str, bool], word: str | None) -> None:
    problem = probe.channel_problem(info)
    assert (problem is None) if word is None else (problem is not None and word in problem)
