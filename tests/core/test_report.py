"""Reports: what they say first, what they ask somebody to do, and that what is kept is what was made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.figures_shapes import Figures, Group, Rating, Share, Targets
from core.report import Chart, Line, Need, Report, Row, TableOf, make
from core.report_tables import MOST_ROWS
from core.report_words import plain, speech
from core.views import Period
from tests.core.figures_made import (
    DAY,
    DAY_BEFORE,
    MADE_AT,
    big,
    big_before,
    nothing,
    ordinary,
    ordinary_before,
    spread,
    waiting,
)

ENGLISH = speech("en")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def made(now: Figures, before: Figures | None = None, **more: Any) -> Report:
    values: dict[str, Any] = {"service": "Acme Support", "zone": BERLIN, "made_at": MADE_AT}
    return make("daily", now, before or nothing(DAY_BEFORE), **(values | more))


def table(report: Report, key: str) -> dict[str, tuple[str, ...]]:
    """A table's cells by the first of each row."""
    [found] = [one for one in report.tables if one.key == key]
    return {row.cells[0]: row.cells[1:] for row in found.rows}


# -- what changed -------------------------------------------------------------------------------------------------


def test_it_says_first_what_changed() -> None:
    assert made(ordinary(), ordinary_before()).headline == (
        "42 came in, 12 more than the period before; 38 were resolved, 2 more.",
        "57 were open at the end of the period, 4 more than at its start.",
        "A first answer took 1 h 20 min (the median of 40), 15 min longer than the period before; "
        "nine of ten took at most 6 h.",
        "36 of 40 first answers came in time (90 %; the period before 96.8 %).",
        "3 of 4 resolutions came in time (the period before 83.3 %).",
        "12 ratings: 4.5 of 5 on average; the period before 4.25.",
    )


def test_fewer_the_same_and_a_single_one() -> None:
    now = nothing(came_in=3, resolved=1, backlog_start=9, backlog_end=1, first_response=spread(1, 90, 90))
    before = nothing(DAY_BEFORE, came_in=3, resolved=4, first_response=spread(2, 90, 90))
    assert made(now, before).headline == (
        "3 came in, as many as the period before; 1 was resolved, 3 fewer.",
        "1 was open at the end of the period, 8 fewer than at its start.",
        "The one first answer took 2 min, as long as the period before.",
    )


def test_no_percentage_of_fewer_than_five() -> None:
    """Neither in the sentences nor in the tables."""
    few = Targets(first_response=Share(1, 4), next_response=Share(2, 4), resolution=Share(0, 1))
    told = made(nothing(came_in=1, targets=few), nothing(DAY_BEFORE, targets=few))
    assert "%" not in json.dumps(told.as_json())
    assert table(told, "targets")["First answer"] == ("1 of 4", "–", "1 of 4", "–")


def test_an_empty_period_is_told_in_one_line() -> None:
    told = made(nothing())
    assert told.empty
    assert told.headline == ("Nothing happened.",)
    assert (told.needs, told.tables, told.series) == ((), (), ())
    told = made(nothing(backlog_start=3, backlog_end=3), ordinary_before())
    assert told.empty
    assert told.headline == ("Nothing happened; 3 tickets are open.",)


@pytest.mark.parametrize(
    "what",
    [
        *("came_in", "reopened", "moved_in", "restored", "resolved", "closed_unresolved", "moved_out"),
        *("spam_or_merged", "answered", "messages", "deliveries_failed", "unread"),
    ],
)
def test_whatever_happened_a_period_with_it_is_not_empty(what: str) -> None:
    assert not made(nothing(**{what: 1})).empty
    assert not made(nothing(rating=Rating((1, 0, 0, 0, 0)))).empty


# -- what needs somebody ------------------------------------------------------------------------------------------


def test_what_needs_somebody() -> None:
    told = made(ordinary(), ordinary_before(), held_back=datetime(2026, 11, 28, 3, 5, tzinfo=UTC))
    assert [need.words for need in told.needs] == [
        "#88 The printer in room 4 prints everything twice: has waited 3 days 4 h; ada has it",
        "#93 Invoice 2026-1170 names the wrong company: has waited 2 days 4 h; nobody has it",
        "#101 Can't log in since the update: has waited 1 day 6 h; mo has it",
        "14 more wait for an answer.",
        "6 open tickets have nobody.",
        "4 first answers came after the target.",
        "1 further answer came after the target.",
        "1 resolution came after the target.",
        "2 deliveries failed: relaydesk outbox list shows them.",
        "1 mail could not be read: relaydesk inbox list shows what.",
        "Slack held messages back, last at Sat 28 Nov 04:05; what was missed is read by and by.",
    ]


def test_who_waits_is_told_also_where_nothing_happened() -> None:
    told = made(nothing(backlog_end=1, waiting_for_staff=1, oldest_waiting=(waiting(7, "Hello?", 50),)))
    assert told.empty
    assert [need.words for need in told.needs] == ["#7 Hello?: has waited 2 days 2 h; nobody has it"]


