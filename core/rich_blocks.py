"""Words with their formatting: lines as they are read, blocks as they are written, and the HTML of `core.rich`. Pure.

A `Line` says in which lists and quotes it stands; `fold` makes blocks of lines, `write` makes HTML of blocks. Whoever
makes such HTML makes lines: nothing that isn't in the subset can be said with them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, NamedTuple

BUDGET: Final = 600_000  # characters of HTML at most, counted as the dearest that each could become
DEEPEST: Final = 8  # lists and quotes in each other; what lies deeper is shown at the eighth
LONGEST_HREF: Final = 2_000
_MOST: Final = 1_000_000  # the highest number of a list's item
_HREF = re.compile(r"(?:https?://|mailto:|tel:)[^\s\x00-\x20<>\"\x7f]+", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Style(NamedTuple):
    """How a run of words looks, and where it leads ("" nowhere)."""

    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    href: str = ""

    def also(self, look: str, on: bool = True) -> Style:
        """Return the style with a look ("bold", …) more, or less."""
        changed: dict[str, Any] = {look: on}
        return self._replace(**changed)


class Run(NamedTuple):
    """Words of one style."""

    text: str
    style: Style = Style()


class Step(NamedTuple):
    """A quote, or an item of a list, that holds a line. `key` tells two quotes or lists in a row apart, `item` the
    items of a list. `number`: of an item of an ordered list, None elsewhere."""

    kind: str  # quote, list
    key: int
    item: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of words. `path`: what holds it, from the outside in. `fresh`: a paragraph begins with it. `pre`: it is
    shown as it is."""

    runs: tuple[Run, ...]
    path: tuple[Step, ...] = ()
    fresh: bool = False
    pre: bool = False

    @property
    def text(self) -> str:
        """The words without their look."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph: its lines."""

    lines: tuple[tuple[Run, ...], ...]


@dataclass(frozen=True, slots=True)
class Pre:
    """Text that is shown as it is, with all its spaces."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Somebody's words, repeated."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list. `start`: the number of its first item, None where they have dots."""

    start: int | None
    items: tuple[tuple[Block, ...], ...]


Block = Para | Pre | Quote | Items


def safe_href(url: str) -> str:
    """Return the target of a link where it is one that may be followed, else ""."""
    url = url.strip()
    return url if len(url) <= LONGEST_HREF and _HREF.fullmatch(url) else ""


def lines_of(
    runs: Iterable[Run], path: tuple[Step, ...] = (), *, pre: bool = False, fresh: bool = True
) -> Iterator[Line]:
    """Cut runs at their line ends into lines of one place; an empty line ends a paragraph."""
    line: list[Run] = []
    for text, style in runs:
        first, *rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        line.append(Run(first, style))
        for piece in rest:
            yield Line(tuple(line), path, fresh, pre)
            fresh, line = False, [Run(piece, style)]
    yield Line(tuple(line), path, fresh, pre)


def fold(lines: Iterable[Line]) -> tuple[Block, ...]:
    """Make blocks of lines: neat ones, and no more than `BUDGET` has room for."""
    return _folded(list(_neat(_within_budget(lines))), 0)


