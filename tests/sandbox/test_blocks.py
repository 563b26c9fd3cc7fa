"""Block Kit: what the contract calls valid passes, what it calls invalid doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.blocks import Problem, check_blocks, check_element, check_object, check_rich, check_view
from tests.sandbox.contract import Contract

Json = dict[str, Any]
OBJECTS = {
    "confirmation_dialogue": "confirm",
    "conversation_filter": "filter",
    "dispatch_action_configuration": "dispatch_action_config",
    "input_parameter": "input_parameter",
    "option_group": "option_group",
    "option": "option",
    "text_plaintext": "plain_text",
    "text_markdown": "mrkdwn",
    "trigger": "trigger",
    "workflow": "workflow",
}


def problems_of(path: Path, body: Any) -> list[Problem]:
    match path.parent.name:
        case "blocks":
            return check_blocks([body])
        case "elements":
            return check_element(body)
        case "rich_text":
            return check_rich(body)
        case "views":
            return check_view(body)
        case "objects":
            name = next(found for start, found in OBJECTS.items() if path.stem.startswith(start))
            return check_object(name, body)
    lists = [body.get("blocks", []), *(a.get("blocks", []) for a in body.get("attachments", []))]
    return [p for blocks in lists for p in check_blocks(unique(blocks))]


def unique(blocks: list[Json]) -> list[Json]:
    """The fixtures repeat a block_id within a message, which Slack doesn't take."""
    return [{**block, "block_id": f"b{number}"} for number, block in enumerate(blocks)]


def test_valid_fixtures_pass(contract: Contract) -> None:
    paths = sorted((contract.folder / "blockkit/fixtures/valid").rglob("*.json"))
    assert len(paths) == 100
    wrong = {p.stem: found for p in paths if (found := problems_of(p, json.loads(p.read_text("utf-8"))))}
    assert wrong == {}


# -- invalid cases: the contract names the rule, each builder breaks it ---------------------------------------


def t(n: int, kind: str = "plain_text") -> Json:
    return {"type": kind, "text": "x" * n}


def opts(n: int, **more: Any) -> list[Json]:
    return [{"text": t(1), "value": str(i), **more} for i in range(n)]


def el(kind: str, **more: Any) -> list[Problem]:
    return check_element({"type": kind, "action_id": "a", **more})


def bl(kind: str, **more: Any) -> list[Problem]:
    return check_blocks([{"type": kind, **more}])


def button(**more: Any) -> list[Problem]:
    return el("button", **{"text": t(1), **more})


def confirm(**more: Any) -> list[Problem]:
    return check_object("confirm", {"title": t(1), "text": t(1), "confirm": t(1), "deny": t(1), **more})


def option(**more: Any) -> list[Problem]:
    return check_object("option", {"text": t(1), "value": "v", **more})


def modal(**more: Any) -> list[Problem]:
    return check_view(
        {"type": "modal", "title": t(1), "submit": t(1), "blocks": [{"type": "divider"}], **more}
    )


def image(**more: Any) -> list[Problem]:
    return bl("image", **{"image_url": "https://x", "alt_text": "a", **more})


def field(**more: Any) -> list[Problem]:
    return bl("input", **{"label": t(1), "element": {"type": "plain_text_input"}, **more})


def video(**more: Any) -> list[Problem]:
    base = {"alt_text": "a", "title": t(1), "thumbnail_url": "https://x", "video_url": "https://x"}
    return bl("video", **{**base, **more})


def table(rows: list[list[Json]], **more: Any) -> list[Problem]:
    return bl("table", rows=rows, **more)


def cells(rows: int, columns: int = 1, text: str = "x") -> list[list[Json]]:
    return [[{"type": "raw_text", "text": text}] * columns for _ in range(rows)]


def feedback(**more: Any) -> list[Problem]:
    return check_object("feedback_button", {"text": t(1), "value": "v", **more})


def chart(chart_type: str, **more: Any) -> list[Problem]:
    return bl("data_visualization", title="t", chart={"type": chart_type, **more})


def pie(n: int = 1, **more: Any) -> list[Problem]:
    return chart("pie", segments=[{"label": "l", "value": 1, **more}] * n)


