"""A figure, its target, and how both are printed."""

from __future__ import annotations

from dataclasses import dataclass


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
