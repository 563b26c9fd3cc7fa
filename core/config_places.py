"""Relative paths in a configuration file are the file's neighbours, wherever a command is run: a mail system runs its
pipe in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config_names import inner_model, is_table
from core.config_section import Section

_SQLITE = "sqlite+aiosqlite:///"
_UNIX = "unix:"


def beside(model: type[Section], data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a table's data with its relative paths below `folder`, defaults too, also in the tables within it. What
    has a wrong type stays as it is: that is told as a mistake when it is parsed."""
    moved = dict(data)
    for key, field in model.model_fields.items():
        below, value = inner_model(field.annotation), data.get(key)
        if is_table(field.annotation) and (value is None or isinstance(value, Mapping)):
            if table := beside(below, value or {}, folder):
                moved[key] = table
        elif below is not None and isinstance(value, list):
            moved[key] = [beside(below, one, folder) if isinstance(one, Mapping) else one for one in value]
        elif key in model.places:
            given = str(field.default) if value is None and f"{key}_file" not in data else value
            if isinstance(given, str) and (path := _moved(key, given, folder)) != str(field.default):
                moved[key] = path
    for key, value in data.items():
        if model.names_file(key) and isinstance(value, str):
            moved[key] = str(folder / value)
    return moved


def _moved(key: str, value: str, folder: Path) -> str:
    """A place as it is written in the file: a path, a database's URL, a UNIX socket (any other host is none)."""
    for scheme in (_SQLITE, _UNIX):
        path = value.removeprefix(scheme)
        if value.startswith(scheme) and path and not path.startswith(":"):
            return f"{scheme}{folder / path}"
    is_path = value and key != "host" and "://" not in value
    return str(folder / value) if is_path else value
