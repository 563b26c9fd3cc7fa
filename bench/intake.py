"""How many mails a second are accepted, each after a durable commit, against a bare sink that keeps nothing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.load import Load, press
from bench.sink import sink
from tests.house import House
from tests.mariadb import Run
from tests.stores import MariaDbStores, Store

ROUNDS = 8
SECONDS = 1.5
CONNECTIONS = 16


async def measure(run: Run) -> list[Figure]:
    """Sink and house by turns on MariaDB, in short rounds, so that what else the machine does hits both.

    The house works off its backlog in its own turns alone: it stands still while the sink has its.
    """
    stores = MariaDbStores(await asyncio.to_thread(run.shared_server))
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        home = Path(folder) / "var"
        home.mkdir()
        store, kept = await asyncio.to_thread(stores.take, home)
        try:
            async with sink() as bare:
                pairs = await _pairs(store, Path(folder) / "house", bare.port)
        finally:
            await asyncio.to_thread(stores.drop, kept.name)
    bare, stored = (median(load.rate for load in loads) for loads in zip(*pairs, strict=True))
    return [
        Figure(
            "mails accepted durably, of a bare sink's, median",
            median(ours.rate / theirs.rate for theirs, ours in pairs),
            least=0.40,
            beside=f"{stored:.0f}/s of {bare:.0f}/s, MariaDB, {CONNECTIONS} connections, 2 kB",
        )
    ]


async def _pairs(store: Store, folder: Path, port: int) -> list[tuple[Load, Load]]:
    pairs = []
    accepted = 0
    async with House(store, folder, email={"outbound": {"port": port}}) as house:
        for turn in range(ROUNDS + 1):
            house.freeze()
            bare = await press(port, connections=CONNECTIONS, seconds=SECONDS, name=f"bare{turn}")
            house.thaw()
            ours = await press(house.smtp_port, connections=CONNECTIONS, seconds=SECONDS, name=f"ours{turn}")
            accepted += ours.accepted
            if set(ours.answers) != {250}:
                raise RuntimeError(f"the door answered {dict(ours.answers)}")
            pairs.append((bare, ours))
    if (stored := store.count("inbox")) < accepted:
        raise RuntimeError(f"{accepted} mails were accepted, {stored} are stored")
    return pairs[1:]  # the first warms both
