"""The tables and charts of a report, each with the period before beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.figures_shapes import NO_SPREAD, Figures, Group, Share, Spread
from core.report_shapes import Chart, Line, Row, TableOf
from core.report_words import NOTHING, change, duration, number, percent, plain

MOST_ROWS: Final = 8  # of a table; what is more is told together
MOST_TITLE: Final = 80
_NAME: Final = 32
_BUSIEST: Final = 5
_SEVERAL_DAYS: Final = timedelta(days=2)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BRACKETS: Final = "In brackets: the period before."
NOW, THEN = "this period", "the period before"


def tables(now: Figures, before: Figures, made_at: datetime) -> Iterator[TableOf]:
    """Yield the tables that have something to tell."""
    yield _counts(now, before)
    yield _standing(now)
    yield _times(now, before)
    yield _targets(now, before)
    for one in _DIMENSIONS:
        yield _by(one, getattr(now, f"by_{one.key}"), getattr(before, f"by_{one.key}"))
    yield _rating(now, before)
    yield _busiest(now)
    yield _waiting(now, made_at)


# -- counts -------------------------------------------------------------------------------------------------------

_COUNTS: Final = (
    ("backlog_start", "Open at the start"),
    ("came_in", "Came in"),
    ("reopened", "Reopened"),
    ("moved_in", "Moved in"),
    ("restored", "Restored"),
    ("resolved", "Resolved"),
    ("closed_unresolved", "Closed without it"),
    ("moved_out", "Moved out"),
    ("spam_or_merged", "Spam or merged"),
    ("backlog_end", "Open at the end"),
    ("answered", "Got a first answer"),
    ("messages", "Messages"),
    ("deliveries_failed", "Deliveries failed"),
    ("unread", "Mails not read"),
)
_ALWAYS: Final = frozenset({"backlog_start", "came_in", "resolved", "backlog_end", "answered"})


def _counts(now: Figures, before: Figures) -> TableOf:
    rows = []
    for name, label in _COUNTS:
        have, had = getattr(now, name), getattr(before, name)
        if have or had or name in _ALWAYS:
            rows.append(Row(cells=(label, number(have), number(had), change(have, had))))
    head = ("Count", "This period", "Before", "Change")
    return TableOf(key="counts", title="What happened", head=head, align="lrrr", rows=tuple(rows))


def _standing(now: Figures) -> TableOf:
    told = (
        ("Nobody has them", now.unassigned),
        ("Wait for us", now.waiting_for_staff),
        ("Wait for the customer", now.waiting_for_customer),
    )
    rows = tuple(Row(cells=(label, number(n))) for label, n in told)
    aside = (f"{number(n)} {what}" for n, what in _aside(now) if n)
    note = " and ".join(aside)
    return TableOf(
        key="standing",
        title="Open tickets as things stand",
        head=("", "Now"),
        align="lr",
        rows=rows,
        note=f"Put aside or not confirmed: {note}." if note else "",
    )


def _aside(now: Figures) -> tuple[tuple[int, str], ...]:
    return (now.unassigned_aside, "that nobody has"), (now.waiting_aside, "that wait for us")


# -- times and targets --------------------------------------------------------------------------------------------


def _was(now: str, before: str) -> str:
    return f"{now} ({before})"


def _spread(label: str, now: Spread, before: Spread) -> Row:
    n = _was(number(now.n), number(before.n))
    median = _was(duration(now.median), duration(before.median))
    return Row(cells=(label, n, median, _was(duration(now.p90), duration(before.p90))))


def _times(now: Figures, before: Figures) -> TableOf:
    rows = [
        _spread(label, getattr(now, name), getattr(before, name))
        for name, label in (
            ("first_response", "First answer"),
            ("first_response_business", "… in business hours"),
            ("resolution", "Resolution"),
            ("resolution_business", "… in business hours"),
        )
        if getattr(now, name).n or getattr(before, name).n
    ]
    within = max(now.within, before.within)
    note = _BRACKETS + (f" Times are within {100 * within:g} %." if within else "")
    head = ("Time", "n", "Median", "9 of 10 within")
    return TableOf(
        key="times", title="How long it took", head=head, align="lrrr", rows=tuple(rows), note=note
    )


def _of(share: Share) -> str:
    """ "31 of 34": also where a percentage would say too much."""
    return f"{number(share.met)} of {number(share.of)}" if share.of else NOTHING


def _targets(now: Figures, before: Figures) -> TableOf:
    rows = []
    for name, label in (
        ("first_response", "First answer"),
        ("next_response", "Next answers"),
        ("resolution", "Resolution"),
    ):
        have, had = getattr(now.targets, name), getattr(before.targets, name)
        if have.of or had.of:
            rows.append(Row(cells=(label, _of(have), percent(have), _of(had), percent(had))))
    head = ("Target", "In time", "Share", "Before", "Share")
    return TableOf(key="targets", title="Targets met", head=head, align="lrrrr", rows=tuple(rows))


# -- by what ------------------------------------------------------------------------------------------------------

Cell = Callable[[Group, Group], str]


def _count(name: str) -> Cell:
    return lambda now, before: _was(number(getattr(now, name)), number(getattr(before, name)))


def _open(now: Group, before: Group) -> str:
    return (
        NOTHING if now.backlog_end is None else _was(number(now.backlog_end), number(before.backlog_end or 0))
    )


def _median(now: Group, before: Group) -> str:
    have, had = now.first_response or NO_SPREAD, before.first_response or NO_SPREAD
    return _was(duration(have.median), duration(had.median)) if have.n or had.n else NOTHING


def _in_time(now: Group, _: Group) -> str:
    return _of(now.first_response_target)


@dataclass(frozen=True, slots=True)
class _Dimension:
    """`measure`: what its bars show."""

    key: str
    title: str
    columns: tuple[tuple[str, Cell], ...]
    measure: str = "came_in"


_CAME, _ANSWERED, _RESOLVED = (
    ("Came in", _count("came_in")),
    ("Answered", _count("answered")),
    ("Resolved", _count("resolved")),
)
_DIMENSIONS: Final = (
    _Dimension("queue", "Queue", (_CAME, _RESOLVED, ("Open", _open), ("First answer", _median))),
    _Dimension("channel", "Channel", (_CAME, _ANSWERED, _RESOLVED)),
    _Dimension("priority", "Priority", (_CAME, _ANSWERED, _RESOLVED, ("In time", _in_time))),
    _Dimension(
        "assignee", "Assignee", (_ANSWERED, _RESOLVED, ("Reopened", _count("reopened"))), measure="resolved"
    ),
    _Dimension("tag", "Tag", (_CAME, _ANSWERED, _RESOLVED)),
)


def _by(one: _Dimension, now: Sequence[Group], before: Sequence[Group]) -> TableOf:
    """Each name of either period, those of this one first."""
    had = {group.name: group for group in before}
    have = {group.name: group for group in now}
    pairs = [(group, had.get(group.name, Group(name=group.name))) for group in now]
    pairs += [(_none(group), group) for group in before if group.name not in have]
    together = None
    if len(pairs) > MOST_ROWS:
        pairs, rest = pairs[: MOST_ROWS - 1], pairs[MOST_ROWS - 1 :]
        name = f"{number(len(rest))} others"
        together = (_together(name, [a for a, _ in rest]), _together(name, [b for _, b in rest]))
    longest = max((getattr(group, one.measure) for group, _ in pairs), default=0)
    rows = [
        _row(one, a, b, round(100 * getattr(a, one.measure) / longest) if longest else None) for a, b in pairs
    ]
    if together is not None:  # its bar would dwarf the others
        rows.append(_row(one, *together, None))
    return TableOf(
        key=f"by_{one.key}",
        title=f"By {one.title.lower()}",
        head=(one.title, *(label for label, _ in one.columns)),
        align="l" + "r" * len(one.columns),
        rows=tuple(rows),
        note=_BRACKETS if rows else "",
    )


def _row(one: _Dimension, now: Group, before: Group, bar: int | None) -> Row:
    cells = (cell(now, before) for _, cell in one.columns)
    return Row(cells=(plain(now.name, _NAME) or "nobody", *cells), bar=bar)


def _none(group: Group) -> Group:
    """What had something only in the period before."""
    return Group(name=group.name, backlog_end=None if group.backlog_end is None else 0)


def _together(name: str, groups: Sequence[Group]) -> Group:
    """Counts add up; medians don't."""
    ends = [group.backlog_end for group in groups if group.backlog_end is not None]
    targets = [group.first_response_target for group in groups]
    return Group(
        name=name,
        came_in=sum(group.came_in for group in groups),
        answered=sum(group.answered for group in groups),
        resolved=sum(group.resolved for group in groups),
        reopened=sum(group.reopened for group in groups),
        first_response_target=Share(sum(t.met for t in targets), sum(t.of for t in targets)),
        backlog_end=sum(ends) if ends else None,
    )


