"""How far rollups have come, what is made next, and which hours are there. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from core import rollups_hours
from core.figures_hours import AtHand
from core.rollups_state import EARLIEST, Due, State, noted
from core.utc_days import (
    DAY,
    HOUR,
    Block,
    Hour,
    block_of,
    hour_of,
    hours_of,
    hours_of_block,
    start_of,
    start_of_hour,
)
from tests.core.test_figures_hours import MINUTE

SUNDAY = date(2026, 3, 29)
NIGHT = datetime(2026, 3, 30, 0, 9, tzinfo=UTC)
MADE = State(
    mark=1,
    seen=1,
    seen_at=NIGHT,
    first=SUNDAY - 9 * DAY,
    upto=SUNDAY - DAY,
    checked=SUNDAY - DAY,
    hours_from=SUNDAY - 9 * DAY,
)


def test_what_is_due_next() -> None:
    """Days to which something was added, the next day, hours of the one that isn't over, days that changed, days
    without hours."""
    open_ = frozenset(hours_of(SUNDAY))
    assert MADE.due(NIGHT, EARLIEST) == Due(SUNDAY, hour=Hour("2026-03-29T00"))
    assert replace(MADE, open=open_).due(NIGHT, EARLIEST) is None
    assert replace(MADE, open=open_ - {Hour("2026-03-29T23")}).due(NIGHT, EARLIEST) is None
    missing = replace(MADE, open=open_ - {Hour("2026-03-29T07")})
    assert missing.due(NIGHT, EARLIEST) == Due(SUNDAY, hour=Hour("2026-03-29T07"))
    assert missing.due(NIGHT + MINUTE, EARLIEST) == Due(SUNDAY)
    assert missing.to_read(SUNDAY) == ["2026-03-29T07"]
    late = replace(MADE, added=frozenset({SUNDAY - 4 * DAY}), changed=frozenset({SUNDAY - 2 * DAY}))
    assert late.due(NIGHT + MINUTE, EARLIEST) == Due(SUNDAY - 4 * DAY)
    assert late.made(SUNDAY - 4 * DAY).due(NIGHT, EARLIEST) == Due(SUNDAY, hour=Hour("2026-03-29T00"))
    changed = replace(late, added=frozenset(), open=open_)
    assert changed.due(NIGHT, EARLIEST) == Due(SUNDAY - 2 * DAY)
    both = replace(changed, changed=changed.changed | {SUNDAY - 5 * DAY})
    assert both.due(NIGHT, EARLIEST) == Due(SUNDAY - 5 * DAY)
    without = replace(MADE, open=open_, hours_from=SUNDAY)
    assert without.due(NIGHT, EARLIEST) == Due(SUNDAY - DAY, past=True)
    assert without.due(NIGHT, SUNDAY) is None
    assert without.made_past(SUNDAY - DAY, bare=True).bare == {SUNDAY - DAY}
    assert without.made_past(SUNDAY - DAY, bare=False).hours_from == SUNDAY - DAY
    assert without.made(SUNDAY - DAY).hours_from == SUNDAY
    flat = replace(MADE, open=open_, blocks_from=SUNDAY + DAY)
    assert flat.due(NIGHT, EARLIEST) == Due(SUNDAY, blocks=True)
    assert flat.made_blocks(SUNDAY).due(NIGHT, EARLIEST) == Due(SUNDAY - DAY, blocks=True)
    assert flat.made_blocks(flat.hours_from).due(NIGHT, EARLIEST) is None
    assert (
        replace(without, blocks_from=SUNDAY).made_past(SUNDAY - DAY, bare=False).blocks_from == SUNDAY - DAY
    )
    assert replace(without, blocks_from=date.min).made_past(SUNDAY - DAY, bare=False).blocks_from == date.min


def test_what_of_a_day_is_read_anew() -> None:
    """Its hours that were touched; all of them where it has none."""
    day, hour = SUNDAY - 2 * DAY, Hour("2026-03-27T05")
    state = noted(MADE, EARLIEST, [start_of_hour(hour)], [])
    assert (state.added, state.changed, state.touched, state.bare) == ({day}, set(), {hour}, set())
    assert state.to_read(day) == [hour]
    assert state.made(day).touched == set()
    assert replace(state, hours_from=SUNDAY).to_read(day) == hours_of(day)
    assert replace(state, bare=frozenset({day})).to_read(day) == hours_of(day)
    assert replace(state, bare=frozenset({day})).made(day).bare == set()


def test_what_is_noted() -> None:
    """Of days that are made, days before the first, the day that isn't over, and days that nobody makes anew."""
    day, hour = SUNDAY - 2 * DAY, Hour("2026-03-27T05")
    changed = noted(MADE, EARLIEST, [], [start_of_hour(hour)])
    assert (changed.added, changed.changed, changed.touched) == (set(), {day}, {hour})
    kept = noted(MADE, SUNDAY - DAY, [start_of_hour(hour)], [])
    assert (kept.added, kept.touched, kept.bare) == (set(), set(), {day})
    today = replace(MADE, open=frozenset(hours_of(SUNDAY)))
    assert noted(today, EARLIEST, [start_of(SUNDAY)], []) == replace(
        today, open=today.open - {hours_of(SUNDAY)[0]}
    )
    first = noted(MADE, EARLIEST, [start_of(MADE.first - 2 * DAY)], [])
    assert first.added == {MADE.first - 2 * DAY, MADE.first - DAY}
    assert (first.first, first.touched) == (MADE.first - 2 * DAY, set())


