"""Address fields to mailboxes (RFC 5322 3.4), as tolerant as mail programs have to be.

One pass over the text: 64 KiB of anything take milliseconds, nested comments need no recursion. The name is never
used to tell who somebody is: it may hold somebody else's address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from intake.email.charsets import one_line
from intake.email.words import decode_words

MOST_MAILBOXES: Final = 500
LONGEST_ADDRESS: Final = 320  # RFC 5321: 64 + 1 + 255
LONGEST_NAME: Final = 200
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|\\.|<[^<>,;"]*>?|[(),;:]|[^"\\<(),;:]+|\\', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as written: decoded name ('' without one), address in lower case."""

    name: str
    address: str


@dataclass(slots=True)
class _Entry:
    """One entry of the list while it is read."""

    words: list[str]
    comment: list[str]
    angle: str | None = None


@lru_cache(maxsize=32)
def read_mailboxes(text: str) -> tuple[Mailbox, ...]:
    """Return the mailboxes of an address field in order; entries without an address are left out."""
    found = _read(text)
    if not found and text.count('"') % 2:
        found = _read(text.replace('"', " "))  # an open quote swallowed the rest
    return tuple(found[:MOST_MAILBOXES])


def is_plain_single(text: str) -> bool:
    """Say whether the field names exactly one mailbox in ordinary form: no group, no second address."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"?', "", text, flags=re.DOTALL)
    return (
        len(read_mailboxes(text)) == 1
        and outside.count("<") <= 1
        and ":" not in outside
        and ";" not in outside
    )


def _read(text: str) -> list[Mailbox]:
    found: list[Mailbox] = []
    before = ""  # a name that an unquoted comma parted from its address
    entry, depth = _Entry([], []), 0
    for piece in _PIECE.findall(text):
        if depth or piece == "(":
            depth += (piece == "(") - (piece == ")")
            entry.comment.append(piece)
        elif piece in (",", ";"):
            if len(found) >= MOST_MAILBOXES:
                break
            before = _finish(entry, before, found)
            entry = _Entry([], [])
        elif piece == ":" and entry.angle is None and "@" not in "".join(entry.words):
            entry = _Entry([], [])  # the name of a group
        elif piece[0] == "<":
            entry = _with_angle(entry, piece)
        else:
            entry.words.append(piece)
    _finish(entry, before, found)
    return found


def _with_angle(entry: _Entry, piece: str) -> _Entry:
    inner = piece.strip("<> \t")
    if entry.angle is None or "@" not in entry.angle:
        entry.angle = inner
    elif "@" in inner:
        entry.angle = inner  # `Max <max <a@b>`: the last one counts
    return entry


def _finish(entry: _Entry, before: str, found: list[Mailbox]) -> str:
    """Note the entry's mailbox; return the name that belongs to the next entry."""
    words = "".join(_unquoted(word) for word in entry.words)
    if entry.angle is None or "@" not in entry.angle:
        loose = [word for word in words.split() if "@" in word]
        if not loose:
            return one_line(words) if entry.angle is None and words.strip() else ""
        address, name = loose[-1], _comment(entry.comment) or words.replace(loose[-1], " ")
    else:
        address, name = entry.angle, words or _comment(entry.comment)
    cleaned = clean_address(address)
    if cleaned:
        full = f"{before}, {name}" if before and name.strip() else name
        found.append(Mailbox(_name(full), cleaned))
    return ""


def _unquoted(word: str) -> str:
    if word[0] == '"':
        return _ESCAPE.sub(r"\1", word.strip('"') if len(word) > 1 else "")
    return word


def _comment(tokens: list[str]) -> str:
    return "".join(tokens).strip("() \t")


def _name(text: str) -> str:
    name = one_line(decode_words(text)).strip(" ,;")
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name[:LONGEST_NAME]


def clean_address(text: str) -> str:
    """Return the address in lower case, or '' where it is none."""
    address = one_line(decode_words(text)).strip(" <>\"'[](),;")
    if ":" in address:  # `mailto:a@b`, or a source route `@x,@y:a@b`
        address = address.rpartition(":")[2]
    address = "".join(address.split()).rstrip(".").lower()
    local, at, domain = address.rpartition("@")
    local = local.strip('"')
    if not at or not local or not domain or len(address) > LONGEST_ADDRESS:
        return ""
    return f"{local}@{domain}"
