"""What the client does with interactive elements: finding them, choosing in them, checking what was filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.shapes import Json, View
from sandbox.views import initial_value, value_key

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


def find_element(blocks: list[Json], action_id: str) -> tuple[str, Json]:
    """The element with that action_id; LookupError says which there are."""
    known = list(elements_of(blocks))
    for block_id, element in known:
        if element["action_id"] == action_id:
            return block_id, element
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


def action_of(element: Json, block_id: str, value: Any) -> Json:
    """The entry of `actions` for a click or a choice."""
    base = {"action_id": element["action_id"], "block_id": block_id, "type": element["type"]}
    base |= {key: element[key] for key in _SEEN if key in element}
    if element["type"] == "button":
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
        if len(value) > element.get("max_length", 3000):
            raise ValueError(f"{label}: too long")
        if len(value) < element.get("min_length", 0):
            raise ValueError(f"{label}: too short")
