"""Days of a desk through the real service: who lets us wait is reminded, closed, told how to come back, and comes back;
whoever has a ticket hears of its target once when it is near, once when it is missed.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from core.clock import Clock
from core.columns import Utc
from core.database import Database, Tx
from core.tables import deliveries, tickets
from sandbox.shapes import TRIAGE
from tests.conftest import Houses
from tests.house import SUPPORT, House
from tests.stores import QUEUE, Store
from tests.waiting import until

DAY = timedelta(days=1)
ANN, BOB = "ann@customer.example", "bob@customer.example"
WAITS = {
    **QUEUE,
    "slack_channel": TRIAGE,
    "remind_after": "3d",
    "close_pending_after": "4d",
    "first_response_target": "5d",
    "resolution_target": "0s",
}


async def pass_by(store: Store, span: timedelta) -> None:
    """Let so much time have passed for all tickets and for what was sent: each of their moments is earlier by that."""
    database = Database(store.config().database, Clock())

    async def earlier(tx: Tx, table: Table) -> None:
        moments = [c for c in table.c if isinstance(c.type, Utc)]
        for row in await tx.all(select(table.c.id, *moments)):
            moved = {c.name: row._mapping[c] - span for c in moments if row._mapping[c] is not None}
            await tx.run(update(table).where(table.c.id == row.id).values(**moved))

    async def unit(tx: Tx) -> None:
        await earlier(tx, tickets)
        await earlier(tx, deliveries)

    await until(lambda: store.count("deliveries", "state IN ('queued', 'sending')") == 0, timeout=10)
    try:
        await database.unit(unit)
    finally:
        await database.close()


async def in_slack(house: House, sender: str, subject: str) -> str:
    """Somebody's mail is a card: its timestamp."""
    assert house.box is not None
    triage = house.box.workspace.channel("triage")
    assert (await house.send_mail(sender, subject=subject)).accepted
    await house.box.workspace.wait_for(lambda: any(subject in str(m.blocks) for m in triage.top), timeout=10)
    ts: str = next(m.ts for m in triage.top if subject in str(m.blocks))
    return ts


def status(store: Store) -> list[tuple[Any, ...]]:
    rows = store.rows("SELECT status, reminded_at IS NOT NULL AS reminded FROM tickets ORDER BY id")
    return [(row["status"], bool(row["reminded"])) for row in rows]


# What the rows say is tested on both stores by itself; this takes its time.
@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_a_week_of_waiting(houses: Houses, store: Store) -> None:
    """Mail, taken in Slack, pending, reminded, closed, reopened by the answer; meanwhile another ticket's target."""
    house = await houses(
        queue=[WAITS], notices={"bundle": "200ms"}, scheduler={"tick": "200ms"}, slack={"pace": "20ms"}
    )
    box = house.box
    assert box is not None
    ada, hers, mailed = box.workspace.user("ada"), box.workspace.dm_channel("ada"), box.mailbox

    def news(words: str) -> list[str]:
        return [m.text for m in hers.messages if words in m.text]

    printer = await in_slack(house, f"Ann <{ANN}>", "The printer is on fire")
    await ada.post("triage", "!take", thread_ts=printer)
    await ada.post("triage", "Is it still burning?", thread_ts=printer)
    await mailed.wait_for(lambda m: ANN in m.recipients and "still burning" in m.text, timeout=10)
    await ada.post("triage", "!status pending", thread_ts=printer)
    waiting = await mailed.wait_for(
        lambda m: ANN in m.recipients and "We are waiting" in m.text and "closed" not in m.text, timeout=10
    )
    lamp = await in_slack(house, f"Bob <{BOB}>", "The lamp is dark")
    await ada.post("triage", "!take", thread_ts=lamp)
    await box.workspace.wait_for(lambda: store.count("tickets", "assignee_id IS NOT NULL") == 2, timeout=10)

    await pass_by(store, 4 * DAY)
    reminder = await mailed.wait_for(
        lambda m: m.id > waiting.id and ANN in m.recipients and "waiting for your answer" in m.text,
        timeout=15,
    )
    assert "the request is closed after some time" in reminder.text
    assert reminder.header("Auto-Submitted") == "auto-generated"
    await box.workspace.wait_for(lambda: news("target near"), timeout=15)
    assert "The lamp is dark: target near, the first response is due" in news("target near")[0]
    assert status(store)[0] == ("pending", True)

    await pass_by(store, 4 * DAY)
    closed = await mailed.wait_for(lambda m: ANN in m.recipients and "has been closed" in m.text, timeout=15)
    assert "answer this mail and we will look into it again" in closed.text
    await box.workspace.wait_for(lambda: news("target missed"), timeout=15)
    line = "Closed: the requester hasn't answered, and was reminded"
    await box.workspace.wait_for(lambda: any(line in m.text for m in box.workspace.thread(printer)))
    assert status(store)[0][0] == "closed"

    back = re.sub(r".*<|>.*", "", closed.header("Reply-To"))
    assert back != SUPPORT
    answered = await house.send_mail(
        f"Ann <{ANN}>",
        back,
        subject=f"Re: {closed.subject}",
        text="Yes, it burns!",
        headers={"In-Reply-To": closed.header("Message-ID")},
    )
    assert answered.accepted
    await box.workspace.wait_for(
        lambda: any("Yes, it burns!" in m.text for m in box.workspace.thread(printer)), timeout=10
    )
    await box.workspace.wait_for(lambda: news("Ann wrote"), timeout=10)
    await until(lambda: store.count("deliveries", "state IN ('queued', 'sending')") == 0, timeout=10)
    assert status(store) == [("open", False), ("open", False)]
    assert len(box.workspace.channel("triage").top) == 2, "it is the same ticket"
    mine = [m.text for m in mailed.mails if ANN in m.recipients]
    assert [sum(words in text for text in mine) for words in ("after some time", "has been closed")] == [1, 1]
    assert [len(news(words)) for words in ("target near", "target missed", "Ann wrote")] == [1, 1, 1]
    missed = [m.text for m in box.workspace.thread(lamp) if "Target missed" in m.text]
    assert len(missed) == 1
