"""Counters side by side in one integer, 32 bits each: to add two of these adds up all their counters at once.

As text they are hexadecimal: the lowest bytes of all counters, then, where some need more, the next ones, after a dot.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

BITS: Final = 32  # of a counter: it holds up to four billion
_BYTES: Final = BITS // 8


def pack(counts: Sequence[int]) -> int:
    """Return counters as one integer, the first the lowest."""
    return int.from_bytes(struct.pack(f"<{len(counts)}I", *counts), "little")


def size(packed: int) -> int:
    """Return how many counters there are up to the last that isn't 0."""
    return -(-packed.bit_length() // BITS)


def unpack(packed: int, count: int | None = None) -> tuple[int, ...]:
    """Return so many counters, as many as there are by default. Raises `OverflowError` where there are more."""
    count = size(packed) if count is None else count
    return struct.unpack(f"<{count}I", packed.to_bytes(count * _BYTES, "little"))


def write(packed: int) -> str:
    """Return counters as they are stored."""
    count = size(packed)
    wide = packed.to_bytes(count * _BYTES, "little")
    planes = [wide[n::_BYTES] for n in range(_BYTES)]
    while planes and not any(planes[-1]):
        planes.pop()
    return ".".join(plane.hex() for plane in planes)


def read(text: str) -> int:
    """Return what `write` was given."""
    first, *more = text.split(".")
    lowest = bytes.fromhex(first)
    wide = bytearray(len(lowest) * _BYTES)
    wide[::_BYTES] = lowest
    for n, plane in enumerate(more, 1):
        wide[n::_BYTES] = bytes.fromhex(plane)
    return int.from_bytes(wide, "little")
