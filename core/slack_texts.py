"""The words of what requesters and staff are told in Slack, as an operator may write them: `[slack.texts.LANGUAGE]`.

Ours are in `core/texts/slack.*.toml`, all that the desk is told in `core.desk_texts`. Here is which there are, and
which gaps each may have; what a key hasn't of its own stays ours. Pure.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from string import Formatter
from typing import Final

from core.texts import load

Texts = Mapping[str, Mapping[str, str]]  # language ("de"): key: text

LONGEST: Final = 1_000  # characters of a text


def gaps_of(texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return which gaps each text has. Pure."""
    return {
        key: frozenset(name for _, name, _, _ in Formatter().parse(text) if name)
        for key, text in texts.items()
    }


# What requesters hear, by `data["what"]`; parts of these and of posts (`bot.thread_posts`); news, by a line's `news`.
TEXTS: Final[Mapping[str, Mapping[str, str]]] = load("slack")
GAPS: Final[Mapping[str, frozenset[str]]] = {**gaps_of(TEXTS["en"]), **gaps_of(load("desk")["en"])}
_PIECES: Final = ("first", "next", "resolve", "somebody", "edited")
_LINES: Final = ("assigned", "reply", "near", "missed", "failed", "more")
_BESIDE: Final = (
    "late",
    "goes_on",
    "taken_back",
    "line_claims",
    "line_outsider",
    "line_deleted",
    "line_goes_on",
)
_BEGIN: Final = (
    "unreadable_title",
    "lift_",
    "list_",
    "exposed_triage",
    "undelivered_digest",
    "undelivered_n",
)
# Labels of buttons (behind the second stands a title), lines of a list, what stands beside a message or in its place,
# subjects, and what stands in others. Each of these is one line.
SHORT: Final[Mapping[str, int]] = {
    "comment": 75,
    "belongs": 32,
    **dict.fromkeys((*_LINES, *_BESIDE), 200),
    **dict.fromkeys(_PIECES, 60),
    **{key: 200 for key in GAPS if key.startswith(_BEGIN) or key.endswith("_subject")},
}
_SEPARATORS: Final = frozenset({"Zl", "Zp"})  # Unicode's own line and paragraph


def check(
    texts: Texts,
    may: Mapping[str, frozenset[str]] = GAPS,
    rooms: Mapping[str, int] = SHORT,
    section: str = "slack.texts",
    one_line: Container[str] = SHORT,
) -> None:
    """Raise `ValueError` for the first language, key or gap that there isn't, and for what is no text.

    `may`: the gaps of each key. `rooms`: characters of those texts that have less than `LONGEST`. `section`: where in
    the configuration they stand. `one_line`: the keys of those that have no second one.
    """
    for language, own in texts.items():
        where = f"{section}.{language}"
        if not re.fullmatch(r"[a-z]{2,3}", language):
            raise ValueError(f"{where}: '{language}' is no language; write it like [{section}.de]")
        for key, text in own.items():
            if key not in may:
                near = difflib.get_close_matches(key, may, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(may)}"
                raise ValueError(f"{where}: there is no text '{key}'{hint}")
            why = _wrong(text, may[key], rooms.get(key, LONGEST)) or _unseen(text, key in one_line)
            if why:
                raise ValueError(f"{where}.{key}: {why}")


def _wrong(text: str, gaps: frozenset[str], longest: int) -> str:
    """Say what is wrong with a text: "" where it can be filled."""
    if not text.strip():
        return "it is empty"
    if len(text) > longest:
        return f"it is longer than {longest:,} characters"
    may = f"it may have {', '.join('{' + gap + '}' for gap in sorted(gaps))}" if gaps else "it has no gaps"
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return f"a brace stands alone; {may}, and a brace itself is written twice"
    found: set[str] = set()
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in gaps or form or conversion:
            return f"it has a gap {{{name}}}; {may}"
        if name in found and name != "id":
            return f"it has the gap {{{name}}} twice"
        found.add(name)
    return ""


def _unseen(text: str, one_line: bool) -> str:
    """Say what a text has that shows nothing but moves what follows, or begins another line: "" where it hasn't."""
    for letter in text:
        kind = unicodedata.category(letter)
        if one_line and (letter == "\n" or kind in _SEPARATORS):
            return "it has more than one line"
        if kind == "Cc" and letter != "\n":
            return f"it has a control character, U+{ord(letter):04X}"
    return ""


def spoken(language: str, ours: Texts, own: Texts) -> Mapping[str, str]:
    """Return the texts of a language ("de", "de-AT"): the operator's before ours; English where there are none."""
    code = _code(language)
    if code not in ours and not own.get(code):
        code = "en"
    return {**ours["en"], **ours.get(code, {}), **own.get(code, {})}


def heard(wanted: Iterable[str], ours: Texts, own: Texts) -> Mapping[str, str]:
    """Return the texts for whom languages ("de", "de-AT") are wanted in this order: each text in the first that has it,
    the operator's before ours, else in English. So a language in which an operator wrote one text counts for that."""
    texts: dict[str, str] = {}
    for code in (*map(_code, wanted), "en"):
        texts = {**ours.get(code, {}), **own.get(code, {}), **texts}
    return texts


def _code(language: str) -> str:
    return re.split("[-_]", language.lower(), maxsplit=1)[0]
