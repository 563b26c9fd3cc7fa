"""`python -m bench [NAME…]`: measure, print, exit 1 where a target is missed."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bench import (
    footprint,
    intake,
    latency,
    mail_memory,
    pages,
    quarter,
    search,
    slack_soak,
    time_due,
    time_figures,
)
from bench.figures import Figure
from tests.mariadb import Run

Measure = Callable[[Run], Coroutine[Any, Any, list[Figure]]]
MEASURES: dict[str, Measure] = {
    "intake": intake.measure,
    "latency": latency.measure,
    "footprint": footprint.measure,
    "mail-memory": mail_memory.measure,
    "slack": slack_soak.measure,
    "time-figures": time_figures.measure,
    "time-due": time_due.measure,
    "quarter": quarter.measure,
    "pages": pages.measure,
    "search": search.measure,
}
LONG = ("slack", "time-figures", "time-due", "quarter", "pages", "search")  # these have commands of their own


def main() -> int:
    """Measure what was asked for, one thing after the other."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(MEASURES)}; default: all but {', '.join(LONG)}",
    )
    wanted = parser.parse_args().names or [name for name in MEASURES if name not in LONG]
    if unknown := [name for name in wanted if name not in MEASURES]:
        parser.error(f"no measure named '{unknown[0]}'; there are {', '.join(MEASURES)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    run = Run.begin()
    missed = False
    try:
        for name in wanted:
            for figure in asyncio.run(MEASURES[name](run)):
                print(figure.line(), flush=True)
                missed = missed or not figure.met
    finally:
        run.end()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
