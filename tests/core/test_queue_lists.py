"""Staff's lists of tickets, page by page: what is in them, their order, and that none walks all tickets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from core.database import Tx
from core.failures import Invalid, NotAllowed
from core.home_lists import Tab
from core.people import actor_of
from core.queue_lists import COUNTED, LATEST, NOBODY, Sort, Wanted, counted, listed
from core.shapes import Actor, Auth
from core.status import Status
from core.tables import tickets
from core.views import TicketPage
from tests.core.desk import ANN, TestDesk
from tests.core.filling import fill
from tests.stores import Store

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"], "slack_channel": "C1"},
    {"name": "billing", "addresses": ["billing@example.com"]},
]


@pytest.fixture
async def two(store: Store) -> Any:
    """A desk with two queues."""
    opened = await TestDesk.open(store, queue=QUEUES)
    yield opened
    await opened.close()


async def page(desk: TestDesk, actor: Actor, **wanted: Any) -> TicketPage:
    return await desk.database.read(lambda tx: listed(tx, actor, Wanted(**wanted)))


async def ids(desk: TestDesk, actor: Actor, **wanted: Any) -> list[int]:
    return [ticket.id for ticket in (await page(desk, actor, **wanted)).tickets]


async def test_each_list_has_its_tickets(two: TestDesk) -> None:
    ada, grace = await two.staff(), await two.staff("grace")
    one, other, done = [(await two.write(f"Help {n}")).ticket_id or 0 for n in range(3)]
    bill = (await two.write("Pay", queue="billing")).ticket_id or 0
    await two.manager.assign(ada, one, "ada")
    await two.manager.assign(ada, other, "grace")
    await two.manager.assign_status(ada, other, Status.PENDING)
    await two.manager.assign_status(ada, done, Status.RESOLVED)
    assert await ids(two, ada, tab=Tab.MINE) == [one]
    assert await ids(two, grace, tab=Tab.MINE) == [other]
    assert await ids(two, ada, tab=Tab.UNASSIGNED) == [bill]
    assert await ids(two, ada, tab=Tab.WAITING) == [one, bill]
    assert set(await ids(two, ada)) == {one, other, bill}
    assert await ids(two, ada, queue="billing") == [bill]
    assert await ids(two, ada, statuses=(Status.RESOLVED,)) == [done]
    assert await ids(two, ada, assignee="grace") == [other]
    assert await ids(two, ada, assignee=NOBODY) == [bill]
    assert await ids(two, ada, assignee="nobody-here") == []
    assert set(await ids(two, ada, requester=f" {ANN.address.upper()} ")) == {one, other, bill}
    assert await ids(two, ada, requester="else@customer.example") == []
    assert await ids(two, ada, requester="no address") == []
    lists = [Wanted(tab=tab) for tab in Tab] + [Wanted(queue="billing")]
    counts = await two.database.read(lambda tx: counted(tx, ada, lists))
    assert dict(zip([*Tab, "billing"], counts, strict=True)) == {
        Tab.MINE: 1,
        Tab.UNASSIGNED: 1,
        Tab.WAITING: 2,
        Tab.ALL: 3,
        "billing": 1,
    }


async def test_what_is_put_aside_waits_for_nobody(two: TestDesk) -> None:
    ada, number = await two.staff(), (await two.write("Help")).ticket_id or 0
    later = two.clock.now() + timedelta(days=2)
    await two.database.unit(
        lambda tx: tx.run(update(tickets).where(tickets.c.id == number).values(snoozed_until=later))
    )
    assert await ids(two, ada, tab=Tab.UNASSIGNED) == await ids(two, ada, tab=Tab.WAITING) == []
    assert await ids(two, ada) == [number]
    two.clock.offset = timedelta(days=3)
    assert await ids(two, ada, tab=Tab.WAITING) == [number]


@pytest.mark.parametrize("sort", Sort)
async def test_pages_follow_each_other(desk: TestDesk, sort: Sort) -> None:
    """Each ticket once, in order, whatever the status; also of one person."""
    ada, ann = await desk.staff(), (await desk.people.known(ANN)).user_id
    await fill(desk, 25, ann, lambda n: {"updated_at": desk.clock.now() - timedelta(minutes=n // 3)})
    for more in ({}, {"requester": ANN.address}):
        seen, cursor = list[Any](), ""
        while True:
            found = await page(desk, ada, sort=sort, limit=4, cursor=cursor, **more)
            seen += found.tickets
            if found.cursor is None:
                break
            cursor = found.cursor
        numbers = [ticket.id for ticket in seen]
        times = [t.waiting_since if sort is Sort.WAITING else t.updated_at for t in seen]
        assert len(numbers) == len(set(numbers)) == (10 if sort is Sort.WAITING else 15)
        assert times == sorted(times, reverse=sort is Sort.RECENT)


async def test_only_staff_and_only_our_cursors(desk: TestDesk) -> None:
    ann = actor_of(await desk.people.known(ANN), "web", Auth.VERIFIED)
    with pytest.raises(NotAllowed):
        await page(desk, ann)
    with pytest.raises(NotAllowed):
        await desk.database.read(lambda tx: counted(tx, ann, [Wanted()]))
    with pytest.raises(Invalid):
        await page(desk, await desk.staff(), cursor="x")


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_no_list_walks_all_tickets(desk: TestDesk, store_name: str) -> None:
    """SQLite's plan of each statement."""
    ada, ann = await desk.staff(), (await desk.people.known(ANN)).user_id
    await fill(desk, 120, ann, lambda n: {"status": "open"})
    lists = [Wanted(tab=tab, queue=queue) for tab in Tab for queue in ("", "support")]
    lists += [Wanted(sort=sort, statuses=tuple(Status)) for sort in Sort]
    lists += [Wanted(requester=ANN.address), Wanted(assignee="ada", statuses=(Status.CLOSED,))]
    said: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(desk.database.engine.sync_engine, "before_cursor_execute", note)
    for wanted in lists:
        await desk.database.read(lambda tx, w=wanted: listed(tx, ada, w))  # type: ignore[misc]
    counts = await desk.database.read(lambda tx: counted(tx, ada, lists))
    event.remove(desk.database.engine.sync_engine, "before_cursor_execute", note)
    assert max(counts) == COUNTED < 120 < LATEST
    plans = []

    async def explain(tx: Tx) -> None:
        for statement, parameters in said:
            if "tickets" in statement:
                rows = await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[-1] for row in rows)

    await desk.database.read(explain)
    for index in ("ix_tickets_waiting", "ix_tickets_assignee", "ix_tickets_queue", "ix_tickets_requester"):
        assert any(index in line for line in plans), index
    assert [line for line in plans if line.startswith("SCAN tickets")] == []
