"""Tables as CSV (RFC 4180), for a spreadsheet: nothing in it is a formula, whoever wrote the words. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from core.figures_shapes import Figures
from core.report_shapes import Chart, TableOf

TYPE: Final = "text/csv"
_MARK: Final = "\ufeff"  # without it spreadsheets take the bytes for those of another encoding
# What a spreadsheet takes for the begin of a formula, also in its wide forms.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# The same behind what separates cells in other countries, where a spreadsheet would begin one within ours.
_WITHIN: Final = re.compile(r"([;|\t\r\n])([\s\"']*[=+\-@＝＋－＠])")
_NUMBER: Final = re.compile(r"\d{1,3}(,\d{3})+|\d+", re.ASCII)
_DERIVED: Final = {"counts": 3}  # by a table's key the column that follows from those beside it

Cell = str | int | float | None


def written(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return rows as UTF-8; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_safe(cell) for cell in row] for row in rows)
    return (_MARK + text.getvalue()).encode("utf-8", "replace")


def _safe(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, str):
        cell = _WITHIN.sub(r"\1'\2", cell.replace("\0", ""))
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return cell


def table_rows(table: TableOf) -> Iterator[list[Cell]]:
    """Yield a table as it is shown; counts without commas, and without what follows from its other columns."""
    kept = [at for at in range(len(table.head)) if at != _DERIVED.get(table.key)]
    yield [table.head[at] for at in kept]
    for row in table.rows:
        yield [_counted(row.cells[at]) for at in kept]


def _counted(cell: str) -> Cell:
    return int(cell.replace(",", "")) if _NUMBER.fullmatch(cell) else cell


def chart_rows(chart: Chart) -> Iterator[list[Cell]]:
    """Yield the numbers of a chart."""
    yield ["", *(line.name for line in chart.lines)]
    for at, label in enumerate(chart.labels):
        yield [label, *(line.values[at] for line in chart.lines)]


def figure_rows(now: Figures, before: Figures) -> Iterator[list[Cell]]:
    """Yield all figures by their names, unrounded and durations in seconds, each beside that of the period before."""
    have, had = dict(_flat(now.as_json(), "")), dict(_flat(before.as_json(), ""))
    yield ["figure", "this period", "period before"]
    for name in [*have, *(name for name in had if name not in have)]:
        standing = name.startswith("oldest_waiting.") or name in _STANDING
        yield [name, have.get(name), None if standing else had.get(name)]


# These are of now, whatever the period.
_STANDING: Final = frozenset(
    {
        *("unassigned", "waiting_for_staff", "waiting_for_customer"),
        *("unassigned_aside", "waiting_aside", "past_target"),
    }
)


def _flat(value: Any, name: str) -> Iterator[tuple[str, Cell]]:
    """Name each number and word in it: `first_response.n`, `by_queue.support.came_in`, `busiest_hours.0.13`."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not (key == "name" and name.startswith("by_")):
                yield from _flat(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            key = one["name"] if isinstance(one, Mapping) and "name" in one else at
            yield from _flat(one, f"{name}.{key if key != '' else 'nobody'}")
    else:
        yield name, value
