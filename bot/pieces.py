"""Long texts into pieces that a text object and a message have room for, each of which shows what it should. Pure.

docs.slack.dev/reference/block-kit: 3,000 characters a text object; a message with over about 13,000 in all its blocks
is refused.
"""

from __future__ import annotations

import re
from typing import Final

TEXT_LIMIT: Final = 3_000  # of a text object
SECTIONS: Final = 3  # of text in one message: with its frame below 12,000 characters over all blocks
FENCE: Final = "```"
_LONGEST_TOKEN: Final = 2_600  # characters of a link
_OPEN_TOKEN = re.compile(r"<[^<>\n]*\Z")


def split(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Cut an escaped text into pieces of at most `limit` characters: between paragraphs, else lines, else words,
    never inside an entity or a link. Joined by nothing but the white space at the cuts, they are the text; a cut
    inside a fence closes it and opens it again."""
    pieces: list[str] = []
    rest = text.strip("\n")
    while len(rest) > limit:
        room = limit - len(FENCE) - 1 if limit > 4 * len(FENCE) else limit  # to close a fence
        at = _cut(rest, room)
        piece, rest = rest[:at].rstrip(), _behind(rest, at)
        if FENCE in piece and _open_fence(piece, rest):
            piece, rest = _parted(piece, rest)
        pieces.append(piece)
    return [piece for piece in (*pieces, rest) if piece.strip()]


def _behind(text: str, at: int) -> str:
    return text[at:].lstrip("\n") if text[at : at + 1] == "\n" else text[at:].removeprefix(" ")


def _open_fence(piece: str, rest: str) -> bool:
    """Say whether a fence that the piece opens is closed behind it: one that never is, is only three characters."""
    return piece.count(FENCE) % 2 == 1 and FENCE in rest


def _parted(piece: str, rest: str) -> tuple[str, str]:
    """Put the cut before a fence that has just begun, else into it."""
    at = piece.rfind(FENCE)
    inside = piece[at + len(FENCE) :].strip("\n")
    above = piece[:at].rstrip()
    if above.strip() and not inside.strip():
        return above, f"{FENCE}\n{rest}"
    closed = rest.removeprefix("\n")
    if closed.startswith(FENCE):
        return f"{piece}\n{FENCE}", closed[len(FENCE) :].lstrip("\n")
    return f"{piece}\n{FENCE}", f"{FENCE}\n{rest}"


def _cut(text: str, limit: int) -> int:
    for mark in ("\n\n", "\n", " "):
        at = _outside(text, text.rfind(mark, limit // 2, limit + 1))
        if at > 0:
            return at
    at = text.rfind("&", limit - 4, limit)
    return _outside(text, at if at > 0 and ";" not in text[at:limit] else limit) or limit


def _outside(text: str, at: int) -> int:
    """The place of a cut, before the link where it would fall into one."""
    if at <= 0:
        return at
    token = _OPEN_TOKEN.search(text, max(0, at - _LONGEST_TOKEN), at)
    if token is None or text.find(">", at, at + _LONGEST_TOKEN) < 0:
        return at
    return token.start()


def messages(text: str) -> list[list[str]]:
    """Cut an escaped text into messages, each a list of pieces for a text object."""
    pieces = split(text)
    return [pieces[at : at + SECTIONS] for at in range(0, len(pieces), SECTIONS)]
