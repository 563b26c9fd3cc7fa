"""How long an idle desk takes: a mail until its card stands in Slack, an answer there until its mail is sent."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure
from sandbox import TRIAGE, Message, Sandbox
from tests.house import House
from tests.mariadb import Run
from tests.stores import MariaDbStores, Store

TIMES = 12
MOST_MS = 150
# Slack allows about one post a second in a channel; a desk that was idle so long owes nothing.
IDLE = 1.3


async def measure(run: Run) -> list[Figure]:
    """Measure on MariaDB, one at a time, with a pause before each."""
    stores = MariaDbStores(await asyncio.to_thread(run.shared_server))
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        home = Path(folder) / "var"
        home.mkdir()
        store, kept = await asyncio.to_thread(stores.take, home)
        box = Sandbox()
        await box.start()
        try:
            cards, mails = await _both(store, Path(folder), box)
        finally:
            await box.stop()
            await asyncio.to_thread(stores.drop, kept.name)
    return [
        Figure(
            "mail accepted until its card is posted, median",
            median(cards),
            "ms",
            most=MOST_MS,
            beside=_spread(cards),
        ),
        Figure(
            "staff's message until its mail is relayed, median",
            median(mails),
            "ms",
            most=MOST_MS,
            beside=_spread(mails),
        ),
    ]


def _spread(values: list[float]) -> str:
    return f"{len(values)} times, {min(values):.0f} to {max(values):.0f} ms"


async def _both(store: Store, folder: Path, box: Sandbox) -> tuple[list[float], list[float]]:
    cards, mails = [], []
    async with House(store, folder / "house", box) as house:
        for turn in range(TIMES + 1):
            card, took = await _card(house, box, turn)
            cards.append(took)
            mails.append(await _answer(box, card, turn))
    return cards[1:], mails[1:]  # the first of each opens connections


async def _idle(box: Sandbox) -> None:
    await box.workspace.settled()
    await asyncio.sleep(IDLE)


async def _card(house: House, box: Sandbox, turn: int) -> tuple[Message, float]:
    await _idle(box)
    triage = box.workspace.channel(TRIAGE)
    before = len(triage.top)
    reply = await house.send_mail(f"person{turn}@customer.example", subject=f"Question {turn}")
    accepted = time.perf_counter()
    assert reply.accepted, reply
    await box.workspace.wait_for(lambda: len(triage.top) > before, timeout=10)
    return triage.top[-1], max(0.0, time.perf_counter() - accepted) * 1000


async def _answer(box: Sandbox, card: Message, turn: int) -> float:
    await _idle(box)
    words = f"This is answer {turn}."
    began = time.perf_counter()
    await box.workspace.user("ada").post(TRIAGE, words, thread_ts=card.ts)
    await box.mailbox.wait_for(lambda mail: words in mail.text, timeout=10)
    return (time.perf_counter() - began) * 1000