def test_hours_are_read_together() -> None:
    """As many as hold so many events, a crowded one alone; without gaps they are one span."""
    hours = hours_of(SUNDAY)
    most = rollups_hours.SLICE
    counts = {hours[0]: most - 1, hours[1]: 1, hours[2]: 1, hours[5]: most + 1, hours[6]: 7}
    assert rollups_hours.portions(counts) == [hours[:2], [hours[2]], [hours[5]], [hours[6]]]
    begin = start_of(SUNDAY)
    assert rollups_hours.spans_of([hours[0], hours[1], hours[3]]) == [
        (begin, begin + 2 * HOUR),
        (begin + 3 * HOUR, begin + 4 * HOUR),
    ]


def test_which_hours_are_within() -> None:
    """Whole ones of days that are made, and open ones; none that is stale."""
    hand = AtHand(
        first=SUNDAY - DAY,
        upto=SUNDAY,
        bare=frozenset({SUNDAY}),
        open=frozenset({Hour("2026-03-30T00"), Hour("2026-03-30T01")}),
        stale=frozenset({Hour("2026-03-28T22"), Hour("2026-03-30T00")}),
    )
    begin = start_of(SUNDAY - DAY)
    found = hand.within(begin + 20 * HOUR + MINUTE, begin + 3 * DAY)
    assert found == ["2026-03-28T21", "2026-03-28T23", "2026-03-30T01"]
    assert hand.within(begin + 21 * HOUR, begin + 22 * HOUR) == ["2026-03-28T21"]
    assert hand.within(begin + 21 * HOUR, begin + 22 * HOUR - MINUTE) == []
    everything = hand.within(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert len(everything) == 23 + 1


def test_which_keys_hold_hours() -> None:
    """A block's, where all of its hours are wanted."""
    hours = hours_of(SUNDAY)
    hand = AtHand(first=SUNDAY, upto=SUNDAY, bare=frozenset(), open=frozenset(), stale=frozenset())
    assert hand.keys_of(hours) == [f"2026-03-29B{n}" for n in range(4)]
    assert hand.keys_of(hours[1:13]) == [*hours[1:6], "2026-03-29B1", hours[12]]
    assert hand.keys_of([]) == []
    later = replace(hand, blocks_from=SUNDAY)
    before = hours_of(SUNDAY - DAY)
    assert later.keys_of([*before[18:], *hours[:6]]) == [*before[18:], "2026-03-29B0"]
    assert [block_of(hour) for hour in hours_of_block(Block("2026-03-29B3"))] == ["2026-03-29B3"] * 6
    assert hours_of_block(Block("2026-03-29B3")) == hours[18:]


def test_keys_of_hours() -> None:
    """There and back, whatever the zone of a time is."""
    assert hour_of(datetime(2026, 3, 29, 2, 59, tzinfo=UTC)) == "2026-03-29T02"
    assert hour_of(datetime.fromisoformat("2026-03-29T01:30:00+05:45")) == "2026-03-28T19"
    assert start_of_hour(Hour("2026-03-29T02")) == datetime(2026, 3, 29, 2, tzinfo=UTC)
    assert [start_of_hour(hour) for hour in hours_of(SUNDAY)] == [
        start_of(SUNDAY) + n * HOUR for n in range(24)
    ]
