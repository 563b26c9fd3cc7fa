"""How wide text is in letters of one width: in a terminal, in a text mail's table, in Slack's frames."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """Return how many columns it takes: letters of East Asia two (Unicode Standard Annex 11), marks upon letters none.
    Pure."""
    return sum(map(_of, text))


def cut(text: str, widest: int) -> str:
    """Return it on one line of at most `widest` columns, with "…" where something is left out. Pure."""
    text = " ".join(text.split())
    used, kept = 0, 0  # columns so far; letters that leave room for the "…"
    for letter in text:
        used += _of(letter)
        if used < widest:
            kept += 1
        elif used > widest:
            return f"{text[:kept].rstrip()}…"
    return text


def _of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
