"""Words as they are searched: folded, each with a letter for who may find it. Pure.

A store's full-text search has rules of its own (the shortest word, words that it leaves out, accents). What is handed
to it is folded here, and every word begins with two letters, so that both stores find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

EVERYBODY: Final = "qp"  # words that whoever sees the ticket may find
STAFF: Final = "qs"  # words of notes, outsiders' messages, names and addresses of people
LONGEST: Final = 40  # letters of a word that count
MOST_WORDS: Final = 12  # of what is asked for
_WORD: Final = re.compile(r"[^\W_]+")
# Written without blanks between words: there two letters that stand together are a word.
_UNBROKEN: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


def words_in(text: str) -> list[str]:
    """Return the words of a text, folded (case, accents, width), in their order, each once."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    found: dict[str, None] = {}
    for run in _WORD.findall(letters):
        for word in _parted(run):
            found.setdefault(word[:LONGEST])
    return list(found)


def _parted(run: str) -> Iterable[str]:
    at = 0
    for piece in _UNBROKEN.finditer(run):
        if piece.start() > at:
            yield run[at : piece.start()]
        letters, at = piece[0], piece.end()
        yield from (letters[n : n + 2] for n in range(max(1, len(letters) - 1)))
    if at < len(run):
        yield run[at:]


def entry(everybody: Iterable[str], staff: Iterable[str]) -> str:
    """Return what is kept of a ticket to be searched: a blank before each word."""
    seen = dict.fromkeys(EVERYBODY + word for text in everybody for word in words_in(text))
    seen |= dict.fromkeys(STAFF + word for text in staff for word in words_in(text))
    return "".join(f" {word}" for word in seen)


def asked(q: str) -> tuple[str, ...]:
    """Return the words that somebody asks for; each stands for all that begin so."""
    return tuple(words_in(q)[:MOST_WORDS])


def matches(kept: str, wanted: Iterable[str], *, staff: bool) -> bool:
    """Whether an entry has all these words, as far as the one who asks may find them."""
    kinds = (EVERYBODY, STAFF) if staff else (EVERYBODY,)
    return all(any(f" {kind}{word}" in kept for kind in kinds) for word in wanted)
