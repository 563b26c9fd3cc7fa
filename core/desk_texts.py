"""What the desk is told in its threads, by mail and personally, in the service's language (`core/texts/desk.*.toml`);
and what requesters hear where nothing else says it, in theirs.

An operator's own texts (`[slack.texts.LANGUAGE]`) come before ours, by mail too. Statuses, priorities and tags stay the
words that commands take, commands stay commands; and what a server or Slack said stays as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from core import slack_texts
from core.texts import load

if TYPE_CHECKING:
    from core.config import Config
    from core.report_words import Speech

TEXTS: Final[Mapping[str, Mapping[str, str]]] = load("desk")


class Phrase(str):
    """Words of ours in English, as logs and the command line show them, which know their text: in a gap of another
    one, or by `in_words`, they are in the reader's language. Cut or joined they are English only. Made by `phrase`."""

    key: str
    gaps: Mapping[str, Any]


def phrase(key: str, **gaps: Any) -> Phrase:
    """Return a text of ours as a phrase. Raises `KeyError` for a key or a gap that there isn't."""
    made = Phrase(TEXTS["en"][key].format_map(gaps))
    made.key, made.gaps = key, gaps
    return made


def said(config: Config, key: str, **gaps: Any) -> str:
    """Return a text with its gaps filled, as the desk reads it."""
    return _filled(slack_texts.spoken(config.service.language, TEXTS, config.slack.texts), key, gaps)


def counted(config: Config, key: str, n: int, **gaps: Any) -> str:
    """Return the text for that many (`key_one` or `key_other`), as the desk reads it, with the number as `{n}`."""
    speech = speech_of(config)
    return said(config, f"{key}_{speech.plural(n)}", n=speech.number(n), **gaps)


def speech_of(config: Config) -> Speech:
    """Return how the desk's language writes numbers and durations, which an operator may have otherwise."""
    from core.report_words import spoken_by  # which needs the views, as these need what is said here

    return spoken_by(config.service.language, config.service.texts)


def heard(config: Config, key: str, wanted: Iterable[str | None], **gaps: Any) -> str:
    """Return a text as somebody outside hears it: in the first of these languages that has it, else the service's."""
    languages = [*(one for one in wanted if one), config.service.language]
    return _filled(slack_texts.heard(languages, TEXTS, config.slack.texts), key, gaps)


def in_words(config: Config, words: str) -> str:
    """Return words as the desk reads them: a phrase in its language, others (a server's, Slack's) as they came."""
    return said(config, words.key, **words.gaps) if isinstance(words, Phrase) else words


def target(config: Config, name: str) -> str:
    """Return what a target is called: `name` is first, next or resolve."""
    return said(config, name)


def _filled(texts: Mapping[str, str], key: str, gaps: Mapping[str, Any]) -> str:
    full = {
        name: _filled(texts, gap.key, gap.gaps) if isinstance(gap, Phrase) else gap
        for name, gap in gaps.items()
    }
    return texts[key].format_map(full)
