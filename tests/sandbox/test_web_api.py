"""The Web API's door: how a call may come, what it's refused for, what goes wrong on purpose."""

from __future__ import annotations

import json

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import GENERAL, TRIAGE, Sandbox
from sandbox.methods import METHODS
from tests.sandbox.contract import Contract


async def call(box: Sandbox, method: str, token: str | None = None, **how: object) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {token or box.bot_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{box.api_url}{method}", **how) as answer,
    ):
        return await answer.json()


def error(raised: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(raised.value.response["error"])


async def test_arguments_come_as_json_form_multipart_and_query(box: Sandbox) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}]
    args = {"channel": TRIAGE, "text": "t"}
    as_text = {**args, "blocks": json.dumps(blocks)}
    for how in (
        {"json": {**args, "blocks": blocks}},
        {"json": as_text},
        {"data": as_text},
        {"params": as_text},
    ):
        assert (await call(box, "chat.postMessage", **how))["ok"] is True
    form = aiohttp.FormData(as_text)
    form.add_field("unknown", b"x", filename="x")
    assert (await call(box, "chat.postMessage", data=form))["ok"] is True
    texts = [message.blocks[0]["text"]["text"] for message in box.workspace.channel("triage").messages]
    assert texts == ["hello"] * 5


async def test_tokens_are_told_apart(box: Sandbox) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{box.api_url}auth.test") as answer:
        assert (await answer.json())["error"] == "not_authed"
    assert (await call(box, "auth.test", "xoxb-wrong"))["error"] == "invalid_auth"
    assert (await call(box, "auth.test", box.app_token))["error"] == "not_allowed_token_type"
    assert (await call(box, "apps.connections.open"))["error"] == "not_allowed_token_type"
    assert (await call(box, "no.such"))["error"] == "unknown_method"


async def test_a_missing_scope_is_named(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.state.scopes -= {"reactions:write", "users:read.email"}
    ts = await box.workspace.user("ada").post("triage", "x")
    with pytest.raises(SlackApiError) as raised:
        await client.reactions_add(channel=TRIAGE, timestamp=ts, name="eyes")
    assert error(raised) == "missing_scope"
    assert raised.value.response["needed"] == "reactions:write"
    assert "reactions:write" not in raised.value.response.headers["x-oauth-scopes"]
    user = await client.users_info(user="U0ANN00001")
    assert "email" not in user["user"]["profile"]


async def test_required_arguments(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as raised:
        await client.api_call("chat.delete", json={"channel": TRIAGE})
    assert error(raised) == "invalid_arguments"
    assert "ts" in raised.value.response["response_metadata"]["messages"][0]


async def test_people_and_channels(client: AsyncWebClient, box: Sandbox) -> None:
    me = await client.auth_test()
    assert (me["user_id"], me["bot_id"], me["team_id"]) == (box.bot_user_id, box.bot_id, box.team_id)
    found = await client.users_lookupByEmail(email="ADA@example.com")
    assert found["user"]["name"] == "ada"
    with pytest.raises(SlackApiError) as raised:
        await client.users_lookupByEmail(email="nobody@example.com")
    assert error(raised) == "users_not_found"
    eve = (await client.users_info(user="U0EVE00001"))["user"]
    assert eve["is_stranger"] is True
    assert "email" not in eve["profile"]
    assert (await client.users_info(user="U0GIL00001"))["user"]["is_restricted"] is True
    listed = await client.conversations_list(types="public_channel,private_channel")
    assert {channel["id"] for channel in listed["channels"]} == {TRIAGE, GENERAL}
    assert (await client.conversations_members(channel=TRIAGE, limit=2))["members"][0] == box.bot_user_id
    assert (await client.usergroups_users_list(usergroup="S0STAFF001"))["users"]
    assert (await client.team_info())["team"]["id"] == box.team_id
    assert (await client.bots_info(bot=box.bot_id))["bot"]["user_id"] == box.bot_user_id


async def test_lists_come_in_pages(client: AsyncWebClient, box: Sandbox) -> None:
    names: list[str] = []
    async for page in await client.users_list(limit=3):
        names += [member["name"] for member in page["members"]]
    assert names == [user.name for user in box.workspace.state.users.values()]
    with pytest.raises(SlackApiError) as raised:
        await client.users_list(cursor="made-up")
    assert error(raised) == "invalid_cursor"


async def test_opening_direct_messages(client: AsyncWebClient, box: Sandbox) -> None:
    opened = await client.conversations_open(users="U0ANN00001")
    assert opened["channel"]["id"] == box.workspace.dm_channel("ann").id
    for users, refusal in (("U404", "user_not_found"), ("", "users_list_not_supplied")):
        with pytest.raises(SlackApiError) as raised:
            await client.api_call("conversations.open", json={"users": users})
        assert error(raised) == refusal
    box.workspace.change_user("bob", deleted=True)
    with pytest.raises(SlackApiError) as raised:
        await client.conversations_open(users="U0BOB00001")
    assert error(raised) == "user_disabled"


async def test_faults_are_met_once(box: Sandbox, client: AsyncWebClient) -> None:
    faults = box.workspace.faults
    faults.ratelimit("chat.postMessage", retry_after=7)
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="1")
    assert raised.value.response.status_code == 429
    assert raised.value.response.headers["Retry-After"] == "7"
    faults.fail("chat.postMessage", "fatal_error")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="2")
    assert error(raised) == "fatal_error"
    faults.http_error("*", 503)
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="3")
    assert raised.value.response.status_code == 503
    await client.chat_postMessage(channel=TRIAGE, text="4")
    assert [m.text for m in box.workspace.channel("triage").messages] == ["4"]
    assert [c.status for c in box.workspace.calls_of("chat.postMessage")] == [429, 200, 503, 200]


