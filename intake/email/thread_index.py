"""Outlook's thread index ([MS-OXOMSG] 2.2.1.3): the name of a conversation that answers carry on. Pure.

22 bytes (1, five bytes of FILETIME, a GUID), then five for each answer: the time since the conversation began, a
random half byte and a count. Outlook and Exchange sort conversations by it even where they ignore References.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

LONGEST: Final = 400  # characters; 55 answers deep
_HEADER: Final = 22
_BLOCK: Final = 5
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)  # FILETIME counts 100 ns from here


def usable(value: str | None) -> str | None:
    """Return a Thread-Index as it is kept, or None where it is none. What is too long keeps its beginning: that names
    the conversation."""
    text = "".join((value or "")[:8192].split())
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) < _HEADER or (len(raw) - _HEADER) % _BLOCK:
        return None
    kept = b64encode(raw).decode("ascii")
    return kept if len(kept) <= LONGEST else b64encode(raw[:_HEADER]).decode("ascii")


def answer(parent: str, at: datetime, seed: str) -> str | None:
    """Return the index of an answer written `at` to the mail that has `parent`, None where that is none.

    `seed` takes the place of chance, so that a mail made anew is the same.
    """
    known = usable(parent)
    if known is None:
        return None
    raw = b64decode(known)
    # Exchange writes a byte of 1, then the time's upper 40 bits; in Outlook's that byte is the time's own first one.
    exchange = raw[1] == 1
    began = int.from_bytes(raw[1:6], "big") << 24 if exchange else int.from_bytes(raw[:6], "big") << 16
    now = int((at - _EPOCH).total_seconds()) * 10_000_000
    passed = max(now - began, 0)
    fine = passed < 1 << 49  # up to 1.7 years; the first bit says which 31 follow
    delta = passed >> 18 if fine else 1 << 31 | passed >> 23 & 0x7FFF_FFFF
    last = sha256(seed.encode("utf-8", "replace")).digest()[0] & 0xF0
    return b64encode(raw + delta.to_bytes(4, "big") + bytes([last])).decode("ascii")