# -- the rest -----------------------------------------------------------------------------------------------------


def _rating(now: Figures, before: Figures) -> TableOf:
    rows: list[Row] = []
    if now.rating.n or before.rating.n:
        longest = max(now.rating.distribution)
        for score in range(5, 0, -1):
            have, had = now.rating.distribution[score - 1], before.rating.distribution[score - 1]
            bar = round(100 * have / longest) if longest else None
            rows.append(Row(cells=(f"{score} of 5", _was(number(have), number(had))), bar=bar))
        averages = [
            NOTHING if one is None else f"{one:g}" for one in (now.rating.average, before.rating.average)
        ]
        rows.append(Row(cells=("On average", _was(*averages))))
    return TableOf(
        key="rating",
        title="Rating",
        head=("Rated", "Times"),
        align="lr",
        rows=tuple(rows),
        note=_BRACKETS if rows else "",
    )


def _busiest(now: Figures) -> TableOf:
    found = [
        (count, day, hour)
        for day, hours in enumerate(now.busiest_hours)
        for hour, count in enumerate(hours)
        if count
    ]
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    longest = found[0][0] if found else 0
    rows = tuple(
        Row(
            cells=(f"{_DAYS[day]} {hour:02}:00 to {(hour + 1) % 24:02}:00", number(count)),
            bar=round(100 * count / longest),
        )
        for count, day, hour in found[:_BUSIEST]
    )
    return TableOf(key="busiest", title="Busiest hours", head=("Hour", "Came in"), align="lr", rows=rows)


