"""Whoever stops the loops waits for all that they do, also for what they begin at that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core import work
from tests.core.desk import TestDesk
from tests.core.received import opened
from tests.stores import Store


@pytest.mark.parametrize("part", ["courier", "worker"])
async def test_what_is_claimed_while_it_stops_is_waited_for(
    desk: TestDesk, store: Store, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim was on its way when the loop was told to stop."""
    if part == "courier":
        await opened(desk)
    else:
        await desk.take_in(ValueError("x"))
    name = {"courier": "claim", "worker": "claim_named"}[part]
    claim, asked, go = getattr(work, name), asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        await go.wait()
        return await claim(*args, **kwargs)

    monkeypatch.setattr(work, name, slowly)
    loop: Any = getattr(desk, part)
    await loop.start()
    async with asyncio.timeout(10):
        await asked.wait()
    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)
    go.set()
    await stopping
    left = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in left if name.startswith(("lane ", "shard ", "renew ", "courier", "worker"))]
    assert store.count("work", "token IS NOT NULL AND name NOT LIKE 'job%'") == 0, "no lease is left behind"
