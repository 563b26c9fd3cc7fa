"""Hours that are kept make up the same figures as the tables, to the last digit, whatever happens afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import figures, figures_days, figures_hours, rollups, rollups_hours
from core.database import Tx
from core.jobs import Jobs
from core.rollups import roll_up
from core.rollups_state import EARLIEST, Due
from core.tables import events, rollup_hours
from core.utc_days import (
    DAY,
    HOUR,
    Hour,
    block_of,
    day_of,
    hour_of,
    hours_of,
    hours_of_block,
    start_of,
    start_of_hour,
)
from core.views import Period
from tests.core.figures_world import Event
from tests.core.test_figures_read import statements
from tests.core.test_rollups import ZONES, Lived, change
from tests.stores import Store

NOW = timedelta(hours=17, minutes=40)  # of a day of UTC
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def lived(store: Store) -> AsyncIterator[Lived]:
    opened = await Lived.open(store, seed=11, days=6, count=160, at=NOW)
    yield opened
    await opened.desk.close()


def spans(lived: Lived, count: int = 4) -> list[Period]:
    """Today until now, yesterday, spans of up to a day and of some days, none of them of whole hours but yesterday."""
    dice, now = lived.world.dice, lived.desk.clock.now()
    today = start_of(day_of(now))
    found = [Period(today, now), Period(today - DAY, today), Period(today - 5 * DAY + 3 * HOUR, now)]
    for _ in range(count):
        since = now - 4 * DAY * dice.random()
        found.append(Period(since, since + DAY * dice.random()))
        found.append(Period(since, since + 3 * DAY * dice.random()))
    return found


def short(lived: Lived, count: int = 4) -> list[Period]:
    """Those of them that are exact."""
    return [one for one in spans(lived, count) if one.until - one.since <= figures.EXACT]


async def figures_of(lived: Lived, period: Period) -> dict[str, Any]:
    found = await lived.desk.database.read(lambda tx: figures.of(tx, period, None))
    return found.as_json()


async def happen(lived: Lived, kind: str, at: datetime, **more: Any) -> None:
    """Something happens to the first ticket that nothing counts by."""
    life = next(life for life in lived.world.lives if not life.out)
    lived.world.events.append(Event(life, at, kind, life.queue, {}))
    row = {"ticket_id": life.id, "at": at, "kind": kind, "actor_name": "ann", "public": True, "data": {}}
    row |= more
    await lived.desk.database.unit(lambda tx: tx.run(events.insert().values(**row, queue=life.queue)))


# -- the same -------------------------------------------------------------------------------------------------------


async def test_the_same_to_the_last_digit(lived: Lived) -> None:
    """What short spans say before anything is rolled up they say afterwards, percentiles too."""
    periods = short(lived, 8)
    before = [await figures_of(lived, period) for period in periods]
    state = await lived.roll()
    assert state.open == frozenset(hours_of(day_of(lived.desk.clock.now()))[:17])
    assert state.hours_from == state.first
    for period, told in zip(periods, before, strict=True):
        assert await figures_of(lived, period) == told
        assert told["within"] == 0


async def test_the_same_as_a_recount(lived: Lived) -> None:
    """Of all queues, of one and of two, in any zone."""
    await lived.roll()
    await lived.check(spans(lived, 3))


async def test_two_periods_at_once(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what each is alone: next to each other, apart, either way round, one within the other; short and long
    ones; where much is to be read and where little is."""
    await lived.roll()
    for ago in (1, 40, 80):
        await happen(lived, "message", lived.desk.clock.now() - ago * HOUR)
    life = next(one for one in lived.world.lives if one.status == "resolved")
    await change(lived, life, spam=False, at=lived.desk.clock.now())
    lived.desk.clock.offset += timedelta(seconds=1)
    now = lived.desk.clock.now()
    for most in (figures_days.MOST_PIECES, 3):
        monkeypatch.setattr(figures_days, "MOST_PIECES", most)
        for length, ago in (
            (DAY, DAY),
            (2 * DAY, 2 * DAY),
            (DAY, 2 * DAY),
            (2 * DAY, DAY),
            (5 * HOUR, 5 * DAY),
        ):
            pair = Period(now - length, now), Period(now - ago - length, now - ago - MINUTE)
            for queue in (None, "support"):
                for one, other in (pair, pair[::-1]):
                    zone = lived.world.dice.choice(ZONES)
                    both = await lived.desk.database.read(
                        lambda tx, a=one, b=other, q=queue, z=zone: figures.beside(tx, a, b, q, zone=z)  # type: ignore[misc]
                    )
                    for period, found in zip((one, other), both, strict=True):
                        alone = await lived.desk.database.read(
                            lambda tx, p=period, q=queue, z=zone: figures.of(tx, p, q, zone=z)  # type: ignore[misc]
                        )
                        assert found.as_json() == alone.as_json()


