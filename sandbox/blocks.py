"""Block Kit as Slack checks it: which fields a block may have, and how long each may be.

Shapes and limits: docs.slack.dev/reference/block-kit and the contract's `blockkit/limits.json`. Lengths count code
points. `block_shapes.py` holds the tables; here is what reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.block_rules import Any_, Each, Number, Problem, Rule, Shape, Size, Text, Word
from sandbox.block_shapes import BLOCKS, ELEMENTS, OBJECTS, RICH, SURFACES, VIEWS
from sandbox.shapes import Json

__all__ = ["Problem", "check_blocks", "check_element", "check_object", "check_rich", "check_view"]


def check_blocks(blocks: list[Json], surface: str = "message", pointer: str = "/blocks") -> list[Problem]:
    """All that's wrong with the blocks of a message or view."""
    most = SURFACES[surface]
    problems = list(_too_many(blocks, Size(0, most), pointer, "blocks"))
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"{pointer}/{index}"
        problems += _typed(block, BLOCKS, at, "block")
        name = block.get("block_id")
        if isinstance(name, str) and name in seen:
            problems.append(
                Problem("duplicate", "block_id already in use", "block_id", at, "block_id.unique")
            )
        seen.add(str(name))
    return problems


def check_element(element: Json, pointer: str = "") -> list[Problem]:
    return _typed(element, ELEMENTS, pointer, "element")


def check_rich(element: Json, pointer: str = "") -> list[Problem]:
    return _typed(element, RICH, pointer, "rich_text")


def check_object(name: str, value: Json, pointer: str = "") -> list[Problem]:
    """A composition object: option, confirm, workflow …"""
    return list(_shape(value, OBJECTS[name], pointer, name))


def check_view(view: Json) -> list[Problem]:
    """A modal or home tab."""
    kind = view.get("type")
    if kind not in VIEWS:
        return [Problem("invalid_type", "unsupported type", "type", "/view/type", "view.type")]
    problems = list(_shape(view, VIEWS[kind], "/view", "view"))
    blocks = view.get("blocks")
    if isinstance(blocks, list):
        problems += check_blocks([b for b in blocks if isinstance(b, dict)], "view", "/view/blocks")
        inputs = any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
        if kind == "modal" and inputs and not view.get("submit"):
            problems.append(
                Problem("missing", "missing required field: submit", "submit", "/view", "view.submit")
            )
    return problems


@dataclass(frozen=True)
class _At:
    """Where a rule is being applied."""

    pointer: str
    path: str


def _typed(value: Any, table: dict[str, Shape], pointer: str, what: str) -> list[Problem]:
    kind = value.get("type") if isinstance(value, dict) else None
    shape = table.get(kind) if isinstance(kind, str) else None
    if shape is None:
        return [
            Problem("invalid_type", f"unsupported type: {kind}", "type", f"{pointer}/type", f"{what}.type")
        ]
    return list(_shape(value, shape, pointer, str(kind)))


def _shape(value: Any, shape: Shape, pointer: str, name: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("invalid_type", "must be an object", name, pointer, f"{name}.type")
        return
    for needed in shape.required:
        if value.get(needed) is None:
            yield Problem("missing", f"missing required field: {needed}", needed, pointer, f"{name}.{needed}")
    for key, inner in value.items():
        rule = shape.fields.get(key)
        if rule is None:
            if not shape.open:
                text = f"invalid additional property: {key}"
                yield Problem("unknown", text, key, pointer, f"{name}.{key}")
        elif inner is not None:
            yield from _apply(rule, inner, _At(f"{pointer}/{key}", f"{name}.{key}"))
    if shape.also:
        yield from shape.also(value, pointer)


def _apply(rule: Rule, value: Any, at: _At) -> Iterator[Problem]:
    match rule:
        case Text():
            yield from _text(rule, value, at)
        case Word():
            yield from _word(rule, value, at)
        case Number():
            yield from _number(rule, value, at)
        case Each():
            yield from _each(rule, value, at)
        case Any_():
            return
        case str():
            yield from _named(rule, value, at)


def _named(rule: str, value: Any, at: _At) -> Iterator[Problem]:
    """A rule by name: an element or a rich text of any kind, or one of the composition objects."""
    tables = {"element": ELEMENTS, "rich": RICH, "block": BLOCKS}
    if rule in tables:
        yield from _typed(value, tables[rule], at.pointer, rule)
    else:
        yield from _shape(value, OBJECTS[rule], at.pointer, rule)


def _text(rule: Text, value: Any, at: _At) -> Iterator[Problem]:
    if not isinstance(value, dict) or value.get("type") not in rule.kinds:
        yield Problem("invalid_type", "failed to match all allowed schemas", at.path, at.pointer, at.path)
        return
    words = value.get("text")
    if not isinstance(words, str):
        yield Problem("missing", "missing required field: text", "text", at.pointer, at.path)
        return
    yield from _length(words, rule.size, f"{at.pointer}/text", at.path)
    if value["type"] == "mrkdwn" and "emoji" in value:
        yield Problem("unknown", "invalid additional property: emoji", "emoji", at.pointer, at.path)


def _word(rule: Word, value: Any, at: _At) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem("invalid_type", "must be a string", at.path, at.pointer, at.path)
    elif rule.of and value not in rule.of:
        yield Problem("invalid_value", "must be a valid enum value", at.path, at.pointer, at.path)
    else:
        yield from _length(value, rule.size, at.pointer, at.path)


def _number(rule: Number, value: Any, at: _At) -> Iterator[Problem]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Problem("invalid_type", "must be a number", at.path, at.pointer, at.path)
    elif not rule.least <= value <= rule.most:
        text = f"must be between {rule.least} and {rule.most}"
        yield Problem("out_of_range", text, at.path, at.pointer, at.path)


def _each(rule: Each, value: Any, at: _At) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem("invalid_type", "must be an array", at.path, at.pointer, at.path)
        return
    yield from _too_many(value, rule.size, at.pointer, at.path)
    for index, item in enumerate(value):
        kind = item.get("type") if isinstance(item, dict) else None
        if rule.kinds and kind not in rule.kinds:
            place = f"{at.pointer}/{index}"
            yield Problem("invalid_type", "failed to match all allowed schemas", at.path, place, at.path)
        elif rule.item is not None:
            yield from _apply(rule.item, item, _At(f"{at.pointer}/{index}", at.path))


def _too_many(value: list[Any], size: Size, pointer: str, path: str) -> Iterator[Problem]:
    if len(value) < size.least:
        text = f"must have at least {size.least} items"
        yield Problem("too_few", text, path, pointer, f"{path}.min_items")
    if len(value) > size.most:
        text = f"no more than {size.most} items allowed"
        yield Problem("too_many", text, path, pointer, f"{path}.max_items")


def _length(text: str, size: Size, pointer: str, path: str) -> Iterator[Problem]:
    if len(text) < size.least:
        yield Problem(
            "too_short",
            f"must be more than {size.least - 1} characters",
            path,
            pointer,
            f"{path}.min_length",
        )
    if len(text) > size.most:
        yield Problem(
            "too_long",
            f"must be less than {size.most + 1} characters",
            path,
            pointer,
            f"{path}.max_length",
        )
