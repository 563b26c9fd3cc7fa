"""What the client does with interactive elements: finding them, choosing in them, checking what was filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.shapes import Json, View
from sandbox.views import initial_value, value_key

MOST_FILES = 10
MOST_IN_A_FORM = 10 * 1024 * 1024
"""Not documented, but seen: the bytes that a file_input takes of each file (bolt-python issue 1059)."""
_FORMS = {
    "email_text_input": (re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"), "not an e-mail address"),
    "url_text_input": (re.compile(r"https?://\S+"), "not an address of the web"),
    "number_input": (re.compile(r"-?\d+(\.\d+)?"), "not a number"),
    "datepicker": (re.compile(r"\d{4}-\d\d-\d\d"), "not a date"),
    "timepicker": (re.compile(r"\d\d:\d\d"), "not a time"),
}
_SEEN = ("text", "value", "style", "url", "placeholder", "confirm", "initial_option")


def elements_of(blocks: list[Json]) -> Iterator[tuple[str, Json]]:
    """Every interactive element, with its block's id."""
    for block in blocks:
        found = [*_listed(block), block.get("accessory"), block.get("element")]
        for element in found:
            if isinstance(element, dict) and element.get("action_id"):
                yield str(block.get("block_id", "")), element


def _listed(block: Json) -> list[Any]:
    return list(block.get("elements", [])) if block["type"] in ("actions", "context_actions") else []


def find_element(blocks: list[Json], action_id: str, block: str | None = None) -> tuple[str, Json]:
    """The element with that action_id: of several the one in that block, or the first where none is named. A block that
    isn't there any more leaves only one that is alone. LookupError says which there are."""
    known = list(elements_of(blocks))
    named = [(block_id, element) for block_id, element in known if element["action_id"] == action_id]
    there = [one for one in named if one[0] == block]
    if there or (named and (block is None or len(named) == 1)):
        return (there or named)[0]
    raise LookupError(f"no {action_id!r}; there are {[e['action_id'] for _, e in known]}")


def options_of(element: Json) -> list[Json]:
    groups = element.get("option_groups") or []
    return [*element.get("options", []), *(option for group in groups for option in group["options"])]


def _option(element: Json, value: Any) -> Json:
    if isinstance(value, dict):
        return value
    for option in options_of(element):
        if value in (option["value"], option["text"]["text"]):
            return dict(option)
    raise LookupError(f"no option {value!r}; there are {[o['value'] for o in options_of(element)]}")


def chosen(element: Json, value: Any) -> Json:
    """An element's state once somebody chose or typed that."""
    kind = str(element["type"])
    key = value_key(kind)
    if isinstance(value, dict) and value.get("type") == kind:
        return value
    if key == "selected_option":
        value = _option(element, value) if value is not None else None
    elif key == "selected_options":
        value = [_option(element, item) for item in value or []]
    return {"type": kind, key: value}


def uploaded(element: Json, value: Any, upload: Callable[[str, bytes], Json]) -> Any:
    """What was chosen in a file_input, uploaded; ValueError for what the client doesn't take. All else stays."""
    if element["type"] != "file_input" or not isinstance(value, list | tuple):
        return value
    endings = element.get("filetypes") or []
    for name, content in value:
        if endings and name.rpartition(".")[2].lower() not in endings:
            raise ValueError(f"{name}: only {', '.join(endings)}")
        if len(content) > MOST_IN_A_FORM:
            raise ValueError(f"{name}: larger than 10 MB")
    if len(value) > element.get("max_files", MOST_FILES):
        raise ValueError(f"no more than {element.get('max_files', MOST_FILES)} files")
    return [upload(name, content) for name, content in value]


def action_of(element: Json, block_id: str, value: Any) -> Json:
    """The entry of `actions` for a click or a choice."""
    base = {"action_id": element["action_id"], "block_id": block_id, "type": element["type"]}
    base |= {key: element[key] for key in _SEEN if key in element}
    if element["type"] in ("button", "icon_button", "feedback_buttons"):
        return base | ({"value": value} if value is not None else {})
    return base | chosen(element, value)


def message_state(blocks: list[Json], selections: dict[str, Json], action: Json) -> dict[str, Json]:
    """`state.values` of a message: what stands in its selects after this action."""
    if action["type"] not in ("button", "overflow"):
        key = value_key(str(action["type"]))
        selections[action["action_id"]] = {"type": action["type"], key: action.get(key)}
    values: dict[str, Json] = {}
    for block_id, element in elements_of(blocks):
        if element["type"] in ("button", "overflow", "workflow_button"):
            continue
        now = selections.get(element["action_id"]) or initial_value(element)
        values.setdefault(block_id, {})[element["action_id"]] = now
    return values


def set_in_view(view: View, action: Json) -> None:
    """What was chosen in a view stands in its state from then on."""
    now = view.values.get(str(action["block_id"]), {})
    if action["action_id"] in now:
        key = value_key(str(action["type"]))
        now[action["action_id"]] = {"type": action["type"], key: action.get(key)}


def view_values(view: View, given: Json) -> dict[str, Json]:
    """`state.values` of a modal after it was filled in; ValueError where the client wouldn't let it go."""
    values = {block: dict(inner) for block, inner in view.values.items()}
    known: set[str] = set()
    for block in view.body.get("blocks", []):
        if block.get("type") != "input":
            continue
        element, block_id = block["element"], block["block_id"]
        for name in (element["action_id"], block_id):
            known.add(name)
            if name in given:
                values[block_id] = {element["action_id"]: chosen(element, given[name])}
        _check(block, values[block_id][element["action_id"]])
    if unknown := given.keys() - known:
        raise ValueError(f"this modal has no {sorted(unknown)}; it has {sorted(known)}")
    return values


def _check(block: Json, state: Json) -> None:
    value = state.get(value_key(str(state["type"])))
    label = block["label"]["text"]
    if not value and not block.get("optional"):
        raise ValueError(f"{label}: please complete this required field")
    element = block["element"]
    if isinstance(value, str) and value:
        if (wrong := _FORMS.get(str(element["type"]))) and not wrong[0].fullmatch(value):
            raise ValueError(f"{label}: {wrong[1]}")
        _check_range(label, element, value)
        if len(value) > element.get("max_length", 3000):
            raise ValueError(f"{label}: too long")
        if len(value) < element.get("min_length", 0):
            raise ValueError(f"{label}: too short")


def _check_range(label: str, element: Json, value: str) -> None:
    if element["type"] != "number_input":
        return
    if "." in value and not element.get("is_decimal_allowed"):
        raise ValueError(f"{label}: no decimals")
    if not float(element.get("min_value", "-inf")) <= float(value) <= float(element.get("max_value", "inf")):
        raise ValueError(f"{label}: out of range")
