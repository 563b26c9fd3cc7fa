"""Places as channels name them: `[team/]conversation[#thread]`. Pure."""

from __future__ import annotations


def conversation(place: str) -> str:
    """Return the conversation of a place, without its team and thread."""
    return place.partition("#")[0].rpartition("/")[2]


def same_conversation(one: str, other: str) -> bool:
    """Are both places in one conversation?"""
    return bool(one) and conversation(one) == conversation(other)
