"""Figures made by hand, for what shows them: an ordinary day, a quiet one, and one of a very large desk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.figures_shapes import NO_SPREAD, Figures, Group, Rating, Share, Spread, Targets, Waiting
from core.views import Period

SINCE = datetime(2026, 11, 27, 7, tzinfo=UTC)
DAY = Period(SINCE, SINCE + timedelta(days=1))
DAY_BEFORE = Period(SINCE - timedelta(days=1), SINCE)
MADE_AT = DAY.until + timedelta(seconds=3)


def nothing(period: Period = DAY, **more: Any) -> Figures:
    """A period in which nothing happened, but for what is given."""
    counts = dict.fromkeys(
        (
            *(
                "backlog_start",
                "came_in",
                "reopened",
                "moved_in",
                "restored",
                "resolved",
                "closed_unresolved",
            ),
            *("moved_out", "spam_or_merged", "backlog_end", "answered", "unassigned", "waiting_for_staff"),
            *("waiting_for_customer", "deliveries_failed", "messages"),
        ),
        0,
    )
    values: dict[str, Any] = {"period": period, "queue": None, **counts}
    return Figures(**(values | {"first_response": NO_SPREAD, "resolution": NO_SPREAD} | more))


def spread(n: int, median: float, p90: float) -> Spread:
    return Spread(n=n, median=median, p90=p90)


def waiting(
    ticket: int, title: str, hours: float, assignee: str | None = None, queue: str = "support"
) -> Waiting:
    since = MADE_AT - timedelta(hours=hours)
    return Waiting(ticket_id=ticket, title=title, queue=queue, since=since, assignee=assignee)


def _hours(*arrived: tuple[int, int, int]) -> tuple[tuple[int, ...], ...]:
    table = [[0] * 24 for _ in range(7)]
    for day, hour, count in arrived:
        table[day][hour] = count
    return tuple(map(tuple, table))


def ordinary() -> Figures:
    """A day of three queues, a little worse than the one before."""
    return nothing(
        backlog_start=53,
        came_in=42,
        reopened=3,
        moved_in=0,
        resolved=38,
        closed_unresolved=2,
        spam_or_merged=1,
        backlog_end=57,
        answered=40,
        unassigned=6,
        waiting_for_staff=17,
        waiting_for_customer=23,
        deliveries_failed=2,
        unread=1,
        messages=164,
        first_response=spread(40, 4_800, 21_600),
        first_response_business=spread(40, 3_300, 12_000),
        resolution=spread(38, 97_200, 345_600),
        resolution_business=spread(38, 28_800, 90_000),
        targets=Targets(first_response=Share(36, 40), next_response=Share(51, 52), resolution=Share(3, 4)),
        by_queue=(
            Group(
                name="support",
                came_in=28,
                answered=26,
                resolved=25,
                backlog_end=34,
                first_response=spread(26, 4_200, 20_000),
            ),
            Group(
                name="billing",
                came_in=10,
                answered=11,
                resolved=10,
                backlog_end=15,
                first_response=spread(11, 5_400, 25_000),
            ),
            Group(
                name="warehouse",
                came_in=4,
                answered=3,
                resolved=3,
                backlog_end=8,
                first_response=spread(3, 7_500, 9_000),
            ),
        ),
        by_channel=(
            Group(name="email", came_in=31, answered=29, resolved=27),
            Group(name="slack", came_in=9, answered=9, resolved=9),
            Group(name="web", came_in=2, answered=2, resolved=2),
        ),
        by_priority=(
            Group(name="urgent", came_in=2, answered=2, resolved=1, first_response_target=Share(1, 2)),
            Group(name="high", came_in=7, answered=6, resolved=6, first_response_target=Share(5, 6)),
            Group(name="normal", came_in=33, answered=32, resolved=31, first_response_target=Share(30, 32)),
        ),
        by_assignee=(
            Group(name="ada", answered=19, resolved=18, reopened=1),
            Group(name="mo", answered=14, resolved=15, reopened=2),
            Group(name="", answered=7, resolved=5),
        ),
        by_tag=(
            Group(name="printer", came_in=9, answered=9, resolved=8),
            Group(name="invoice", came_in=6, answered=6, resolved=6),
        ),
        zone="Europe/Berlin",
        busiest_hours=_hours(
            *(
                (4, hour, count)
                for hour, count in ((8, 5), (9, 9), (10, 7), (11, 4), (13, 3), (14, 6), (16, 4))
            ),
            *((4, hour, 1) for hour in (19, 21)),
            *((5, hour, 1) for hour in (2, 7)),
        ),
        oldest_waiting=(
            waiting(88, "The printer in room 4 prints everything twice", 76, "ada"),
            waiting(93, "Invoice 2026-1170 names the wrong company", 51.5, None, "billing"),
            waiting(101, "Can't log in since the update", 30, "mo"),
            waiting(117, "Parcel came without the keyboard", 9.25, None, "warehouse"),
            waiting(120, '<b>Urgent</b> & "quoted"', 2),
        ),
        rating=Rating((0, 1, 0, 3, 8)),
    )


def ordinary_before() -> Figures:
    """The day before that."""
    return nothing(
        DAY_BEFORE,
        backlog_start=60,
        came_in=30,
        reopened=1,
        moved_in=1,
        resolved=36,
        closed_unresolved=2,
        spam_or_merged=1,
        backlog_end=53,
        answered=31,
        messages=120,
        first_response=spread(31, 3_900, 18_000),
        first_response_business=spread(31, 2_700, 9_000),
        resolution=spread(36, 82_800, 300_000),
        resolution_business=spread(36, 25_000, 80_000),
        targets=Targets(first_response=Share(30, 31), next_response=Share(40, 40), resolution=Share(10, 12)),
        by_queue=(
            Group(
                name="support",
                came_in=20,
                answered=21,
                resolved=26,
                backlog_end=31,
                first_response=spread(21, 3_600, 17_000),
            ),
            Group(
                name="billing",
                came_in=10,
                answered=10,
                resolved=10,
                backlog_end=15,
                first_response=spread(10, 4_000, 20_000),
            ),
        ),
        by_channel=(
            Group(name="email", came_in=22, answered=23, resolved=28),
            Group(name="slack", came_in=8, answered=8, resolved=8),
        ),
        by_priority=(
            Group(name="high", came_in=3, answered=3, resolved=4, first_response_target=Share(3, 3)),
            Group(name="normal", came_in=27, answered=28, resolved=32, first_response_target=Share(27, 28)),
        ),
        by_assignee=(
            Group(name="ada", answered=20, resolved=22),
            Group(name="mo", answered=11, resolved=14, reopened=1),
        ),
        by_tag=(
            Group(name="printer", came_in=4, answered=4, resolved=5),
            Group(name="password", came_in=3, answered=3, resolved=3),
        ),
        zone="Europe/Berlin",
        busiest_hours=_hours(
            *((3, hour, count) for hour, count in ((8, 6), (9, 7), (10, 6), (13, 5), (15, 6)))
        ),
        rating=Rating((0, 0, 1, 4, 3)),
    )


def big(name: str = "quite-a-long-name-of-a-", title: str = "A title of many words, ") -> Figures:
    """A week of a desk with more of everything than a report has room for."""

    def groups(n: int) -> tuple[Group, ...]:
        return tuple(
            Group(
                name=f"{name}{at}",
                came_in=20_000 - 397 * at,
                answered=19_000 - 300 * at,
                resolved=18_500 - 311 * at,
                reopened=120 - at,
                first_response_target=Share(17_000 - 90 * at, 18_000),
                backlog_end=3_000 + at,
                first_response=spread(19_000, 4_711 + 997 * at, 99_999),
            )
            for at in range(n)
        )

    week = Period(DAY.until - timedelta(days=7), DAY.until)
    whole = ordinary()
    shown = {
        name: getattr(whole, name) for name in ("zone", "targets", "rating", "resolution", "first_response")
    }
    return nothing(
        week,
        **shown,
        backlog_start=103_000,
        came_in=402_117,
        reopened=1_204,
        moved_in=17,
        restored=4,
        resolved=391_042,
        closed_unresolved=2_001,
        moved_out=12,
        spam_or_merged=8_811,
        backlog_end=104_476,
        answered=388_000,
        unassigned=1_204,
        waiting_for_staff=22_412,
        waiting_for_customer=41_000,
        deliveries_failed=311,
        unread=12,
        messages=1_204_551,
        within=0.025,
        by_queue=groups(30),
        by_channel=groups(5),
        by_priority=groups(4),
        by_assignee=groups(40),
        by_tag=groups(300),
        busiest_hours=tuple(tuple((day + 3) * hour * 17 % 991 for hour in range(24)) for day in range(7)),
        oldest_waiting=tuple(
            waiting(1_000_000 + at, title * 12, 2_000 - at, f"{name}{at}") for at in range(10)
        ),
    )


def big_before() -> Figures:
    """The week before: as large."""
    figures = big()
    values = {name: getattr(figures, name) for name in figures.__slots__}
    until = figures.period.since
    return Figures(**(values | {"period": Period(until - timedelta(days=7), until), "came_in": 411_000}))
