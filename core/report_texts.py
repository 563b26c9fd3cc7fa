"""Which words reports and digests have, and an operator's own in their place: `[service.texts.LANGUAGE]`.

Ours are `core/texts/report.*.toml`. Which keys there are, and which gaps each may have, follows from the English ones.
Pure, but for reading those files once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from core import slack_texts
from core.slack_texts import Texts, gaps_of
from core.texts import load

WHERE: Final = "service.texts"
LONGEST: Final = 300  # characters of a sentence
_TITLE: Final = 100
_LABEL: Final = 40
_UNIT: Final = 20
# What stands in a narrow place, by how its key begins.
_ROOMS: Final = {
    **dict.fromkeys(("seconds", "minutes", "hours", "days", "percent", "colon", "share"), _UNIT),
    **dict.fromkeys(("title_", "chart_", "needs", "in_numbers"), _TITLE),
    **dict.fromkeys(
        ("head_", "count_", "standing_", "time_", "target_", "line_", "rated_of", "hour"), _LABEL
    ),
    **dict.fromkeys(("channel_", "priority_", "nobody", "others", "on_average", "tickets", "none"), _LABEL),
}
_FORMS: Final = ("one", "other")


def ours() -> Texts:
    """Return our texts, by language and key."""
    return load("report")


@cache
def gaps() -> Mapping[str, frozenset[str]]:
    """Return by its key which gaps a text may have; both forms of one that is counted have the same."""
    have = gaps_of(ours()["en"])
    return {key: frozenset[str]().union(*(have[twin] for twin in twins(key))) for key in have}


def twins(key: str) -> tuple[str, ...]:
    """Return the keys of a text: one, or those of its forms where it is counted."""
    stem, _, form = key.rpartition("_")
    both = tuple(f"{stem}_{one}" for one in _FORMS)
    return both if form in _FORMS and all(one in ours()["en"] for one in both) else (key,)


@cache
def rooms() -> Mapping[str, int]:
    """Return by its key how many characters a text may have."""
    return {
        key: next((room for begin, room in _ROOMS.items() if key.startswith(begin)), LONGEST)
        for key in ours()["en"]
    }


def check(own: Texts) -> None:
    """Raise `ValueError` for the first language, key or gap that there isn't, and for what is no text in one line."""
    slack_texts.check(own, gaps(), rooms(), WHERE, one_line=gaps())


def check_language(digest: str, language: str, own: Texts) -> None:
    """Raise `ValueError` where a digest wants a language in which there are no words; "" is the service's."""
    if language and not speaks(language, own):
        known = ", ".join(sorted({*ours(), *own}))
        raise ValueError(
            f"digest {digest}: there are no words in '{language}' (there are: {known}); "
            f"write yours below [{WHERE}.{language}]"
        )


def speaks(language: str, own: Texts) -> bool:
    """Is there anything in this language, ours or the operator's?"""
    return language in ours() or bool(own.get(language))
