"""Each method's refusals: they are the contract's (the box sees to that), and they come when they should."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import GENERAL, TRIAGE, Sandbox
from sandbox.methods import METHODS
from tests.sandbox.contract import Contract

Json = dict[str, Any]
ADA, BOB = "U0ADA00001", "U0BOB00001"
CASES: list[tuple[str, Json, str]] = [
    ("auth.test", {"$token": ""}, "not_authed"),
    ("bots.info", {"bot": "B404"}, "bot_not_found"),
    ("chat.delete", {"channel": TRIAGE, "ts": "1.1"}, "message_not_found"),
    ("chat.delete", {"channel": TRIAGE, "ts": "$ada"}, "cant_delete_message"),
    ("chat.getPermalink", {"channel": TRIAGE, "message_ts": "1.1"}, "message_not_found"),
    ("chat.postEphemeral", {"channel": TRIAGE, "user": BOB, "text": "x"}, "user_not_in_channel"),
    ("chat.postMessage", {"channel": TRIAGE, "text": "x", "thread_ts": "$reply"}, "cannot_reply_to_message"),
    ("chat.postMessage", {"channel": TRIAGE, "text": "x", "metadata": "{"}, "invalid_metadata_format"),
    ("chat.scheduleMessage", {"channel": TRIAGE, "text": "x", "post_at": "soon"}, "invalid_time"),
    ("chat.scheduleMessage", {"channel": TRIAGE, "text": "x", "post_at": 1}, "time_in_past"),
    ("chat.unfurl", {"ts": "1.1", "unfurls": {}}, "missing_channel"),
    ("chat.unfurl", {"channel": TRIAGE, "unfurls": {}}, "missing_ts"),
    ("chat.unfurl", {"channel": TRIAGE, "ts": "$ada"}, "missing_unfurls"),
    ("chat.unfurl", {"channel": "C404", "ts": "1.1", "unfurls": {"a": {}}}, "cannot_find_channel"),
    ("chat.unfurl", {"channel": TRIAGE, "ts": "1.1", "unfurls": {"a": {}}}, "cannot_find_message"),
    ("chat.unfurl", {"channel": TRIAGE, "ts": "$ada", "unfurls": {"https://y/": {}}}, "cannot_unfurl_url"),
    ("chat.unfurl", {"channel": TRIAGE, "ts": "$ada", "unfurls": "{"}, "invalid_unfurls_format"),
    ("chat.unfurl", {"unfurl_id": "1", "unfurls": {"a": {}}}, "missing_source"),
    ("chat.update", {"channel": TRIAGE, "ts": "$ada", "text": "x"}, "cant_update_message"),
    ("conversations.history", {"channel": "C404"}, "channel_not_found"),
    ("conversations.info", {"channel": "C404"}, "channel_not_found"),
    ("conversations.invite", {"channel": TRIAGE, "users": "U404"}, "user_not_found"),
    ("conversations.invite", {"channel": TRIAGE, "users": ","}, "no_user"),
    ("conversations.invite", {"channel": TRIAGE, "users": ADA}, "already_in_channel"),
    ("conversations.invite", {"channel": TRIAGE, "users": "U0RELAYBOT"}, "cant_invite_self"),
    ("conversations.join", {"channel": TRIAGE}, "method_not_supported_for_channel_type"),
    ("conversations.list", {"types": "secret"}, "invalid_types"),
    ("conversations.members", {"channel": TRIAGE, "limit": 0, "cursor": "x"}, "invalid_cursor"),
    ("conversations.open", {"users": f"{ADA},{BOB}"}, "invalid_user_combination"),
    ("conversations.open", {"users": ",".join(["U"] * 9)}, "too_many_users"),
    ("conversations.replies", {"channel": TRIAGE, "ts": "1.1"}, "thread_not_found"),
    ("files.delete", {"file": "F404"}, "file_not_found"),
    ("files.info", {"file": "F404"}, "file_not_found"),
    ("pins.add", {"channel": TRIAGE}, "no_item_specified"),
    ("pins.add", {"channel": TRIAGE, "timestamp": "x"}, "bad_timestamp"),
    ("pins.add", {"channel": TRIAGE, "timestamp": "1.1"}, "message_not_found"),
    ("reactions.add", {"channel": TRIAGE, "timestamp": "x", "name": "eyes"}, "bad_timestamp"),
    ("reactions.get", {"channel": TRIAGE}, "no_item_specified"),
    ("reactions.remove", {"channel": TRIAGE, "timestamp": "$ada", "name": "eyes"}, "no_reaction"),
    ("team.info", {"team": "T404"}, "team_not_found"),
    ("usergroups.users.list", {"usergroup": "S404"}, "no_such_subteam"),
    ("users.info", {"user": "U404"}, "user_not_found"),
    ("users.lookupByEmail", {"email": "eve@example.com"}, "users_not_found"),
    ("views.publish", {"user_id": "U404", "view": {}}, "invalid_arguments"),
    ("views.update", {"view_id": "V404", "view": {}}, "not_found"),
    ("users.list", {"in[]": "x"}, "invalid_array_arg"),
    ("users.list", {"a-b": "x"}, "invalid_arg_name"),
]


@pytest.mark.parametrize(("method", "args", "refusal"), CASES)
async def test_a_method_refuses(box: Sandbox, method: str, args: Json, refusal: str) -> None:
    ada = box.workspace.user("ada")
    root = await ada.post("triage", "see https://x.example/")
    named = {"$ada": root, "$reply": await ada.post("triage", "reply", thread_ts=root)}
    token = args.get("$token", box.bot_token)
    body = {
        key: named.get(value, value) if isinstance(value, str) else value
        for key, value in args.items()
        if key != "$token"
    }
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{box.api_url}{method}", json=body) as answer,
    ):
        assert (await answer.json())["error"] == refusal


SCOPED = sorted(name for name, method in METHODS.items() if method.scopes)


@pytest.mark.parametrize("method", SCOPED)
async def test_without_its_scopes_a_method_names_them(box: Sandbox, method: str) -> None:
    known = METHODS[method]
    box.workspace.state.scopes.difference_update(known.scopes)
    args = dict.fromkeys(known.required, "x")
    headers = {"Authorization": f"Bearer {box.bot_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{box.api_url}{method}", json=args) as answer,
    ):
        said = await answer.json()
        assert answer.headers["x-accepted-oauth-scopes"] == ",".join(known.scopes)
    assert (said["error"], said["needed"]) == ("missing_scope", ",".join(known.scopes))
    assert set(known.scopes).isdisjoint(said["provided"].split(","))


def test_each_method_needs_what_the_contract_says(contract: Contract) -> None:
    by_kind = {
        "conversations.history",
        "conversations.replies",
        "conversations.info",
    }  # asked for per channel
    for name in contract.methods:
        scopes = {scope["name"] for scope in (contract.method(name) or {})["scopes"].get("bot", [])}
        assert bool(scopes) == bool(METHODS[name].scopes or name in by_kind), name


async def test_bodies_that_say_nothing(box: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {box.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for kind, refusal in (("text/xml", "invalid_post_type"),):
            async with session.post(
                f"{box.api_url}auth.test", data=b"<a/>", headers={"Content-Type": kind}
            ) as answer:
                assert (await answer.json())["error"] == refusal


async def test_inviting_pinning_unfurling(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.state.subscriptions.add("pin_added")
    await client.conversations_invite(channel=TRIAGE, users=BOB)
    assert BOB in box.workspace.channel("triage").state.members
    ts = await box.workspace.user("bob").post("triage", "see https://x.example/?a=1&b=2")
    await client.pins_add(channel=TRIAGE, timestamp=ts)
    assert box.workspace.events[-1]["event"]["item"]["message"]["ts"] == ts
    with pytest.raises(SlackApiError) as raised:
        await client.pins_add(channel=TRIAGE, timestamp=ts)
    assert raised.value.response["error"] == "already_pinned"
    await client.chat_unfurl(channel=TRIAGE, ts=ts, unfurls={"https://x.example/?a=1&b=2": {"text": "it"}})
    changed = box.workspace.events[-1]["event"]
    assert (changed["subtype"], "edited" in changed["message"]) == ("message_changed", False)


async def test_links_to_the_apps_domains_are_told(box: Sandbox) -> None:
    space = box.workspace.state
    space.app.unfurl_domains = ("desk.example",)
    space.subscriptions.add("link_shared")
    await box.workspace.user("bob").post("general", "https://desk.example/t/1 and https://other.example/")
    event = box.workspace.events[-1]["event"]
    assert event["links"] == [{"domain": "desk.example", "url": "https://desk.example/t/1"}]


async def test_files_are_told_to_who_wants_to_know(box: Sandbox) -> None:
    box.workspace.state.subscriptions.add("file_shared")
    await box.workspace.user("bob").post("general", "see", files=[("a.txt", b"abc")])
    event = box.workspace.events[-1]["event"]
    assert (event["type"], event["channel_id"], event["user_id"]) == ("file_shared", GENERAL, BOB)


async def test_a_broken_answer_to_a_response_url(box: Sandbox) -> None:
    space = box.workspace.state
    url = box.workspace.interactions.response_url(space.user("ada"), space.channel("triage"))
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"text": "x", "blocks": [{"type": "section"}]}) as answer,
    ):
        assert (answer.status, await answer.text()) == (400, "invalid_blocks")
