"""Durations counted in buckets, each 5 % wider than the one below: they add up over days, and their percentiles are off
by at most 2.5 %.

A bucket stands for the geometric mean of its bounds, so a value in it is off by at most a factor of √1.05 (2.47 %). The
values of a histogram keep their order, so what holds for each value holds for the one at a rank, and for the mean of
two. Under a second is 0.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from core import packed
from core.figures_shapes import NO_SPREAD, Spread, rank_of_p90

RATIO: Final = 1.05
WITHIN: Final = 0.025  # the share by which a percentile may be off
_LOG: Final = math.log(RATIO)


class Histogram:
    """So many values in each bucket. Adding and merging change it in place."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets = 0  # counters of `packed`: first what took under a second, then from one second on

    @property
    def n(self) -> int:
        """How many values it has."""
        return sum(packed.unpack(self._buckets))

    def add(self, seconds: Iterable[float]) -> None:
        """Count values, in seconds."""
        buckets = [1 + int(math.log(value) / _LOG) if value >= 1 else 0 for value in seconds]
        counts = [0] * (max(buckets, default=0) + 1)
        for bucket in buckets:
            counts[bucket] += 1
        self._buckets += packed.pack(counts)

    def merge(self, other: Histogram) -> None:
        """Count the other's values too."""
        self._buckets += other._buckets

    def spread(self) -> Spread:
        """Return how many there are, their median and ninetieth percentile."""
        n = self.n
        if not n:
            return NO_SPREAD
        low, high, ninetieth = self._at([(n - 1) // 2, n // 2, rank_of_p90(n)])
        return Spread(n=n, median=(low + high) / 2, p90=ninetieth)

    def _at(self, ranks: list[int]) -> list[float]:
        """The values at these ranks, counted from 0, the least first."""
        below = list(accumulate(packed.unpack(self._buckets)))
        return [_value(bisect_right(below, rank)) for rank in ranks]

    def as_json(self) -> str:
        """Return it as it's stored."""
        return packed.write(self._buckets)

    def add_json(self, stored: str) -> None:
        """Count what `as_json` gave too."""
        self._buckets += packed.read(stored)


def _value(bucket: int) -> float:
    return RATIO ** (bucket - 0.5) if bucket else 0.0
