"""Promise 7. Many instances: they share the work on one MariaDB, and what a dead one held is taken over."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.conftest import Houses

pytestmark = pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)


async def test_two_instances_share_and_one_dies(houses: Houses, store_name: str) -> None:
    """Mail comes in at both; one is killed in the middle; each mail is one ticket, one card, one acknowledgement."""
    first = await houses(slack={"pace": "0s"}, lease=6)
    data = str(first.folder / "other")
    second = houses.make(slack={"pace": "0s"}, service={"data_dir": data}, lease=6)
    await second.start()
    await second.ready()
    box = first.box
    assert box is not None

    async def write(number: int) -> None:
        house = first if number % 2 else second
        sender = f"c{number}@customer.example"
        while not (await house.send_mail(sender, subject=f"Question {number}")).accepted:
            await asyncio.sleep(0.1)

    await asyncio.gather(*(write(n) for n in range(20)))
    await second.logged("work_one", channel="email")
    kill = asyncio.create_task(second.kill9())
    await asyncio.gather(*(write(n) for n in range(21, 40, 2)))
    await kill
    wanted = 20 + 10
    async with asyncio.timeout(60):
        while (
            first.store.count("tickets") < wanted
            or first.store.count("deliveries", "state <> 'sent'")
            or first.store.count("inbox", "state = 'new'")
        ):
            await asyncio.sleep(0.2)
    assert first.store.count("tickets") == wanted
    acknowledged = Counter(r for m in box.mailbox.mails for r in m.recipients)
    # A mail that was handed over when its sender died may be repeated, under its Message-ID.
    distinct = {(m.recipients[0], m.header("Message-ID")) for m in box.mailbox.mails}
    assert len(distinct) == len(acknowledged) == wanted
    assert len(box.workspace.channel("triage").top) == wanted
    worked = [len(h.entries("work_one", channel="email")) for h in (first, second)]
    assert all(worked), f"one did nothing: {worked}"


async def test_who_is_shut_out_by_a_newer_schema_stops(houses: Houses, store_name: str) -> None:
    """A newer relaydesk has migrated: this one drains, says why, and is no success for whoever started it."""
    house = await houses(slack=False)
    house.store.execute("UPDATE schema_state SET oldest_code = 99")
    await house.logged("shut_out", timeout=20)
    await house.logged("stopped", timeout=20)


async def test_a_migration_by_several_at_once_is_one(empty_store, tmp_path, store_name: str) -> None:
    """Three starts on an empty database: one migrates, the others wait; all end well."""
    from tests.house import House

    runs = [House(empty_store, tmp_path / f"h{i}", None, slack=False) for i in range(3)]
    done = await asyncio.gather(*(house.run("migrate", timeout=60) for house in runs))
    assert [ran.status for ran in done] == [0, 0, 0], [ran.err for ran in done]
    assert empty_store.count("alembic_version") == 1
