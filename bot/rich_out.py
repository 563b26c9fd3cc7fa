"""`core.rich` HTML as mrkdwn that shows it. Pure; everything in it is escaped, so nobody's words ring anybody.

docs.slack.dev/messaging/formatting-message-text: a mark counts at a word's border only and on one line, so a space of
no width stands where letters touch it; what holds the mark itself is shown without it. The only live tokens are links.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from bot.markup import escape
from bot.pieces import FENCE
from core import rich
from core.rich_blocks import Block, Items, Para, Pre, Quote, Run, Style

BORDER: Final = "\u200b"
_MARKS: Final = (("strike", "~"), ("italic", "_"), ("bold", "*"))
_LONGEST_MARKED: Final = 1_000  # characters: marks that a cut would part aren't set
_LONGEST_URL: Final = 2_000
_TOUCHES = re.compile(r"[^\s.,;:!?()\[\]{}'\"“”‘’«»…/-]")
_HOST = re.compile(r"(?<![\w.-])(?:[\w-]+\.)+[^\W\d_]{2,}")
_DOTS: Final = dict.fromkeys(map(ord, "。．｡"), ".")  # browsers take them for one
_IN_URL: Final = str.maketrans({"<": "%3C", ">": "%3E", "|": "%7C", "`": "%60", " ": "%20"})


def mrkdwn_of(html: str) -> str:
    """Return the HTML as mrkdwn."""
    return "\n".join(_shown(rich.blocks_of(html), False))


def _shown(blocks: Sequence[Block], inside: bool, tight: bool = False) -> Iterator[str]:
    """Lines. `inside`: a quote or an item holds them, where a fence can't stand."""
    before: Block | None = None
    for block in blocks:
        led = isinstance(block, Items) and isinstance(before, Para)
        if before is not None and not led and not tight:
            yield ""
        yield from _block(block, inside)
        before = block


def _block(block: Block, inside: bool) -> Iterator[str]:
    match block:
        case Para(lines):
            yield from (_line(runs) for runs in lines)
        case Pre(text) if inside:
            yield from (_code(line) for line in text.split("\n"))
        case Pre(text):
            yield FENCE
            yield from _harmless(text).split("\n")
            yield FENCE
        case Quote(blocks):
            yield from (f"> {line}".rstrip() for line in _shown(blocks, True))
        case Items(start, items):
            for number, item in enumerate(items, start or 0):
                mark = "• " if start is None else f"{number}. "
                for line in _shown(item, True, tight=True):
                    yield mark + line
                    mark = "    "


def _harmless(text: str) -> str:
    """Escaped text; what would be a fence, or end one, is parted."""
    text = escape(text)
    while FENCE in text:
        text = text.replace(FENCE, f"``{BORDER}`")
    return text


def _code(text: str) -> str:
    words = text.strip()
    if not words or "`" in words:
        return _harmless(text)
    indent = text[: len(text) - len(text.lstrip())]
    return f"{indent}`{escape(words)}`"


def _line(runs: Sequence[Run]) -> str:
    pieces = [piece for href, group in rich.linked(runs) for piece in _pieces(href, group)]
    out = ""
    for at, (shown, marked) in enumerate(pieces):
        following = pieces[at + 1][0] if at + 1 < len(pieces) else ""
        if marked and out and _TOUCHES.match(out[-1]) and out[-1] != BORDER:
            out += BORDER
        out += shown
        if marked and following and _TOUCHES.match(following[0]):
            out += BORDER
    return out


def _pieces(href: str, group: Sequence[Run]) -> Iterator[tuple[str, bool]]:
    """The runs as they are shown, each with whether marks stand around it."""
    if href:
        yield from _link(href, group)
        return
    for text, style in group:
        yield from _spaced(text, _harmless(text.strip()), style)


def _link(href: str, group: Sequence[Run]) -> Iterator[tuple[str, bool]]:
    """A link, in marks where all of it has them: a token is closed before its marks are. Whoever would hide where it
    leads behind another address is shown with both."""
    label = "".join(run.text for run in group)
    words, target = label.strip(), escape(href.translate(_IN_URL))
    if len(target) > _LONGEST_URL or not words:
        yield _harmless(rich.link_text(href, label)), False
    elif rich.link_text(href, label) != words and _hides(href, words):
        yield f"{_harmless(words)} (<{target}>)", False
    else:
        looks = [run.style for run in group]
        bold, italic, strike = (all(look[at] for look in looks) for at in range(3))
        style = Style(bool(bold), bool(italic), bool(strike), href=href)
        token = f"<{target}>" if words == href else f"<{target}|{_harmless(words)}>"
        yield from _spaced(label, token, style)


def _hides(href: str, label: str) -> bool:
    """Say whether the label names a host that isn't the one to which the link leads, whatever stands around it."""
    seen = "".join(c for c in label if unicodedata.category(c) != "Cf").translate(_DOTS)
    named = {host.lower() for host in _HOST.findall(seen)}
    try:
        target = urlsplit(href)
        host = target.path.rpartition("@")[2] if target.scheme.lower() == "mailto" else target.hostname
    except ValueError:
        return bool(named)
    return bool(named - {(host or "").lower().rstrip(".")})


def _spaced(text: str, shown: str, style: Style) -> Iterator[tuple[str, bool]]:
    """Words as they are shown, in their marks; white space stands outside of marks."""
    words = text.strip()
    before, _, after = text.partition(words) if words else (text, "", "")
    for piece in ((before, False), _marked(shown, words, style), (after, False)):
        if piece[0]:
            yield piece


def _marked(shown: str, words: str, style: Style) -> tuple[str, bool]:
    if len(words) > _LONGEST_MARKED:
        return shown, False
    marked = False
    if style.code and "`" not in words and not style.href:
        shown, marked = f"`{shown}`", True
    for look, mark in _MARKS:
        if getattr(style, look) and mark not in words:
            shown, marked = f"{mark}{shown}{mark}", True
    return shown, marked
