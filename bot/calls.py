"""Whom a message calls before it says something: mentions, groups, channels, emoji, and what joins them. Pure.

Whatever of that stands in front of `note:`, a lock or `!take`, those count: words for staff never go out because a
colleague was called first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

MOST: Final = 40  # that are looked behind
_WINDOW: Final = 400  # characters in which the next one stands
_JOINED = re.compile(
    r"(?:[\s,;.…?&+/|()\[\]{}•–—\-*_~`>\u200b-\u200f\u2060\ufeff]|:(?![\w+'-]{1,100}:)|&gt;|&amp;|[!！](?![^\S\n]{0,3}[A-Za-z])|"
    r"(?<!\w)(?:and|or|und|oder|et|ou|y|o|e|cc|fyi)(?!\w))*",
    re.IGNORECASE,
)
_LIVE: Final = r"<[@#!][^<>]{1,200}>"
_TYPED: Final = r"@[^\s,;:.?!()<>@]+(?:\.[^\s,;:.?!()<>@]+)*|\#(?!\d+(?!\w))[^\s,;:.?!()<>#]+"
_EMOJI: Final = (
    r":[\w+'-]{1,100}:(?::skin-tone-[2-6]:)?|[0-9#*]\ufe0f?\u20e3|"
    r"(?:[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    r"\u3030\u303d\u3297\u3299\U0001f000-\U0001faff][\ufe0e\ufe0f\u200d\U000e0020-\U000e007f]*)+"
)
# "hey there @kim": a few words, then somebody who is called.
_GREETING = re.compile(r"(?:[^\W\d_]{1,20}[,.!]?[^\S\n]+){1,3}(?=[@<])")

_SURNAME = re.compile(r"[^\S\n]{1,3}([^\W\d_][\w'’.-]{0,30})(?!\w)")
_PARTS: Final = 2


def behind(text: str, names: Iterable[str] = ()) -> Iterator[int]:
    """Yield where a text goes on behind each call in front of it. `names`: of those who may be called, as they are
    shown."""
    known = [re.escape(name) for name in sorted(set(names), key=len, reverse=True) if name]
    shown = "".join(rf"[@#]{name}(?!\w)|" for name in known)
    call = re.compile(rf"{shown}{_LIVE}|{_TYPED}")
    emoji = re.compile(_EMOJI)
    at, greeted = _joined(text, 0), False
    for _ in range(MOST):
        end = at + _WINDOW
        found = call.match(text, at, end) or emoji.match(text, at, end)
        if found is None:
            greeting = None if greeted else _GREETING.match(text, at, end)
            if greeting is None:
                return
            at, greeted = greeting.end(), True
            continue
        greeted = True
        at = _joined(text, found.end())
        yield at
        if found[0].startswith("@"):  # typed, not chosen: "@Grace Hopper" stays two words
            for further in _surnames(text, found.end()):
                yield further
                if call.match(text, further) or emoji.match(text, further):
                    at = further


def _surnames(text: str, at: int) -> Iterator[int]:
    """Yield where a text goes on behind each further part of a name that was typed."""
    for _ in range(_PARTS):
        part = _SURNAME.match(text, at, at + _WINDOW)
        if part is None or not part[1][0].isupper():
            return
        at = part.end()
        yield _joined(text, at)


def _joined(text: str, at: int) -> int:
    found = _JOINED.match(text, at, at + _WINDOW)
    return found.end() if found else at
