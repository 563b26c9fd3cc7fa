"""The tables: every block, element and composition object that an app may send, with its limits.

Taken as facts from docs.slack.dev/reference/block-kit (2026) and the contract's `blockkit/limits.json`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.block_rules import (
    ANY,
    Number,
    Problem,
    Rule,
    Shape,
    any_of,
    each,
    exactly_one,
    marked,
    one_of,
    plain,
    text,
    word,
)
from sandbox.charts import CHART, DATA_TABLE, TABLE
from sandbox.shapes import Json

SURFACES: dict[str, int] = {"message": 50, "view": 100}

ACTION_ID = word(255)
_TYPE: dict[str, Rule] = {"type": word()}
_BLOCK: dict[str, Rule] = {"type": word(), "block_id": word(255)}
_ACTION: dict[str, Rule] = {
    "type": word(),
    "action_id": ACTION_ID,
    "confirm": "confirm",
    "focus_on_load": ANY,
}
_PLACEHOLDER: dict[str, Rule] = {"placeholder": plain(150)}


def _text_object(kind: str) -> Shape:
    fields: dict[str, Rule] = {"type": one_of(kind), "text": word(3000, 1)}
    fields |= {"emoji": ANY} if kind == "plain_text" else {"verbatim": ANY}
    return Shape(fields, ("type", "text"))


OBJECTS: dict[str, Shape] = {
    "plain_text": _text_object("plain_text"),
    "mrkdwn": _text_object("mrkdwn"),
    "confirm": Shape(
        {
            "title": plain(100),
            "text": text(300),
            "confirm": plain(30),
            "deny": plain(30),
            "style": one_of("primary", "danger"),
        },
        ("title", "text", "confirm", "deny"),
    ),
    "option": Shape(
        {"text": text(75), "value": word(150), "description": text(75), "url": word(3000)}, ("text", "value")
    ),
    "option_group": Shape({"label": plain(75), "options": each("option", 100, 1)}, ("label", "options")),
    "filter": Shape({"include": ANY, "exclude_external_shared_channels": ANY, "exclude_bot_users": ANY}),
    "dispatch_action_config": Shape({"trigger_actions_on": each(word())}),
    "trigger": Shape({"url": word(), "customizable_input_parameters": each("input_parameter")}, ("url",)),
    "input_parameter": Shape({"name": word(), "value": ANY}, ("name", "value")),
    "workflow": Shape({"trigger": "trigger"}, ("trigger",)),
    "slack_file": Shape({"id": word(), "url": word()}, (), exactly_one("id", "url", constraint="slack_file")),
    "url_source": Shape({"type": one_of("url"), "url": word(3000, 1), "text": word()}, ("type", "url")),
    "feedback_button": Shape(
        {"text": plain(75), "value": word(2000), "accessibility_label": word(75)}, ("text", "value")
    ),
    "task": Shape(
        {
            "task_id": word(),
            "title": word(),
            "status": ANY,
            "output": "block",
            "details": "block",
            "sources": each("url_source"),
        },
        ("task_id", "title"),
    ),
    "chart": CHART,
}


def _select(name: str, **more: Rule) -> Shape:
    return Shape(
        {
            **_ACTION,
            **_PLACEHOLDER,
            f"initial_{name}": ANY,
            "max_selected_items": Number(1),
            "response_url_enabled": ANY,
            **more,
        }
    )


def _static() -> Shape:
    fields: dict[str, Rule] = {
        **_ACTION,
        **_PLACEHOLDER,
        "options": each("option", 100, 1),
        "option_groups": each("option_group", 100, 1),
        "initial_option": "option",
        "initial_options": each("option"),
        "max_selected_items": Number(1),
    }
    return Shape(
        fields, (), exactly_one("options", "option_groups", constraint="static_select.choice_source")
    )


def _choices(most: int, *names: str) -> Shape:
    fields: dict[str, Rule] = {**_ACTION, "options": each("option", most, 1)}
    return Shape(fields | dict.fromkeys(names, ANY), ("options",))


def _input(**more: Rule) -> Shape:
    return Shape(
        {**_ACTION, **_PLACEHOLDER, "dispatch_action_config": "dispatch_action_config", "initial_value": ANY}
        | more
    )


def _range(value: Json, pointer: str) -> Iterator[Problem]:
    try:
        low, high = float(value.get("min_value", "-inf")), float(value.get("max_value", "inf"))
    except ValueError:
        yield Problem("invalid_value", "must be a number", "min_value", pointer, "number_input.range")
        return
    if low > high:
        said = "min_value must not exceed max_value"
        yield Problem("out_of_range", said, "min_value", pointer, "number_input.range")


_IMAGE: dict[str, Rule] = {
    "image_url": word(3000, 1),
    "slack_file": "slack_file",
    "alt_text": word(2000),
}
_IMAGE_SOURCE = exactly_one("image_url", "slack_file", constraint="image.source")

ELEMENTS: dict[str, Shape] = {
    "button": Shape(
        {
            **_ACTION,
            "text": plain(75),
            "url": word(3000),
            "value": word(2000),
            "style": one_of("primary", "danger"),
            "accessibility_label": word(75),
        },
        ("text",),
    ),
    "workflow_button": Shape(
        {**_ACTION, "text": plain(75), "workflow": "workflow", "style": ANY, "accessibility_label": word(75)},
        ("text", "workflow"),
    ),
    "image": Shape({**_TYPE, **_IMAGE}, ("alt_text",), _IMAGE_SOURCE),
    "static_select": _static(),
    "multi_static_select": _static(),
    "external_select": _select("option", min_query_length=Number(0)),
    "multi_external_select": _select("options", min_query_length=Number(0)),
    "users_select": _select("user"),
    "multi_users_select": _select("users"),
    "channels_select": _select("channel"),
    "multi_channels_select": _select("channels"),
    "conversations_select": _select("conversation", filter="filter", default_to_current_conversation=ANY),
    "multi_conversations_select": _select(
        "conversations", filter="filter", default_to_current_conversation=ANY
    ),
    "overflow": _choices(5),
    "checkboxes": _choices(10, "initial_options"),
    "radio_buttons": _choices(10, "initial_option"),
    "datepicker": Shape({**_ACTION, **_PLACEHOLDER, "initial_date": word(10)}),
    "timepicker": Shape({**_ACTION, **_PLACEHOLDER, "initial_time": word(5), "timezone": word()}),
    "datetimepicker": Shape({**_ACTION, "initial_date_time": Number(0)}),
    "plain_text_input": _input(
        multiline=ANY, min_length=Number(0, 3000), max_length=Number(1, 3000), initial_value=word(3000)
    ),
    "email_text_input": _input(),
    "url_text_input": _input(),
    "number_input": Shape(
        {**_input().fields, "is_decimal_allowed": ANY, "min_value": ANY, "max_value": ANY}, (), _range
    ),
    "rich_text_input": _input(),
    "file_input": Shape({**_ACTION, "filetypes": each(word()), "max_files": Number(1, 10)}),
    "feedback_buttons": Shape(
        {**_ACTION, "positive_button": "feedback_button", "negative_button": "feedback_button"},
        ("positive_button", "negative_button"),
    ),
    "icon_button": Shape(
        {
            **_ACTION,
            "icon": word(),
            "text": plain(75),
            "value": word(2000),
            "accessibility_label": word(75),
            "visible_to_user_ids": each(word(), 10),
        },
        ("icon", "text"),
    ),
    "url": OBJECTS["url_source"],
    "icon": Shape({**_TYPE, "name": word()}, ("name",)),
    "plain_text": OBJECTS["plain_text"],
    "mrkdwn": OBJECTS["mrkdwn"],
}

_INPUTS = tuple(name for name in ELEMENTS if name.endswith(("_input", "_select", "picker")))
_IN_INPUT = (*_INPUTS, "checkboxes", "radio_buttons")
_IN_ACTIONS = (*(n for n in _IN_INPUT if n != "file_input"), "button", "workflow_button", "overflow")

BLOCKS: dict[str, Shape] = {
    "actions": Shape({**_BLOCK, "elements": each("element", 25, 1, _IN_ACTIONS)}, ("elements",)),
    "context": Shape(
        {**_BLOCK, "elements": each("element", 10, 1, ("image", "plain_text", "mrkdwn"))}, ("elements",)
    ),
    "context_actions": Shape(
        {**_BLOCK, "elements": each("element", 5, 1, ("feedback_buttons", "icon_button"))}, ("elements",)
    ),
    "divider": Shape(_BLOCK),
    "file": Shape({**_BLOCK, "external_id": word(), "source": word(), "file_id": word()}),
    "header": Shape({**_BLOCK, "text": plain(150), "level": ANY}, ("text",)),
    "image": Shape({**_BLOCK, **_IMAGE, "title": plain(2000)}, ("alt_text",), _IMAGE_SOURCE),
    "input": Shape(
        {
            **_BLOCK,
            "label": plain(2000),
            "element": "input_element",
            "hint": plain(2000),
            "optional": ANY,
            "dispatch_action": ANY,
        },
        ("label", "element"),
    ),
    "markdown": Shape({**_BLOCK, "text": word(12_000, 1)}, ("text",)),
    "rich_text": Shape({**_BLOCK, "elements": each("rich")}, ("elements",)),
    "section": Shape(
        {
            **_BLOCK,
            "text": text(3000),
            "fields": each(text(2000), 10, 1),
            "accessory": "element",
            "expand": ANY,
        },
        (),
        any_of("text", "fields", constraint="section.content"),
    ),
    "table": TABLE,
    "data_table": DATA_TABLE,
    "data_visualization": Shape({**_BLOCK, "title": word(50), "chart": "chart"}, ("title", "chart")),
    "alert": Shape({**_BLOCK, "text": text(200), "level": word()}, ("text",)),
    "card": Shape(
        {
            **_BLOCK,
            "title": text(150),
            "subtitle": text(150),
            "body": text(200),
            "subtext": text(200),
            "actions": each("element", 3),
            "hero_image": "element",
            "icon": "element",
            "slack_icon": "element",
        }
    ),
    "carousel": Shape({**_BLOCK, "elements": each("block", 10, 1, ("card",))}, ("elements",)),
    "container": Shape(
        {
            **_BLOCK,
            "title": text(150),
            "subtitle": text(150),
            "child_blocks": each("block", 10),
            "width": ANY,
            "is_collapsible": ANY,
            "default_collapsed": ANY,
            "has_header_divider": ANY,
        },
        ("child_blocks",),
    ),
    "plan": Shape({**_BLOCK, "title": word(), "tasks": each("task")}, ("title",)),
    "task_card": Shape({**_BLOCK, **OBJECTS["task"].fields}, ("task_id", "title")),
    "video": Shape(
        {
            **_BLOCK,
            "alt_text": word(200, 1),
            "title": plain(200),
            "description": plain(200),
            "author_name": word(50),
            "provider_name": word(50),
            "provider_icon_url": word(),
            "thumbnail_url": word(),
            "title_url": word(),
            "video_url": word(),
        },
        ("alt_text", "title", "thumbnail_url", "video_url"),
    ),
}


def _input_element(value: Json, pointer: str) -> Iterator[Problem]:
    if value.get("type") not in _IN_INPUT:
        said = "failed to match all allowed schemas"
        yield Problem("invalid_type", said, "element", pointer, "input.element")


OBJECTS["input_element"] = Shape({}, (), _input_element, open=True)

_INLINE = ("text", "link", "user", "usergroup", "channel", "emoji", "broadcast", "date", "team", "color")
_SECTION: Shape = Shape({**_TYPE, "elements": each("rich", kinds=_INLINE), "border": ANY}, ("elements",))
RICH: dict[str, Shape] = {
    "rich_text_section": _SECTION,
    "rich_text_quote": _SECTION,
    "rich_text_preformatted": Shape({**_SECTION.fields, "language": ANY}, ("elements",)),
    "rich_text_list": Shape(
        {
            **_TYPE,
            "elements": each("rich", kinds=("rich_text_section",)),
            "style": one_of("bullet", "ordered"),
            "indent": ANY,
            "offset": ANY,
            "border": ANY,
        },
        ("elements", "style"),
    ),
    **{name: Shape(_TYPE, open=True) for name in _INLINE if name not in ("text", "link")},
    "text": Shape({**_TYPE, "text": word(least=1), "style": ANY}, ("text",)),
    "link": Shape({**_TYPE, "url": word(least=1), "text": word(), "unsafe": ANY, "style": ANY}, ("url",)),
}

VIEWS: dict[str, Shape] = {
    "modal": Shape(
        {
            "type": word(),
            "title": plain(24),
            "close": plain(24),
            "submit": plain(24),
            "blocks": each(None, least=1),
            "private_metadata": word(3000),
            "callback_id": word(255),
            "external_id": word(255),
            "clear_on_close": ANY,
            "notify_on_close": ANY,
            "submit_disabled": ANY,
        },
        ("title", "blocks"),
    ),
    "home": Shape(
        {
            "type": word(),
            "blocks": each(None, least=1),
            "private_metadata": word(3000),
            "callback_id": word(255),
            "external_id": word(255),
        },
        ("blocks",),
    ),
}

__all__ = ["ACTION_ID", "BLOCKS", "ELEMENTS", "OBJECTS", "RICH", "SURFACES", "VIEWS", "marked"]
