"""How figures are read: events of like tickets as one row, what is rolled up asked for once, in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, insert, text

from core import figures
from core.database import Database, Tx
from core.failures import Unavailable
from core.figures_days import SCOPE, STATE, WHOLE, Rolled, flow
from core.figures_read import read
from core.figures_series import week
from core.tables import rollups, settings
from core.utc_days import DAY, start_of
from core.views import Period
from tests.core.desk import TestDesk
from tests.core.test_rollups import Lived
from tests.rolled import state_of
from tests.stores import Store


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    said: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        said.append(" ".join(statement.split()))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
@pytest.mark.parametrize("answered", [True, False])
async def test_a_list_that_the_server_cut_is_no_figure(
    desk: TestDesk, answered: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it is cut: inside of what an event tells, between two, inside of a time."""
    for number in range(5):
        ticket_id = (await desk.write(f"m{number}")).ticket_id or 0
        if answered:
            await desk.manager.exchange_messages(await desk.staff(), ticket_id, "Answered")
    now = desk.clock.now()

    async def look(tx: Tx, most: int) -> Any:
        before = await tx.scalar(text("SELECT @@SESSION.group_concat_max_len"))
        await tx.run(text(f"SET SESSION group_concat_max_len = {most or before}"))
        try:
            return await read(tx, [(now - DAY, now + DAY)])
        finally:
            await tx.run(text(f"SET SESSION group_concat_max_len = {before}"))

    found = await desk.database.read(lambda tx: look(tx, 0))
    assert found["support"].counts["first"] == (5 if answered else 0)
    assert sum(map(sum, week(found["support"].arrivals, ZoneInfo("UTC")))) == 5
    whole = 5 * len("2026-03-29 01:30") + 4
    for most in (whole - 1, whole - 5, whole - 16, whole - 17, 50):
        with pytest.raises(Unavailable, match="group_concat_max_len"):
            await desk.database.read(lambda tx, m=most: look(tx, m))  # type: ignore[misc]
    assert capsys.readouterr().out.count("database_cuts_lists") == 5


async def test_two_periods_ask_once_what_is_rolled_up(store: Store) -> None:
    lived = await Lived.open(store, seed=5)
    try:
        await lived.roll()
        now = lived.desk.clock.now()
        period, before = Period(now - 8 * DAY, now), Period(now - 16 * DAY, now - 8 * DAY)
        zone = ZoneInfo("UTC")
        alone = [
            await lived.desk.database.read(lambda tx, p=p: figures.of(tx, p, None)) for p in (period, before)
        ]  # type: ignore[misc]
        with statements(lived.desk.database) as said:
            both = await lived.desk.database.read(
                lambda tx: figures.beside(tx, period, before, None, zone=zone)
            )
        assert list(both) == alone
        for what in ("FROM settings", "WHERE events.id >", "past_target"):
            assert len([one for one in said if what in one]) == 1, what
    finally:
        await lived.desk.close()


@pytest.mark.parametrize(
    ("since", "until", "due", "asked"),
    [
        # All of a month, whose weeks aren't looked for; days beside it.
        ("01-30", "03-03", "", ["2026-02", "2026-01-30", "2026-01-31", "2026-03-01"]),
        # Weeks, and days that are in none; the last of the days, which isn't there, is none.
        ("02-01", "02-11", "", ["2026-02W02", "2026-02-01", "2026-02-09", "2026-02-10"]),
        # One that is to be added up anew.
        ("02-01", "02-10", "2026-02W02", ["2026-02-01", *(f"2026-02-0{n}" for n in range(2, 10))]),
        # A month that is to be: its weeks.
        (
            *("02-01", "03-01", "2026-02"),
            [
                *(f"2026-02W{n:02}" for n in (2, 9, 16)),
                "2026-02-01",
                *(f"2026-02-{n}" for n in range(23, 29)),
            ],
        ),
    ],
)
async def test_of_whole_months_and_weeks_no_day_is_asked_for(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch, since: str, until: str, due: str, asked: list[str]
) -> None:
    """However long ago they were: days that neither holds are."""
    wanted: list[str] = []
    made = Rolled.made

    async def noted(self: Rolled, keys: Iterable[str]) -> set[str]:
        some = list(keys)
        wanted.extend(some)
        return await made(self, some)

    monkeypatch.setattr(Rolled, "made", noted)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    days = [*("2026-01-30", "2026-01-31"), *(f"2026-02-{n:02}" for n in range(1, 29)), "2026-03-01"]
    counts = dict.fromkeys(days, 1) | {f"2026-02W{n:02}": 7 for n in (2, 9, 16)} | {"2026-02": 28}
    rows = [
        {"day": key, "queue": WHOLE, "series": {"effect": {"support": n}}, "made_at": at}
        for key, n in counts.items()
    ]
    upto = date(2026, 3, 1)
    state = state_of(date(2026, 1, 30), upto, sums=frozenset({due} if due else ()))
    await desk.database.unit(lambda tx: tx.run(insert(rollups), rows))
    stored = {"scope": SCOPE, "key": STATE, "value": state.as_json()}
    await desk.database.unit(lambda tx: tx.run(insert(settings).values(**stored)))
    span = [datetime.fromisoformat(f"2026-{day}T00:00Z") for day in (since, until)]
    found = await desk.database.read(lambda tx: flow(tx, *span))
    assert found == {"support": (min(span[1], start_of(upto + DAY)) - span[0]).days}
    assert list(dict.fromkeys(wanted)) == asked
