"""Forms as the client fills them in, what apps offer in them, and what of a view Slack refuses."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox, SlackError
from tests.sandbox.conftest import App
from tests.sandbox.test_interactions import MODAL, options, words

Json = dict[str, Any]


def asked(name: str, kind: str, **more: Any) -> Json:
    element = {"type": kind, "action_id": name, **more}
    return {
        "type": "input",
        "block_id": f"b-{name}",
        "label": words(name),
        "optional": True,
        "element": element,
    }


FORM: Json = {
    **MODAL,
    "notify_on_close": False,
    "blocks": [
        asked("who", "users_select"),
        asked("room", "multi_channels_select"),
        asked("mail", "email_text_input"),
        asked("page", "url_text_input"),
        asked("age", "number_input", is_decimal_allowed=False, min_value="1", max_value="9"),
        asked("day", "datepicker"),
        asked("papers", "file_input", max_files=2, filetypes=["txt"]),
        asked("tags", "checkboxes", options=options("Loud", "Quick")),
        asked("ticket", "external_select", min_query_length=1),
        {
            "type": "actions",
            "block_id": "row",
            "elements": [
                {
                    "type": "static_select",
                    "action_id": "kind",
                    "options": options("One", "Two"),
                    "initial_option": options("One")[0],
                },
                {"type": "button", "action_id": "more", "text": words("More")},
            ],
        },
    ],
}


@pytest.fixture
async def opened(box: Sandbox, app: App, client: AsyncWebClient) -> Json:
    """Ann has the form before her; what's submitted ends up here."""
    heard: Json = {}

    @app.bolt.view("new")
    async def submitted(ack: Any, body: Json) -> None:
        await ack()
        values = body["view"]["state"]["values"]
        heard.update({action: value for inner in values.values() for action, value in inner.items()})

    @app.bolt.action("kind")
    async def acted(ack: Any, body: Json) -> None:
        await ack()
        heard["state"] = body.get("view", body)["state"]["values"]

    @app.bolt.options("ticket")
    async def offer(ack: Any, payload: Json) -> None:
        await ack(options=options(*[n for n in ("Fire", "Flood") if payload["value"] in n.lower()]))

    trigger = box.workspace.interactions.trigger(box.workspace.user("ann").state)
    await client.views_open(trigger_id=trigger, view=FORM)
    return heard


async def test_everything_filled_in(box: Sandbox, opened: Json, client: AsyncWebClient) -> None:
    ann = box.workspace.user("ann")
    assert ann.modal
    found = await ann.suggest("ticket", "fl", view_id=ann.modal.id)
    assert [option["value"] for option in found] == ["flood"]
    values = {
        "who": "grace",
        "room": ["general"],
        "mail": "a@b.example",
        "page": "https://x.example/",
        "age": "7",
        "day": "2030-01-31",
        "papers": [("a.txt", b"abc"), ("b.txt", b"")],
        "tags": ["Loud"],
        "ticket": found[0],
    }
    assert (await ann.submit(ann.modal.id, values)).acked
    assert opened["who"]["selected_user"] == "U0GRACE001"
    assert opened["room"]["selected_channels"] == ["C0GENERAL1"]
    assert opened["ticket"]["selected_option"]["value"] == "flood"
    first, second = opened["papers"]["files"]
    assert (first["name"], first["size"], second["size"]) == ("a.txt", 3, 0)
    assert (await client.files_info(file=first["id"]))["file"]["name"] == "a.txt"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"mail": "nobody"}, "not an e-mail"),
        ({"page": "x"}, "not an address of the web"),
        ({"age": "x"}, "not a number"),
        ({"age": "1.5"}, "no decimals"),
        ({"age": "10"}, "out of range"),
        ({"day": "31.1."}, "not a date"),
        ({"papers": [("a.exe", b"x")]}, "only txt"),
        ({"papers": [("a.txt", b"x")] * 3}, "no more than 2"),
        ({"papers": [("a.txt", bytes(10 * 1024 * 1024 + 1))]}, "larger than 10 MB"),
        ({"tags": ["Slow"]}, "Slow"),
    ],
)
async def test_the_client_refuses(box: Sandbox, opened: Json, values: Json, why: str) -> None:
    ann = box.workspace.user("ann")
    assert ann.modal
    with pytest.raises((ValueError, LookupError), match=why):
        await ann.submit(ann.modal.id, values)
    assert ann.modal
    assert opened == {}


async def test_choices_in_a_view_are_in_its_state(box: Sandbox, opened: Json, client: AsyncWebClient) -> None:
    ann = box.workspace.user("ann")
    view = ann.modal
    assert view
    assert view.values["row"]["kind"]["selected_option"]["value"] == "one"
    await ann.click_in_view(view.id, "kind", "Two")
    assert opened["state"]["row"]["kind"]["selected_option"]["value"] == "two"
    updated = await client.views_update(view_id=view.id, hash=view.hash, view=FORM)
    kept = updated["view"]["state"]["values"]["row"]["kind"]["selected_option"]["value"]
    assert kept == "two"
    lines = ann.render_modal().split("\n")
    assert (lines[0], lines[1], lines[-2:]) == (
        "== New ticket ==",
        "who (optional): [… ▾]",
        ["[One ▾] [More]", "[Create]"],
    )


