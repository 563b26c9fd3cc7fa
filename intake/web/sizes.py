"""How large a file is, in words."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB")


def size(count: int) -> str:
    """A file's size in steps of 1,000: "20.5 MB". Pure."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"