def series(n: int = 1, points: int = 1, name: str = "s", label: str = "l", **axis: Any) -> list[Problem]:
    line = {"name": name, "data": [{"label": label, "value": 1}] * points}
    return chart("bar", series=[line] * n, axis_config=axis)


CARDS = [{"type": "card", "title": t(1), "block_id": str(i)} for i in range(11)]
BUTTON: Json = {"type": "button", "text": t(1)}

BREAK: dict[str, Callable[[], list[Problem]]] = {
    "text-empty": lambda: check_object("mrkdwn", t(0, "mrkdwn")),
    "text-too-long": lambda: check_object("mrkdwn", t(3001, "mrkdwn")),
    "button-action-id-too-long": lambda: button(action_id="x" * 256),
    "button-text-too-long": lambda: button(text=t(76)),
    "button-url-too-long": lambda: button(url="x" * 3001),
    "button-value-too-long": lambda: button(value="x" * 2001),
    "button-accessibility-label-too-long": lambda: button(accessibility_label="x" * 76),
    "confirmation-title-too-long": lambda: confirm(title=t(101)),
    "confirmation-text-too-long": lambda: confirm(text=t(301)),
    "confirmation-confirm-too-long": lambda: confirm(confirm=t(31)),
    "confirmation-deny-too-long": lambda: confirm(deny=t(31)),
    "option-text-too-long": lambda: option(text=t(76)),
    "option-value-too-long": lambda: option(value="x" * 151),
    "option-url-too-long": lambda: option(url="\U0001f600" * 3001),
    "option-description-too-long": lambda: option(description=t(76)),
    "option-group-label-too-long": lambda: check_object("option_group", {"label": t(76), "options": opts(1)}),
    "option-group-empty": lambda: check_object("option_group", {"label": t(1), "options": []}),
    "option-group-too-many-options": lambda: check_object(
        "option_group", {"label": t(1), "options": opts(101)}
    ),
    "select-placeholder-too-long": lambda: el("static_select", options=opts(1), placeholder=t(151)),
    "select-too-many-options": lambda: el("static_select", options=opts(101)),
    "select-too-many-option-groups": lambda: el(
        "static_select", option_groups=[{"label": t(1), "options": opts(1)}] * 101
    ),
    "static-select-options-and-groups": lambda: el(
        "static_select", options=opts(1), option_groups=[{"label": t(1), "options": opts(1)}]
    ),
    "overflow-empty": lambda: el("overflow", options=[]),
    "overflow-too-many-options": lambda: el("overflow", options=opts(6)),
    "checkboxes-empty": lambda: el("checkboxes", options=[]),
    "checkboxes-too-many-options": lambda: el("checkboxes", options=opts(11)),
    "radio-buttons-empty": lambda: el("radio_buttons", options=[]),
    "radio-buttons-too-many-options": lambda: el("radio_buttons", options=opts(11)),
    "url-source-url-empty": lambda: check_element({"type": "url", "url": "", "text": "x"}),
    "url-source-url-too-long": lambda: check_element({"type": "url", "url": "x" * 3001, "text": "x"}),
    "table-too-many-rows": lambda: table(cells(101)),
    "table-ragged-rows": lambda: table([*cells(1, 1), *cells(1, 2)]),
    "table-column-settings-mismatch": lambda: table(cells(1), column_settings=[{}, {}]),
    "file-input-max-files-too-small": lambda: el("file_input", max_files=0),
    "file-input-max-files-too-large": lambda: el("file_input", max_files=11),
    "plain-text-input-max-length-too-large": lambda: el("plain_text_input", max_length=3001),
    "number-input-inverted-range": lambda: el("number_input", min_value="2", max_value="1"),
    "actions-too-many-elements": lambda: bl("actions", elements=[BUTTON] * 26),
    "context-too-many-elements": lambda: bl("context", elements=[t(1)] * 11),
    "context-invalid-element": lambda: bl("context", elements=[BUTTON]),
    "header-text-too-long": lambda: bl("header", text=t(151)),
    "image-url-too-long": lambda: image(image_url="x" * 3001),
    "image-alt-text-too-long": lambda: image(alt_text="x" * 2001),
    "image-url-and-slack-file": lambda: image(slack_file={"id": "F1"}),
    "input-label-too-long": lambda: field(label=t(2001)),
    "input-hint-too-long": lambda: field(hint=t(2001)),
    "input-invalid-element": lambda: field(element=BUTTON),
    "markdown-empty": lambda: bl("markdown", text=""),
    "markdown-too-long": lambda: bl("markdown", text="x" * 12_001),
    "section-text-too-long": lambda: bl("section", text=t(3001)),
    "section-too-many-fields": lambda: bl("section", fields=[t(1)] * 11),
    "section-field-too-long": lambda: bl("section", fields=[t(2001)]),
    "section-missing-content": lambda: bl("section"),
    "block-id-too-long": lambda: bl("divider", block_id="x" * 256),
    "video-alt-text-empty": lambda: video(alt_text=""),
    "video-alt-text-too-long": lambda: video(alt_text="x" * 201),
    "video-title-too-long": lambda: video(title=t(201)),
    "video-author-name-too-long": lambda: video(author_name="x" * 51),
    "video-description-too-long": lambda: video(description=t(201)),
    "video-provider-name-too-long": lambda: video(provider_name="x" * 51),
    "view-missing-blocks": lambda: modal(blocks=[]),
    "view-too-many-blocks": lambda: modal(blocks=[{"type": "divider"}] * 101),
    "view-private-metadata-too-long": lambda: modal(private_metadata="x" * 3001),
    "view-callback-id-too-long": lambda: modal(callback_id="x" * 256),
    "view-title-too-long": lambda: modal(title=t(25)),
    "view-close-too-long": lambda: modal(close=t(25)),
    "view-submit-too-long": lambda: modal(submit=t(25)),
    "alert-text-too-long": lambda: bl("alert", text=t(201)),
    "card-title-too-long": lambda: bl("card", title=t(151)),
    "card-subtitle-too-long": lambda: bl("card", subtitle=t(151)),
    "card-body-too-long": lambda: bl("card", body=t(201)),
    "card-too-many-actions": lambda: bl("card", actions=[BUTTON] * 4),
    "card-subtext-too-long": lambda: bl("card", subtext=t(201)),
    "carousel-empty": lambda: bl("carousel", elements=[]),
    "carousel-too-many-cards": lambda: bl("carousel", elements=CARDS),
    "container-title-too-long": lambda: bl("container", title=t(151), child_blocks=[]),
    "container-subtitle-too-long": lambda: bl("container", subtitle=t(151), child_blocks=[]),
    "container-too-many-child-blocks": lambda: bl("container", child_blocks=[{"type": "divider"}] * 11),
    "context-actions-too-many-elements": lambda: bl(
        "context_actions", elements=[{"type": "icon_button", "icon": "trash", "text": t(1)}] * 6
    ),
    "feedback-button-text-too-long": lambda: feedback(text=t(76)),
    "feedback-button-value-too-long": lambda: feedback(value="x" * 2001),
    "feedback-button-accessibility-label-too-long": lambda: feedback(accessibility_label="x" * 76),
    "icon-button-too-many-visible-users": lambda: el(
        "icon_button", icon="trash", text=t(1), visible_to_user_ids=["U1"] * 11
    ),
    "data-table-too-few-rows": lambda: bl("data_table", rows=cells(1)),
    "data-table-too-many-rows": lambda: bl("data_table", rows=cells(202)),
    "data-table-too-few-columns": lambda: bl("data_table", rows=[[], []]),
    "data-table-too-many-columns": lambda: bl("data_table", rows=cells(2, 21)),
    "data-table-page-size-too-small": lambda: bl("data_table", rows=cells(2), page_size=0),
    "data-table-page-size-too-large": lambda: bl("data_table", rows=cells(2), page_size=101),
    "data-table-cell-text-empty": lambda: bl("data_table", rows=cells(2, text="")),
    "data-table-content-too-long": lambda: bl("data_table", rows=cells(2, text="x" * 10_001)),
    "data-visualization-title-too-long": lambda: bl(
        "data_visualization", title="x" * 51, chart={"type": "pie", "segments": [{"label": "l", "value": 1}]}
    ),
    "pie-chart-empty": lambda: pie(0),
    "pie-chart-too-many-segments": lambda: pie(13),
    "chart-segment-label-too-long": lambda: pie(label="x" * 21),
    "chart-segment-value-not-positive": lambda: pie(value=0),
    "chart-series-empty": lambda: series(0),
    "chart-too-many-series": lambda: series(13),
    "data-series-name-too-long": lambda: series(name="x" * 21),
    "data-series-empty": lambda: series(points=0),
    "data-series-too-many-points": lambda: series(points=21),
    "data-point-label-too-long": lambda: series(label="x" * 21),
    "axis-categories-empty": lambda: series(categories=[]),
    "axis-too-many-categories": lambda: series(categories=["c"] * 21),
    "axis-category-label-too-long": lambda: series(categories=["x" * 21]),
    "axis-label-too-long": lambda: series(x_label="x" * 51),
}