async def test_a_dropped_answer_has_done_its_work(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.faults.drop_answer("chat.postMessage")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.chat_postMessage(channel=TRIAGE, text="done")
    box.workspace.faults.drop_request("chat.postMessage")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.chat_postMessage(channel=TRIAGE, text="not done")
    assert [m.text for m in box.workspace.channel("triage").messages] == ["done"]


async def test_down_and_up(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.faults.down()
    with pytest.raises(SlackApiError) as raised:
        await client.auth_test()
    assert raised.value.response.status_code == 503
    box.workspace.faults.up()
    await client.auth_test()


async def test_strict_rates_allow_a_burst_and_no_more(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.faults.strict_rates = True
    for number in range(5):
        await client.chat_postMessage(channel=TRIAGE, text=str(number))
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="too much")
    assert raised.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel=GENERAL, text="another channel isn't touched")


def test_methods_take_only_the_arguments_of_the_contract(contract: Contract) -> None:
    for name, method in METHODS.items():
        known = contract.method(name)
        if known is None:
            assert name in ("blocks.validate", "oauth.v2.access")  # not in the data
            continue
        assert {*method.required, *method.optional} <= set(known["args"]), name
        scopes = {scope["name"] for scope in known["scopes"].get("bot", [])}
        assert set(method.scopes) <= scopes, name
        required = {arg for arg, about in known["args"].items() if about.get("required")}
        assert set(method.required) <= required, name


def test_every_method_of_the_contract_is_served(contract: Contract) -> None:
    assert set(contract.methods) <= METHODS.keys()


def test_by_default_the_app_has_each_scope_of_the_contract(contract: Contract) -> None:
    listed = {
        s["name"] for name in contract.methods for s in (contract.method(name) or {})["scopes"].get("bot", [])
    }
    assert listed <= Sandbox().workspace.state.scopes


def test_tiers_are_those_of_the_contract(contract: Contract) -> None:
    for name, method in METHODS.items():
        label = (contract.method(name) or {}).get("rate_limit", {}).get("label", "")
        if label.startswith("Tier"):
            per_minute = {"1": 1, "2": 20, "3": 50, "4": 100}[label[5]]
            assert method.per_minute == per_minute, name


async def test_a_sandbox_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host="0.0.0.0")
