"""What is deleted when, what stays, and that nothing comes back that was deleted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from core import retention
from core.config_time import Retention
from core.inbox import Arrival
from core.retention import retire
from core.shapes import Kind, key_of
from core.status import Status
from core.tables import deliveries, inbox, work
from tests.core.commands import ticket_of
from tests.core.desk import BOB, TestDesk, mail
from tests.core.keeping import DAY, KEPT, at, blobs, closed, jobs, keeping, sent
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk that keeps each kind for another time."""
    opened = await keeping(store)
    yield opened
    await opened.close()


# -- the inbox -----------------------------------------------------------------------------------------------------


async def _rows(desk: TestDesk, states: list[str], channel: str = "email") -> None:
    rows = []
    for number, state in enumerate(states):
        blob = await desk.blobs.put(b"large") if number % 3 == 0 else None
        rows.append(
            {
                "key": bytes([number % 256, number // 256]) + bytes(29) + channel[:1].encode(),
                "channel": channel,
                "shard": 0,
                "state": state,
                "received_at": desk.clock.now() - number * DAY / 100,
                "source_order": "",
                "envelope": {},
                "raw": None if blob else b"raw",
                "blob": blob,
                "bytes": 5,
            }
        )
    await desk.database.unit(lambda tx: tx.run(insert(inbox), rows))


async def test_settled_rows_go_with_their_bytes(desk: TestDesk, store: Store) -> None:
    """What waits, is held or couldn't be read stays, however old."""
    await _rows(desk, ["done", "ignored", "new", "held", "unreadable"] * 3)
    assert await at(desk, 29 * DAY) == 1
    assert store.count("inbox") == 15
    await at(desk, 31 * DAY)
    rows = store.rows("SELECT state, `blob` FROM inbox ORDER BY id")
    assert [row["state"] for row in rows] == ["new", "held", "unreadable"] * 3
    assert blobs(desk) == sum(row["blob"] is not None for row in rows)


async def test_held_spam_goes_where_that_is_asked_for(store: Store) -> None:
    """By default it is kept for ever: staff may say that it's none. Known it stays."""
    for kept, left in ((KEPT, 60), ({**KEPT, "held": "40d"}, 0)):
        desk = await TestDesk.open(store, retention=kept)
        try:
            if kept is KEPT:
                await _rows(desk, ["held"] * 60)
            await at(desk, 41 * DAY)
            assert store.count("inbox", "state = 'held'") == left
            assert blobs(desk) == left // 3
        finally:
            await desk.close()
    assert store.count("links", "kind = 'tombstone'") == 60


async def test_small_turns_and_what_stays_is_looked_through_once(desk: TestDesk, store: Store) -> None:
    """At most so many rows a turn; where to go on is remembered, and forgotten at the end."""
    await _rows(desk, ["held"] * 300 + ["done"] * 1_100)
    desk.clock.offset = 60 * DAY
    before = store.count("inbox")
    assert await retire(jobs(desk))
    assert before - store.count("inbox") == retention.ROWS
    await at(desk, 60 * DAY)
    assert store.count("inbox") == 300
    assert await desk.database.read(lambda tx: retention_cursor(tx)) in (None, {})


async def retention_cursor(tx: Any) -> Any:
    return await tx.scalar(select(work.c.data).where(work.c.name == "retire:inbox"))


async def test_the_same_mail_is_known_though_its_row_is_gone(desk: TestDesk, store: Store) -> None:
    """A mailbox that is read anew after months brings nothing twice; another mail under the same id is another."""
    same = mail("Only once", mail_id="once@client.example")
    await desk.worker.start()
    key = await _take_in(desk, same)
    await _read(store)
    assert store.count("tickets") == 1
    await at(desk, 31 * DAY)
    assert store.count("inbox") == 0
    await _take_in(desk, same, key)
    await _read(store)
    assert store.count("tickets") == 1
    assert store.rows("SELECT state, reason FROM inbox") == [
        {"state": "ignored", "reason": "it came in before"}
    ]
    await at(desk, 70 * DAY)
    assert store.count("inbox") == 0, "and goes again in its time"
    await _take_in(desk, mail("Another one", mail_id="once@client.example", sender=BOB))
    await _read(store)
    assert store.count("tickets") == 2


async def _read(store: Store) -> None:
    async with asyncio.timeout(15):
        while store.count("inbox", "state = 'new'"):
            await asyncio.sleep(0.02)


async def _take_in(desk: TestDesk, reading: Any, key: str = "") -> str:
    key = key or f"key {random.random()}"
    desk.mail.readings[key] = reading
    arrival = Arrival(key=key_of(key), channel="email", shard_by="one", envelope={"reading": key}, raw=b"raw")
    await desk.intake.store([arrival])
    return key


# -- deliveries ----------------------------------------------------------------------------------------------------


async def test_deliveries_of_closed_tickets(desk: TestDesk, store: Store) -> None:
    """What failed stays for a retry, what a link names for an edit; an open ticket keeps all."""
    gone, still = await closed(desk), await closed(desk)
    await desk.manager.assign_status(await desk.staff(), still, Status.OPEN)
    await sent(desk)
    rows = store.rows("SELECT id, channel FROM deliveries WHERE ticket_id = :t ORDER BY id", t=gone)
    mails = [row["id"] for row in rows if row["channel"] == "email"]
    post = next(row["id"] for row in rows if row["channel"] == "slack")
    store.execute("UPDATE deliveries SET state = 'failed' WHERE id = :i", i=mails[0])
    store.execute("UPDATE links SET delivery_id = :i WHERE ticket_id = :t AND kind = 'sent'", i=post, t=gone)
    kept = store.count("deliveries", "ticket_id = :t", t=still)
    await at(desk, 59 * DAY)
    assert store.count("deliveries", "ticket_id = :t", t=gone) == len(rows)
    await at(desk, 61 * DAY)
    left = store.rows("SELECT id FROM deliveries WHERE ticket_id = :t ORDER BY id", t=gone)
    assert sorted(row["id"] for row in left) == sorted([mails[0], post])
    assert store.count("deliveries", "ticket_id = :t", t=still) == kept


async def test_deliveries_that_belong_to_no_ticket(desk: TestDesk, store: Store) -> None:
    """Digests and lists go too, from the oldest, also those that failed; what waits holds up nothing."""

    async def unit(tx: Any) -> None:
        now = await tx.now()
        common = {
            "lane": "x",
            "channel": "email",
            "ticket_id": 0,
            "place": "a@b.example",
            "kind": Kind.NOTICE,
        }
        common |= {"desk": True, "priority": 5, "seq": 1, "data": {}, "created_at": now, "settled_at": now}
        states = ["held"] * 3 + ["failed", "bounced"] * 2 + ["sent", "cancelled"] * 598
        await tx.run(insert(deliveries), [{**common, "state": state} for state in states])

    await desk.database.unit(unit)
    await at(desk, 59 * DAY)
    assert store.count("deliveries") == 1203
    assert await at(desk, 61 * DAY) > 2
    assert store.count("deliveries") == 3


# -- files ---------------------------------------------------------------------------------------------------------


async def test_files_of_closed_tickets(desk: TestDesk, store: Store) -> None:
    """Their names stay, and say that they are gone; an open ticket's stay."""
    gone, still = await closed(desk), await closed(desk)
    await desk.manager.assign_status(await desk.staff(), still, Status.OPEN)
    before = blobs(desk)
    await at(desk, 89 * DAY)
    assert store.count("attachments", "state = 'stored'") == 2
    await at(desk, 91 * DAY)
    detail = await desk.manager.view_ticket(await desk.staff(), gone)
    [file] = detail.messages[0].attachments
    assert (file.name, file.size, file.state, file.blob) == ("plan.txt", 8, "expired", None)
    assert blobs(desk) == before - 1
    found = await desk.manager.attachment(await desk.staff(), file.id)
    assert found.blob is None, "the page says that it's no longer kept"
    [other] = (await desk.manager.view_ticket(await desk.staff(), still)).messages[0].attachments
    assert other.state == "stored"


async def test_a_ticket_that_was_closed_again_is_looked_at_again(desk: TestDesk, store: Store) -> None:
    """Its turn comes by its last change, though others went before."""
    first, second = await closed(desk), await closed(desk)
    desk.clock.offset = 50 * DAY
    ada = await desk.staff()
    await desk.manager.assign_status(ada, first, Status.OPEN)
    await desk.manager.assign_status(ada, first, Status.CLOSED)
    await at(desk, 91 * DAY)
    assert store.count("attachments", "state = 'expired'") == 1
    await at(desk, 139 * DAY)
    assert (await ticket_of(desk, first)).status is Status.CLOSED
    assert store.count("tickets", "id = :t", t=second) == 0
    await at(desk, 141 * DAY)
    assert store.count("attachments", "state = 'expired'") == 1


async def test_nothing_is_deleted_by_default_or_on_hold(store: Store) -> None:
    """Tickets and files are kept; while all is on hold the database may be a backup."""
    desk = await TestDesk.open(store, staff=[{"username": "ada", "email": "ada@example.com"}])
    try:
        ticket = await closed(desk)
        await _rows(desk, ["done"])
        await desk.operations.pause()
        await at(desk, 1000 * DAY)
        assert store.count("inbox") == 1
        await desk.operations.resume()
        await at(desk, 1000 * DAY)
        assert store.count("inbox") == 0
        assert store.count("attachments", "state = 'stored'") == 1
        assert (await ticket_of(desk, ticket)).status is Status.CLOSED
    finally:
        await desk.close()


async def test_reports(desk: TestDesk, store: Store) -> None:
    """Digests that were made before their time."""
    sql = (
        "INSERT INTO reports (name, since, until, late, made_at, series) "
        "VALUES ('d', '2026-01-01', '2026-01-02', 0, :at, '{}')"
    )
    for age in (1, 19, 25):
        moment = (desk.clock.now() - age * DAY).strftime("%Y-%m-%d %H:%M:%S.%f")
        store.execute(sql, at=moment)
    await at(desk, timedelta())
    assert store.count("reports") == 2


@pytest.mark.parametrize(
    ("reports", "tickets", "days"),
    [("400d", "0s", 400), ("400d", "30d", 30), ("0s", "30d", 30), ("9d", "30d", 9)],
)
def test_reports_are_kept_no_longer_than_the_tickets_that_they_name(
    reports: str, tickets: str, days: int
) -> None:
    kept = Retention.model_validate({"reports": reports, "closed_tickets": tickets})
    assert retention.age_of(kept, "reports") == days * DAY


@pytest.mark.parametrize("seed", range(3))
async def test_a_recount(desk: TestDesk, store: Store, seed: int) -> None:
    """Whatever is closed, opened and answered when, and with three at it: what is left is what a plain rule says."""
    dice = random.Random(seed)
    changed: dict[int, tuple[int, bool]] = {}
    for day in sorted(dice.randrange(100) for _ in range(8)):
        desk.clock.offset = day * DAY
        if changed and dice.random() < 0.3:
            ticket = dice.choice(list(changed))
            await desk.manager.assign_status(await desk.staff(), ticket, Status.OPEN)
            changed[ticket] = (day, False)
        else:
            changed[await closed(desk)] = (day, True)
        await sent(desk)
    for day in sorted(dice.randrange(60, 260) for _ in range(4)):
        desk.clock.offset = day * DAY + timedelta(hours=1)
        while any(await asyncio.gather(*(retire(jobs(desk)) for _ in range(3)))):
            pass
        want = {t for t, (at_day, shut) in changed.items() if not shut or at_day > day - 120}
        files = {t for t, (at_day, shut) in changed.items() if not shut or at_day > day - 90}
        assert {row["id"] for row in store.rows("SELECT id FROM tickets")} == want
        stored = store.rows(
            "SELECT m.ticket_id FROM attachments a JOIN messages m ON m.id = a.message_id "
            "WHERE a.state = 'stored'"
        )
        assert {row["ticket_id"] for row in stored} == files
