"""Staff's lists and requesters' own: what is in them, their order and pages, and what reading them costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text, update

from core.database import Tx
from core.home_lists import LATEST, PAGE, Requests, Tab, TicketList, Wanted, requests_of, staff_list
from core.people import actor_of
from core.shapes import Actor, Auth, Person, Visibility
from core.status import Status
from core.tables import tickets
from tests.core.desk import ANN, BOB, TestDesk, post, slack_person
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


async def listed(desk: TestDesk, user_id: int | None, **wanted: Any) -> TicketList:
    return await desk.database.read(lambda tx: staff_list(tx, user_id or 0, Wanted(**wanted)))


async def asked(desk: TestDesk, person: Person, hold: timedelta = timedelta()) -> tuple[Requests, Actor]:
    actor = actor_of(await desk.people.known(person), "slack", Auth.VERIFIED)
    return await desk.database.read(lambda tx: requests_of(tx, actor, "slack", hold)), actor


# -- staff ----------------------------------------------------------------------------------------------------------


async def test_each_list_has_its_tickets(two: TestDesk) -> None:
    """Mine, unassigned, who waits, all; by queue and status; what is put aside waits for nobody."""
    ada, grace = await two.staff(), await two.staff("grace")
    one, other, third = [(await two.write(f"Help {n}")).ticket_id or 0 for n in range(3)]
    bill = (await two.write("Pay", queue="billing")).ticket_id or 0
    await two.manager.assign(ada, one, "ada")
    await two.manager.assign(ada, other, "grace")
    await two.manager.assign_status(ada, other, Status.PENDING)
    await two.manager.assign_status(ada, third, Status.RESOLVED)

    async def ids(user: Actor = ada, **wanted: Any) -> set[int]:
        return {t.id for t in (await listed(two, user.user_id, **wanted)).tickets}

    assert await ids(tab=Tab.MINE) == {one}
    assert await ids(grace, tab=Tab.MINE) == {other}
    assert await ids(tab=Tab.UNASSIGNED) == {bill}
    assert await ids(tab=Tab.WAITING) == {one, bill}
    assert await ids(tab=Tab.ALL) == {one, other, bill}
    assert await ids(tab=Tab.ALL, queue="billing") == {bill}
    assert await ids(tab=Tab.ALL, status=Status.PENDING) == {other}
    assert await ids(tab=Tab.ALL, status=Status.RESOLVED) == {third}
    assert await ids(tab=Tab.ALL, status=Status.OPEN, queue="billing") == set()
    later = two.clock.now() + timedelta(days=2)
    await two.database.unit(
        lambda tx: tx.run(update(tickets).where(tickets.c.id == bill).values(snoozed_until=later))
    )
    assert await ids(tab=Tab.UNASSIGNED) == set()
    assert await ids(tab=Tab.WAITING) == {one}
    assert await ids(tab=Tab.ALL) == {one, other, bill}
    two.clock.offset = timedelta(days=3)
    assert await ids(tab=Tab.UNASSIGNED) == {bill}


async def test_the_order(desk: TestDesk) -> None:
    """Who waits longest comes first; elsewhere what moved last does."""
    now, user = desk.clock.now(), (await desk.people.known(ANN)).user_id

    def new_and_open(number: int) -> dict[str, Any]:
        at = now - timedelta(minutes=number)
        return {"status": ("new", "open")[number % 2], "title": str(number), "waiting_since": at}

    await fill(desk, 5, user, new_and_open)
    waiting = await listed(desk, 1, tab=Tab.WAITING)
    unassigned = await listed(desk, 1, tab=Tab.UNASSIGNED)
    titles = [ticket.title for ticket in unassigned.tickets]
    assert [ticket.title for ticket in waiting.tickets] == titles[::-1]
    assert titles == sorted(titles)


async def test_paging_through_five_hundred(desk: TestDesk) -> None:
    """PLATFORM case 25: fifty pages hold each ticket once, in order; a page too far is the last."""
    user = (await desk.people.known(ANN)).user_id
    ada = (await desk.staff()).user_id
    await fill(desk, 500, user, lambda n: {"status": ("new", "open", "pending")[n % 3], "assignee_id": ada})
    seen = []
    for page in range(1, 51):
        found = await listed(desk, ada, page=page)
        assert (found.page, found.count, found.pages, len(found.tickets)) == (page, 500, 50, PAGE)
        seen += found.tickets
    assert len({ticket.id for ticket in seen}) == 500
    assert [t.updated_at for t in seen] == sorted((t.updated_at for t in seen), reverse=True)
    beyond = await listed(desk, ada, page=99)
    assert (beyond.page, beyond.tickets) == (50, tuple(seen[-PAGE:]))
    assert (await listed(desk, ada, tab=Tab.UNASSIGNED, page=7)) == TicketList(tickets=(), page=1, count=0)


# -- requesters -----------------------------------------------------------------------------------------------------


async def test_what_somebody_asked_for(desk: TestDesk) -> None:
    """Open ones with the latest answer, not the notes; what was resolved lately; nothing of others'."""
    dan = slack_person("dan", place="T1/D1#8.1")
    ada = await desk.staff()
    first = (await desk.manager.receive(post("8.1", "Printer", sender=dan, conversation="D1"))).ticket_id or 0
    await desk.write(sender=BOB)
    for words, visibility in (
        ("Is it on?", Visibility.PUBLIC),
        ("Plug it in.", Visibility.PUBLIC),
        ("He never plugs it in", Visibility.NOTE),
    ):
        await desk.manager.exchange_messages(ada, first, words, visibility=visibility)
    requests, actor = await asked(desk, dan)
    assert [r.ticket.id for r in requests.open] == [first]
    mine = requests.open[0]
    assert (mine.answer, mine.answered_by, mine.place) == ("Plug it in.", "Ada Lovelace", "T1/D1#8.1")
    assert requests.resolved == ()
    assert mine.ticket.updated_at == mine.ticket.public_updated_at
    await desk.manager.assign_status(ada, first, Status.RESOLVED)
    requests, _ = await asked(desk, dan)
    assert (requests.open, [r.ticket.id for r in requests.resolved]) == ((), [first])
    desk.clock.offset = timedelta(days=15)
    requests, _ = await asked(desk, dan)
    assert requests == Requests()
    nobody = Actor(user_id=None, role=actor.role, channel="slack")
    assert await desk.database.read(lambda tx: requests_of(tx, nobody, "slack")) == Requests()


