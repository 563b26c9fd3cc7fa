"""The charts of a digest as PNG, drawn by matplotlib in a child process with limits of time and memory.

Readers see them on white or, in a dark mode that leaves images alone, on nearly black: the ground is transparent, and
each colour is of a middle brightness that stands out on both.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from core.children import ChildFailed, Children
from core.failures import Unavailable
from core.report_shapes import Chart

log = structlog.get_logger(__name__)

MOST_CHARTS: Final = 4
WIDTH, HEIGHT = 592, 230  # in the mail, in pixels; drawn twice as fine
_FINE: Final = 2
_TIMEOUT: Final = timedelta(seconds=30)  # importing the library is nearly all of it
_MEMORY: Final = 768 * 1_048_576
_COLOURS: Final = ("#4c82f7", "#a3825a")  # this period, the one before: they differ in brightness too
_INK: Final = "#7b8794"
_MANY_LABELS: Final = 12
_ROOM: Final = 78  # letters below all bars
_NUMBERS: Final = 54  # letters that fit above all bars: else none has its number there


class Painter:
    """Draws the charts of a report. A digest goes to several people: the last pictures are kept for the next mail."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._last: tuple[str, tuple[bytes, ...]] = ("", ())

    async def draw(self, charts: Sequence[Chart], point: str = ".") -> tuple[bytes, ...]:
        """Return a PNG for each of the first charts (`MOST_CHARTS`), b"" for one that can't be drawn now. `point`: the
        decimal one of their language."""
        asked = [{**chart.as_json(), "point": point} for chart in charts[:MOST_CHARTS]]
        key = json.dumps(asked)
        async with self._one_at_a_time:
            if not asked or self._last[0] == key:
                return self._last[1] if asked else ()
            drawn = await _drawn(asked)
            if all(drawn):
                self._last = (key, drawn)
            return drawn


async def _drawn(asked: list[dict[str, Any]]) -> tuple[bytes, ...]:
    """In a child of its own, which ends with it: the library would hold 70 MB for a mail a day."""
    children = Children(timeout=_TIMEOUT, memory=_MEMORY)
    try:
        with TemporaryDirectory(prefix="relaydesk-charts-") as folder:
            pictures: list[bytes] = await children.call(f"{__name__}:pictures", asked, folder)
    except (ChildFailed, Unavailable, OSError) as exc:
        log.warning("charts_not_drawn", charts=len(asked), error=str(exc))
        return (b"",) * len(asked)
    finally:
        await children.close()
    missing = sum(1 for one in pictures if not one)
    if missing:
        log.warning("charts_not_drawn", charts=missing, error="the library refused them")
    return tuple(pictures)


# --- inside the child ---------------------------------------------------------------------------------------------


def pictures(charts: Sequence[Mapping[str, Any]], folder: str) -> list[bytes]:
    """Draw each chart; b"" for one that fails. `folder`: where the library may write down which fonts there are."""
    os.environ |= {
        "MPLCONFIGDIR": folder,
        "OPENBLAS_NUM_THREADS": "1",
    }  # a thread takes 40 MB of address space
    drawn = []
    for chart in charts:
        try:
            drawn.append(_picture(Chart.of_json(chart), chart["point"]))
        except MemoryError:
            raise
        except Exception:  # a picture less is no reason to lose the others
            drawn.append(b"")
    return drawn


def _picture(chart: Chart, point: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    matplotlib.rcParams |= {
        "text.parse_math": False,  # "$" in a name is a "$"
        "font.family": ["DejaVu Sans"],  # the library brings it
        "font.size": 10.5,  # still read where a phone shows half the width
    }
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100 * _FINE, layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    short = partial(_short, point=point)
    longest = max((len(short(value)) for line in chart.lines for value in line.values), default=0)
    _bars(axes, chart, short, numbered=len(chart.labels) * len(chart.lines) * longest <= _NUMBERS)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: short(round(value)))
    axes.tick_params(colors=_INK, length=0)
    axes.grid(axis="y", color=_INK, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_INK)
    written = io.BytesIO()
    # Without the library's version in it, the same chart gives the same bytes.
    figure.savefig(written, format="png", transparent=True, metadata={"Software": None})
    return written.getvalue()


def _bars(axes: Any, chart: Chart, short: Callable[[int], str], *, numbered: bool) -> None:
    """Bars side by side, a group for each label."""
    n = len(chart.lines)
    width = 0.8 / n
    for index, line in enumerate(chart.lines):
        places = [at - 0.4 + width * (index + 0.5) for at in range(len(chart.labels))]
        colour = _COLOURS[index % len(_COLOURS)]
        drawn = axes.bar(places, line.values, width * 0.92, color=colour, label=line.name)
        if numbered:
            axes.bar_label(
                drawn,
                labels=[short(n) if n else "" for n in line.values],
                color=_INK,
                padding=1,
                fontsize=9.5,
            )
    axes.set_xticks(range(len(chart.labels)), _ticks(chart.labels))
    axes.set_xlim(-0.6, len(chart.labels) - 0.4)
    top = max((max(line.values, default=0) for line in chart.lines), default=0)
    axes.set_ylim(0, max(top, 1) * 1.18)
    if n > 1:
        legend = axes.legend(
            frameon=False, ncols=n, loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0
        )
        for text in legend.get_texts():
            text.set_color(_INK)


def _short(value: int, point: str) -> str:
    """A number in as little room as there is between bars: 9999, 402k, 1.2M."""
    if value < 10_000:
        return str(value)
    if value < 999_500:
        return f"{value / 1_000:.0f}k"
    return f"{value / 1_000_000:.3g}M".replace(".", point)


def _ticks(labels: Sequence[str]) -> list[str]:
    """Labels as long as there is room for; of many each third."""
    if len(labels) > _MANY_LABELS:
        return [label if at % 3 == 0 else "" for at, label in enumerate(labels)]
    limit = max(_ROOM // len(labels), 4)
    return [label if len(label) <= limit else label[: limit - 1] + "…" for label in labels]
