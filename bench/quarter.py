"""A whole quarter of three queues in three time zones, checked by a reckoning of its own (`tests/quarter`).

`python -m bench.quarter` lives through the autumn with 20,000 tickets on SQLite: TICKETS=, SEED=, QUARTER="autumn
spring" and STORES="sqlite mariadb" choose others. Prints what was compared, and each difference in a line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from bench.figures import Figure
from tests.mariadb import Run
from tests.quarter.run import Outcome, quarter
from tests.quarter.setting import AUTUMN, SPRING
from tests.stores import MariaDbStores, SqliteStores, Store

TICKETS: Final = int(os.environ.get("TICKETS", "20000"))
SEED: Final = int(os.environ.get("SEED", "1"))
QUARTERS: Final = os.environ.get("QUARTER", "autumn").split()
STORES: Final = os.environ.get("STORES", "sqlite").split()
SHOWN: Final = 50  # differences
_KNOWN: Final = {which.name: which for which in (AUTUMN, SPRING)}


@contextmanager
def _store(run: Run, name: str) -> Iterator[Store]:
    """A migrated store in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "var"
        data.mkdir()
        if name == "sqlite":
            yield SqliteStores(Path(folder)).migrated(data)
            return
        stores = MariaDbStores(run.shared_server())
        taken, _ = stores.take(data)
        yield taken
        stores.drop(taken.database)


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _figures(name: str, outcome: Outcome) -> list[Figure]:
    """What came of one, in numbers; the rest is printed as it is."""
    for line in (*outcome.told(), *outcome.lines[:SHOWN]):
        print(f"  {line}", flush=True)
    return [
        Figure(f"{name}: tickets", outcome.tickets),
        Figure(f"{name}: effects of time compared", sum(outcome.kinds.values())),
        Figure(f"{name}: figures of digests compared", outcome.figures),
        Figure(f"{name}: took", sum(outcome.seconds[what] for what in ("planning", "living")) / 60, "min"),
        Figure(f"{name}: differences", len(outcome.lines), most=0),
    ]


async def measure(run: Run) -> list[Figure]:
    """Live through what was asked for, one after the other."""
    found: list[Figure] = []
    for store_name in STORES:
        for which in QUARTERS:
            with _store(run, store_name) as store:
                outcome = await quarter(store, _KNOWN[which], TICKETS, SEED, _say)
                found += _figures(f"{which} on {store_name}", outcome)
    return found


def main() -> int:
    """Print it; 1 where something differs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    run = Run.begin()
    try:
        figures = asyncio.run(measure(run))
    finally:
        run.end()
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
