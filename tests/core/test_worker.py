"""The worker: in order, one after the other, and what can't be read holds nothing up and is never lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import work
from core.failures import StaleLease, Unavailable
from core.inbox import Arrival
from core.receive import Claim
from core.shapes import Held, Inbound, InboxItem, Receipt, Visibility, key_of
from core.tables import inbox as rows_of
from core.worker import DEATHS, Worker, shard_name
from tests.core.desk import BOB, TestDesk, mail
from tests.core.received import event_kinds, noted, parts, texts
from tests.stores import Store
from tests.waiting import until


def state_of(store: Store) -> list[str]:
    return [row["state"] for row in store.rows("SELECT state FROM inbox ORDER BY id")]


async def go(desk: TestDesk, store: Store) -> None:
    await desk.worker.start()
    await until(lambda: store.count("inbox", "state = 'new'") == 0, timeout=15)


async def test_a_shard_is_read_in_order(desk: TestDesk, store: Store) -> None:
    """One after the other by arrival; by its source's order where that is given."""
    read: list[str] = []

    def noting(text: str) -> Any:
        def reading(item: InboxItem) -> Inbound:
            read.append(text)
            return mail(text)

        return reading

    for number in range(6):
        await desk.take_in(noting(f"m{number}"))
    for order, name in (("3.0", "c"), ("1.0", "a"), ("2.0", "b")):
        desk.slack.readings[name] = noting(name)
        arrival = Arrival(
            key=key_of(name),
            channel="slack",
            shard_by="two",
            source_order=order,
            envelope={"reading": name},
            raw=b"",
        )
        await desk.intake.store([arrival])
    await go(desk, store)
    assert [text for text in read if text[0] == "m"] == [f"m{i}" for i in range(6)]
    assert [text for text in read if text[0] != "m"] == ["a", "b", "c"]
    assert state_of(store) == ["done"] * 9
    assert store.count("tickets") == 9


async def test_two_workers_read_each_row_once(desk: TestDesk, store: Store) -> None:
    """However many instances: each row makes one ticket."""
    other = Worker(
        desk.config,
        desk.database,
        desk.blobs,
        desk.intake,
        desk.manager,
        desk.worker._channels,
        desk.desk.signals,
    )
    for number in range(12):
        await desk.take_in(mail(f"m{number}"), shard=f"s{number % 4}")
    await asyncio.gather(desk.worker.start(), other.start())
    await until(lambda: store.count("inbox", "state = 'new'") == 0, timeout=15)
    await other.stop()
    assert store.count("tickets") == 12
    assert store.value("SELECT MAX(attempts) FROM inbox") == 1


async def test_the_third_crash_is_shown_and_holds_nothing_up(desk: TestDesk, store: Store) -> None:
    """A bare ticket with the original, for staff alone; the rows after it were read meanwhile."""
    order: list[str] = []

    def broken(item: InboxItem) -> Inbound:
        order.append("broken")
        raise ZeroDivisionError("secret words")

    def fine(item: InboxItem) -> Inbound:
        order.append("fine")
        return mail("Later")

    await desk.take_in(broken)
    await desk.take_in(fine)
    await go(desk, store)
    assert order.count("broken") == 3
    assert order.index("fine") < len(order) - 1
    assert state_of(store) == ["unreadable", "done"]
    row = (await desk.operations.inbox("unreadable"))[0]
    detail = await desk.manager.view_ticket(await desk.staff(), row.ticket_id or 0)
    assert "ZeroDivisionError" in detail.ticket.description
    assert "secret" not in detail.ticket.description
    (message,) = detail.messages
    assert message.visibility is Visibility.NOTE
    assert await desk.blobs.get(message.attachments[0].blob or "") == b"raw"
    assert parts(store, row.ticket_id) == {}
    assert all(line.startswith("desk") for line in noted(store) if "ack" not in line)
    assert noted(store).count("out email notice:ack") == 1, "the other mail's"


async def test_read_again_into_the_same_ticket(desk: TestDesk, store: Store) -> None:
    """After a fix: its words, its sender and whom it copied; a retry that fails again makes no second ticket."""
    reading: dict[str, Any] = {"now": ValueError("x")}

    def changing(item: InboxItem) -> Inbound:
        if isinstance(reading["now"], Exception):
            raise reading["now"]
        return reading["now"]

    await desk.take_in(changing)
    await go(desk, store)
    row = (await desk.operations.inbox())[0]
    await desk.operations.retry_inbox(row.id)
    await until(lambda: state_of(store) == ["unreadable"])
    assert store.count("tickets") == 1
    reading["now"] = mail("Help at last", subject="Printer", to_others=(BOB,), remarks=("cut",))
    await desk.operations.retry_inbox(row.id)
    await until(lambda: state_of(store) == ["done"])
    detail = await desk.manager.view_ticket(await desk.staff(), row.ticket_id or 0)
    assert (detail.ticket.title, detail.ticket.requester_email) == ("Printer", "ann@example.com")
    assert detail.ticket.description == "Help at last"
    assert parts(store, row.ticket_id) == {"ann@example.com": "requester", "bob@example.org": "cc"}
    assert {"read_again", "remark"} <= set(await event_kinds(desk, row.ticket_id))
    assert store.count("tickets") == 1
    assert noted(store)[-1] == "out email notice:ack"
    joined = await desk.write("More", signed=(row.ticket_id,))
    assert joined.outcome == "joined"
    assert (await texts(desk, row.ticket_id))[1:] == ["Help at last", "More"]


