"""What figures say of who waits: of one moment, without strangers and what is put aside; and where they'd be too much
work for somebody who waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from core import digests, figures_days, figures_standing
from core.database import Database, Tx
from core.failures import Conflict, Unavailable
from core.figures_days import Counting
from core.report import make
from core.reporting import Wanted
from core.reporting import found as page_of
from core.rollups_hours import read_hours_of
from core.shapes import Role
from core.tables import tickets
from core.utc_days import hours_of
from core.views import Period
from tests.core.desk import ANN, TestDesk
from tests.core.figures_made import nothing
from tests.stores import Store

DAY = timedelta(days=1)


def since_a_day(desk: TestDesk) -> Period:
    now = desk.clock.now()
    return Period(now - DAY, now)


async def _set(desk: TestDesk, ticket_id: int | None, **values: Any) -> None:
    await desk.database.unit(
        lambda tx: tx.run(update(tickets).where(tickets.c.id == ticket_id).values(**values))
    )


async def test_they_are_of_one_moment(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket that is opened between two of their statements is in none of them."""
    await desk.write("One")
    standing = figures_standing.standing

    async def meanwhile(*given: Any) -> Any:
        await desk.write("Meanwhile")
        return await standing(*given)

    period = Period(desk.clock.now() - DAY, desk.clock.now())
    ada = await desk.staff()
    monkeypatch.setattr(figures_standing, "standing", meanwhile)
    found = await desk.manager.analyze_data(ada, period)
    assert (found.backlog_start, found.came_in, found.backlog_end, found.waiting_for_staff) == (0, 1, 1, 1)
    boss: Any = SimpleNamespace(role=Role.MANAGER)
    parts: Any = desk  # has all of them that are asked for
    whole = await page_of(
        parts, boss, Wanted(period="own", first=period.since.date(), last=period.until.date())
    )
    assert whole.now.backlog_start == 0
    assert whole.now.balance == 0


async def test_strangers_and_what_is_put_aside_lead_no_list(desk: TestDesk) -> None:
    """They are counted as waiting, but nobody is asked to do something about them yet."""
    stranger = await desk.manager.report(ANN, "Cheap watches", "Buy")
    aside, asks, woke = [(await desk.write(f"m{n}")).ticket_id for n in range(3)]
    now = desk.clock.now()
    await _set(desk, aside, snoozed_until=now + DAY)
    await _set(desk, woke, snoozed_until=now - DAY)
    found = await desk.manager.analyze_data(await desk.staff(), since_a_day(desk))
    assert stranger.unconfirmed
    assert [one.ticket_id for one in found.oldest_waiting] == [asks, woke]
    assert (found.unassigned, found.waiting_for_staff) == (4, 4)
    assert (found.unassigned_aside, found.waiting_aside) == (2, 2)
    report = make("d", found, nothing(), service="s", zone=ZoneInfo("UTC"))
    told = [need.words for need in report.needs if need.kind in ("waiting", "unassigned")]
    assert told[-1] == "2 open tickets have nobody."
    assert [need.ticket for need in report.needs if need.kind == "waiting"] == [asks, woke]
    [note] = [table.note for table in report.tables if table.key == "standing"]
    assert note == "Put aside or not confirmed: 2 that nobody has and 2 that wait for us."


async def test_what_is_past_a_target(desk: TestDesk) -> None:
    """Each ticket once, however many of its targets are over; those to come aren't."""
    over, soon = [(await desk.write(f"m{n}")).ticket_id for n in range(2)]
    now = desk.clock.now()
    await _set(desk, over, first_due_at=now - DAY, resolve_due_at=now - DAY, next_due_at=None)
    await _set(desk, soon, first_due_at=now + DAY, resolve_due_at=now + DAY, next_due_at=None)
    found = await desk.manager.analyze_data(await desk.staff(), since_a_day(desk))
    assert found.past_target == 1
    report = make("d", found, nothing(), service="s", zone=ZoneInfo("UTC"))
    assert [n.text for n in report.needs if n.kind == "past"] == ["1 open ticket is past its target."]


async def test_too_much_to_count_for_who_waits(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read into memory; the answer is to come again. What rolls it up isn't kept from it."""
    for n in range(4):
        await desk.write(f"m{n}")
    desk.clock.offset += timedelta(seconds=1)
    monkeypatch.setattr(figures_days, "MOST_READ", 3)
    ada, now = await desk.staff(), desk.clock.now()
    for since in (datetime(2000, 1, 1, tzinfo=UTC), now - timedelta(hours=1)):
        with pytest.raises(Unavailable, match="being counted"):
            await desk.manager.analyze_data(ada, Period(since, now))
    _, hours = await read_hours_of(desk.database, hours_of(now.date()))
    assert sum(one.counts["opened"] for parts in hours.values() for one in parts.values()) == 4
    monkeypatch.setattr(figures_days, "MOST_READ", 4)
    assert (await desk.manager.analyze_data(ada, Period(now - 9 * DAY, now))).came_in == 4
    monkeypatch.setattr(figures_days, "MOST_SUMMED", 3)
    with pytest.raises(Counting):
        await desk.manager.analyze_data(ada, Period(now - 9 * DAY, now - 8 * DAY))


async def test_who_asks_for_a_digest_meanwhile_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await TestDesk.open(store, digest=[{"name": "daily", "cron": "0 8 * * *"}])
    try:
        await desk.write()
        desk.clock.offset += timedelta(seconds=1)
        monkeypatch.setattr(figures_days, "MOST_READ", 0)
        with pytest.raises(Conflict, match="being counted"):
            await desk.database.unit(lambda tx: digests.send_now(tx, desk.desk, "daily", []))
    finally:
        await desk.database.close()


async def test_a_snapshot_is_of_its_transaction_alone(desk: TestDesk) -> None:
    """The next one on the same connection sees what was committed meanwhile."""
    database = Database(desk.config.database)

    async def twice(tx: Tx) -> tuple[int, int]:
        first = len(await tx.all(tickets.select()))
        await desk.write()
        return first, len(await tx.all(tickets.select()))

    try:
        assert await database.read(twice, snapshot=True) == (0, 0)
        first, then = await database.read(twice)
        assert (first, then) == ((1, 1) if database.sqlite else (1, 2))
    finally:
        await database.close()
