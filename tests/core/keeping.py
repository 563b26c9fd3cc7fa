"""A desk that deletes what it needn't keep, and what happens there until then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.jobs import Jobs
from core.retention import retire
from core.shapes import File
from core.status import Status
from core.tables import deliveries
from tests.core.desk import TestDesk
from tests.stores import Store

DAY = timedelta(days=1)
KEPT = {
    "inbox": "30d",
    "deliveries": "60d",
    "attachments": "90d",
    "closed_tickets": "120d",
    "reports": "20d",
}


async def keeping(store: Store) -> TestDesk:
    """A desk that keeps each kind for another time."""
    staff = [{"username": "ada", "email": "ada@example.com"}]
    return await TestDesk.open(store, retention=KEPT, staff=staff)


def jobs(desk: TestDesk) -> Jobs:
    return Jobs(desk.desk, desk.database, desk.blobs)


async def at(desk: TestDesk, passed: timedelta) -> int:
    """So much time has passed since the test began; the job has run. Returns how many turns it took."""
    desk.clock.offset, turns = passed, 1
    while await retire(jobs(desk)):
        turns += 1
        assert turns < 50
    return turns


async def sent(desk: TestDesk) -> None:
    """What waits has been sent by now."""

    async def unit(tx: Any) -> None:
        values = {"state": "sent", "due_at": None, "settled_at": await tx.now(), "remote_id": "there"}
        await tx.run(deliveries.update().where(deliveries.c.state == "queued").values(**values))

    await desk.database.unit(unit)


async def closed(desk: TestDesk, text: str = "Help!", **more: Any) -> int:
    """A ticket with a file and an answer that was closed."""
    file = File(name="plan.txt", content_type="text/plain", content=b"the plan", size=8, sha256=bytes(32))
    ticket = (await desk.write(text, files=(file,), html="<p>Help</p>", **more)).ticket_id
    assert ticket is not None
    ada = await desk.staff()
    await desk.manager.exchange_messages(ada, ticket, "Done")
    await desk.manager.assign_status(ada, ticket, Status.CLOSED)
    await sent(desk)
    return ticket


def blobs(desk: TestDesk) -> int:
    return sum(1 for path in desk.blobs.folder.glob("??/*") if path.is_file())


def mail_id(store: Store, ticket: int) -> str:
    found = store.value("SELECT mail_id FROM messages WHERE ticket_id = :t ORDER BY seq", t=ticket)
    return str(found)
