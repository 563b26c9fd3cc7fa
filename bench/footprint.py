"""What an idle desk takes: memory of all its processes, time to start, and what a command costs to begin."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure
from sandbox import TRIAGE, Sandbox
from tests.house import House
from tests.mariadb import Run
from tests.stores import SqliteStores

MOST_MB = 170
TIMES = 3


async def measure(run: Run) -> list[Figure]:
    """Measure on the embedded store, with mail, Slack and HTTP on; the memory after a few mails were read."""
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        root = Path(folder)
        home = root / "var"
        home.mkdir()
        store = SqliteStores(root / "template").migrated(home)
        box = Sandbox()
        await box.start()
        starts = []
        house = House(store, root / "house", box)
        try:
            for _ in range(TIMES):
                began = time.perf_counter()
                await house.start()
                await house.ready()
                starts.append(time.perf_counter() - began)
                await house.terminate()
            await house.start()
            await house.ready()
            for n in range(3):
                await house.send_mail(subject=f"Question {n}", files=[("note.txt", b"hello" * 100)])
            triage = box.workspace.channel(TRIAGE)
            await box.workspace.wait_for(lambda: len(triage.top) >= 3, timeout=20)
            await box.workspace.settled(quiet=1)
            memory, processes = house.pss_bytes() / 1e6, len(house.processes())
        finally:
            await house.close()
            await box.stop()
    return [
        Figure(
            "idle memory, PSS of all processes", memory, "MB", most=MOST_MB, beside=f"{processes} processes"
        ),
        Figure("start until ready, median", median(starts), "s", most=3),
        Figure(
            "processor time of relaydesk --help, median", median(_help() for _ in range(TIMES)), "s", most=0.8
        ),
    ]


def _help() -> float:
    beside = Path(sys.executable).parent / "relaydesk"
    before = os.times()
    subprocess.run([beside, "--help"], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system
