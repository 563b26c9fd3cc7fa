"""A report's tables as aligned plain text, for readers of monospaced mail. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.report_shapes import TableOf
from core.widths import width

_LABEL: Final = 40  # columns; a longer first cell has a line of its own
_GAP: Final = "  "


def lines_of(table: TableOf) -> list[str]:
    """Return the table, its head included, as lines without trailing spaces."""
    rows = [table.head, *(row.cells for row in table.rows)]
    widths = [max((width(row[at]) for row in rows), default=0) for at in range(len(table.head))]
    widths[0] = max((n for n in (width(row[0]) for row in rows) if n <= _LABEL), default=_LABEL)
    lines: list[str] = []
    for row in rows:
        label, *cells = row
        if width(label) > widths[0]:
            lines.append(label)
            label = ""
        lines.append(_line((label, *cells), widths, table.align))
    lines.insert(1, "-" * max(map(width, lines[:1])) if lines[0] else "")
    return lines


def _line(cells: Sequence[str], widths: Sequence[int], align: str) -> str:
    placed = []
    for cell, wide, side in zip(cells, widths, align, strict=True):
        pad = " " * (wide - width(cell))
        placed.append(pad + cell if side == "r" else cell + pad)
    return _GAP.join(placed).rstrip()
