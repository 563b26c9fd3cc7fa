"""`!assign @x`, `!status pending`: what staff type in a triage thread, to a verb and its words. Pure.

Who may use a verb is for `core.verbs` to say, and an unknown one is passed on as it was typed, so that its author gets
an answer instead of silence. What can't be a command is none: `!!!`, `! wow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.calls import behind
from core.asked import nearest
from core.verbs import VERBS

# Phones set a space behind the mark, Asian keyboards write it wide, and some make commands bold or code.
_COMMAND: Final = re.compile(
    r"\s*(?P<dress>[*_~`]{0,3})[!！](?P<gap>[^\S\n]{0,3})(?P<verb>[A-Za-z][\w-]*)[:：]?(?P<rest>.*)",
    re.DOTALL,
)
_BY_ID: Final = ("cc", "admit")  # who is meant takes part as they are in Slack, not by mail
_WORD: Final = re.compile(r"<[^<>]*>|[^\s<>]+|[<>]")
_USER: Final = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_LINK: Final = re.compile(r"<(?:mailto:)?([^|>]+)(?:\|([^>]*))?>")
_NUMBER: Final = re.compile(r"#(\d+)")


@dataclass(frozen=True, slots=True)
class Bang:
    """A command: its verb in lower case, its words as typed. A mention became the person's mail address where the
    workspace vouches for one, else (and for `cc` and `admit`) their id; a link to a mail address that address, `#12`
    became `12`."""

    verb: str
    words: tuple[str, ...]


def parse(text: str, emails: Mapping[str, str] | None = None) -> Bang | None:
    """Read a message's text as Slack sends it (mrkdwn, escaped); None where it is no command.

    `emails`: user id → mail address, of those that are mentioned.
    """
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    verb = found["verb"].lower()
    if found["gap"] and verb not in VERBS and not nearest(verb, VERBS):
        return None  # "! wow": a sentence, for all we know
    known = {} if verb in _BY_ID or emails is None else emails
    words = tuple(word for raw in _WORD.findall(_undressed(found)) if (word := _plain(raw, known)))
    return Bang(verb, words)


def parse_called(text: str, emails: Mapping[str, str] | None = None) -> Bang | None:
    """As `parse`, of a text that calls somebody first: `@kim !take`. None where no verb of ours follows."""
    command = _behind_calls(text, ())
    return parse(command, emails) if command is not None else None


def _behind_calls(text: str, names: Iterable[str]) -> str | None:
    """What follows those who are called, where it is a command: "Hi @ann! Take care" is none."""
    for at in behind(text, names):
        at = len(text[:at].rstrip("*_~`"))  # marks belong to the command
        found = _COMMAND.match(text, at)
        if found is None:
            continue
        verb, apart = found["verb"].lower(), text[at - 1 : at].isspace()
        if (verb in VERBS and (apart or not found["gap"])) or (not found["gap"] and nearest(verb, VERBS)):
            return text[at:]
    return None


def rest_of(text: str, names: Iterable[str] = ()) -> str:
    """Return what follows the verb of a command, whole: of its plain text, as people read it. `names`: of those who may
    be called before it."""
    found = _COMMAND.fullmatch(text) or _COMMAND.fullmatch(_behind_calls(text, names) or "")
    return _undressed(found).strip() if found is not None else ""


def _undressed(found: re.Match[str]) -> str:
    """What follows the verb, without the marks that make the whole command bold or code."""
    rest = found["rest"].rstrip()
    for mark in found["dress"]:
        rest = rest[1:] if rest.startswith(mark) else rest.removesuffix(mark)  # only the verb was, or all
    return rest


def _plain(word: str, emails: Mapping[str, str]) -> str:
    if user := _USER.fullmatch(word):
        return emails.get(user[1], user[1])
    if number := _NUMBER.fullmatch(word):
        return number[1]
    if link := _LINK.fullmatch(word):
        target, label = link[1], link[2]
        return label if label and not target.startswith(("http:", "https:")) else target
    return word.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
