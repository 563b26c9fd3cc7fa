"""How much strangers may put on the disk: so many bytes an hour from one network, and so many a day in all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from core.brakes import allow, network_of
from core.config import Brakes
from core.database import Tx
from core.failures import TooMany
from core.shapes import File

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


async def brake_files(tx: Tx, brakes: Brakes, source: str, files: Sequence[File]) -> None:
    """Count the files of a report that nobody has confirmed. What is refused isn't counted: the unit is undone. Raises
    `TooMany`."""
    size, network = sum(file.size for file in files), network_of(source)
    if not size:
        return
    each, most = brakes.strangers_bytes_per_source, brakes.strangers_bytes_in_all
    if network and not await allow(tx, f"files-from:{network}", each, _HOUR, amount=size):
        raise TooMany("too many bytes in files from your network; send less, or try again in an hour", _HOUR)
    if not await allow(tx, "files:strangers", most, _DAY, amount=size):
        raise TooMany("too many files came today; send the report without them, or sign in first", _DAY)