async def test_a_row_that_kills_the_process_is_set_aside(desk: TestDesk, store: Store) -> None:
    """So many tries were begun and none ended: the next doesn't read it, it is shown; the row after it is read."""
    touched = []

    def deadly(item: InboxItem) -> Inbound:
        touched.append(1)
        return mail("never")

    await desk.take_in(deadly)
    await desk.take_in(mail("Later"))
    first = store.value("SELECT MIN(id) FROM inbox")
    store.execute("UPDATE inbox SET attempts = :n WHERE id = :i", n=DEATHS, i=first)
    await go(desk, store)
    assert not touched
    assert state_of(store) == ["unreadable", "done"]


async def test_trouble_of_ours_is_nobodys_fault(desk: TestDesk, store: Store) -> None:
    """While the network or the database is away nothing counts against a row, and the order stays."""
    troubles = 4
    read: list[str] = []

    def away(item: InboxItem) -> Inbound:
        nonlocal troubles
        if troubles:
            troubles -= 1
            raise Unavailable("Slack: away")
        read.append("first")
        return mail("first")

    def second(item: InboxItem) -> Inbound:
        read.append("second")
        return mail("second")

    await desk.take_in(away)
    await desk.take_in(second)
    await desk.worker.start()
    lease_name = shard_name(store.value("SELECT shard FROM inbox"))
    for left in (3, 2, 1, 0):
        await until(lambda n=left: troubles == n)
        await until(lambda: store.count("work", "name = :n AND not_before IS NOT NULL", n=lease_name))
        assert store.count("inbox", "state = 'new' AND attempts = 0") == 2
        # In a thread: the loop must go on, for it may hold the lock that this waits for.
        sql = "UPDATE work SET not_before = NULL WHERE name = :n"
        await asyncio.to_thread(store.execute, sql, n=lease_name)
    await until(lambda: store.count("inbox", "state = 'new'") == 0)
    assert read == ["first", "second"]


async def test_a_channel_that_is_not_here_holds_up_nobody(desk: TestDesk, store: Store) -> None:
    """Its rows wait for an instance that has it; the others in their shard go on."""
    await desk.take_in(mail("waits"), channel="slack")
    await desk.take_in(mail("goes"))
    desk.worker._channels = {"email": desk.mail}
    await desk.worker.start()
    await until(lambda: store.count("inbox", "state = 'done'"))
    assert [row["state"] for row in store.rows("SELECT state, channel FROM inbox ORDER BY channel")] == [
        "done",
        "new",
    ]
    assert store.count("inbox", "channel = 'slack' AND attempts = 0") == 1


async def test_lost_bytes_are_shown_like_the_unreadable(desk: TestDesk, store: Store) -> None:
    """A blob that is gone makes a ticket that says so; it doesn't stop its shard."""
    name = "gone"
    desk.mail.readings[name] = mail("never")
    arrival = Arrival(
        key=key_of(name), channel="email", shard_by="one", envelope={"reading": name}, raw=b"", blob="0" * 32
    )
    await desk.intake.store([arrival])
    await desk.take_in(mail("Later"))
    await go(desk, store)
    assert state_of(store) == ["unreadable", "done"]
    row = (await desk.operations.inbox())[0]
    detail = await desk.manager.view_ticket(await desk.staff(), row.ticket_id or 0)
    assert detail.messages[0].attachments[0].state == "unavailable"


async def test_spam_is_held_until_somebody_says_it_is_none(desk: TestDesk, store: Store) -> None:
    """No ticket, no card, no acknowledgement; then read as any other."""

    def filtered(item: InboxItem) -> Inbound:
        return mail("Ham") if item.envelope.get("not_spam") else Held(reason="spam filter")

    await desk.take_in(filtered)
    await go(desk, store)
    row = (await desk.operations.inbox())[0]
    assert (row.state, row.reason, row.ticket_id) == ("held", "spam filter", None)
    assert store.count("tickets") == store.count("deliveries") == 0
    await desk.operations.retry_inbox(row.id)
    await until(lambda: state_of(store) == ["done"])
    assert store.count("tickets") == 1


async def test_who_lost_the_shard_writes_nothing(desk: TestDesk, store: Store) -> None:
    """The lease went while it read: its unit is undone, and the row is the new holder's."""
    await desk.take_in(mail("Help"))
    row = (await desk.operations.inbox())[0]
    name = shard_name(store.value("SELECT shard FROM inbox"))
    await desk.database.unit(lambda tx: work.ensure(tx, {name: "inbox"}))
    lease = await work.claim_named(desk.database, name, "inbox", due=False)
    assert lease is not None
    store.execute("UPDATE work SET token = 'another'")
    with pytest.raises(StaleLease):
        await desk.worker.work_one(lease, row.id, 1)
    assert store.count("tickets") == 0
    assert state_of(store) == ["new"]
    full = await desk.database.read(lambda tx: tx.first(select(rows_of)))
    assert full is not None
    receipt = await desk.manager.receive(mail("Help"), Claim(item_id=row.id))
    assert receipt == Receipt(
        outcome="opened", ticket_id=receipt.ticket_id, message_id=receipt.message_id, because=receipt.because
    )


async def test_stopping_takes_attempts_back(desk: TestDesk, store: Store) -> None:
    """What was counted and not begun isn't held against it by the next start."""
    gate, entered = asyncio.Event(), asyncio.Event()
    read = desk.mail.read

    async def slow(item: InboxItem) -> Inbound:
        entered.set()
        await gate.wait()
        return await read(item)

    desk.mail.read = slow  # type: ignore[method-assign]
    for number in range(3):
        await desk.take_in(mail(f"m{number}"))
    await desk.worker.start()
    await entered.wait()
    stopping = asyncio.create_task(desk.worker.stop(timedelta(seconds=5)))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert state_of(store) == ["done", "new", "new"]
    assert store.count("inbox", "state = 'new' AND attempts = 0") == 2
    assert store.count("work", "token IS NOT NULL") == 0