def _within_budget(lines: Iterable[Line]) -> Iterator[Line]:
    left = BUDGET
    for line in lines:
        left -= 20 + 45 * len(line.path)
        kept: list[Run] = []
        for text, style in line.runs:
            left -= 70 + 6 * len(style.href)
            if left <= 0:
                break
            kept.append(Run(text[: left // 6], style))
            left -= 6 * len(text)
        if kept or line.pre:
            yield replace(line, runs=tuple(kept))
        if left <= 0:
            return


def _neat(lines: Iterable[Line]) -> Iterator[Line]:
    fresh = True
    for line in lines:
        runs = _neat_runs(line.runs, line.pre)
        fresh = fresh or line.fresh
        if not line.pre and not any(run.text.strip() for run in runs):
            fresh = True
            continue
        yield Line(runs, line.path[:DEEPEST], fresh, line.pre)
        fresh = False


def _neat_runs(runs: Sequence[Run], pre: bool) -> tuple[Run, ...]:
    """Runs without what nobody sees, neighbours of one look together, no white space at the end."""
    out: list[Run] = []
    for text, style in runs:
        text = _UNSEEN.sub("", text).replace("\xa0", " ")
        if pre:
            style = Style()
        else:
            text = text.replace("\t", " ").replace("\n", " ")
        if style.href and not safe_href(style.href):
            style = style._replace(href="")
        if out and out[-1].style == style:
            out[-1] = Run(out[-1].text + text, style)
        elif text:
            out.append(Run(text, style))
    while out and not (trimmed := out[-1].text.rstrip(" ")):
        out.pop()
    if out:
        out[-1] = Run(trimmed, out[-1].style)
    return tuple(out)


def _folded(lines: list[Line], depth: int) -> tuple[Block, ...]:
    out: list[Block] = []
    for held, group in groupby(lines, key=lambda line: _holder(line, depth)):
        inside = list(group)
        match held:
            case None:
                out.extend(_paragraphs(inside))
            case ("quote", _):
                blocks = _folded(inside, depth + 1)
                out.extend([Quote(blocks)] if blocks else [])
            case _:
                out.extend(_list(inside, depth))
    return tuple(out)


def _holder(line: Line, depth: int) -> tuple[str, int] | None:
    return line.path[depth][:2] if len(line.path) > depth else None


def _list(lines: list[Line], depth: int) -> Iterator[Items]:
    start: int | None = None
    items: list[tuple[Block, ...]] = []
    for _, group in groupby(lines, key=lambda line: line.path[depth].item):
        inside = list(group)
        if blocks := _folded(inside, depth + 1):
            number = inside[0].path[depth].number
            if not items and number is not None:
                start = number if 0 <= number <= _MOST else 1
            items.append(blocks)
    if items:
        yield Items(start, tuple(items))


def _paragraphs(lines: list[Line]) -> Iterator[Para | Pre]:
    gathered: list[Line] = []
    for line in lines:
        if gathered and (line.fresh or line.pre != gathered[0].pre):
            yield from _paragraph(gathered)
            gathered = []
        gathered.append(line)
    yield from _paragraph(gathered)


def _paragraph(lines: list[Line]) -> Iterator[Para | Pre]:
    if not lines[0].pre:
        yield Para(tuple(line.runs for line in lines))
        return
    shown = "\n".join(line.text for line in lines).split("\n")
    if text := "\n".join(line.rstrip() for line in shown).strip("\n"):
        yield Pre(text)


# --- HTML ---------------------------------------------------------------------------------------------------------


def write(blocks: Iterable[Block]) -> str:
    """Return the HTML of blocks."""
    return "".join(_written(block) for block in blocks)


def _written(block: Block) -> str:
    match block:
        case Para(lines):
            return f"<p>{inline(lines)}</p>"
        case Pre(text):
            return f"<pre>{html.escape(text, quote=False)}</pre>"
        case Quote(blocks):
            return f"<blockquote>{write(blocks)}</blockquote>"
        case Items(start, items):
            held = "".join(f"<li>{_item(item)}</li>" for item in items)
            if start is None:
                return f"<ul>{held}</ul>"
            return f'<ol start="{start}">{held}</ol>' if start != 1 else f"<ol>{held}</ol>"


def _item(blocks: Sequence[Block]) -> str:
    first, *rest = blocks
    return (inline(first.lines) if isinstance(first, Para) else _written(first)) + write(rest)


def inline(lines: Sequence[Sequence[Run]]) -> str:
    """Return the HTML of a paragraph's lines, without the paragraph."""
    return "<br>".join(_line(runs) for runs in lines)


def _line(runs: Sequence[Run]) -> str:
    out, last = [], " "
    for text, style in runs:
        shown = html.escape(text, quote=False)
        if last == " " and shown.startswith(" "):
            shown = "\xa0" + shown[1:]
        out.append(_dressed(re.sub("(?<=[ \xa0]) ", "\xa0", shown), style))
        last = text[-1:]
    return "".join(out).replace("\xa0", "&nbsp;")


def _dressed(shown: str, style: Style) -> str:
    for wanted, tag in ((style.code, "code"), (style.strike, "s"), (style.italic, "i"), (style.bold, "b")):
        if wanted:
            shown = f"<{tag}>{shown}</{tag}>"
    return f'<a href="{html.escape(style.href)}">{shown}</a>' if style.href else shown
