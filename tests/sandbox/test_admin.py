"""A workspace from above: who is in it, what its channels are, whether the app is still installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import GENERAL, TRIAGE, Sandbox, SlackError
from sandbox.install import Installed, from_manifest, scopes_of_event

Json = dict[str, Any]


def kinds(box: Sandbox) -> list[str]:
    return [body["event"]["type"] for body in box.workspace.events]


async def info(client: AsyncWebClient, channel: str) -> Json:
    found: Json = (await client.conversations_info(channel=channel))["channel"]
    return found


async def test_people_come_change_and_go(box: Sandbox, client: AsyncWebClient) -> None:
    ida = box.workspace.add_user("ida", "Ida Guest", "ida@example.com", is_ultra_restricted=True)
    box.workspace.change_user("ida", deleted=True)
    assert kinds(box) == ["team_join", "user_change"]
    shown = (await client.users_info(user=ida.id))["user"]
    assert shown["deleted"] is True
    with pytest.raises(SlackApiError) as raised:
        await client.users_lookupByEmail(email="ida@example.com")
    assert raised.value.response["error"] == "users_not_found"


async def test_groups_change(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.set_group("S0STAFF001", ["grace", "bob"])
    event = box.workspace.events[-1]["event"]
    assert (event["added_users"], event["removed_users"]) == (["U0BOB00001"], ["U0ADA00001"])
    assert (await client.usergroups_users_list(usergroup="S0STAFF001"))["users"] == [
        "U0GRACE001",
        "U0BOB00001",
    ]


async def test_a_private_channel_becomes_public_without_a_word(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.make_public("triage")
    assert (await info(client, TRIAGE))["is_private"] is False
    assert kinds(box) == []
    box.workspace.make_private("triage")
    assert (await info(client, TRIAGE))["is_private"] is True


async def test_sharing_with_another_organisation(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.share("general")
    shown = await info(client, GENERAL)
    assert (shown["is_ext_shared"], shown["shared_team_ids"]) == (True, ["T0SANDBOX1", "T0EXTERN01"])
    await box.workspace.user("eve").post("general", "see", files=[("a.txt", b"abc")])
    body = box.workspace.events[-1]
    assert body["is_ext_shared_channel"] is True
    stub = body["event"]["files"][0]
    assert (stub["file_access"], "url_private" in stub) == ("check_file_info", False)
    whole = (await client.files_info(file=stub["id"]))["file"]
    assert (whole["file_access"], whole["name"]) == ("visible", "a.txt")
    box.workspace.unshare("general")
    assert kinds(box) == ["channel_shared", "message", "channel_unshared"]
    assert "U0EVE00001" not in box.workspace.channel("general").state.members


async def test_renaming_archiving_deleting(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.rename("general", "all")
    box.workspace.archive("all")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=GENERAL, text="x")
    assert raised.value.response["error"] == "is_archived"
    box.workspace.unarchive("all")
    box.workspace.delete_channel("all")
    assert kinds(box) == ["channel_rename", "channel_archive", "channel_unarchive", "channel_deleted"]
    with pytest.raises(SlackApiError) as raised:
        await client.conversations_info(channel=GENERAL)
    assert raised.value.response["error"] == "channel_not_found"


async def test_the_bot_is_removed_from_a_channel(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.kick("triage")
    assert kinds(box)[-2:] == ["member_left_channel", "group_left"]
    await box.workspace.user("ada").post("triage", "unheard")
    assert kinds(box)[-1] == "group_left"
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="x")
    assert raised.value.response["error"] == "channel_not_found"


async def test_files_over_the_plans_limit(box: Sandbox, client: AsyncWebClient) -> None:
    await box.workspace.user("ann").dm("see", files=[("a.txt", b"abc")])
    file = box.workspace.events[-1]["event"]["files"][0]
    box.workspace.hide_file(file["id"])
    shown = (await client.conversations_history(channel=box.workspace.dm_channel("ann").id))["messages"][0]
    assert shown["files"] == [{"id": file["id"], "mode": "hidden_by_limit"}]
    bearer = {"Authorization": f"Bearer {box.bot_token}"}
    async with (
        aiohttp.ClientSession(headers=bearer) as session,
        session.get(file["url_private"]) as answer,
    ):
        assert answer.status == 404


async def test_the_app_is_removed(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.uninstall()
    assert kinds(box) == ["tokens_revoked", "app_uninstalled"]
    with pytest.raises(SlackApiError) as raised:
        await client.auth_test()
    assert raised.value.response["error"] == "account_inactive"
    await box.workspace.user("ann").dm("unheard")
    assert kinds(box)[-1] == "app_uninstalled"
    box.workspace.reinstall()
    await client.auth_test()


async def test_a_token_is_given_back(box: Sandbox, client: AsyncWebClient) -> None:
    assert (await client.auth_revoke(test=True))["revoked"] is False
    await client.auth_test()
    assert (await client.auth_revoke())["revoked"] is True
    with pytest.raises(SlackApiError):
        await client.auth_test()


async def test_installing_by_oauth(box: Sandbox, client: AsyncWebClient) -> None:
    asked = {
        "client_id": box.client_id,
        "scope": "chat:write",
        "state": "s",
        "redirect_uri": "https://desk.example/",
    }
    async with aiohttp.ClientSession(base_url=box.url) as session:
        async with session.get("/oauth/v2/authorize", params=asked) as answer:
            assert (answer.status, "chat:write" in await answer.text()) == (200, True)
        bad = asked | {"redirect_uri": "javascript:alert(1)"}
        async with session.get("/oauth/v2/authorize", params=bad) as answer:
            assert answer.status == 400
        async with session.get("/oauth/v2/allow", params=asked, allow_redirects=False) as answer:
            back = answer.headers["Location"]
    code = back.partition("code=")[2].partition("&")[0]
    assert back.startswith("https://desk.example/?code=")
    with pytest.raises(SlackApiError) as raised:
        await client.oauth_v2_access(client_id="wrong", client_secret="x", code=code)
    assert raised.value.response["error"] == "invalid_client_id"
    done = await client.oauth_v2_access(client_id=box.client_id, client_secret=box.client_secret, code=code)
    assert (done["token_type"], done["bot_user_id"]) == ("bot", box.bot_user_id)
    await AsyncWebClient(done["access_token"], base_url=box.api_url).auth_test()
    with pytest.raises(SlackApiError) as raised:
        await client.oauth_v2_access(client_id=box.client_id, client_secret=box.client_secret, code=code)
    assert raised.value.response["error"] == "invalid_code"


async def test_only_what_is_subscribed_and_allowed_is_told() -> None:
    box = Sandbox(scopes=["im:history", "chat:write"], events=["message.im", "reaction_added", "team_join"])
    await box.start()
    ann = box.workspace.user("ann")
    ts = await ann.dm("heard")
    await ann.react("dm", ts, "eyes")  # subscribed, but without its scope
    await ann.post("general", "not subscribed")
    assert [body["event"]["type"] for body in box.workspace.events] == ["message"]
    with pytest.raises(LookupError, match="not a valid command"):
        await ann.command("/ticket")
    await box.stop()


def test_a_manifest_says_what_the_app_has() -> None:
    manifest = json.loads((Path(__file__).parents[2] / "bot" / "manifest.json").read_text("utf-8"))
    app = from_manifest(manifest)
    assert {"chat:write", "im:history"} <= app.scopes
    assert "message.im" in app.events
    assert app.strict
    known = Installed()
    assert app.events <= known.events | {"file_shared"}
    assert all(set(scopes_of_event(name)) & app.scopes for name in app.events if scopes_of_event(name))


async def test_a_home_tab_that_is_off(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.state.home_tab = False
    view = {"type": "home", "blocks": [{"type": "divider"}]}
    with pytest.raises(SlackApiError) as raised:
        await client.views_publish(user_id="U0ANN00001", view=view)
    assert raised.value.response["error"] == "not_enabled"
    with pytest.raises(SlackError, match="not_enabled"):
        await box.workspace.user("ann").open_home()


async def test_slack_shows_what_is_behind_a_link(box: Sandbox) -> None:
    ts = await box.workspace.user("ada").post("triage", "https://x.example/a")
    box.workspace.unfurl("triage", ts, title="A page")
    changed = box.workspace.events[-1]["event"]
    assert (changed["subtype"], "edited" in changed["message"]) == ("message_changed", False)
    assert changed["message"]["attachments"][0]["title"] == "A page"
