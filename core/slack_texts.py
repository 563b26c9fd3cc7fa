"""The words of what requesters and staff are told in Slack, as an operator may write them: `[slack.texts.LANGUAGE]`.

Ours are in `bot.told` and `bot.staff_told`, those of the desk's lines in `core.desk_texts`. Here is which there are,
and which gaps each may have; what a key hasn't of its own stays ours. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from string import Formatter
from typing import Final

Texts = Mapping[str, Mapping[str, str]]  # language ("de"): key: text

LONGEST: Final = 1_000  # characters of a text
_TICKET, _LINE = frozenset({"id"}), frozenset({"id", "title"})
_NOTHING: Final[frozenset[str]] = frozenset()
_WHO: Final = frozenset({"who"})
GAPS: Final[Mapping[str, frozenset[str]]] = {
    "ack": _TICKET,
    "resolved": _TICKET,
    "closed": _TICKET,
    "auto_closed": _TICKET,
    "reopened": _TICKET,
    "reminder": _TICKET,
    "reminder_only": _TICKET,
    "waiting": _TICKET,
    "merged": _TICKET | {"into"},
    "rated": _TICKET | {"score"},
    "ask": _NOTHING,
    "comment": _NOTHING,
    "belongs": frozenset({"other"}),
    "offer": _NOTHING,
    "assigned": _LINE | {"by"},
    "reply": _LINE | {"by", "times"},
    "near": _LINE | {"target", "due"},
    "missed": _LINE | {"target", "due"},
    "failed": _LINE | {"to", "reason"},
    "first": _NOTHING,
    "next": _NOTHING,
    "resolve": _NOTHING,
    "somebody": _NOTHING,
    "more": frozenset({"n"}),
    "noted": frozenset({"score"}),
    "line_status": _WHO | {"status"},
    "line_assigned": _WHO | {"name"},
    "line_unassigned": _WHO,
    "line_priority": _WHO | {"priority"},
    "line_title": _WHO | {"title"},
    "line_tagged": _WHO | {"tags"},
    "line_untagged": _WHO | {"tags"},
    "line_moved": _WHO | {"before", "after"},
    "line_moved_away": _WHO | {"before", "after"},
    "line_rated": _WHO | {"score"},
    "line_commented": _WHO | {"score", "comment"},
    "line_snoozed": _WHO | {"until"},
    "line_unsnoozed": _WHO,
    "line_woken": _WHO,
    "line_woke": _NOTHING,
    "line_spam": _WHO,
    "line_no_spam": _WHO | {"status"},
    "line_merged": _WHO | {"into"},
    "line_merged_here": _WHO | {"other"},
    "line_linked": _WHO | {"other", "title"},
    "line_near": frozenset({"target", "due"}),
    "line_missed": frozenset({"target", "due"}),
}
_PIECES: Final = ("first", "next", "resolve", "somebody")
# Labels of buttons (behind the second stands a title), lines of a list, and what stands in these.
SHORT: Final[Mapping[str, int]] = {
    "comment": 75,
    "belongs": 32,
    **dict.fromkeys(("assigned", "reply", "near", "missed", "failed", "more"), 200),
    **dict.fromkeys(_PIECES, 60),
}


def check(texts: Texts) -> None:
    """Raise `ValueError` for the first language, key or gap that there isn't, and for what is no text."""
    for language, own in texts.items():
        where = f"slack.texts.{language}"
        if not re.fullmatch(r"[a-z]{2,3}", language):
            raise ValueError(f"{where}: '{language}' is no language; write it like [slack.texts.de]")
        for key, text in own.items():
            if key not in GAPS:
                near = difflib.get_close_matches(key, GAPS, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(GAPS)}"
                raise ValueError(f"{where}: there is no text '{key}'{hint}")
            if why := _wrong(text, GAPS[key], SHORT.get(key, LONGEST)):
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


def spoken(language: str, ours: Texts, own: Texts) -> Mapping[str, str]:
    """Return the texts of a language ("de", "de-AT"): the operator's before ours; English where there are none."""
    code = re.split("[-_]", language.lower(), maxsplit=1)[0]
    if code not in ours and code not in own:
        code = "en"
    return {**ours["en"], **ours.get(code, {}), **own.get(code, {})}
