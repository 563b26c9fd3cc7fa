"""Sockets are leased: at most so many among all instances, others stand by and take over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.api import Api
from bot.connect import SlackDoor
from bot.keep_up import Cursors
from bot.seats import KIND, LeasedSeats
from core import work
from core.database import Database
from sandbox import Sandbox
from tests.bot.kit import Shelf, config, until
from tests.conftest import Houses
from tests.stores import Store


class Instance:
    """One of several doors on one database."""

    def __init__(self, box: Sandbox, store: Store, shelf: Shelf, sockets: int) -> None:
        self.database = Database(store.config().database)
        self.api = Api(config(box.api_url, sockets=sockets))
        self.cursors = Cursors(self.database)
        self.door = SlackDoor(
            self.api,
            shelf,
            self.cursors.load,
            self.cursors.save,
            heartbeat=0.6,
            seats=LeasedSeats(self.database, sockets),
            turn=self.cursors.turn,
        )

    async def up(self) -> Instance:
        await self.door.start()
        assert await self.door.until_ready(10)
        return self

    async def close(self) -> None:
        await self.door.stop()
        await self.api.close()
        await self.database.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that end soon."""
    monkeypatch.setattr(work, "LEASE", timedelta(seconds=2))
    monkeypatch.setattr(work, "RENEW", timedelta(seconds=0.3))
    monkeypatch.setattr("bot.seats.STANDBY", 0.1)


@pytest.fixture
async def instances(box: Sandbox, store: Store, hasty: None) -> AsyncIterator[Any]:
    made: list[Instance] = []
    shelf = Shelf()

    async def start(sockets: int = 1) -> Instance:
        instance = Instance(box, store, shelf, sockets)
        made.append(instance)
        return await instance.up()

    start.shelf = shelf  # type: ignore[attr-defined]
    yield start
    await asyncio.gather(*(one.close() for one in made), return_exceptions=True)


async def test_who_gets_no_seat_is_ready_and_stands_by(box: Sandbox, instances: Any) -> None:
    first = await instances()
    second = await instances()
    assert (first.door.state, second.door.state) == ("connected", "standby")
    assert second.door.ready
    assert second.door.trouble == ""
    assert len(box.sockets.sockets) == 1
    await box.workspace.user("ann").dm("help me")
    await until(lambda: instances.shelf.texts == ["help me"])


async def test_as_many_connect_as_there_are_seats(box: Sandbox, instances: Any) -> None:
    doors = [(await instances(2)).door for _ in range(3)]
    assert sorted(door.state for door in doors) == ["connected", "connected", "standby"]
    assert len(box.sockets.sockets) == 2


async def test_a_seat_that_is_given_back_is_taken_at_once(box: Sandbox, instances: Any) -> None:
    first, second = await instances(), await instances()
    await first.door.stop()
    await until(lambda: second.door.state == "connected", 3)
    await box.workspace.user("ann").dm("help me")
    await until(lambda: "help me" in instances.shelf.texts)


async def test_a_lost_lease_closes_the_socket(box: Sandbox, instances: Any) -> None:
    first = await instances()
    before = box.sockets.sockets[0]

    async def steal(tx: Any) -> None:
        await tx.run(work.update(work.work).where(work.work.c.kind == KIND).values(token="another"))

    await first.database.unit(steal)
    await until(lambda: before not in box.sockets.sockets, 5)
    assert first.door.state in ("standby", "away")
    await until(lambda: first.door.state == "connected", 8)  # the thief doesn't renew it


async def test_what_a_dead_instance_held_is_taken_over(box: Sandbox, instances: Any, store: Store) -> None:
    dead = Database(store.config().database)
    assert await LeasedSeats(dead, 1).take() is not None
    await dead.close()
    second = await instances()
    assert second.door.state == "standby"
    await until(lambda: second.door.state == "connected", 6)


async def test_one_instance_catches_up_for_all(box: Sandbox, instances: Any, store: Store) -> None:
    """Two come up together: one reads what was missed, the other sees that it's done."""
    first = await instances(2)
    await until_noted(store)
    await first.door.stop()
    box.workspace.delivery.retry_delays = ()
    await box.workspace.user("ann").dm("meanwhile")
    calls = len([c for c in box.workspace.calls if c.method == "users.conversations"])
    await asyncio.gather(instances(2), instances(2))
    await until(lambda: instances.shelf.texts == ["meanwhile"], 10)
    again = len([c for c in box.workspace.calls if c.method == "users.conversations"])
    assert again - calls == 1


async def until_noted(store: Store) -> None:
    async with asyncio.timeout(10):
        while not store.rows("SELECT data FROM work WHERE name = 'slack:catch-up' AND data IS NOT NULL"):
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_after_kill_9_another_is_connected_within_30_seconds(
    houses: Houses, store_name: str, tmp_path: Path
) -> None:
    first = await houses(slack={"sockets": 1})
    await first.logged("seat_taken")
    box = first.box
    assert box is not None
    second = houses.make(slack={"sockets": 1}, service={"data_dir": str(tmp_path / "other")})
    await second.start()
    await second.ready()
    await second.logged("socket_standby")
    async with second.client() as http:
        ready = (await http.get("/readyz")).json()
    assert ready["parts"]["slack"] == "ok"
    assert ready["details"]["slack"] == "standby"
    begun = time.monotonic()
    await first.kill9()
    await second.logged("connected", timeout=30)
    print(f"taken over after {time.monotonic() - begun:.1f} s")
    await box.workspace.user("bob").dm("Is anybody there?")
    await second.logged("work_one", outcome="opened")
