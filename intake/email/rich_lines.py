"""The sender's own words with their formatting: the lines of the HTML that say what the visible text says. Pure.

The visible text is cut out of the plain part or of the HTML's text, by lines. Here the HTML is read again, and of its
lines those are kept that say the visible words one after the other, letter by letter; bullets, marks and addresses
of links apart, which programs write as they like. Where that doesn't come out even, there is no formatting: nothing of
a quote or a signature that was cut away comes back this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from core import rich
from core.rich_blocks import Line
from core.rich_read import Reader
from intake.email import quotes
from intake.email.html import parse_tree
from intake.email.parse import ParsedMail

_LONGEST: Final = 50_000  # characters of visible text
_SEARCHED: Final = 300_000  # characters of HTML; the sender's words stand above those of others
_MOST_SKIPPED: Final = 2_000  # lines that say something else
_MOST_SILENT: Final = 20  # lines without letters that are looked at behind the last one
_LONGEST_KEY: Final = 20_000
_TRACES = re.compile(
    r"<(?:b|strong|i|em|cite|var|s|strike|del|code|tt|kbd|samp|pre|ul|ol|blockquote|h[1-6]|a)[\s>]"
    r"|font-(?:weight|style)|line-through",
    re.IGNORECASE,
)
# What programs add when they make text of HTML: addresses of links, names of pictures.
_ADDED = re.compile(r"<[^<>\s]{1,2000}>|\[[^\[\]\n]{0,200}\]|\(https?://[^()\s]{1,2000}\)")
_ROUND_BULLET = re.compile(r"^[> \t]*o[ \t]{2,}")  # Outlook's second level
# Programs change bullets, quotes, dashes and spaces; what is left of a line are its letters (emoji are some).
_SILENT = re.compile(
    "[\\s!-/:-@\\[-`{-~\xa0-\xbf\\u2000-\\u206f\\u2190-\\u21ff\\u2500-\\u25ff\\u3000-\\u303f\ufe0f]+"
)
_ADDRESSES = re.compile(r"<\w{1,9}:[^<>\s]{1,2000}>|\[[^\[\]\n]{0,200}\]")
_RULE: Final = "-_=*~.·>"


def rich_of(mail: ParsedMail, visible: str) -> str | None:
    """Return the visible words with their formatting, None where they have none or it isn't beyond doubt."""
    if not mail.html or len(visible) > _LONGEST or not _TRACES.search(mail.html[:_SEARCHED]):
        return None
    tree = parse_tree(mail.html[:_SEARCHED])
    body = tree.body or tree.root
    if body is None:
        return None
    kept = _Search(visible).kept(_MailReader().read(body))
    return rich.of_lines(kept) if kept is not None else None


class _MailReader(Reader):
    """Knows what mail programs mark as quoted."""

    def quotes(self, node: Any, tag: str) -> bool:
        attributes = node.attributes
        if tag == "blockquote":
            return not quotes.is_indented(attributes)
        return quotes.mark_of(attributes, tag) is quotes.Mark.CONTAINER


def _key(text: str) -> str:
    if "<" in text or "[" in text or "(" in text:
        text = _ADDED.sub("", text[:_LONGEST_KEY])
    return _SILENT.sub("", text).lower()


def _signs(text: str) -> str:
    """What a line without letters says: signs, but no rule and nothing that a program added."""
    signs = "".join(_ADDRESSES.sub("", text[:_LONGEST_KEY]).lstrip("> \t").split())
    return signs if signs.strip(_RULE) else ""


class _Search:
    """The visible text, and how much of it was found."""

    def __init__(self, visible: str) -> None:
        self._letters, self._quoted = "", b""
        self._above: list[str] = []  # lines of signs before all letters, and behind them
        self._below: list[str] = []
        letters, quoted = [], bytearray()
        for line in visible.split("\n"):
            if key := _key(_ROUND_BULLET.sub("", line)):
                letters.append(key)
                quoted += (b"\1" if line.startswith(">") else b"\0") * len(key)
                self._below = []
            elif signs := _signs(line):
                (self._below if letters else self._above).append(signs)
        self._letters, self._quoted = "".join(letters), bytes(quoted)

    def kept(self, lines: Iterable[Line]) -> list[Line] | None:
        """Return the lines that say the visible text, None where they don't; those without letters between them (rules,
        signs) stay too."""
        out: list[Line] = []
        silent: list[Line] = []
        at, skipped, apart = 0, 0, False
        numbers = _Numbers()
        for line in lines:
            keys = numbers.before(line, _key(line.text))
            if not keys:
                silent.append(line)
                if out and at == len(self._letters) and len(silent) > len(self._below) + _MOST_SILENT:
                    break
            elif at == len(self._letters):
                break
            elif (key := self._at(at, keys)) is None:
                silent, apart, skipped = [], True, skipped + 1
                if skipped > _MOST_SKIPPED:
                    return None
            elif any(step.kind == "quote" for step in line.path) != bool(self._quoted[at]):
                return None
            else:
                above = silent if out else _saying(silent, self._above)
                if above is None:
                    return None
                out += [*above, replace(line, fresh=line.fresh or apart)]
                silent, apart, at = [], False, at + len(key)
        below = _saying(silent, self._below)
        return [*out, *below] if out and at == len(self._letters) and below is not None else None

    def _at(self, at: int, keys: tuple[str, ...]) -> str | None:
        return next((key for key in keys if self._letters.startswith(key, at)), None)


def _saying(lines: list[Line], signs: list[str]) -> list[Line] | None:
    """Those of the lines that are these signs, None where not all of the signs are there."""
    found = [line for line in lines if _signs(line.text) in signs]
    return found if [_signs(line.text) for line in found] == signs else None


class _Numbers:
    """Numbers of lists, which the text has in the line and the HTML beside it; programs count from 1 or as it says."""

    def __init__(self) -> None:
        self._item: tuple[int, int] | None = None

    def before(self, line: Line, key: str) -> tuple[str, ...]:
        """Return what the line may say in a text, () where it has no letters."""
        step = line.path[-1] if line.path else None
        if step is None or step.kind != "list" or (step.key, step.item) == self._item:
            return (key,) if key else ()
        self._item = step.key, step.item
        if not key or step.number is None:
            return (key,) if key else ()
        return f"{step.number}{key}", f"{step.item}{key}"
