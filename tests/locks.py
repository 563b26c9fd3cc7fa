"""What the lock files say: package by package, as pip reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)\s*(?:;\s*(?P<marker>.+))?$")


@dataclass(frozen=True)
class Locked:
    """One locked package."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def locked(file: str) -> list[Locked]:
    """Return what a lock file holds. Raises `ValueError` at a line that is no pinned package."""
    text = (ROOT / file).read_text("utf-8").replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        line = line.split(" #", 1)[0].strip()
        if not line or line.startswith("#"):
            continue
        words = line.split()
        hashes = tuple(w.removeprefix("--hash=") for w in words if w.startswith("--hash="))
        match = _NAMED.match(" ".join(w for w in words if not w.startswith("--hash=")))
        if not match:
            raise ValueError(f"{file}: '{line}' pins no package")
        found.append(Locked(match["name"].lower(), match["version"], match["marker"] or "", hashes))
    return found


def all_locked() -> list[Locked]:
    """Return what both files hold, each package once: of several versions the one that is for this Python."""
    found: dict[str, Locked] = {}
    for each in (one for file in LOCKS for one in locked(file)):
        if each.name not in found or (each.marker and Marker(each.marker).evaluate()):
            found[each.name] = each
    return list(found.values())
