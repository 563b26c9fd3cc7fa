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

ROUNDS = 2
CONNECTIONS = 16


async def measure(run: Run) -> list[Figure]:
    """Sink and house by turns, on MariaDB; a house has done its work or is gone before the sink's turn comes."""
    stores = MariaDbStores(await asyncio.to_thread(run.shared_server))
    bare, stored = [], []
    async with sink() as port:
        await press(port, connections=CONNECTIONS, seconds=1, name="warm")
        for turn in range(ROUNDS):
            bare.append(await press(port, connections=CONNECTIONS, name=f"bare{turn}"))
            with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
                home = Path(folder) / "var"
                home.mkdir()
                store, kept = await asyncio.to_thread(stores.take, home)
                stored.append(await _house(store, Path(folder), port, f"round{turn}"))
                await asyncio.to_thread(stores.drop, kept.name)
        bare.append(await press(port, connections=CONNECTIONS, name="last"))
    ours, theirs = median(load.rate for load in stored), median(load.rate for load in bare)
    return [
        Figure(
            "mails accepted durably, of a bare sink's",
            ours / theirs,
            least=0.40,
            beside=f"{ours:.0f}/s of {theirs:.0f}/s, MariaDB, {CONNECTIONS} connections, 2 kB",
        )
    ]


async def _house(store: Store, folder: Path, relay: int, name: str) -> Load:
    async with House(store, folder / "house", email={"outbound": {"port": relay}}) as house:
        await press(house.smtp_port, connections=CONNECTIONS, seconds=1, name=f"{name}-warm")
        load = await press(house.smtp_port, connections=CONNECTIONS, name=name)
    stored = store.count("inbox")
    if set(load.answers) != {250} or stored < load.accepted:
        raise RuntimeError(f"answers {dict(load.answers)}, but {stored} mails are stored")
    return load
