"""Tables and charts of Block Kit, whose rules span several fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.block_rules import ANY, Number, Problem, Shape, each, word
from sandbox.shapes import Json


def _cells(rows: Any) -> list[list[Any]]:
    return [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []


def _table(value: Json, pointer: str) -> Iterator[Problem]:
    rows = _cells(value.get("rows"))
    if len({len(row) for row in rows}) > 1:
        yield Problem(
            "invalid", "rows must have the same length", "rows", f"{pointer}/rows", "table.row_shape"
        )
    settings = value.get("column_settings")
    if isinstance(settings, list) and rows and len(settings) > len(rows[0]):
        where = f"{pointer}/column_settings"
        yield Problem(
            "invalid", "more settings than columns", "column_settings", where, "table.column_settings"
        )


def _data_table(value: Json, pointer: str) -> Iterator[Problem]:
    rows = _cells(value.get("rows"))
    where = f"{pointer}/rows"
    if any(not 1 <= len(row) <= 20 for row in rows):
        yield Problem("too_many", "must have 1 to 20 columns", "rows", where, "data_table.columns")
    texts = [str(cell.get("text", "")) for row in rows for cell in row if isinstance(cell, dict)]
    if any(not said for said in texts):
        yield Problem(
            "too_short", "cells must not be empty", "rows", where, "data_table.cell_text.min_length"
        )
    if sum(map(len, texts)) > 20_000:
        said = "must be less than 20001 characters"
        yield Problem("too_long", said, "rows", where, "data_table.content.max_length")


TABLE = Shape(
    {
        "type": word(),
        "block_id": word(255),
        "rows": each(each(ANY, 20), 100, 1),
        "column_settings": each(ANY, 20),
    },
    ("rows",),
    _table,
)
DATA_TABLE = Shape(
    {
        "type": word(),
        "block_id": word(255),
        "rows": each(each(ANY), 201, 2),
        "page_size": Number(1, 100),
        "caption": word(),
        "row_header_column_index": Number(0),
    },
    ("rows",),
    _data_table,
)


def _longer(items: Any, key: str, most: int) -> bool:
    found = items if isinstance(items, list) else []
    return any(len(str(item.get(key, ""))) > most for item in found if isinstance(item, dict))


def _bad_size(items: Any, most: int) -> bool:
    return not isinstance(items, list) or not 1 <= len(items) <= most


def _pie(value: Json) -> Iterator[str]:
    segments = value.get("segments")
    if _bad_size(segments, 12):
        yield "segments"
        return
    if _longer(segments, "label", 20):
        yield "segment.label"
    if any(isinstance(s, dict) and not s.get("value", 0) > 0 for s in segments or []):
        yield "segment.value"


def _axes(value: Json) -> Iterator[str]:
    series = value.get("series")
    if _bad_size(series, 12):
        yield "series"
    elif _longer(series, "name", 20):
        yield "series_name"
    for line in series if isinstance(series, list) else []:
        data = line.get("data") if isinstance(line, dict) else None
        if _bad_size(data, 20):
            yield "data"
        elif _longer(data, "label", 20):
            yield "point_label"
    axis = value.get("axis_config") or {}
    categories = axis.get("categories")
    if categories is not None and _bad_size(categories, 20):
        yield "categories"
    elif any(len(str(name)) > 20 for name in categories or []):
        yield "category_label"
    if any(len(str(axis.get(key) or "")) > 50 for key in ("x_label", "y_label")):
        yield "axis_label"


def _chart(value: Json, pointer: str) -> Iterator[Problem]:
    kind = value.get("type")
    if kind not in ("pie", "bar", "line", "area"):
        yield Problem("invalid_type", "unsupported chart", "type", pointer, "data_visualization.type")
        return
    for constraint in _pie(value) if kind == "pie" else _axes(value):
        name = f"data_visualization.{constraint}"
        yield Problem("out_of_range", "outside its limits", constraint, pointer, name)


CHART = Shape({"type": word()}, ("type",), _chart, open=True)
