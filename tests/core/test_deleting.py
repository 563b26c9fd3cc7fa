"""Closed tickets are deleted whole, and nothing of them comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from core import deleting, retention, turns
from core.status import Status
from core.turns import TurnFailed
from tests.core.commands import DAN, dans_ticket, ticket_of
from tests.core.desk import TestDesk, post
from tests.core.keeping import DAY, at, blobs, closed, keeping, mail_id, sent
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk that keeps each kind for another time."""
    opened = await keeping(store)
    yield opened
    await opened.close()


_OF_TICKETS = (
    "messages",
    "attachments",
    "events",
    "participants",
    "deliveries",
    "ratings",
    "tags",
    "tickets",
)


async def test_a_ticket_goes_whole(desk: TestDesk, store: Store) -> None:
    """Nothing of it is left but names; the one merged into it goes along; who answers opens a new one."""
    gone, merged, still = await closed(desk), await closed(desk), (await desk.write("Open")).ticket_id
    ada = await desk.staff()
    await desk.manager.merge(ada, merged, gone)
    await sent(desk)
    answers = mail_id(store, gone)
    names = store.count("links", "ticket_id IN (:a, :b)", a=gone, b=merged)
    store.execute("INSERT INTO tags (ticket_id, tag) VALUES (:t, 'vip')", t=gone)
    kept = {table: store.count(table) for table in ("users", "identities")}
    await at(desk, 119 * DAY)
    assert store.count("tickets") == 3
    await at(desk, 121 * DAY)
    assert [row["id"] for row in store.rows("SELECT id FROM tickets")] == [still]
    for table in _OF_TICKETS:
        column = "message_id" if table == "attachments" else "id" if table == "tickets" else "ticket_id"
        left = store.rows(f"SELECT DISTINCT {column} AS n FROM {table}")
        assert {row["n"] for row in left} <= {still, 0}, table
    assert blobs(desk) == 0
    assert kept == {table: store.count(table) for table in kept}
    assert 0 < store.count("links", "kind = 'tombstone' AND remote IS NULL AND ticket_id IS NULL") <= names
    again = await desk.write("And another thing", to=[answers])
    assert again.outcome == "opened"
    assert again.ticket_id not in (gone, merged, still)
    further = await desk.write("One more", to=[mail_id(store, again.ticket_id or 0), answers])
    assert further.ticket_id == again.ticket_id


async def test_a_slack_message_of_a_deleted_ticket_is_not_read_twice(desk: TestDesk, store: Store) -> None:
    """Slack's catching up may bring it again; an answer in the old thread is one of a ticket that isn't there."""
    ticket = await dans_ticket(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.CLOSED)
    await sent(desk)
    known = store.rows("SELECT remote FROM links WHERE ticket_id = :t AND kind = 'received'", t=ticket)
    await at(desk, 121 * DAY)
    assert store.count("tickets") == 0
    _team, conversation, ts = str(known[0]["remote"]).split("/")
    receipt = await desk.manager.receive(post(ts, "My screen is dark", sender=DAN, conversation=conversation))
    assert (receipt.outcome, store.count("tickets")) == ("ignored", 0)


@pytest.mark.parametrize("state", ["sending", "queued"])
async def test_what_is_being_sent_is_waited_for(desk: TestDesk, store: Store, state: str) -> None:
    """A ticket stays while something of it goes out."""
    ticket = await closed(desk)
    store.execute("UPDATE deliveries SET state = :s WHERE ticket_id = :t", s=state, t=ticket)
    store.execute("UPDATE deliveries SET created_at = '2999-01-01' WHERE ticket_id = :t", t=ticket)
    await at(desk, 121 * DAY)
    assert store.count("tickets") == 1
    await sent(desk)
    store.execute("UPDATE deliveries SET state = 'sent'")
    await at(desk, 122 * DAY)
    assert store.count("tickets") == 0


async def test_more_than_a_turns_tickets_that_raise(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are logged and told of; what is behind them goes."""
    monkeypatch.setattr(retention, "TICKETS", 2)
    monkeypatch.setattr(turns, "PATIENCE", 1_000)  # showing what raised takes its time here
    bad, good = [await closed(desk) for _ in range(4)], await closed(desk)
    delete = deleting.delete_ticket

    async def failing(tx: Any, *, ticket_id: int, **more: Any) -> Any:
        if ticket_id in bad:
            raise RuntimeError("no such luck")
        return await delete(tx, ticket_id=ticket_id, **more)

    with monkeypatch.context() as broken:
        broken.setattr(deleting, "delete_ticket", failing)
        with pytest.raises(TurnFailed, match=f"^tickets {', '.join(map(str, bad))}$"):
            await at(desk, 130 * DAY)
    assert store.count("tickets", f"id = {good}") == 0
    assert store.count("tickets") == 4
    monkeypatch.setattr("core.turns._aside", WeakKeyDictionary())  # a minute later
    await at(desk, 130 * DAY)
    assert store.count("tickets") == 0


async def test_one_that_was_opened_meanwhile_stays(desk: TestDesk, store: Store) -> None:
    """What counts is how it stands when its row is locked."""
    ticket = await closed(desk)
    desk.clock.offset = 121 * DAY
    before = desk.clock.now() - 120 * DAY
    await desk.manager.assign_status(await desk.staff(), ticket, Status.OPEN)

    async def unit(tx: Any) -> Any:
        return await deleting.delete_ticket(tx, desk=desk.desk, ticket_id=ticket, before=before)

    assert (await desk.database.unit(unit)).rows == 0
    assert (await ticket_of(desk, ticket)).status is Status.OPEN