def test_words_of_others_can_not_break_a_line_or_turn_it_around() -> None:
    title = "one\r\nBcc: two\u202egnirts\u2066\x00\x1b[31m " + "x" * 200
    told = made(nothing(came_in=1, waiting_for_staff=1, oldest_waiting=(waiting(7, title, 1, "a\nb"),)))
    shown = told.needs[0].title
    assert shown.startswith("one Bcc: two gnirts [31m xxx")
    assert shown.endswith("…")
    assert len(shown) == 80
    assert told.needs[0].text.endswith("; a b has it")
    assert table(told, "waiting") == {f"#7 {shown}": ("support", "1 h", "a b")}


# -- tables and charts --------------------------------------------------------------------------------------------


def test_counts_stand_beside_those_of_the_period_before() -> None:
    told = made(ordinary(), ordinary_before())
    counts = table(told, "counts")
    assert counts["Came in"] == ("42", "30", "+12")
    assert counts["Moved in"] == ("0", "1", "−1")
    assert counts["Spam or merged"] == ("1", "1", "=")
    assert "Restored" not in counts  # in neither
    assert table(told, "standing") == {
        "Nobody has them": ("6",),
        "Wait for us": ("17",),
        "Wait for the customer": ("23",),
    }
    assert table(told, "times")["First answer"] == ("40 (31)", "1 h 20 min (1 h 5 min)", "6 h (5 h)")
    assert table(told, "targets")["Resolution"] == ("3 of 4", "–", "10 of 12", "83.3 %")
    assert table(told, "by_queue")["support"] == ("28 (20)", "25 (26)", "34 (31)", "1 h 10 min (1 h)")
    assert table(told, "by_priority")["urgent"] == ("2 (0)", "2 (0)", "1 (0)", "1 of 2")
    assert table(told, "by_assignee")["nobody"] == ("7 (0)", "5 (0)", "0 (0)")
    assert table(told, "by_tag")["password"] == ("0 (3)", "0 (3)", "0 (3)")  # only the period before had it
    assert table(told, "rating")["On average"] == ("4.5 (4.25)",)
    assert next(iter(table(told, "busiest").items())) == ("Fri 09:00 to 10:00", ("9",))


def test_rows_that_are_too_many_are_told_together() -> None:
    """Counts add up to the same; medians can't be added, so none is told."""
    told = made(big(), big_before())
    [found] = [one for one in told.tables if one.key == "by_queue"]
    assert len(found.rows) == MOST_ROWS
    assert found.rows[-1].cells[0] == "23 others"
    came = [int(row.cells[1].partition(" ")[0].replace(",", "")) for row in found.rows]
    assert sum(came) == sum(group.came_in for group in big().by_queue)
    assert found.rows[-1].cells[4] == "–"
    assert found.rows[0].bar == 100
    assert found.rows[-1].bar is None
    assert "2.5 %" in next(one.note for one in told.tables if one.key == "times")


def test_every_row_has_a_cell_below_every_head() -> None:
    for told in (made(ordinary(), ordinary_before()), made(big(), big_before())):
        for one in told.tables:
            assert len(one.align) == len(one.head)
            assert {len(row.cells) for row in one.rows} == {len(one.head)}
            assert all(row.bar is None or 0 <= row.bar <= 100 for row in one.rows)
        for chart in told.series:
            assert {len(line.values) for line in chart.lines} == {len(chart.labels)}


def test_charts_hold_both_periods() -> None:
    told = {chart.key: chart for chart in made(ordinary(), ordinary_before()).series}
    assert list(told) == ["flow", "hours", "queues"]
    assert told["flow"].labels[0] == "Came in"
    assert [line.values[0] for line in told["flow"].lines] == [42, 30]
    hours = told["hours"]
    assert sum(hours.lines[0].values) == 42
    assert "09 9 / 7" in hours.words
    assert "05 " not in hours.words  # nothing came in then
    assert "days" in {chart.key for chart in made(big(), big_before()).series}
    alone = replace(ordinary(), by_queue=(Group(name="support", came_in=42),))
    assert "queues" not in {chart.key for chart in made(alone, ordinary_before()).series}


# -- the period ---------------------------------------------------------------------------------------------------


