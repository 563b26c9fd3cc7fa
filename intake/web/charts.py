"""A report's charts as what an inline SVG needs: places in percent of its width and in pixels of its height, so that
letters keep their size on a phone. Pure. Colours are the style sheet's: an SVG of ours has no style in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.report_shapes import Chart

COLUMNS: Final = 150  # pixels: how high the longest column is
_ABOVE: Final = 20  # room for a number above it
_BELOW: Final = 22  # and for the labels below all
_BAR: Final = 13  # pixels: how thick a lying bar is
_LABEL: Final = 20  # its label above it
_GAP: Final = 10
_LONGEST: Final = 78.0  # percent: the longest lying bar; the rest is for its number
_SHORT: Final = 3  # letters of a label that still stands below a column
_MANY: Final = 12  # columns: from here on each third has a label
_NUMBERED: Final = 14  # columns: up to here each has its number


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: `x` and `width` in percent, `y` and `height` in pixels. `line`: which series' it is."""

    x: float
    y: float
    width: float
    height: float
    line: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Words in a chart: `x` in percent, `y` in pixels; `right` of the place by some pixels, else with its middle
    there."""

    text: str
    x: float
    y: float
    right: int | None = None
    number: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as it is drawn. `top`: the value of the line across its columns, "" for lying bars."""

    height: float
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    top: str = ""


def drawn(chart: Chart) -> Drawing:
    """Return columns where all labels are short, else bars that lie one below the other."""
    standing = all(len(label) <= _SHORT for label in chart.labels)
    return _standing(chart) if standing else _lying(chart)


def _most(chart: Chart) -> int:
    return max((max(line.values, default=0) for line in chart.lines), default=0) or 1


def _standing(chart: Chart) -> Drawing:
    most, count = _most(chart), len(chart.labels)
    room = 100 / max(count, 1)
    width = room * 0.8 / len(chart.lines)
    bars, marks = [], []
    base = _ABOVE + COLUMNS
    for at, label in enumerate(chart.labels):
        for which, line in enumerate(chart.lines):
            value = line.values[at]
            x = room * at + room * 0.1 + width * which
            height = _height(value, most)
            bars.append(Bar(round(x, 2), base - height, round(width * 0.92, 2), height, which))
            if value and count * len(chart.lines) <= _NUMBERED:
                place = round(x + width * 0.46, 2)
                marks.append(Mark(f"{value:,}", place, base - height - 4, number=True))
        if count <= _MANY or at % 3 == 0:
            marks.append(Mark(label, round(room * (at + 0.5), 2), base + 16))
    return Drawing(base + _BELOW, tuple(bars), tuple(marks), f"{most:,}")


def _height(value: int, most: int) -> float:
    """What isn't nothing is seen."""
    return max(round(COLUMNS * value / most, 1), 2.0) if value else 0.0


def _lying(chart: Chart) -> Drawing:
    most = _most(chart)
    bars, marks = [], []
    y = 0.0
    for at, label in enumerate(chart.labels):
        marks.append(Mark(label, 0, y + 14, right=0))
        y += _LABEL
        for which, line in enumerate(chart.lines):
            value = line.values[at]
            width = max(round(_LONGEST * value / most, 2), 0.5) if value else 0.0
            bars.append(Bar(0, y, width, _BAR - 2, which))
            marks.append(Mark(f"{value:,}", width, y + _BAR - 3, right=6, number=True))
            y += _BAR
        y += _GAP
    return Drawing(y, tuple(bars), tuple(marks))
