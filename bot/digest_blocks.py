"""A digest in Slack: what changed and what needs somebody, then charts and the first tables; the other tables stand in
its thread. All within Block Kit's limits. Pure.

Charts are `data_visualization` blocks, at most two a message; a workspace that refuses them gets the same post with
tables in their place, and whoever takes no layout at all gets the text. Tables are set in monospace, which every client
shows and search finds. docs.slack.dev/reference/block-kit/blocks/data-visualization-block
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.blocks import Json, Look, Post, context, header, plain, section
from bot.markup import brief, escape, fallback
from core.desk_texts import phrase
from core.failures import PermanentFailure
from core.report_shapes import Chart, Report, TableOf
from core.report_words import Speech
from core.shapes import Outgoing
from core.widths import cut, width

MOST_CHARTS: Final = 2  # data visualizations in one message
MOST_BLOCKS: Final = 45  # of a message's 50
MOST_WORDS: Final = 9_500  # characters of one message, of about 13,000 that Slack takes in all its blocks
_SERIES, _POINTS, _LABEL, _TITLE, _AXIS = 12, 20, 20, 50, 50
_HEADER: Final = 150
_SECTION: Final = 2_900
_LATE: Final = 500
_TABLE: Final = 2_800  # characters of a table's text, of 3,000
_WIDEST, _LINE = 34, 58  # columns of a cell, and of a row that fits on a line of the window
_CELL: Final = 200  # characters of one value
_FIRST: Final = ("counts", "times", "targets")  # tables of the first post; the others stand in its thread
_TABLED: Final = {"flow": "counts", "queues": "by_queue"}  # a chart's key → the table that shows the same


@dataclass(frozen=True, slots=True)
class _Item:
    """A block, and what stands for it where it isn't taken."""

    block: Json
    without: tuple[Json, ...]

    @property
    def size(self) -> int:
        """Characters of the longer of both."""
        return max(_size(self.block), _size(self.without))


def digest(outgoing: Outgoing, look: Look) -> list[Post]:
    """Return the posts of a digest; those after the first go into its thread.

    `data["titles"]` False: strangers read the channel too, so tickets are shown by their numbers alone. Raises
    `PermanentFailure` for a report that can't be read.
    """
    try:
        report = Report.of_json(outgoing.data["report"])
    except (KeyError, TypeError, ValueError) as exc:
        raise PermanentFailure(phrase("reason_no_report")) from exc
    titles, speech = bool(outgoing.data.get("titles", True)), report.speech
    charts = [chart for chart in report.series if _drawable(chart)][:MOST_CHARTS]
    tables = [(table.key, [_Item(b, (b,)) for b in _table(table, titles, speech)]) for table in report.tables]
    top = [_Item(block, (block,)) for block in _top(report, titles)]
    top += [_Item(_chart(chart, speech), tuple(_instead(chart, report))) for chart in charts]
    top += [item for key, items in tables if key in _FIRST for item in items]
    below = [item for key, items in tables if key not in _FIRST for item in items]
    packed = [*_packed(top), *(_packed(below) if below else ())]
    posts = []
    for at, part in enumerate(packed):
        words = _text(report, titles) if at == 0 else _part(report, at + 1, len(packed))
        blocks = tuple(item.block for item in part)
        without = tuple(block for item in part for block in item.without)
        posts.append(Post(fallback(escape(words)), blocks, plainer=without if without != blocks else ()))
    return posts


# -- what is said before the tables -------------------------------------------------------------------------------


def _top(report: Report, titles: bool) -> list[Json]:
    blocks = [
        header(brief(report.title, _HEADER)),
        context(plain(f"{report.period} · {report.scope}"[:2_000])),
    ]
    if report.late:
        blocks.append(section(f":hourglass: {escape(brief(report.late_words, _LATE))}"))
    if report.headline:
        blocks.append(section(escape("\n".join(report.headline))[:_SECTION]))
    if report.needs:
        blocks += [
            _bold(report.speech.text("needs")),
            _rich_list([[_run(words)] for words in _needs(report, titles)]),
        ]
    return blocks


def _rich_list(points: Sequence[list[Json]]) -> Json:
    """A list in rich text, where nobody's words are read as anything but letters."""
    items = [{"type": "rich_text_section", "elements": runs} for runs in points]
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_list", "style": "bullet", "elements": items}],
    }


def _run(text: str, **style: bool) -> Json:
    run: Json = {"type": "text", "text": text}
    return {**run, "style": style} if any(style.values()) else run


def _text(report: Report, titles: bool) -> str:
    """The words of it: what screen readers, notifications and clients without blocks get."""
    speech = report.speech
    colon = speech.text("colon")
    lines = [report.title, f"{report.period} · {report.scope}", report.late_words, *report.headline]
    if report.needs:
        lines += [
            f"{speech.text('needs')}{colon.rstrip()}",
            *(f"• {words}" for words in _needs(report, titles)),
        ]
    lines += [f"{table.title}{colon}{_in_words(table)}" for table in report.tables if table.key == "counts"]
    return "\n".join(line for line in lines if line)


def _part(report: Report, n: int, of: int) -> str:
    speech = report.speech
    return speech.text("part", title=report.title, n=speech.number(n), of=speech.number(of))


def _needs(report: Report, titles: bool) -> list[str]:
    hidden = "" if titles else report.speech.text("hidden")
    return [(need if titles else replace(need, title=hidden)).words for need in report.needs]


def _in_words(table: TableOf) -> str:
    return ", ".join(f"{row.cells[0]} {row.cells[1]} ({row.cells[2]})" for row in table.rows)


# -- tables -------------------------------------------------------------------------------------------------------