def at(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "until", "zone", "told", "short"),
    [
        (
            *("2026-11-27T08:00", "2026-11-28T08:00", BERLIN),
            "Fri 27 Nov 2026 08:00 to Sat 28 Nov 08:00, Europe/Berlin",
            "27 Nov",
        ),
        (
            *("2026-12-28T00:00", "2027-01-04T00:00", BERLIN),
            "Mon 28 Dec 2026 00:00 to Mon 4 Jan 2027 00:00, Europe/Berlin",
            "28 Dec 2026 to 3 Jan 2027",
        ),
        (
            *("2026-11-20T08:00", "2026-11-27T08:00", NEW_YORK),
            "Fri 20 Nov 2026 08:00 to Fri 27 Nov 08:00, America/New_York",
            "20 to 27 Nov",
        ),
        (
            *("2026-10-31T08:00", "2026-11-01T08:00", NEW_YORK),
            "Sat 31 Oct 2026 08:00 to Sun 1 Nov 08:00, America/New_York (1 day 1 h: the clocks were changed)",
            "31 Oct",
        ),
        (
            *("2026-03-28T08:00", "2026-03-29T08:00", BERLIN),
            "Sat 28 Mar 2026 08:00 to Sun 29 Mar 08:00, Europe/Berlin (23 h: the clocks were changed)",
            "28 Mar",
        ),
    ],
)
def test_the_period_in_words(since: str, until: str, zone: ZoneInfo, told: str, short: str) -> None:
    start, end = at(since, zone), at(until, zone)
    assert ENGLISH.span(start, end, zone) == told
    assert ENGLISH.dates(start, end, zone) == short
    report = make("daily", nothing(Period(start, end)), nothing(), service="Acme Support", zone=zone)
    assert report.period == told
    assert report.title == f"Acme Support: daily, {short}"


def test_a_late_one_says_which_dates_it_is_about() -> None:
    told = made(ordinary(), ordinary_before(), late=True, made_at=DAY.until + timedelta(hours=6))
    assert told.title == "Acme Support: daily, 27 Nov (late)"
    assert told.late_words == (
        "This report is late: it is about Fri 27 Nov 2026 08:00 to Sat 28 Nov 08:00, Europe/Berlin, "
        "and was made on Sat 28 Nov 2026 14:00."
    )
    assert made(ordinary()).late_words == ""


def test_its_queues_are_named() -> None:
    assert made(ordinary()).scope == "All queues"
    assert made(replace(ordinary(), queues=("support", "billing"))).scope == "Queues support, billing"


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((None, "–"), (0, "0 s"), (-5, "0 s"), (44.6, "45 s"), (59.6, "1 min"), (1_200, "20 min")),
        *((3_599, "1 h"), (12_000, "3 h 20 min"), (86_399, "1 day"), (86_400, "1 day")),
        *(
            (187_200, "2 days 4 h"),
            (172_000, "2 days"),
            (14 * 86_400 + 7_200, "14 days"),
            (10**9, "11,574 days"),
        ),
    ],
)
def test_durations_for_people(seconds: float | None, told: str) -> None:
    assert ENGLISH.duration(seconds) == told


def test_numbers_for_people() -> None:
    assert [ENGLISH.number(n) for n in (0, 999, 12_345)] == ["0", "999", "12,345"]
    assert [ENGLISH.change(*both) for both in ((5, 5), (1_205, 5), (5, 12))] == ["=", "+1,200", "−7"]
    assert [ENGLISH.percent(share) for share in (Share(5, 5), Share(4, 4), Share(2, 3_000))] == [
        "100 %",
        "–",
        "0.1 %",
    ]
    assert plain("  a\tb ", 9) == "a b"


# -- kept as JSON -------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=12)
COUNT = st.integers(min_value=0, max_value=10**12)
TICKET = st.none() | st.integers(min_value=1, max_value=2**63 - 1)
MOMENT = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
NEEDS = st.builds(Need, kind=TEXT, text=TEXT, ticket=TICKET, title=TEXT, colon=TEXT)
ROWS = st.builds(
    Row,
    cells=st.lists(TEXT, max_size=3).map(tuple),
    bar=st.none() | st.integers(min_value=0, max_value=100),
    ticket=TICKET,
)
TABLES = st.builds(
    TableOf,
    key=TEXT,
    title=TEXT,
    head=st.lists(TEXT, max_size=3).map(tuple),
    align=st.text("lr", max_size=3),
    rows=st.lists(ROWS, max_size=3).map(tuple),
    note=TEXT,
)
LINES = st.builds(Line, name=TEXT, values=st.lists(COUNT, max_size=3).map(tuple))
CHARTS = st.builds(
    Chart,
    key=TEXT,
    title=TEXT,
    labels=st.lists(TEXT, max_size=3).map(tuple),
    lines=st.lists(LINES, max_size=2).map(tuple),
    words=TEXT,
)
REPORTS = st.builds(
    Report,
    name=TEXT,
    service=TEXT,
    since=MOMENT,
    until=MOMENT,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    made_at=MOMENT,
    queues=st.lists(TEXT, max_size=2).map(tuple),
    late=st.booleans(),
    headline=st.lists(TEXT, max_size=2).map(tuple),
    needs=st.lists(NEEDS, max_size=2).map(tuple),
    tables=st.lists(TABLES, max_size=2).map(tuple),
    series=st.lists(CHARTS, max_size=2).map(tuple),
    empty=st.booleans(),
    language=TEXT,
    texts=st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(REPORTS)
def test_what_is_kept_is_what_was_made(report: Report) -> None:
    assert Report.of_json(json.loads(json.dumps(report.as_json()))) == report


@pytest.mark.parametrize(
    "report", [made(ordinary(), ordinary_before()), made(big(), big_before()), made(nothing())]
)
def test_real_ones_are_kept_too(report: Report) -> None:
    assert Report.of_json(json.loads(json.dumps(report.as_json()))) == report
