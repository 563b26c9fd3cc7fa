"""Places as channels name them: `[team/]conversation[#thread]`. Pure."""

from __future__ import annotations

import re
from typing import Final

_DIRECT: Final = re.compile(r"[DUW][A-Z0-9]+")


def conversation(place: str) -> str:
    """Return the conversation of a place, without its team and thread."""
    return place.partition("#")[0].rpartition("/")[2]


def same_conversation(one: str, other: str) -> bool:
    """Are both places in one conversation?"""
    return bool(one) and conversation(one) == conversation(other)


def direct(place: str) -> bool:
    """Is it a conversation with one person alone: theirs with us, or their id, by which one is opened?"""
    return _DIRECT.fullmatch(conversation(place)) is not None
