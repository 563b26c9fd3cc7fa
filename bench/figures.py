"""A figure, its target, and how both are printed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

ADDITIONS: Final = 5_000_000


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    beside: str = ""  # what it was measured against

    @property
    def met(self) -> bool:
        """Say whether the target is met; a figure without one is."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    def line(self) -> str:
        """The figure in one line."""
        sign, target = ("≥", self.least) if self.least is not None else ("≤", self.most)
        wanted = "" if target is None else f"  target {sign} {target:g}  {'met' if self.met else 'MISSED'}"
        beside = f"  ({self.beside})" if self.beside else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name:<52}{self.value:>8.4g}{unit:<4}{wanted}{beside}"


def pace(when: str) -> Figure:
    """How fast this machine is at the moment: shared ones are half as fast at times, and all else with them."""
    begun = time.perf_counter()
    total = 0
    for number in range(ADDITIONS):
        total += number * number
    took = time.perf_counter() - begun
    return Figure(f"this machine, {when}: {ADDITIONS:,} additions", took, "s", beside="0.4 s where it's fast")