async def test_hours_are_what_is_read(lived: Lived, store: Store) -> None:
    """Of a span of whole hours nothing is read one by one; of another the minutes at its ends are. What is deleted was
    counted."""
    await lived.roll()
    today = start_of(day_of(lived.desk.clock.now()))
    whole, ragged = (
        Period(today - 5 * HOUR, today + 17 * HOUR),
        Period(today - 10 * HOUR + MINUTE, today - MINUTE),
    )
    before = await figures_of(lived, whole)
    with statements(lived.desk.database) as said:
        await figures_of(lived, whole)
    assert len([one for one in said if "group_concat" in one]) == 0
    with statements(lived.desk.database) as said:
        await figures_of(lived, ragged)
    assert len([one for one in said if "group_concat" in one]) == 2
    assert (
        store.execute("DELETE FROM events WHERE at < :at", at=f"{today + 17 * HOUR:%Y-%m-%d %H:%M:%S}") > 50
    )
    after = await figures_of(lived, whole)
    for name in ("came_in", "first_response", "resolution_business", "by_tag", "busiest_hours", "messages"):
        assert after[name] == before[name], name
    assert after["came_in"] > 10


# -- what happens afterwards ----------------------------------------------------------------------------------------


async def test_another_priority_counts_at_once(lived: Lived) -> None:
    """Tickets become urgent, nobody's, spam: the hours that they were counted in are read until they're made anew. Of
    longer spans whole days say so a little later."""
    await lived.roll()
    now = lived.desk.clock.now()
    lives = [life for life in lived.world.lives if life.created > now - 2 * DAY and life.status == "resolved"]
    assert len(lives) > 3
    for number, life in enumerate(lives):
        await change(lived, life, spam=number % 2 == 0, at=now)
    lived.desk.clock.offset += MINUTE / 2
    await lived.check(short(lived))
    for _ in range(2):  # noticed, and nothing made yet
        lived.desk.clock.offset += 2 * MINUTE
        await lived.desk.database.unit(lambda tx: rollups._look(tx, EARLIEST))
    noticed = await lived.state()
    assert noticed.changed
    assert noticed.touched
    assert len(noticed.open) < 17
    await lived.check(short(lived, 1))
    state = await lived.roll()
    assert len(state.open) == 17
    assert not state.changed | state.touched
    await lived.check(spans(lived, 1))


async def test_it_is_made_anew_at_once(lived: Lived) -> None:
    """At the next slot, ten seconds later, before it is certain that nothing comes before what happened."""
    before = await lived.roll()
    now = lived.desk.clock.now()
    life = next(one for one in lived.world.lives if one.created > now - DAY and one.status == "resolved")
    await change(lived, life, spam=False, at=now)
    touched = hour_of(life.created)
    period = Period(start_of_hour(touched), start_of_hour(touched) + HOUR)

    async def one_by_one() -> int:
        with statements(lived.desk.database) as said:
            await figures_of(lived, period)
        return len([one for one in said if "group_concat" in one])

    lived.desk.clock.offset += timedelta(seconds=1)
    assert await one_by_one() == 2
    lived.desk.clock.offset += timedelta(seconds=9)
    await roll_up(Jobs(lived.desk.desk, lived.desk.database, lived.desk.blobs))
    state = await lived.state()
    assert (state.mark, len(state.looked), state.touched) == (before.mark, 1, frozenset())
    assert await one_by_one() == 0
    await lived.check([period, *spans(lived, 1)])
    assert not (await lived.notice()).looked


