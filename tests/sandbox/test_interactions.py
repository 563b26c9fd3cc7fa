"""Clicks, commands, shortcuts, modals: payloads, the three seconds, answers by response_url."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from tests.sandbox.conftest import App

Json = dict[str, Any]


def words(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def options(*names: str) -> list[Json]:
    return [{"text": words(name), "value": name.lower()} for name in names]


CARD: list[Json] = [
    {
        "type": "actions",
        "block_id": "card",
        "elements": [
            {"type": "button", "action_id": "take", "text": words("Take it"), "value": "7"},
            {
                "type": "static_select",
                "action_id": "status",
                "placeholder": words("Status"),
                "options": options("Open", "Pending"),
                "initial_option": options("Open")[0],
            },
            {"type": "users_select", "action_id": "who", "placeholder": words("Who")},
        ],
    }
]
MODAL: Json = {
    "type": "modal",
    "callback_id": "new",
    "title": words("New ticket"),
    "submit": words("Create"),
    "private_metadata": "{}",
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "title",
            "label": words("Title"),
            "element": {"type": "plain_text_input", "action_id": "t", "max_length": 20},
        },
        {
            "type": "input",
            "block_id": "priority",
            "optional": True,
            "label": words("Priority"),
            "element": {"type": "static_select", "action_id": "p", "options": options("Low", "High")},
        },
    ],
}


async def card(client: AsyncWebClient) -> str:
    return str((await client.chat_postMessage(channel=TRIAGE, text="card", blocks=CARD))["ts"])


async def test_a_click_and_a_choice(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    bodies: list[Json] = []

    async def heard(ack: Any, body: Json) -> None:
        await ack()
        bodies.append(body)

    for name in ("take", "status", "who"):
        app.bolt.action(name)(heard)
    ts = await card(client)
    ada = box.workspace.user("ada")
    assert (await ada.click("triage", ts, "take")).acked
    assert (await ada.select("triage", ts, "status", "Pending")).acked
    assert (await ada.select("triage", ts, "who", "U0GRACE001")).acked
    taken, status, who = bodies
    assert (taken["actions"][0]["value"], taken["user"]["id"]) == ("7", ada.id)
    assert taken["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": TRIAGE,
        "is_ephemeral": False,
    }
    assert taken["message"]["bot_id"] == box.bot_id
    assert status["actions"][0]["selected_option"]["value"] == "pending"
    assert who["actions"][0]["selected_user"] == "U0GRACE001"
    assert who["state"]["values"]["card"]["status"]["selected_option"]["value"] == "pending"
    with pytest.raises(LookupError, match="take"):
        await ada.click("triage", ts, "nothing")


async def test_a_click_that_nobody_takes(box: Sandbox, client: AsyncWebClient) -> None:
    answer = await box.workspace.user("ada").click("triage", await card(client), "take")
    assert not answer.acked


async def test_a_command_opens_a_modal(box: Sandbox, app: App) -> None:
    @app.bolt.command("/ticket")
    async def command(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        with pytest.raises(SlackApiError) as raised:
            await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        assert raised.value.response["error"] == "exchanged_trigger_id"

    submitted: list[Json] = []

    @app.bolt.view("new")
    async def view(ack: Any, body: Json) -> None:
        values = body["view"]["state"]["values"]
        if values["title"]["t"]["value"] == "bad":
            await ack(response_action="errors", errors={"title": "Say more"})
        else:
            await ack()
            submitted.append(values)

    ann = box.workspace.user("ann")
    assert (await ann.command("/ticket", "now")).acked
    modal = ann.modal
    assert modal is not None
    for values, why in (
        ({}, "required"),
        ({"t": "x" * 21}, "too long"),
        ({"t": "a", "nonsense": "b"}, "nonsense"),
    ):
        with pytest.raises(ValueError, match=why):
            await ann.submit(modal.id, values)
    await ann.submit(modal.id, {"t": "bad"})
    assert modal.errors == {"title": "Say more"}
    await ann.submit(modal.id, {"title": "Fire", "p": "High"})
    assert ann.modal is None
    assert submitted[0]["title"] == {"t": {"type": "plain_text_input", "value": "Fire"}}
    assert submitted[0]["priority"]["p"]["selected_option"]["value"] == "high"


async def test_a_commands_ack_is_shown_to_who_typed_it(box: Sandbox, app: App) -> None:
    @app.bolt.command("/ticket")
    async def command(ack: Any) -> None:
        await ack("Only you see this")

    await box.workspace.user("ann").command("/ticket")
    assert [m.text for m in box.workspace.dm_channel("ann").ephemerals] == ["Only you see this"]


async def test_shortcuts(box: Sandbox, app: App) -> None:
    heard: list[Json] = []

    async def on_shortcut(ack: Any, body: Json) -> None:
        await ack()
        heard.append(body)

    app.bolt.shortcut("make_ticket")(on_shortcut)
    bob = box.workspace.user("bob")
    ts = await bob.post("general", "broken")
    assert (await bob.shortcut("make_ticket", "general", ts)).acked
    assert (await bob.shortcut("make_ticket")).acked
    assert [body["type"] for body in heard] == ["message_action", "shortcut"]
    assert heard[0]["message"]["text"] == "broken"


async def test_response_urls_work_five_times(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    urls: list[str] = []

    @app.bolt.action("take")
    async def take(ack: Any, body: Json, respond: Any) -> None:
        await ack()
        urls.append(body["response_url"])
        await respond(text="taken", replace_original=True)

    ts = await card(client)
    await box.workspace.user("ada").click("triage", ts, "take")
    room = box.workspace.channel("triage")
    assert [(m.ts, m.text, m.blocks) for m in room.messages] == [(ts, "taken", [])]
    async with aiohttp.ClientSession() as session:
        for body in (
            {"text": "you"},
            {"text": "all", "response_type": "in_channel"},
            {"text": "x"},
            {"text": "y"},
        ):
            async with session.post(urls[0], json=body) as answer:
                assert answer.status == 200
        async with session.post(urls[0], json={"text": "z"}) as answer:
            assert (answer.status, await answer.text()) == (404, "used_url")
    assert [m.text for m in room.ephemerals] == ["you", "x", "y"]
    assert room.messages[-1].text == "all"


async def test_views_have_hashes_and_a_stack(box: Sandbox, client: AsyncWebClient) -> None:
    made = box.workspace.interactions
    ann = box.workspace.user("ann")
    opened = await client.views_open(trigger_id=made.trigger(ann.state), view=MODAL)
    old = opened["view"]["hash"]
    await client.views_update(view_id=opened["view"]["id"], hash=old, view=MODAL)
    with pytest.raises(SlackApiError) as raised:
        await client.views_update(view_id=opened["view"]["id"], hash=old, view=MODAL)
    assert raised.value.response["error"] == "hash_conflict"
    for _ in range(2):
        await client.views_push(trigger_id=made.trigger(ann.state), view=MODAL)
    with pytest.raises(SlackApiError) as raised:
        await client.views_push(trigger_id=made.trigger(ann.state), view=MODAL)
    assert raised.value.response["error"] == "push_limit_reached"
    for trigger, refusal in (("made.up", "invalid_trigger_id"), (None, "expired_trigger_id")):
        made.trigger_seconds = -1
        with pytest.raises(SlackApiError) as raised:
            await client.views_open(trigger_id=trigger or made.trigger(ann.state), view=MODAL)
        assert raised.value.response["error"] == refusal
    with pytest.raises(SlackApiError) as raised:
        await client.views_update(view_id="V404", view=MODAL)
    assert raised.value.response["error"] == "not_found"


async def test_a_closed_modal_is_told(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    closed: list[Json] = []

    @app.bolt.view_closed("new")
    async def on_closed(ack: Any, body: Json) -> None:
        await ack()
        closed.append(body)

    ann = box.workspace.user("ann")
    trigger = box.workspace.interactions.trigger(ann.state)
    view_id = (await client.views_open(trigger_id=trigger, view=MODAL))["view"]["id"]
    await ann.close_modal(view_id)
    assert (ann.modal, closed[0]["view"]["id"]) == (None, view_id)


async def test_the_home_tab(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    @app.bolt.event("app_home_opened")
    async def opened(event: Json) -> None:
        button = {"type": "actions", "elements": [CARD[0]["elements"][0]]}
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [button]})

    pressed: list[Json] = []

    @app.bolt.action("take")
    async def take(ack: Any, body: Json) -> None:
        await ack()
        pressed.append(body)

    ann = box.workspace.user("ann")
    await ann.open_home()
    await box.workspace.wait_for(lambda: ann.home)
    assert ann.home is not None
    await ann.click_in_view(ann.home.id, "take")
    assert pressed[0]["container"] == {"type": "view", "view_id": ann.home.id}


async def test_a_broken_view_is_refused_with_a_pointer(box: Sandbox, client: AsyncWebClient) -> None:
    trigger = box.workspace.interactions.trigger(box.workspace.user("ann").state)
    with pytest.raises(SlackApiError) as raised:
        await client.views_open(trigger_id=trigger, view={**MODAL, "title": words("x" * 25)})
    assert raised.value.response["error"] == "invalid_arguments"
    assert "/view/title/text" in raised.value.response["response_metadata"]["messages"][0]