@pytest.mark.parametrize("case", BREAK)
def test_a_broken_rule_is_found(case: str) -> None:
    found = BREAK[case]()
    assert len(found) == 1, found
    assert found[0].code != "unknown"
    assert found[0].pointer == "" or found[0].pointer.startswith("/")  # "" is the whole of it


def test_the_builders_are_valid_before_they_are_broken() -> None:
    for found in (
        button(),
        confirm(),
        option(),
        modal(),
        image(),
        field(),
        video(),
        feedback(),
        pie(),
        series(),
    ):
        assert found == []
    assert table(cells(2)) == bl("data_table", rows=cells(2)) == el("static_select", options=opts(100)) == []


def test_every_invalid_case_of_the_contract_has_its_builder(contract: Contract) -> None:
    listed = json.loads((contract.folder / "blockkit/fixtures/invalid/manifest.json").read_text("utf-8"))
    assert {case["id"] for case in listed["cases"]} == set(BREAK)


def test_pointers_lead_to_what_is_wrong() -> None:
    blocks = [{"type": "divider"}, {"type": "actions", "elements": [BUTTON, {**BUTTON, "text": t(76)}]}]
    assert [p.pointer for p in check_blocks(blocks)] == ["/blocks/1/elements/1/text/text"]


def test_more_than_single_rules() -> None:
    assert [p.code for p in check_blocks([{"type": "divider"}] * 51)] == ["too_many"]
    assert [p.code for p in check_blocks([{"type": "divider", "block_id": "a"}] * 2)] == ["duplicate"]
    assert [p.code for p in check_blocks([{"type": "nonsense"}])] == ["invalid_type"]
    assert [p.code for p in check_blocks([{"type": "divider", "colour": "red"}])] == ["unknown"]
    assert [
        p.code for p in modal(submit=None, blocks=[{"type": "input", "label": t(1), "element": INPUT}])
    ] == ["missing"]


