"""Hours beside what older code made, and beside what is older than what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import update

from core.config_time import Retention
from core.database import Tx
from core.figures_days import SCOPE
from core.jobs import Jobs
from core.rollups import roll_up
from core.tables import settings
from core.utc_days import (
    DAY,
    day_of,
    start_of,
)
from tests.core.test_figures_hours import MINUTE, NOW, short, spans
from tests.core.test_rollups import STATE, Lived, change
from tests.stores import Store


@pytest.fixture
async def lived(store: Store) -> AsyncIterator[Lived]:
    opened = await Lived.open(store, seed=11, days=6, count=160, at=NOW)
    yield opened
    await opened.desk.close()


NO_BLOCKS = ("blocks_from", "weeks", "looked")
NO_HOURS = ("hours_from", "open", "touched", "bare", *NO_BLOCKS)


async def _forget_hours(lived: Lived, store: Store, names: Sequence[str] = NO_HOURS) -> None:
    """As older code leaves it, that knows of none of these."""
    state = (await lived.state()).as_json()
    for name in names:
        del state[name]

    async def unit(tx: Tx) -> None:
        await tx.run(update(settings).where(settings.c.scope == SCOPE).values(value=state))

    await lived.desk.database.unit(unit)
    store.execute(
        "DELETE FROM rollup_hours WHERE hour LIKE :like", like="%" if "hours_from" in names else "%B%"
    )
    store.execute("DELETE FROM rollups WHERE day LIKE '%W%'")


@pytest.mark.parametrize("names", [NO_HOURS, NO_BLOCKS])
async def test_days_that_older_code_made(store: Store, names: Sequence[str]) -> None:
    """They have no hours, or these no blocks, and are read; then they get theirs, the newest first, and stay what they
    were made; hours that are there stay. Weeks are added up anew."""
    lived = await Lived.open(store, seed=11, days=16, count=160, at=NOW)
    try:
        whole = await lived.roll()
        days = "SELECT day, queue, series, made_at FROM rollups WHERE day NOT LIKE '%W%' ORDER BY day, queue"
        hours = "SELECT * FROM rollup_hours WHERE hour LIKE '%T%' ORDER BY hour, queue"
        blocks = "SELECT * FROM rollup_hours WHERE hour LIKE '%B%' ORDER BY hour, queue"
        weeks = "SELECT day, queue, series FROM rollups WHERE day LIKE '%W%' ORDER BY day, queue"
        before = [store.rows(rows) for rows in (days, hours, blocks, weeks)]
        assert all(before)
        await _forget_hours(lived, store, names)
        state = await lived.state()
        assert state.hours_from == (state.upto + DAY if "hours_from" in names else whole.hours_from)
        assert state.due_sums()
        await lived.check(spans(lived, 1))
        lived.desk.clock.offset += 2 * MINUTE
        state = await lived.roll()
        assert (state.hours_from, len(state.open), state.bare) == (whole.first, 17, frozenset())
        assert state.blocks_from == state.hours_from
        assert await lived.desk.database.read(lambda tx: tx.scalar(STATE)) == state.as_json()
        assert [store.rows(rows) for rows in (days, hours, blocks, weeks)] == before
        await lived.check(spans(lived, 1))
    finally:
        await lived.desk.close()


async def test_hours_that_are_there_are_not_read_again(lived: Lived, store: Store) -> None:
    """Their blocks are added up from them: some of their tickets may be deleted by now."""
    await lived.roll()
    blocks = "SELECT * FROM rollup_hours WHERE hour LIKE '%B%' ORDER BY hour, queue"
    before = store.rows(blocks)
    await _forget_hours(lived, store, NO_BLOCKS)
    store.execute("DELETE FROM events")
    await lived.roll()
    assert store.rows(blocks) == before


async def test_days_of_which_some_was_deleted_stay(lived: Lived, store: Store) -> None:
    """What was deleted stays counted, and such a day gets no hours; nor do those that are older than what is kept."""
    await lived.roll()
    await _forget_hours(lived, store)
    today = day_of(lived.desk.clock.now())
    cut, gone = today - 3 * DAY, today - 2 * DAY
    begin = start_of(gone)
    assert store.execute(
        "DELETE FROM events WHERE at >= :a AND at < :b AND kind = 'opened'",
        a=f"{begin:%F}",
        b=f"{begin + DAY:%F}",
    )
    rows = "SELECT day, queue, series, made_at FROM rollups WHERE day NOT LIKE '%W%' ORDER BY day, queue"
    before = store.rows(rows)
    object.__setattr__(lived.desk.config, "retention", Retention(closed_tickets=4 * DAY))
    lived.desk.clock.offset += 2 * MINUTE
    for _ in range(5):
        await roll_up(Jobs(lived.desk.desk, lived.desk.database, lived.desk.blobs))
    state = await lived.state()
    assert (state.hours_from, state.bare) == (cut, {gone})
    made = {row["hour"][:10] for row in store.rows("SELECT hour FROM rollup_hours")}
    assert made == {day.isoformat() for day in (cut, today - DAY, today)}
    assert store.rows(rows) == before


async def test_older_days_that_are_touched_are_read(lived: Lived) -> None:
    """Where closed tickets are deleted after three days, nothing older is made anew: its hours aren't used any more."""
    await lived.roll()
    object.__setattr__(lived.desk.config, "retention", Retention(closed_tickets=3 * DAY))
    now = lived.desk.clock.now()
    lives = [life for life in lived.world.lives if life.created < now - 4 * DAY and life.status == "resolved"]
    assert lives
    for life in lives:
        await change(lived, life, spam=False, at=now)
    state = await lived.notice()
    assert day_of(lives[0].created) in state.bare
    await lived.check(short(lived, 6))