async def test_what_is_written_below_what_was_looked_at(lived: Lived) -> None:
    """A transaction that began before others ended after they were looked at: its events have lower ids."""
    before = await lived.roll()
    at = lived.desk.clock.now() - 3 * HOUR
    for number in (before.mark + 9, before.mark + 5, before.mark + 7):
        await happen(lived, "message", at, id=number)
        lived.desk.clock.offset += timedelta(seconds=1)
        state = await lived.roll()
        assert number in state.looked
        assert hour_of(at) in state.open
        await lived.check([Period(at - HOUR, at + HOUR)])
    assert state.mark == before.mark
    state = await lived.notice()
    assert (state.mark, state.looked) == (before.mark + 9, frozenset())


async def test_a_node_that_lacks_what_was_looked_at(lived: Lived) -> None:
    """In a cluster the next transaction may be at another node, which has it later: nothing is made of less."""
    state = await lived.roll()
    hour = sorted(state.open)[-1]
    ahead = replace(state, looked=frozenset({state.mark + 1}))
    await lived.desk.database.unit(lambda tx: rollups._save(tx, ahead))
    database = lived.desk.database
    assert await rollups._make(database, ahead, Due(state.upto + DAY, hour=hour)) is None
    with pytest.raises(rollups_hours.Behind):
        await rollups_hours.read_hours_of(database, [hour], ahead.looked)
    await happen(lived, "message", lived.desk.clock.now(), id=state.mark + 1)
    assert await rollups._make(database, ahead, Due(state.upto + DAY, hour=hour)) == ahead


@pytest.mark.parametrize("ago", [3 * HOUR, 30 * HOUR])
async def test_what_comes_late_counts_at_once(lived: Lived, ago: timedelta) -> None:
    """An event of an hour that was made already, today's or yesterday's."""
    await lived.roll()
    await happen(lived, "message", lived.desk.clock.now() - ago)
    await lived.check(spans(lived, 1))
    state = await lived.notice()
    assert len(state.open) == 17
    assert not state.added
    await lived.check(spans(lived, 1))


async def test_the_day_goes_on(lived: Lived) -> None:
    """Each hour is made ten minutes after its end; when the day is over it is made with all of them."""
    await lived.roll()
    today = day_of(lived.desk.clock.now())
    lived.desk.clock.offset += 25 * MINUTE
    assert len((await lived.roll()).open) == 17  # 18:05
    lived.desk.clock.offset += 6 * MINUTE
    assert hour_of(start_of(today) + 17 * HOUR) in (await lived.roll()).open
    lived.desk.clock.offset += start_of(today + DAY) + 11 * MINUTE - lived.desk.clock.now()
    state = await lived.roll()
    assert (state.upto, state.open) == (today, frozenset())
    await lived.check(spans(lived, 1))


