"""Blocks get an id where the app gave none; so do their interactive elements get an action_id."""

from __future__ import annotations

from sandbox.shapes import Ids, Json


def with_id(ids: Ids, block: Json) -> Json:
    """The block with all its ids."""
    block = {**block, "block_id": block.get("block_id") or ids.make("b")}
    for key in ("elements", "accessory", "element"):
        value = block.get(key)
        if isinstance(value, list) and block["type"] in ("actions", "context_actions"):
            block[key] = [_with_action(ids, element) for element in value]
        elif isinstance(value, dict):
            block[key] = _with_action(ids, value)
    return block


def _with_action(ids: Ids, element: Json) -> Json:
    if element.get("type") == "image" or element.get("action_id"):
        return element
    return {**element, "action_id": ids.make("a")}
