"""Counters side by side: adding is adding each, and nothing is lost on the way through text."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.packed import pack, read, size, unpack, write

COUNTS = st.lists(st.integers(0, 1000) | st.integers(0, 2**31 - 1), min_size=1, max_size=40)


@given(COUNTS, COUNTS)
def test_adding_adds_each(first: list[int], second: list[int]) -> None:
    """Of different lengths too; the counters that one lacks are 0."""
    count = max(len(first), len(second))
    padded = [each + [0] * (count - len(each)) for each in (first, second)]
    assert list(unpack(pack(first) + pack(second), count)) == [a + b for a, b in zip(*padded, strict=True)]


@given(COUNTS)
def test_through_text(counts: list[int]) -> None:
    """Whatever their size."""
    packed = pack(counts)
    assert read(write(packed)) == packed
    assert unpack(packed, len(counts)) == tuple(counts)
    assert unpack(packed) == tuple(counts)[: size(packed)]


def test_as_text() -> None:
    """Small counters take two letters each, larger ones more; none take none."""
    assert write(pack([1, 255, 0, 0])) == "01ff"
    assert write(pack([1, 256])) == "0100.0001"
    assert (write(0), read("")) == ("", 0)


def test_too_many() -> None:
    """More than are wanted, or one that is too large, is no smaller number in silence."""
    with pytest.raises(OverflowError):
        unpack(pack([1, 2]), 1)
    with pytest.raises(struct.error):
        pack([2**32])
