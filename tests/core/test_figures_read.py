"""How figures are read: events of like tickets as one row, what is rolled up asked for once, in few statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from core import figures
from core.database import Tx
from core.figures_read import read
from core.views import Period
from tests.core.desk import TestDesk
from tests.core.test_rollups import Lived
from tests.stores import Store

DAY = timedelta(days=1)


@contextmanager
def statements(desk: TestDesk) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    said: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        said.append(" ".join(statement.split()))

    event.listen(desk.database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(desk.database.engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_a_list_that_the_server_cut_is_no_figure(desk: TestDesk) -> None:
    for number in range(5):
        await desk.manager.exchange_messages(
            await desk.staff(), (await desk.write(f"m{number}")).ticket_id or 0, "Answered"
        )
    now = desk.clock.now()

    async def look(tx: Tx, most: int) -> Any:
        before = await tx.scalar(text("SELECT @@SESSION.group_concat_max_len"))
        await tx.run(text(f"SET SESSION group_concat_max_len = {most or before}"))
        try:
            return await read(tx, now - DAY, now + DAY)
        finally:
            await tx.run(text(f"SET SESSION group_concat_max_len = {before}"))

    found = await desk.database.read(lambda tx: look(tx, 0))
    assert found["support"].counts["first"] == 5
    with pytest.raises(ValueError):
        await desk.database.read(lambda tx: look(tx, 100))


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
        with statements(lived.desk) as said:
            both = await lived.desk.database.read(
                lambda tx: figures.beside(tx, period, before, None, zone=zone)
            )
        assert list(both) == alone
        for what in ("min(rollups.day)", "FROM settings", "date(events.at)", "past_target"):
            assert len([one for one in said if what in one]) == 1, what
    finally:
        await lived.desk.close()
