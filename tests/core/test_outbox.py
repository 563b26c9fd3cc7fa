"""The outbox: what is noted, in which order, and who is the head of a lane."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from core import outbox
from core.audience import Told
from core.failures import Conflict, NotFound
from core.outbox import SETTLE, Noted
from core.shapes import Kind
from core.status import Status
from core.tables import tickets
from tests.core.desk import BOB, TestDesk
from tests.core.received import opened
from tests.stores import Store


def told(place: str = "C1", kind: Kind = Kind.MESSAGE, **more) -> Told:
    return Told(channel=more.pop("channel", "slack"), place=place, kind=kind, desk=True, **more)


async def note(desk: TestDesk, *all_told: Told, ticket: int = 1, version: int = 1, **more) -> list[int]:
    """Note deliveries on the ticket of this number, which is made where it is missing."""
    noted = Noted(ticket_id=ticket, version=version, message_id=None, domain="example.com", **more)
    ada = await desk.staff()

    async def unit(tx: outbox.Tx) -> list[int]:
        now = await tx.now()
        values = {
            "id": ticket,
            "queue": "support",
            "title": "t",
            "description": "d",
            "status": "open",
            "priority": "normal",
            "channel": "email",
            "requester_id": ada.user_id,
            "version": version,
            "requester_address": "",
            "created_at": now,
            "updated_at": now,
            "public_updated_at": now,
        }
        await tx.run(tx.insert_missing(tickets).values(**values))
        return await outbox.enqueue(tx, desk.desk.specs, noted, all_told)

    return await desk.database.unit(unit)


def heads(store: Store) -> list[int]:
    return [r["id"] for r in store.rows("SELECT id FROM deliveries WHERE due_at IS NOT NULL ORDER BY id")]


def test_every_kind_is_settled_somehow() -> None:
    """What harms nobody is repeated, what one person alone sees never, all else is looked up first."""
    assert set(SETTLE) == set(Kind)
    assert {kind for kind, how in SETTLE.items() if how == "repeat"} == {Kind.MARK, Kind.EDIT}
    assert {kind for kind, how in SETTLE.items() if how == "once"} == {Kind.WHISPER}


async def test_a_card_that_waits_shows_the_present_anyway(desk: TestDesk, store: Store) -> None:
    """A second one is left out, also while everything is held; once it is being sent, a new one follows."""
    first = await note(desk, told(kind=Kind.CARD), told())
    assert len(first) == 2
    assert await note(desk, told(kind=Kind.CARD), version=2) == []
    assert len(await note(desk, told("C2", Kind.CARD), version=3)) == 1
    assert len(await note(desk, told(kind=Kind.CARD), ticket=2)) == 1
    store.execute("UPDATE deliveries SET state = 'sending', due_at = NULL WHERE id = :i", i=first[0])
    assert len(await note(desk, told(kind=Kind.CARD), version=4)) == 1
    store.execute("UPDATE deliveries SET state = 'held', due_at = NULL")
    assert await note(desk, told(kind=Kind.CARD), version=5, on_hold=True) == []


async def test_what_is_not_mounted_is_left_out(desk: TestDesk, store: Store) -> None:
    """A channel that isn't there gets nothing, and nothing waits for it."""
    assert await note(desk, told(channel="telegram")) == []
    assert store.count("work", "kind LIKE 'lane%'") == 0


@pytest.mark.parametrize(
    ("held", "automatic", "on_side", "state"),
    [
        ("on_hold", True, True, "held"),
        ("on_hold", False, False, "held"),
        ("held", True, False, "held"),
        ("held", True, True, "queued"),
        ("held", False, False, "queued"),
    ],
)
async def test_what_is_held(
    desk: TestDesk, store: Store, held: str, automatic: bool, on_side: bool, state: str
) -> None:
    """On hold all of it; while the requester is unconfirmed, automatic mail to them alone."""
    one = Told(channel="email", place="a@b.c", kind=Kind.NOTICE, desk=on_side, automatic=automatic)
    await note(desk, one, **{held: True})
    row = store.rows("SELECT state, due_at FROM deliveries")[0]
    assert row["state"] == state
    assert (row["due_at"] is None) == (state == "held")
    assert store.count("work", "due_at IS NOT NULL AND kind = 'lane.email'") == (state == "queued")


async def test_our_mails_have_their_names_before_they_go(desk: TestDesk, store: Store) -> None:
    """A notice's Message-ID and Date are fixed when it is noted, it holds no secret, and answers to it are known."""
    await note(desk, told("a@b.c", Kind.NOTICE, channel="email"), told("b@b.c", Kind.NOTICE, channel="email"))
    data = [json.loads(row["data"]) for row in store.rows("SELECT data FROM deliveries ORDER BY id")]
    assert len({one["mail_id"] for one in data}) == 2
    assert all(one["mail_id"].endswith("@example.com") and one["mail_date"] for one in data)
    found = [row["remote"] for row in store.rows("SELECT remote FROM links WHERE kind = 'sent'")]
    assert sorted(found) == sorted(one["mail_id"] for one in data)


async def test_a_delay_holds_up_its_ticket_in_that_lane(desk: TestDesk, store: Store) -> None:
    """The head is due later; the one behind it waits for it, another ticket's doesn't."""
    delayed = (await note(desk, told(delay=timedelta(minutes=1)), told()))[0]
    other = (await note(desk, told(), ticket=2))[0]
    assert heads(store) == [delayed, other]
    due = await desk.database.read(lambda tx: outbox.heads(tx, desk.slack.spec.lane("C1", None)))
    assert [row.id for row in due] == [other]


