"""What the environment says about the configuration: which key a variable means, and its value.

`RELAYDESK_EMAIL__INBOUND__PORT` is `email.inbound.port`, in any case. Lists and tables come whole, as JSON: there is no
way into a list (`…__IMAP__0__HOST`). A variable wins over the file; a secret and its `_file` are one key in that.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_origin

from core.config_names import inner_model, is_table, names

PREFIX = "RELAYDESK_"
# Variables with our prefix that are no configuration keys.
OTHER_VARIABLES = frozenset({"RELAYDESK_CONFIG", "RELAYDESK_SHARED"})
Change = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: its name as it is set, the key that it means, the value for it."""

    name: str
    path: tuple[str, ...]
    value: Any


def variables(model: Any, environ: Mapping[str, str]) -> list[Variable]:
    """Return what the environment sets, tables before their keys. Raises `ValueError` for a variable with our prefix
    that names no key (it would be ignored in silence), and for a value that isn't the JSON that it must be."""
    found = [
        _variable(model, name, value)
        for name, value in environ.items()
        if name.upper().startswith(PREFIX) and name.upper() not in OTHER_VARIABLES
    ]
    return sorted(found, key=lambda variable: len(variable.path))


def _variable(root: Any, name: str, value: str) -> Variable:
    path: list[str] = []
    model = root
    rest = name.upper().removeprefix(PREFIX).lower().split("__")
    for number, part in enumerate(rest, 1):
        if model is None:
            raise _unknown(root, name)
        field = model.model_fields.get(part)
        if field is None:
            if number < len(rest) or part.removesuffix("_file") not in model.model_fields:
                raise _unknown(root, name)
            return Variable(name, (*path, part), value)
        path.append(part)
        kind = field.annotation
        if number < len(rest) and not is_table(kind) and inner_model(kind) is not None:
            whole = PREFIX + "__".join(path).upper()
            raise ValueError(
                f"{name}: a list can't be set by parts; set the whole of it as JSON, like {whole}={_example(kind)}, "
                "or write it in the file"
            )
        model = inner_model(kind)
    return Variable(name, tuple(path), _value(name, value, kind))


def _unknown(model: Any, name: str) -> ValueError:
    near = difflib.get_close_matches(name.upper(), set(names(model, PREFIX)), 1)
    return ValueError(f"unknown variable {name}{f'; did you mean {near[0]}?' if near else ''}")


def _value(name: str, value: str, kind: Any) -> Any:
    wanted = dict if is_table(kind) else list if get_origin(kind) is tuple else None
    if wanted is None:
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, wanted):
        what = "a table" if wanted is dict else "a list"
        raise ValueError(f"{name}: {what} is wanted, as JSON, like {_example(kind)}")
    return found


def _example(kind: Any) -> str:
    model = inner_model(kind)
    if model is None:
        return '["one", "another"]'
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    table = dict.fromkeys(needed or list(model.model_fields)[:1], "…")
    return json.dumps(table if is_table(kind) else [table], ensure_ascii=False)


def over(data: Mapping[str, Any], given: Iterable[Variable]) -> dict[str, Any]:
    """Return the file's data with the variables' values in place of its own; a secret replaces its `_file` there, and
    the reverse."""
    whole, given = dict(data), list(given)
    for variable in given:
        last = variable.path[-1]
        twin = last.removesuffix("_file") if last.endswith("_file") else f"{last}_file"
        whole = _with(whole, variable.path[:-1], partial(_without, key=twin))
    for variable in given:
        whole = _with(whole, variable.path[:-1], partial(_set, key=variable.path[-1], value=variable.value))
    return whole


def _with(table: Mapping[str, Any], path: tuple[str, ...], change: Change) -> dict[str, Any]:
    """Return the table with the one at `path` below it changed."""
    if not path:
        return change(table)
    below = table.get(path[0], {})
    return {**table, path[0]: _with(below if isinstance(below, Mapping) else {}, path[1:], change)}


def _without(table: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _set(table: Mapping[str, Any], *, key: str, value: Any) -> dict[str, Any]:
    """Set a key; a table's keys one by one, so that the file's others stay."""
    below = table.get(key)
    if isinstance(value, Mapping) and isinstance(below, Mapping):
        for name, one in value.items():
            below = _set(below, key=name, value=one)
        value = below
    return {**table, key: value}
