"""Words with their formatting, as they are kept beside the plain ones: a small HTML. Pure, linear, never raises.

`p br b i s code pre blockquote ul ol(start) li a(href)`, links to http, https, mailto and tel only; mentions, channels
and emoji are text. Doors make it of what they read and make what they show of it, so none knows another's markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from core import rich_read
from core.rich_blocks import Block, Items, Line, Para, Pre, Quote, Run, Style, fold, write


def clean(html: str) -> str:
    """Return any HTML as HTML of the subset; of HTML of the subset, itself."""
    return write(blocks_of(html))


def blocks_of(html: str) -> tuple[Block, ...]:
    """Return what the HTML says, as blocks."""
    return fold(rich_read.lines(html))


def of_lines(lines: Iterable[Line]) -> str | None:
    """Return the HTML of lines, None where they have no formatting beyond paragraphs."""
    blocks = fold(lines)
    return None if _is_plain(blocks) else write(blocks)


def is_plain(html: str) -> bool:
    """Say whether there is no formatting beyond paragraphs: the words alone say it all."""
    return _is_plain(blocks_of(html))


def _is_plain(blocks: Sequence[Block]) -> bool:
    return all(isinstance(block, Para) and all(map(_unstyled, block.lines)) for block in blocks)


def _unstyled(runs: Sequence[Run]) -> bool:
    return all(
        style._replace(href="") == Style() and (not style.href or link_text(style.href, text) == text)
        for text, style in runs
    )


def plain(html: str) -> str:
    """Return the words as text: lists with `•` or numbers, quotes with `>`, links as "label (target)"."""
    return plain_of(blocks_of(html))


def plain_of(blocks: Sequence[Block]) -> str:
    """Return blocks as text, as `plain` does."""
    return "\n".join(_text(blocks))


def link_text(url: str, label: str) -> str:
    """Return a link as text: its label and target, or the target alone where the label says the same."""
    bare = url.removeprefix("mailto:").removeprefix("tel:")
    label = label.strip()
    if not label or label in (url, bare) or bare.removeprefix("https://").removeprefix("http://") == label:
        return bare
    return f"{label} ({bare})"


def _text(blocks: Sequence[Block], tight: bool = False) -> Iterator[str]:
    before: Block | None = None
    for block in blocks:
        led = isinstance(block, Items) and isinstance(before, Para)
        if before is not None and not led and not tight:
            yield ""
        yield from _block_text(block)
        before = block


def _block_text(block: Block) -> Iterator[str]:
    match block:
        case Para(lines):
            yield from (_line_text(runs) for runs in lines)
        case Pre(text):
            yield from text.split("\n")
        case Quote(blocks):
            yield from (f"> {line}".rstrip() for line in _text(blocks))
        case Items(start, items):
            for number, item in enumerate(items, start or 0):
                mark = "• " if start is None else f"{number}. "
                for line in _text(item, tight=True):
                    yield mark + line
                    mark = " " * len(mark)


def linked(runs: Sequence[Run]) -> Iterator[tuple[str, list[Run]]]:
    """Yield the runs of a line in groups that lead to one target ("" to none)."""
    group: list[Run] = []
    for run in runs:
        if group and group[-1].style.href != run.style.href:
            yield group[-1].style.href, group
            group = []
        group.append(run)
    if group:
        yield group[-1].style.href, group


def _line_text(runs: Sequence[Run]) -> str:
    out = []
    for href, group in linked(runs):
        text = "".join(run.text for run in group)
        if href and (label := text.strip()):
            before, _, after = text.partition(label)
            text = before + link_text(href, label) + after
        out.append(text)
    return "".join(out)


def ending(html: str, words: str) -> str | None:
    """Return what of the HTML says these words, where they are its end (a sign or a mention in front was taken off
    them). None where it doesn't say just them, white space apart, and where they need no formatting."""
    whole, wanted = squashed(plain(html)), squashed(words)
    if not wanted or not whole.endswith(wanted):
        return None
    made = of_lines(_shortened(rich_read.lines(html), len(whole) - len(wanted)))
    return made if made is not None and squashed(plain(made)) == wanted else None


def ending_of(lines: Sequence[Line], words: str) -> str | None:
    """As `ending`, of lines, as HTML: what is read anew is written once."""
    blocks, wanted = fold(lines), squashed(words)
    whole = squashed(plain_of(blocks))
    if not wanted or not whole.endswith(wanted):
        return None
    if len(whole) > len(wanted):
        blocks = fold(_shortened(lines, len(whole) - len(wanted)))
        if squashed(plain_of(blocks)) != wanted:
            return None
    return None if _is_plain(blocks) else write(blocks)


def without_prefix(html: str, prefix: str) -> str | None:
    """Return the HTML without these words in front; None where it doesn't begin with them, white space apart, and
    where what is left needs no formatting."""
    whole, gone = squashed(plain(html)), squashed(prefix)
    return ending(html, whole[len(gone) :]) if whole.startswith(gone) else None


def squashed(text: str) -> str:
    """Return the text without white space: two ways to show the same words compare equal so."""
    return "".join(text.split())


def _shortened(lines: Iterable[Line], gone: int) -> Iterator[Line]:
    """The lines without the first characters, white space not counted."""
    for line in lines:
        runs: list[Run] = []
        cut = gone > 0
        for text, style in line.runs:
            at = 0
            while gone and at < len(text):
                gone -= not text[at].isspace()
                at += 1
            kept = text[at:].lstrip() if cut and not runs else text[at:]
            runs += [Run(kept, style)] if kept else []
        yield replace(line, runs=tuple(runs))
