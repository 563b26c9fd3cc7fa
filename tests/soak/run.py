"""One soak: a service, fifty people, a wire that misbehaves by a seed, and the verdict."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox
from tests.house import House
from tests.soak.play import Crowd, rest
from tests.soak.verdict import Verdict
from tests.soak.written import Memory
from tests.stores import Store

ASK = {"pace": "10ms", "group_window": "0s"}


@dataclass(frozen=True)
class Soak:
    """What came of it."""

    seed: int
    memory: Memory
    faults: list[str]
    late: int  # messages that came so late that their copies say so
    seconds: float
    misbehaved: dict[str, int]

    @property
    def slowest_ack(self) -> float:
        """Seconds."""
        return max(self.memory.acks, default=0.0)


async def soak(store: Store, folder: Path, *, seed: int, acts: int, **rates: float) -> Soak:
    """Let fifty people do `acts` things while the wire duplicates, reorders, limits, forgets and drops."""
    box = Sandbox()
    await box.start()
    slack = {
        "enabled": True,
        "bot_token": box.bot_token,
        "app_token": box.app_token,
        "api_url": box.api_url,
        **ASK,
    }
    memory = Memory()
    began = time.monotonic()
    try:
        async with House(store, folder, box, slack=slack) as house:
            await house.ready()
            trouble = box.chaos(seed, **rates)
            crowd = Crowd(box, memory, random.Random(seed), acts)
            await crowd.play()
            await rest(box, store, 300 + acts)  # what is left is sent over the same wire
            trouble.stop()
            await rest(box, store, 60)
            verdict = Verdict(box, memory, store)
            faults = await verdict.judge()
            await house.terminate()
    finally:
        await box.stop()
    return Soak(seed, memory, faults, verdict.late, time.monotonic() - began, dict(trouble.counts))