async def test_a_select_that_asks_the_app_in_a_message(
    box: Sandbox, opened: Json, app: App, client: AsyncWebClient
) -> None:
    row = {"type": "actions", "elements": [FORM["blocks"][8]["element"], FORM["blocks"][9]["elements"][1]]}
    ts = (await client.chat_postMessage(channel=TRIAGE, text="card", blocks=[row]))["ts"]
    ada = box.workspace.user("ada")
    assert await ada.suggest("ticket", "x", channel="triage", ts=ts) == []
    with pytest.raises(LookupError, match="asks the app for nothing"):
        await ada.suggest("more", "x", channel="triage", ts=ts)

    many = [{"text": words(str(n)), "value": str(n)} for n in range(101)]

    @app.bolt.options("many")
    async def offer(ack: Any) -> None:
        await ack(options=many)

    row["elements"] = [{"type": "external_select", "action_id": "many"}]
    ts = (await client.chat_postMessage(channel=TRIAGE, text="card", blocks=[row]))["ts"]
    with pytest.raises(ValueError, match="100 is the most"):
        await ada.suggest("many", "x", channel="triage", ts=ts)


async def test_what_was_chosen_stays_until_the_blocks_change(
    box: Sandbox, opened: Json, client: AsyncWebClient
) -> None:
    row = FORM["blocks"][9]
    ts = (await client.chat_postMessage(channel=TRIAGE, text="card", blocks=[row]))["ts"]
    message = box.workspace.channel("triage").messages[0]
    await box.workspace.user("ada").select("triage", ts, "kind", "Two")
    assert message.selected["kind"]["selected_option"]["value"] == "two"
    await client.chat_update(channel=TRIAGE, ts=ts, text="card", blocks=[row, {"type": "divider"}])
    assert message.selected == {}


async def test_an_ephemeral_message_is_its_readers(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    @app.bolt.action("more")
    async def more(ack: Any, body: Json, respond: Any) -> None:
        await ack()
        assert body["container"]["is_ephemeral"] is True
        await respond(text="done", replace_original=True)

    row = {"type": "actions", "elements": [FORM["blocks"][9]["elements"][1]]}
    sent = await client.chat_postEphemeral(channel=TRIAGE, user="U0ADA00001", text="only you", blocks=[row])
    with pytest.raises(SlackError, match="message_not_found"):
        await box.workspace.user("grace").click("triage", sent["message_ts"], "more")
    await box.workspace.user("ada").click("triage", sent["message_ts"], "more")
    assert [(m.text, m.blocks) for m in box.workspace.channel("triage").ephemerals] == [("done", [])]


async def test_errors_name_blocks_that_are_there(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    @app.bolt.view("new")
    async def submitted(ack: Any) -> None:
        await ack(response_action="errors", errors={"nowhere": "x"})

    ann = box.workspace.user("ann")
    trigger = box.workspace.interactions.trigger(ann.state)
    view = (await client.views_open(trigger_id=trigger, view=MODAL))["view"]
    with pytest.raises(ValueError, match="nowhere"):
        await ann.submit(view["id"], {"t": "x"})


async def test_a_stack_is_closed_at_once_or_one_by_one(
    box: Sandbox, app: App, client: AsyncWebClient
) -> None:
    closed: list[bool] = []

    @app.bolt.view_closed("new")
    async def on_closed(ack: Any, body: Json) -> None:
        await ack()
        closed.append(body["is_cleared"])

    ann, made = box.workspace.user("ann"), box.workspace.interactions
    first = (await client.views_open(trigger_id=made.trigger(ann.state), view=MODAL))["view"]
    for _ in range(2):
        pushed = (await client.views_push(trigger_id=made.trigger(ann.state), view=MODAL))["view"]
    assert pushed["root_view_id"] == first["id"]
    await ann.close_modal(pushed["id"])
    assert ann.modal
    await ann.close_modal(ann.modal.id, everything=True)
    assert (ann.modal, closed) == (None, [False, True, True])


@pytest.mark.parametrize(
    ("view", "refusal"),
    [
        ({"type": "home", "blocks": [{"type": "divider"}]}, "invalid_arguments"),
        ({**MODAL, "private_metadata": "x" * 3001}, "invalid_arguments"),
        (
            {**MODAL, "blocks": [{"type": "section", "text": words("x" * 3000)}] * 90},
            "view_too_large",
        ),
        ({**MODAL, "submit": None}, "invalid_arguments"),
    ],
)
async def test_views_that_are_refused(box: Sandbox, client: AsyncWebClient, view: Json, refusal: str) -> None:
    trigger = box.workspace.interactions.trigger(box.workspace.user("ann").state)
    with pytest.raises(SlackApiError) as raised:
        await client.views_open(trigger_id=trigger, view=view)
    assert raised.value.response["error"] == refusal


async def test_external_ids_are_taken_once(box: Sandbox, client: AsyncWebClient) -> None:
    made = box.workspace.interactions
    view = {**MODAL, "external_id": "one"}
    await client.views_open(trigger_id=made.trigger(box.workspace.user("ann").state), view=view)
    with pytest.raises(SlackApiError) as raised:
        await client.views_open(trigger_id=made.trigger(box.workspace.user("bob").state), view=view)
    assert raised.value.response["error"] == "duplicate_external_id"
    assert (await client.views_update(external_id="one", view=view))["view"]["external_id"] == "one"


async def test_the_home_tab_comes_with_its_event(box: Sandbox, client: AsyncWebClient) -> None:
    ann = box.workspace.user("ann")
    await ann.open_home()
    assert "view" not in box.workspace.events[-1]["event"]
    view = {"type": "home", "blocks": [{"type": "header", "text": words("Yours")}]}
    published = await client.views_publish(user_id=ann.id, view=view)
    await ann.open_home()
    assert box.workspace.events[-1]["event"]["view"]["id"] == published["view"]["id"]
    assert ann.render_home() == "# Yours"
    with pytest.raises(ValueError, match="no button"):
        await ann.submit(published["view"]["id"], {})