def _table(table: TableOf, titles: bool, speech: Speech) -> list[Json]:
    """A table: its title, its rows in monospace (as a list, where lines would be too long for that), its note."""
    rows = [
        row.cells if titles or row.ticket is None else (f"#{row.ticket}", *row.cells[1:])
        for row in table.rows
    ]
    lines = _lines([table.head, *rows], table.align)
    if max(map(width, lines)) <= _LINE:
        return _set(table.title, lines, table.note)
    blocks = [_bold(table.title), _rich_list([_point(table.head, row, speech) for row in rows])]
    return [*blocks, context(plain(table.note[:500]))] if table.note else blocks


def _point(head: Sequence[str], cells: Sequence[str], speech: Speech) -> list[Json]:
    """A row in words: "support: came in 28 (20) · resolved 25 (26)"."""
    first, *rest = (brief(cell, _CELL) for cell in cells)
    labels = (brief(label, _TITLE) for label in head[1:])
    told = " · ".join(f"{speech.inside(label)} {cell}" for label, cell in zip(labels, rest, strict=True))
    return [_run(first, bold=True), _run(f"{speech.text('colon')}{told}"[:_SECTION])]


def _instead(chart: Chart, report: Report) -> list[Json]:
    """What stands for a chart: its numbers as a table, where no table below has them anyway."""
    if any(table.key == _TABLED.get(chart.key) for table in report.tables):
        return []
    values = zip(chart.labels, *(line.values for line in chart.lines), strict=True)
    rows = [(label, *map(report.speech.number, each)) for label, *each in values if any(each)]
    head = ("", *(line.name for line in chart.lines))
    return _set(chart.title, _lines([head, *rows], "l" + "r" * len(chart.lines)), "")


def _set(title: str, lines: Sequence[str], note: str) -> list[Json]:
    """Lines in monospace below their title, in as many blocks as they need; a table that goes on repeats its head."""
    blocks = [_bold(title)]
    head, *rest = lines
    held = head
    for line in rest:
        if len(held) + len(line) > _TABLE:
            blocks.append(_monospace(held))
            held = head
        held += f"\n{line}"
    blocks.append(_monospace(held))
    if note:
        blocks.append(context(plain(note[:500])))
    return blocks


def _bold(title: str) -> Json:
    return section(f"*{escape(brief(title, _CELL))}*")


def _monospace(text: str) -> Json:
    """Letters in a frame, none of which is read as anything else."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [_run(text)]}]}


def _lines(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Aligned columns; a cell that is too wide is cut."""
    cells = [[cut(cell, _WIDEST) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_padded, row, widths, align)).rstrip() for row in cells]


def _padded(cell: str, wide: int, side: str) -> str:
    room = " " * (wide - width(cell))
    return room + cell if side == "r" else cell + room


# -- charts -------------------------------------------------------------------------------------------------------


def _drawable(chart: Chart) -> bool:
    """Has Slack room for it? Its series need names of their own."""
    names = {_label(line.name) for line in chart.lines}
    return 1 <= len(chart.lines) <= _SERIES and len(names) == len(chart.lines) and bool(chart.labels)


def _chart(chart: Chart, speech: Speech) -> Json:
    """Bars; of more labels than there is room for those at the ends that are empty go first, then two become one."""
    labels, lines = _fitted(chart)
    series = [
        {
            "name": _label(name),
            "data": [{"label": label, "value": value} for label, value in zip(labels, values, strict=True)],
        }
        for name, values in lines
    ]
    return {
        "type": "data_visualization",
        "title": brief(chart.title, _TITLE),
        "chart": {
            "type": "bar",
            "series": series,
            "axis_config": {"categories": labels, "y_label": brief(speech.text("tickets"), _AXIS)},
        },
    }


def _fitted(chart: Chart) -> tuple[list[str], list[tuple[str, list[int]]]]:
    labels, lines = list(chart.labels), [(line.name, list(line.values)) for line in chart.lines]
    while len(labels) > _POINTS and not any(values[-1] for _, values in lines):
        labels.pop()
        for _, values in lines:
            values.pop()
    while len(labels) > _POINTS and not any(values[0] for _, values in lines):
        labels.pop(0)
        for _, values in lines:
            values.pop(0)
    if len(labels) > _POINTS:
        labels = [f"{labels[at]}–{labels[min(at + 1, len(labels) - 1)]}" for at in range(0, len(labels), 2)]
        lines = [
            (name, [sum(values[at : at + 2]) for at in range(0, len(values), 2)]) for name, values in lines
        ]
    return _unique([_label(label) for label in labels[:_POINTS]]), [
        (name, values[:_POINTS]) for name, values in lines
    ]


def _label(text: str) -> str:
    return str(plain(brief(text, _LABEL - 1))["text"])


def _unique(labels: Sequence[str]) -> list[str]:
    """Categories tell values apart, also those that had to be cut."""
    found: list[str] = []
    for label in labels:
        other, count = label, 1
        while other in found:
            count += 1
            other = f"{label[: _LABEL - 3]} {count}"
        found.append(other)
    return found


# -- into messages ------------------------------------------------------------------------------------------------


def _packed(items: Sequence[_Item]) -> list[list[_Item]]:
    """Blocks into messages, in order, so that they fit either way."""
    parts: list[list[_Item]] = [[]]
    words, blocks = MOST_WORDS, MOST_BLOCKS
    for item in items:
        count = max(1, len(item.without))
        if parts[-1] and (count > blocks or item.size > words):
            parts.append([])
            words, blocks = MOST_WORDS, MOST_BLOCKS
        parts[-1].append(item)
        words, blocks = words - item.size, blocks - count
    return parts


def _size(value: Any) -> int:
    """How many characters of text are in it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(inner) for inner in value.values())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0