async def test_a_held_answer_isnt_shown(desk: TestDesk) -> None:
    """What staff may still take back shows nowhere; the answer before it does."""
    ada = await desk.staff()
    ticket = (await desk.write(sender=ANN)).ticket_id or 0
    await desk.manager.exchange_messages(ada, ticket, "First")
    desk.clock.offset = timedelta(minutes=2)
    await desk.manager.exchange_messages(ada, ticket, "Second")
    requests, _ = await asked(desk, ANN, timedelta(seconds=60))
    assert requests.open[0].answer == "First"
    desk.clock.offset = timedelta(minutes=4)
    requests, _ = await asked(desk, ANN, timedelta(seconds=60))
    assert requests.open[0].answer == "Second"


async def test_a_conversation_without_a_thread_begins_with_our_first_post(
    desk: TestDesk, store: Store
) -> None:
    """A ticket that was made in a form: the place is the person, the link is that of the first post there."""
    dan = slack_person("dan", place="T1/UDAN")
    asked_in_form = post("9.1", "Printer", sender=dan, conversation="D9")
    await desk.manager.receive(asked_in_form)
    requests, _ = await asked(desk, dan)
    assert (requests.open[0].place, requests.open[0].anchor) == ("T1/UDAN", "")
    await desk.courier.start()
    await desk.quiet(store)
    requests, _ = await asked(desk, dan)
    assert requests.open[0].anchor.startswith("T1/UDAN/")


async def test_a_busy_requester(desk: TestDesk) -> None:
    """Of very many the latest are shown, and that there are more."""
    user = (await desk.people.known(ANN)).user_id
    await fill(desk, LATEST + 50, user)
    requests, _ = await asked(desk, ANN)
    assert (len(requests.open), len(requests.resolved), requests.more) == (10, 5, True)


# -- what it costs --------------------------------------------------------------------------------------------------

FEW, MANY = 6_000, 18_000
LISTS = (
    {"tab": Tab.MINE},
    {"tab": Tab.UNASSIGNED},
    {"tab": Tab.WAITING},
    {"tab": Tab.ALL},
    {"tab": Tab.ALL, "queue": "support"},
    {"tab": Tab.ALL, "status": Status.RESOLVED, "page": 100},
)


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_lists_cost_the_same_with_many_tickets(desk: TestDesk, store_name: str) -> None:
    """Rows that the server handled, at 6,000 and at 18,000 tickets, most of them active: counted to a thousand only."""
    user = (await desk.people.known(ANN)).user_id
    ada = await desk.staff()

    async def handled(tx: Tx, wanted: dict[str, Any] | None) -> int:
        await tx.run(text("FLUSH STATUS"))
        if wanted is None:
            await requests_of(tx, Actor(user_id=user, role=ada.role, channel="slack"), "slack")
        else:
            await staff_list(tx, ada.user_id or 0, Wanted(**wanted))
        rows = await tx.all(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(value) for name, value in rows if name != "Handler_read_rnd_deleted")

    def half(number: int) -> dict[str, Any]:
        status = ("new", "open", "pending", "resolved")[number // 2 % 4]
        return {"assignee_id": ada.user_id if number % 2 else None, "status": status}

    found = []
    for count in (FEW, MANY - FEW):
        await fill(desk, count, user, half)
        await desk.database.unit(lambda tx: tx.run(text("ANALYZE TABLE tickets")))
        found.append([await desk.database.unit(lambda tx, w=w: handled(tx, w)) for w in (*LISTS, None)])
    few, many = found
    for wanted, small, large in zip((*LISTS, None), few, many, strict=True):
        assert large <= small * 1.5 + 100, (wanted, found)


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_lists_are_read_by_their_indexes(desk: TestDesk, store_name: str) -> None:
    """SQLite's plan of each statement: no list walks the table of tickets."""
    ada = await desk.staff()
    await fill(desk, 100, (await desk.people.known(ANN)).user_id)
    said: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(desk.database.engine.sync_engine, "before_cursor_execute", note)
    for wanted in LISTS:
        await listed(desk, ada.user_id, **wanted)
    await asked(desk, ANN)
    event.remove(desk.database.engine.sync_engine, "before_cursor_execute", note)
    plans = []

    async def explain(tx: Tx) -> None:
        for statement, parameters in said:
            if "tickets" in statement:
                rows = await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[-1] for row in rows)

    await desk.database.read(explain)
    assert any("ix_tickets_waiting" in line for line in plans)
    assert any("ix_tickets_assignee" in line for line in plans)
    assert [line for line in plans if line.startswith("SCAN tickets")] == []
