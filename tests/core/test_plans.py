"""By which indexes SQLite reads what pages ask for most: its plan of each statement. It keeps no statistics, so the
plan is the same for ten tickets and for a million."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Insert, event, insert

from core import figures, figures_standing, home_lists, queue_lists, views
from core.database import Tx
from core.figures_days import SCOPE, STATE, WHOLE
from core.home_lists import Tab
from core.people import actor_of
from core.queue_lists import NOBODY, Sort, Wanted, listed
from core.rollups_state import State
from core.shapes import Auth
from core.status import Status
from core.tables import rollups, settings
from core.utc_days import DAY
from core.views import Period, TicketCriteria, cursor_of, list_tickets
from tests.core.desk import ANN, TestDesk
from tests.core.filling import fill

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)


async def plans_of(desk: TestDesk, act: Callable[[Tx], Awaitable[Any]], table: str) -> list[str]:
    """The lines about a table in the plans of the statements that `act` runs."""
    said: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(desk.database.engine.sync_engine, "before_cursor_execute", note)
    await desk.database.read(act)
    event.remove(desk.database.engine.sync_engine, "before_cursor_execute", note)

    async def explain(tx: Tx) -> list[str]:
        lines: list[str] = []
        for statement, parameters in said:
            if table in statement:
                rows = await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                lines += [row[-1] for row in rows]
        return [line for line in lines if table in line.split()]

    return await desk.database.read(explain)


@pytest.mark.parametrize(
    "criteria",
    [
        TicketCriteria(),
        TicketCriteria(status=(Status.CLOSED,), queue="support"),
        TicketCriteria(q="printer"),
        TicketCriteria(q="printer", cursor="later"),
    ],
)
async def test_who_asks_finds_theirs_one_by_one(desk: TestDesk, criteria: TicketCriteria) -> None:
    """Never by their status: all tickets of a status are many, those of one requester are few."""
    await desk.write()
    ann = actor_of(await desk.people.known(ANN), "web", Auth.VERIFIED)
    at = cursor_of(desk.clock.now(), 5)
    asked = TicketCriteria(
        status=criteria.status, queue=criteria.queue, q=criteria.q, cursor=at if criteria.cursor else None
    )
    lines = await plans_of(desk, lambda tx: list_tickets(tx, ann, asked), "tickets")
    assert lines
    assert {line for line in lines if "PRIMARY KEY (rowid=?)" not in line} == set()


@pytest.mark.parametrize("queue", [None, "support"])
async def test_what_is_searched_is_found_one_by_one(desk: TestDesk, queue: str | None) -> None:
    await desk.write()
    ada = await desk.staff()
    asked = TicketCriteria(q="printer", queue=queue, assignee="grace")
    lines = await plans_of(desk, lambda tx: list_tickets(tx, ada, asked), "tickets")
    assert lines
    assert {line for line in lines if "PRIMARY KEY (rowid=?)" not in line} == set()


@pytest.mark.parametrize(
    "asked",
    [
        TicketCriteria(requester="ann@example.com"),
        TicketCriteria(requester="ann@example.com", queue="support"),
        TicketCriteria(requester="ann@example.com", assignee="grace", status=(Status.CLOSED,)),
        TicketCriteria(requester="ann@example.com", queue="support", assignee=""),
    ],
)
@pytest.mark.parametrize("later", [False, True])
async def test_a_requesters_tickets_are_found_by_their_address(
    desk: TestDesk, asked: TicketCriteria, later: bool
) -> None:
    """Whatever else they are to be: a queue and an assignee have many more."""
    await desk.write()
    ada = await desk.staff()
    if later:
        asked = replace(asked, cursor=cursor_of(desk.clock.now(), 5))
    lines = await plans_of(desk, lambda tx: list_tickets(tx, ada, asked), "tickets")
    lists = [line for line in lines if "status=?" in line]
    assert len(lists) == len(asked.status or Status)
    assert all("ix_tickets_address (requester_address=? AND status=?" in line for line in lists), lines
    assert all("PRIMARY KEY (rowid=?)" in line or _LOOK in line for line in lines if line not in lists)


_LOOK = "COVERING INDEX ix_tickets_address (requester_address=?)"  # has it few? no more are counted


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (TicketCriteria(requester="x@y.example"), "ix_tickets_address"),
        (TicketCriteria(requester="x@y.example", queue="support"), "ix_tickets_queue"),
        (TicketCriteria(requester="x@y.example", assignee="grace"), "ix_tickets_assignee"),
    ],
)
async def test_the_tickets_of_an_address_that_has_very_many(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch, asked: TicketCriteria, index: str
) -> None:
    """A machine's, that reports all day: what else is asked is looked up, and their address is looked at."""
    ada = await desk.staff()
    await fill(desk, 20, (await desk.people.known(ANN)).user_id)
    found = await desk.manager.view_tickets(ada, asked)
    assert len(found.tickets) == (0 if asked.assignee else 20)
    for few, expected in ((20, "ix_tickets_address"), (19, index)):
        monkeypatch.setattr(views, "FEW", few)
        assert await desk.manager.view_tickets(ada, asked) == found
        lines = await plans_of(desk, lambda tx: list_tickets(tx, ada, asked), "tickets")
        lists = [line for line in lines if "status=?" in line]
        assert len(lists) == len(Status)
        assert all(f" {expected} (" in line for line in lists), lines


