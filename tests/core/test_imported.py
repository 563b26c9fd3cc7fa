"""What came out of an archive is nobody's due: no timer touches it, until its people or staff go on with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import runs
from core.importing import Archived, Importer
from core.inbox import Arrival
from core.jobs import CronJob, Jobs, Slot, jobs_of
from core.shapes import Auth, NewMessage, Person, Receipt, key_of
from core.status import Status
from tests.core.commands import ticket_of
from tests.core.desk import BOB, TRIAGE, TestDesk, mail
from tests.stores import Store

DAY = timedelta(days=1)
LONG_AGO = datetime(2019, 3, 4, 9, 0, tzinfo=UTC)
ADA = Person(kind="email", address="ada@example.com", name="Ada", place="ada@example.com")
SUPPORT: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "after_staff_reply": "pending",
    "unassigned_after": "8h",
    "notify": ["slack", "email"],
    "escalate_to": ["boss"],
}
STAFF = [
    {"username": "ada", "email": "ada@example.com"},
    {"username": "boss", "email": "boss@example.com", "role": "manager"},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk with all timers."""
    opened = await TestDesk.open(store, queue=[SUPPORT], staff=STAFF)
    yield opened
    await opened.close()


def archived(new: NewMessage, *, dated: bool) -> Archived:
    name = new.mail_id or ""
    arrival = Arrival(
        key=key_of(f"archive:{name}"), channel="email", shard_by=name, envelope={"quiet": True}, raw=b"raw"
    )
    return Archived(
        arrivals={"support": arrival},
        queue="support",
        inbound=new,
        named_in=lambda one, queue: one,
        as_of=new.source_time if dated else None,
    )


async def read_in(desk: TestDesk, *, dated: bool) -> tuple[int, int]:
    """An archive of two requests, one of them answered. Returns their tickets."""
    asked = mail("My screen is dark", mail_id="old1@client.example", source_time=LONG_AGO)
    other = mail("Where is my order?", sender=BOB, mail_id="old2@client.example", source_time=LONG_AGO + DAY)
    answer = mail(
        "It was sent",
        sender=ADA,
        to=["old2@client.example"],
        source_time=LONG_AGO + 2 * DAY,
        to_others=(BOB,),
    )
    mails = [archived(one, dated=dated) for one in (asked, other, answer)]
    found = await Importer(desk.desk, desk.database, desk.blobs).take_in(mails)
    receipts = [one for one in found if isinstance(one, Receipt) and one.ticket_id is not None]
    assert [one.outcome for one in receipts] == ["opened", "opened", "joined"]
    return receipts[0].ticket_id or 0, receipts[1].ticket_id or 0


async def at(desk: TestDesk, passed: timedelta) -> list[str]:
    """So much time has passed; each job has done all that it finds. Returns what the lists' runs came to."""
    desk.clock.offset = passed
    jobs, results = Jobs(desk.desk, desk.database, desk.blobs), list[str]()
    for job in jobs_of(desk.config):
        if isinstance(job, CronJob):
            slot = Slot(desk.clock.now(), late=False)
            effect = await job.run(jobs, slot)
            results.append(await runs.carry_out(desk.database, job.name, slot.at, effect) or "")
            continue
        for _ in range(20):
            if not await job.turn(jobs):
                break
    return results


@pytest.mark.parametrize("dated", [True, False])
async def test_no_timer_touches_it(desk: TestDesk, store: Store, dated: bool) -> None:
    """Neither on the first tick nor later: no reminder, no target, no list, no end."""
    waits, answered = await read_in(desk, dated=dated)
    before = store.count("events")
    for days in (0, 1, 4, 9, 40):
        assert await at(desk, days * DAY + timedelta(minutes=1)) == ["nothing to list"]
    assert [(await ticket_of(desk, one)).status for one in (waits, answered)] == [Status.NEW, Status.PENDING]
    assert store.count("deliveries") == 0
    assert store.count("events") == before


async def test_who_writes_anew_counts_as_everybody(desk: TestDesk, store: Store) -> None:
    """They are on the list, and have targets; and whom staff let wait now are reminded."""
    waits, answered = await read_in(desk, dated=True)
    await at(desk, timedelta())
    await desk.write("Still dark", to=["old1@client.example"], auth=Auth.VERIFIED)
    await desk.write("It never came", sender=BOB, to=["old2@client.example"], auth=Auth.VERIFIED)
    assert await at(desk, DAY) == ["listed 2 to the triage channel"]
    assert "first:100" not in (await ticket_of(desk, waits)).targets_told
    assert "next:100" in (await ticket_of(desk, answered)).targets_told
    ada = await desk.staff()
    await desk.manager.assign_status(ada, waits, Status.PENDING)
    assert await at(desk, 3 * DAY) == ["listed 1 to the triage channel"]
    assert (await ticket_of(desk, waits)).reminded_at is None
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL WHERE state = 'queued'")
    await at(desk, 5 * DAY)
    assert (await ticket_of(desk, waits)).reminded_at is not None
