"""`python -m bench slack`: fifty people and 2,000 acts a seed over a wire that misbehaves; both sides are compared."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from bench.figures import Figure
from tests.mariadb import Run
from tests.soak.run import Soak, soak
from tests.stores import MariaDbStores

SEEDS = tuple(int(seed) for seed in os.environ.get("SEEDS", "1 2 3").split())
ACTS = int(os.environ.get("ACTS", "2000"))
MOST_ACK_MS = 1000


async def measure(run: Run) -> list[Figure]:
    """Soak on MariaDB, once a seed."""
    stores = MariaDbStores(await asyncio.to_thread(run.shared_server))
    figures: list[Figure] = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
            home = Path(folder) / "var"
            home.mkdir()
            store, kept = await asyncio.to_thread(stores.take, home)
            try:
                done = await soak(store, Path(folder) / "house", seed=seed, acts=ACTS)
            finally:
                await asyncio.to_thread(stores.drop, kept.name)
        figures += _figures(done)
    return figures


def _figures(done: Soak) -> list[Figure]:
    acts = sum(done.memory.done.values())
    came = f"{len(done.memory.messages)} messages of which {done.late} say that they came late"
    trouble = ", ".join(f"{count} {what}" for what, count in sorted(done.misbehaved.items()))
    for fault in done.faults[:20]:
        print(f"  seed {done.seed}: {fault}")
    return [
        Figure(
            f"seed {done.seed}: lost, doubled or out of order",
            len(done.faults),
            most=0,
            beside=f"{acts} acts, {came}, {done.seconds:.0f} s; {trouble}",
        ),
        Figure(
            f"seed {done.seed}: slowest acknowledgement of a click",
            done.slowest_ack * 1000,
            "ms",
            most=MOST_ACK_MS,
            beside=f"{len(done.memory.acks)} clicks, {done.memory.unacked} unanswered",
        ),
    ]
