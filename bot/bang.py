"""`!assign @x`, `!status pending`: what staff type in a triage thread, to a verb and its words. Pure.

Which verbs there are, and who may use them, is for `core.verbs` to say: an unknown one is passed on as it was
typed, so that its author gets an answer instead of silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COMMAND = re.compile(r"\s*!\s?(?P<verb>[A-Za-z][\w-]*)(?P<rest>.*)", re.DOTALL)
_WORD = re.compile(r"<[^<>]*>|[^\s<>]+|[<>]")
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_LINK = re.compile(r"<(?:mailto:)?([^|>]+)(?:\|([^>]*))?>")
_NUMBER = re.compile(r"#(\d+)")


@dataclass(frozen=True, slots=True)
class Bang:
    """A command: its verb in lower case, its words as typed. A mention became the person's mail address where the
    workspace vouches for one, else their id; a link to a mail address that address, `#12` became `12`."""

    verb: str
    words: tuple[str, ...]


def parse(text: str, emails: Mapping[str, str] | None = None) -> Bang | None:
    """Read a message's text as Slack sends it (mrkdwn, escaped); None where it is no command.

    `emails`: user id → mail address, of those that are mentioned.
    """
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    words = tuple(word for raw in _WORD.findall(found["rest"]) if (word := _plain(raw, emails or {})))
    return Bang(found["verb"].lower(), words)


def _plain(word: str, emails: Mapping[str, str]) -> str:
    if user := _USER.fullmatch(word):
        return emails.get(user[1], user[1])
    if number := _NUMBER.fullmatch(word):
        return number[1]
    if link := _LINK.fullmatch(word):
        target, label = link[1], link[2]
        return label if label and not target.startswith(("http:", "https:")) else target
    return word.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