async def test_heads_by_priority(desk: TestDesk) -> None:
    """Among the heads of a lane the most pressing goes first, whenever it came; in a ticket order stays."""
    low = (await note(desk, told(priority=7), told(priority=1)))[0]
    high = (await note(desk, told(priority=3), ticket=2))[0]
    due = await desk.database.read(lambda tx: outbox.heads(tx, desk.slack.spec.lane("C1", None), 9))
    assert [row.id for row in due] == [high, low]


async def test_the_next_is_promoted(desk: TestDesk, store: Store) -> None:
    """Whatever ends the head (sent, failed, cancelled from outside), the first that is left follows it, alone."""
    ids = await note(desk, *(told() for _ in range(4)))
    lane = desk.slack.spec.lane("C1", None)
    assert heads(store) == ids[:1]

    async def end(delivery: int, state: str) -> None:
        async def unit(tx: outbox.Tx) -> None:
            assert await outbox.mark_sending(tx, delivery, {})
            await outbox.promote(tx, lane, 1)

        await desk.database.unit(unit)
        assert heads(store) == [], "none while one is being sent"

        async def settle(tx: outbox.Tx) -> None:
            assert await outbox.settle(tx, delivery, state)
            assert not await outbox.settle(tx, delivery, "queued"), "only once"
            await outbox.promote(tx, lane, 1)

        await desk.database.unit(settle)

    await end(ids[0], "sent")
    assert heads(store) == [ids[1]]
    ada = await desk.staff()
    await desk.operations.cancel_delivery(ids[2], ada)
    assert heads(store) == [ids[1]]
    await desk.operations.cancel_delivery(ids[1], ada)
    assert heads(store) == [ids[3]]
    await end(ids[3], "failed")
    assert heads(store) == []
    await desk.operations.retry_delivery(ids[3], ada)
    assert heads(store) == [ids[3]]


async def test_only_what_waits_is_cancelled_and_what_failed_retried(desk: TestDesk, store: Store) -> None:
    """The rest is a conflict, what isn't there isn't found."""
    (one,) = await note(desk, told())
    ada = await desk.staff()
    for state, cancels, retries in (
        ("queued", True, True),
        ("held", True, False),
        ("sending", False, False),
        ("sent", False, False),
        ("failed", False, True),
        ("bounced", False, True),
        ("cancelled", False, False),
    ):
        for call, works, becomes in (
            (desk.operations.cancel_delivery, cancels, "cancelled"),
            (desk.operations.retry_delivery, retries, "queued"),
        ):
            store.execute("UPDATE deliveries SET state = :s, due_at = NULL", s=state)
            if works:
                await call(one, ada)
            else:
                with pytest.raises(Conflict):
                    await call(one, ada)
            assert store.value("SELECT state FROM deliveries") == (becomes if works else state)
    for call in (desk.operations.cancel_delivery, desk.operations.retry_delivery):
        with pytest.raises(NotFound):
            await call(99, ada)


async def test_pause_and_resume(desk: TestDesk, store: Store) -> None:
    """What is noted meanwhile is held and goes on resume, in its order; what waits for a person still waits."""
    await desk.operations.pause()
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await desk.manager.exchange_messages(ada, ticket, "one")
    await desk.manager.exchange_messages(ada, ticket, "two")
    await desk.manager.report(BOB, "t", "d")
    assert store.count("deliveries", "state <> 'held' AND data NOT LIKE '%confirm%'") == 0
    released = await desk.operations.resume()
    assert released == store.count("deliveries", "state = 'queued' AND data NOT LIKE '%confirm%'")
    held = store.rows("SELECT kind, data FROM deliveries WHERE state = 'held'")
    assert [json.loads(row["data"])["what"] for row in held] == ["ack"]
    for row in store.rows(
        "SELECT lane, ticket_id, MIN(seq) AS low FROM deliveries WHERE state = 'queued' GROUP BY lane, ticket_id"
    ):
        head = store.rows(
            "SELECT seq FROM deliveries WHERE lane = :l AND ticket_id = :t AND due_at IS NOT NULL",
            l=row["lane"],
            t=row["ticket_id"],
        )
        assert [r["seq"] for r in head] == [row["low"]]
    assert await desk.operations.resume() == 0


async def test_a_configured_hold_ends_by_resuming(store: Store) -> None:
    """`service.outbound = "hold"` holds until an operator resumes."""
    desk = await TestDesk.open(store, service={"outbound": "hold"})
    try:
        await opened(desk)
        assert store.count("deliveries", "state <> 'held'") == 0
        await desk.operations.resume()
        ticket = (await desk.write()).ticket_id or 0
        await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
        assert store.count("deliveries", "state = 'held'") == 0
    finally:
        await desk.close()


async def test_age_counts_from_when_it_was_let_go(desk: TestDesk, store: Store) -> None:
    """What was held for a week isn't too old for its second try."""
    await desk.operations.pause()
    await opened(desk)
    desk.clock.offset = timedelta(days=7)
    await desk.operations.resume()
    now = await desk.database.read(lambda tx: tx.now())
    rows = await desk.operations.outbox()
    assert rows
    assert all(now - row.created_at < timedelta(minutes=1) for row in rows)
