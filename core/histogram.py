"""Durations counted in buckets, each 5 % wider than the one below: they add up over days, and their percentiles are off
by at most 2.5 %.

A bucket stands for the geometric mean of its bounds, so a value in it is off by at most a factor of √1.05 (2.47 %). The
values of a histogram keep their order, so what holds for each value holds for the one at a rank, and for the mean of
two. Under a second is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from core.figures_shapes import NO_SPREAD, Spread, rank_of_p90

RATIO: Final = 1.05
WITHIN: Final = 0.025  # the share by which a percentile may be off
_LOG: Final = math.log(RATIO)
_ZERO: Final = -1  # the bucket of what took under a second


class Histogram:
    """So many values in each bucket. Adding and merging change it in place."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    @property
    def n(self) -> int:
        """How many values it has."""
        return sum(self._counts.values())

    def add(self, seconds: Iterable[float]) -> None:
        """Count values, in seconds."""
        counts = self._counts
        for value in seconds:
            bucket = int(math.log(value) / _LOG) if value >= 1 else _ZERO
            counts[bucket] = counts.get(bucket, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Count the other's values too."""
        counts = self._counts
        for bucket, count in other._counts.items():
            counts[bucket] = counts.get(bucket, 0) + count

    def spread(self) -> Spread:
        """Return how many there are, their median and ninetieth percentile."""
        n = self.n
        if not n:
            return NO_SPREAD
        low, high, ninetieth = self._at([(n - 1) // 2, n // 2, rank_of_p90(n)])
        return Spread(n=n, median=(low + high) / 2, p90=ninetieth)

    def _at(self, ranks: list[int]) -> list[float]:
        """The values at these ranks, counted from 0, the least first."""
        found: list[float] = []
        below = 0
        for bucket in sorted(self._counts):
            below += self._counts[bucket]
            while len(found) < len(ranks) and ranks[len(found)] < below:
                found.append(_value(bucket))
        return found

    def as_json(self) -> list[list[int]]:
        """Return it as it's stored: the buckets, and their counts."""
        buckets = sorted(self._counts)
        return [buckets, [self._counts[bucket] for bucket in buckets]]

    def add_json(self, stored: Any) -> None:
        """Count what `as_json` gave too."""
        counts = self._counts
        for bucket, count in zip(*stored, strict=True):
            counts[bucket] = counts.get(bucket, 0) + count


def _value(bucket: int) -> float:
    return 0.0 if bucket == _ZERO else RATIO ** (bucket + 0.5)