INPUT: Json = {"type": "plain_text_input", "action_id": "a"}


async def test_blocks_validate_says_the_same(client: AsyncWebClient) -> None:
    from slack_sdk.errors import SlackApiError

    with pytest.raises(SlackApiError) as raised:
        await client.api_call("blocks.validate", json={"blocks": [{"type": "header", "text": t(151)}]})
    problem = raised.value.response["errors"][0]
    assert set(problem) == {"code", "message", "field", "pointer", "constraint"}
    assert problem["pointer"] == "/blocks/0/text/text"


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
async def test_valid_blocks_go_through_the_door(client: AsyncWebClient, contract: Contract) -> None:
    paths = sorted((contract.folder / "blockkit/fixtures/valid/blocks").glob("*.json"))
    for path in paths:
        block = json.loads(path.read_text("utf-8"))
        if block["type"] != "input":
            await client.chat_postMessage(channel="C0TRIAGE01", text="fallback", blocks=[block])
    assert len(paths) > 20


async def test_a_refusal_has_its_pointer(client: AsyncWebClient) -> None:
    from slack_sdk.errors import SlackApiError

    broken = [{"type": "divider"}, {"type": "actions", "elements": [{**BUTTON, "value": "x" * 2001}]}]
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel="C0TRIAGE01", text="fallback", blocks=broken)
    said = raised.value.response["response_metadata"]["messages"]
    assert said == ["[ERROR] must be less than 2001 characters [json-pointer:/blocks/1/elements/0/value]"]