async def test_much_that_is_new(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an archive is read in, no hour is used; the figures are right."""
    await lived.roll()
    monkeypatch.setattr(figures_hours, "MOST_NEW", 2)
    monkeypatch.setattr(rollups, "MOST_LOOKED", 2)
    for n in range(3):
        await happen(lived, "message", lived.desk.clock.now() - 30 * HOUR)
        lived.desk.clock.offset += timedelta(seconds=1)
        with statements(lived.desk.database) as said:
            await lived.check(spans(lived, 1))
        assert bool([one for one in said if "rollup_hours" in one]) == (n < 2)
    state = await lived.roll()
    assert not state.looked
    lived.desk.clock.offset += 3 * MINUTE  # then it is looked at, a part at a time
    assert (await lived.notice()).mark > state.mark
    with statements(lived.desk.database) as said:
        await lived.check(spans(lived, 1))
    assert [one for one in said if "rollup_hours" in one]


async def test_what_was_looked_at_is_not_new(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it is above the mark, up to as much as is noted."""
    state = await lived.roll()
    monkeypatch.setattr(figures_hours, "MOST_NEW", 2)
    monkeypatch.setattr(rollups, "MOST_LOOKED", 4)
    for count in (1, 2, 3, 4, 4, 4):
        await happen(lived, "message", lived.desk.clock.now() - 3 * HOUR)
        lived.desk.clock.offset += timedelta(seconds=1)
        state = await lived.roll()
        assert len(state.looked) == count
        await lived.check(spans(lived, 1))


async def test_many_late_hours_are_read_in_one_go(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that is read in touches an hour of each day: beyond some pieces all of it is read, in as many
    statements as there are spans at once."""
    await lived.roll()
    now = lived.desk.clock.now()
    for n in range(1, 6):
        await happen(lived, "message", now - n * DAY)
    lived.desk.clock.offset += MINUTE
    period = Period(now - 5 * DAY - HOUR, now)
    with statements(lived.desk.database) as said:
        await figures_of(lived, period)
    assert len([one for one in said if "group_concat" in one]) == 2
    assert [one for one in said if "FROM rollup_hours" in one]
    await lived.check([period])
    monkeypatch.setattr(figures_days, "MOST_PIECES", 4)
    with statements(lived.desk.database) as said:
        await figures_of(lived, period)
    assert not [one for one in said if "FROM rollup_hours" in one]
    await lived.check([period])


async def test_an_hour_in_which_nothing_is_left(lived: Lived, store: Store) -> None:
    """It has no rows, either; its block has what the others have."""
    state = await lived.roll()
    sql = "SELECT DISTINCT hour FROM rollup_hours WHERE hour LIKE '%T%' ORDER BY hour"
    hours = [Hour(row["hour"]) for row in store.rows(sql)]
    block = block_of(hours[0])
    for hour in hours_of_block(block):
        before = await _opened(lived, [block])
        gone = await _opened(lived, [hour])
        await lived.desk.database.unit(lambda tx, h=hour: rollups_hours.store_hours(tx, [h], {}))  # type: ignore[misc]
        assert store.count("rollup_hours", f"hour = '{hour}'") == 0
        assert await _opened(lived, [block]) == before - gone
    assert store.count("rollup_hours", f"hour = '{block}'") == 0
    assert state.hours_from == state.first


async def _opened(lived: Lived, keys: Sequence[str]) -> int:
    where = rollup_hours.c.hour.in_(keys)
    rows = await lived.desk.database.read(lambda tx: tx.all(select(rollup_hours.c.series).where(where)))
    return sum(row.series["counts"].get("opened", 0) for row in rows)


async def test_blocks_are_read_in_place_of_their_hours(lived: Lived) -> None:
    """Where all six may be used. A change to a ticket leaves one out until it's made anew with its hour."""
    await lived.roll()
    now = lived.desk.clock.now()
    today = start_of(day_of(now))
    period = Period(today - DAY + HOUR, today + 12 * HOUR)  # 5 hours, and 5 blocks
    rows: list[str] = []
    whole = figures_days._hours

    async def noted(tx: Tx, keys: Sequence[str], queues: Any, *, exact: bool) -> Any:
        rows.extend(keys)
        return await whole(tx, keys, queues, exact=exact)

    async def used() -> list[int]:
        rows.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(figures_days, "_hours", noted)
            await figures_of(lived, period)
        return [sum(sign in key for key in rows) for sign in "TB"]

    assert await used() == [5, 5]
    await happen(lived, "message", today + 7 * HOUR)
    lived.desk.clock.offset += MINUTE
    assert await used() == [5 + 5, 4]
    await lived.check([period])
    await lived.notice()
    assert await used() == [5, 5]
    await lived.check([period])


async def test_who_looks_meanwhile_comes_first(lived: Lived, store: Store) -> None:
    """Somebody else moved on or made a day while a day or an hour was read: what was read isn't kept."""
    state = await lived.roll()
    hour = sorted(state.open)[-1]
    made = store.value("SELECT COUNT(*) FROM rollup_hours")
    database = lived.desk.database
    others: list[dict[str, Any]] = [
        {"mark": state.mark - 1},
        {"upto": state.upto - DAY},
        {"hours_from": state.upto + DAY},
        {"blocks_from": state.upto},
    ]
    for other in others:
        older = replace(state, **other)
        for due in (
            Due(state.upto + DAY, hour=hour),
            Due(state.upto),
            Due(state.first, past=True),
            Due(state.upto, blocks=True),
        ):
            assert await rollups._make(database, older, due) is None
    assert await lived.state() == state
    assert store.value("SELECT COUNT(*) FROM rollup_hours") == made
    assert await rollups._make(database, state, Due(state.upto + DAY, hour=hour)) == state


async def test_who_looks_at_other_hours_meanwhile_is_no_trouble(lived: Lived) -> None:
    """What was read of an hour is kept where nothing that was looked at since touched it; a day if none of it was."""
    before = await lived.roll()
    database, today = lived.desk.database, before.upto + DAY
    at = start_of(today) + 5 * HOUR
    await happen(lived, "message", at)
    await happen(lived, "message", at - DAY)
    lived.desk.clock.offset += timedelta(seconds=1)
    state = await database.unit(lambda tx: rollups._look(tx, EARLIEST))
    assert state is not None
    assert len(state.looked) == 2
    mine, other = hour_of(at), hour_of(at + HOUR)
    assert await rollups._make(database, before, Due(today, hour=mine)) is None
    assert await rollups._make(database, before, Due(before.upto)) is None
    kept = await rollups._make(database, before, Due(today, hour=other))
    assert kept is not None
    assert (kept.looked, kept.open) == (state.looked, state.open)
    earlier = await rollups._make(database, before, Due(before.upto - DAY))
    assert earlier is not None
    assert earlier.added == state.added == {before.upto}
    assert (await lived.roll()).open == before.open
    await lived.check(spans(lived, 1))


async def test_what_was_looked_at_may_be_gone(lived: Lived, store: Store) -> None:
    """Its ticket was deleted within the minute: the next look forgets it."""
    state = await lived.roll()
    await happen(lived, "message", lived.desk.clock.now() - 3 * HOUR)
    lived.desk.clock.offset += timedelta(seconds=1)
    state = await lived.roll()
    assert len(state.looked) == 1
    store.execute("DELETE FROM events WHERE id > :mark", mark=state.mark)
    lived.world.events.pop()
    await happen(lived, "message", lived.desk.clock.now() - 4 * HOUR)
    lived.desk.clock.offset += timedelta(seconds=1)
    after = await lived.roll()
    assert len(after.looked) == 1
    assert after.looked.isdisjoint(state.looked)


async def test_a_crowded_hour(lived: Lived, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Its durations are kept in buckets, and the figures say so."""
    monkeypatch.setattr(rollups_hours, "SLICE", 1)
    await lived.roll()
    rows = await lived.desk.database.read(lambda tx: tx.all(select(rollup_hours.c.durations)))
    assert {0, 1} == {len(row.durations) for row in rows if row.durations is not None}
    assert [row for row in rows if row.durations is None]
    today = start_of(day_of(lived.desk.clock.now()))
    assert (await figures_of(lived, Period(today - DAY, today)))["within"] == figures.WITHIN
    await lived.check(spans(lived, 1))