@pytest.mark.parametrize("queue", [None, "support"])
@pytest.mark.parametrize("unassigned", [True, False])
async def test_counts_are_by_the_index_of_their_list(
    desk: TestDesk, queue: str | None, unassigned: bool
) -> None:
    """Not by that of how things stand: it has all that they ask, but is entered by the status alone."""
    ada = await desk.staff()
    for status in (Status.CLOSED, Status.OPEN):
        wanted = Wanted(statuses=(status,), queue=queue or "", assignee=NOBODY if unassigned else "grace")
        mine = home_lists.Wanted(tab=Tab.UNASSIGNED if unassigned else Tab.MINE, queue=queue, status=status)
        lines = await plans_of(desk, lambda tx, w=wanted: queue_lists.counted(tx, ada, [w]), "tickets")  # type: ignore[misc]
        lines += await plans_of(
            desk,
            lambda tx, m=mine: home_lists.staff_list(tx, ada.user_id or 0, m),  # type: ignore[misc]
            "tickets",
        )
        lists = [line for line in lines if "status=?" in line]
        assert len(lists) == 3
        assert not any("(status=?)" in line or "ix_tickets_standing" in line for line in lists), lines


@pytest.mark.parametrize("queue", [None, "support"])
async def test_how_things_stand_is_read_from_an_index_alone(desk: TestDesk, queue: str | None) -> None:
    """But for what is put aside, where that is asked, which is looked up by when that ends."""
    lines = await plans_of(desk, lambda tx: figures.now(tx, queue), "tickets")
    assert lines == ["SEARCH tickets USING COVERING INDEX ix_tickets_standing (status=?)"]
    queues = None if queue is None else (queue,)
    lines = await plans_of(desk, lambda tx: figures_standing.standing(tx, queues), "tickets")
    assert lines == [
        "SEARCH tickets USING COVERING INDEX ix_tickets_standing (status=?)",
        "SEARCH tickets USING INDEX ix_tickets_snoozed (snoozed_until>?)",
    ]


@pytest.mark.parametrize(("sort", "entered"), [(Sort.RECENT, "updated_at<?"), (Sort.OLDEST, "updated_at>?")])
async def test_a_later_page_begins_where_it_begins(desk: TestDesk, sort: Sort, entered: str) -> None:
    """Not at the start of its list."""
    ada, ann = await desk.staff(), (await desk.people.known(ANN)).user_id
    await fill(desk, 30, ann)
    cursor = cursor_of(desk.clock.now() - timedelta(minutes=9), 3)
    wanted = Wanted(statuses=tuple(Status), sort=sort, cursor=cursor)
    lines = await plans_of(desk, lambda tx: listed(tx, ada, wanted), "tickets")
    lists = [line for line in lines if "ix_tickets_status" in line]
    assert len(lists) == len(Status)
    assert all(entered in line for line in lists)
    if sort is Sort.RECENT:
        lines = await plans_of(
            desk, lambda tx: list_tickets(tx, ada, TicketCriteria(cursor=cursor)), "tickets"
        )
        assert sum("ix_tickets_status" in line and entered in line for line in lines) == len(Status)


async def test_figures_read_no_events_of_all_time(desk: TestDesk) -> None:
    """What was added to days that are rolled up is found by the ids that are new."""
    now = desk.clock.now()
    await desk.write()
    today = now.date().isoformat()
    day = now.date()
    made = State(mark=0, seen=0, seen_at=now, first=day, upto=day, checked=day, hours_from=day)
    state = made.as_json()
    values = {"scope": SCOPE, "key": STATE, "value": state}
    await desk.database.unit(lambda tx: tx.run(tx.upsert(settings, values, {"value": state})))
    await desk.database.unit(lambda tx: tx.run(_a_day_is_there(today, now)))
    period = Period(now - 9 * DAY, now)
    lines = await plans_of(desk, lambda tx: figures.of(tx, period, None), "events")
    assert any("rowid>?" in line for line in lines)
    assert [line for line in lines if line.endswith("(at<?)")] == []


def _a_day_is_there(day: str, at: datetime) -> Insert:
    return insert(rollups).values(day=day, queue=WHOLE, series={"effect": {}}, made_at=at)