def _waiting(now: Figures, made_at: datetime) -> TableOf:
    rows = tuple(
        Row(
            cells=(
                f"#{one.ticket_id} {plain(one.title, MOST_TITLE)}",
                plain(one.queue, _NAME),
                duration((made_at - one.since).total_seconds()),
                plain(one.assignee or "", _NAME) or "nobody",
            ),
            ticket=one.ticket_id,
        )
        for one in now.oldest_waiting
    )
    head = ("Ticket", "Queue", "Has waited", "Assignee")
    return TableOf(key="waiting", title="Wait for us the longest", head=head, align="llrl", rows=rows)


# -- charts -------------------------------------------------------------------------------------------------------


def charts(now: Figures, before: Figures) -> Iterator[Chart]:
    """Yield the charts that have something to show."""
    names = (
        ("came_in", "Came in"),
        ("answered", "Answered"),
        ("resolved", "Resolved"),
        ("reopened", "Reopened"),
        ("backlog_end", "Open at the end"),
    )
    yield Chart(
        key="flow",
        title="This period and the one before",
        labels=tuple(label for _, label in names),
        lines=(
            Line(name=NOW, values=tuple(getattr(now, name) for name, _ in names)),
            Line(name=THEN, values=tuple(getattr(before, name) for name, _ in names)),
        ),
    )
    if now.period.until - now.period.since > _SEVERAL_DAYS:
        yield _arrivals("days", "Came in by weekday", _DAYS, _by_day(now), _by_day(before))
    hours = tuple(f"{hour:02}" for hour in range(24))
    yield _arrivals("hours", "Came in by hour of the day", hours, _by_hour(now), _by_hour(before))
    if len(now.by_queue) > 1:
        groups = sorted(now.by_queue, key=lambda group: (-group.came_in - group.resolved, group.name))[
            :MOST_ROWS
        ]
        yield Chart(
            key="queues",
            title="Came in and resolved by queue",
            labels=tuple(plain(group.name, _NAME) for group in groups),
            lines=(
                Line(name="came in", values=tuple(group.came_in for group in groups)),
                Line(name="resolved", values=tuple(group.resolved for group in groups)),
            ),
        )


def _arrivals(
    key: str, title: str, labels: tuple[str, ...], now: tuple[int, ...], before: tuple[int, ...]
) -> Chart:
    lines = (Line(name=NOW, values=now), Line(name=THEN, values=before))
    return Chart(key=key, title=title, labels=labels, lines=lines)


def _by_day(figures: Figures) -> tuple[int, ...]:
    return tuple(map(sum, figures.busiest_hours))


def _by_hour(figures: Figures) -> tuple[int, ...]:
    return tuple(map(sum, zip(*figures.busiest_hours, strict=True)))
