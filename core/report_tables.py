"""The tables and charts of a report, each with the period before beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.figures_shapes import NO_SPREAD, Figures, Group, Share, Spread
from core.report_shapes import Chart, Line, Row, TableOf
from core.report_words import NOTHING, Speech, plain

MOST_ROWS: Final = 8  # of a table; what is more is told together
MOST_TITLE: Final = 80
_NAME: Final = 32
_BUSIEST: Final = 5
_SEVERAL_DAYS: Final = timedelta(days=2)


def tables(now: Figures, before: Figures, made_at: datetime, words: Speech) -> Iterator[TableOf]:
    """Yield the tables that have something to tell."""
    yield _counts(now, before, words)
    yield _standing(now, words)
    yield _times(now, before, words)
    yield _targets(now, before, words)
    for one in _DIMENSIONS:
        yield _by(one, getattr(now, f"by_{one.key}"), getattr(before, f"by_{one.key}"), words)
    yield _rating(now, before, words)
    yield _busiest(now, words)
    yield _waiting(now, made_at, words)


def _head(words: Speech, *names: str) -> tuple[str, ...]:
    return tuple(words.text(f"head_{name}") if name else "" for name in names)


# -- counts -------------------------------------------------------------------------------------------------------

_COUNTS: Final = (
    *("backlog_start", "came_in", "reopened", "moved_in", "restored", "resolved", "closed_unresolved"),
    *("moved_out", "spam_or_merged", "backlog_end", "answered", "messages", "deliveries_failed", "unread"),
)
_ALWAYS: Final = frozenset({"backlog_start", "came_in", "resolved", "backlog_end", "answered"})


def _counts(now: Figures, before: Figures, words: Speech) -> TableOf:
    rows = []
    for name in _COUNTS:
        have, had = getattr(now, name), getattr(before, name)
        if have or had or name in _ALWAYS:
            told = (words.number(have), words.number(had), words.change(have, had))
            rows.append(Row(cells=(words.text(f"count_{name}"), *told)))
    head = _head(words, "count", "now", "before", "change")
    return TableOf(key="counts", title=words.text("title_counts"), head=head, align="lrrr", rows=tuple(rows))


def _standing(now: Figures, words: Speech) -> TableOf:
    rows = tuple(
        Row(cells=(words.text(f"standing_{name}"), words.number(getattr(now, name))))
        for name in ("unassigned", "waiting_for_staff", "waiting_for_customer")
    )
    return TableOf(
        key="standing",
        title=words.text("title_standing"),
        head=_head(words, "", "standing"),
        align="lr",
        rows=rows,
        note=_aside(now, words),
    )


def _aside(now: Figures, words: Speech) -> str:
    counts = (("aside_unassigned", now.unassigned_aside), ("aside_waiting", now.waiting_aside))
    told = [words.counted(key, n) for key, n in counts if n]
    if not told:
        return ""
    what = told[0] if len(told) == 1 else words.text("aside_both", first=told[0], second=told[1])
    return words.text("aside", what=what)


# -- times and targets --------------------------------------------------------------------------------------------


def _was(now: str, before: str) -> str:
    return f"{now} ({before})"


def _spread(label: str, now: Spread, before: Spread, words: Speech) -> Row:
    n = _was(words.number(now.n), words.number(before.n))
    median = _was(words.duration(now.median), words.duration(before.median))
    return Row(cells=(label, n, median, _was(words.duration(now.p90), words.duration(before.p90))))


def _times(now: Figures, before: Figures, words: Speech) -> TableOf:
    rows = [
        _spread(words.text(f"time_{key}"), getattr(now, name), getattr(before, name), words)
        for name, key in (
            ("first_response", "first_response"),
            ("first_response_business", "business"),
            ("resolution", "resolution"),
            ("resolution_business", "business"),
        )
        if getattr(now, name).n or getattr(before, name).n
    ]
    note, within = words.text("brackets"), max(now.within, before.within)
    if within:
        note = f"{note} {words.text('within', percent=words.hundredths(100 * within))}"
    head = _head(words, "time", "n", "median", "nine")
    return TableOf(
        key="times", title=words.text("title_times"), head=head, align="lrrr", rows=tuple(rows), note=note
    )


def _of(share: Share, words: Speech) -> str:
    """ "31 of 34": also where a percentage would say too much."""
    if not share.of:
        return NOTHING
    return words.text("share", met=words.number(share.met), of=words.number(share.of))


def _targets(now: Figures, before: Figures, words: Speech) -> TableOf:
    rows = []
    for name in ("first_response", "next_response", "resolution"):
        have, had = getattr(now.targets, name), getattr(before.targets, name)
        if have.of or had.of:
            told = (_of(have, words), words.percent(have), _of(had, words), words.percent(had))
            rows.append(Row(cells=(words.text(f"target_{name}"), *told)))
    head = _head(words, "target", "in_time", "share", "before", "share")
    return TableOf(
        key="targets", title=words.text("title_targets"), head=head, align="lrrrr", rows=tuple(rows)
    )


# -- by what ------------------------------------------------------------------------------------------------------

Cell = Callable[[Group, Group, Speech], str]


def _count(name: str) -> Cell:
    return lambda now, before, words: _was(
        words.number(getattr(now, name)), words.number(getattr(before, name))
    )


def _open(now: Group, before: Group, words: Speech) -> str:
    if now.backlog_end is None:
        return NOTHING
    return _was(words.number(now.backlog_end), words.number(before.backlog_end or 0))


def _median(now: Group, before: Group, words: Speech) -> str:
    have, had = now.first_response or NO_SPREAD, before.first_response or NO_SPREAD
    return _was(words.duration(have.median), words.duration(had.median)) if have.n or had.n else NOTHING


def _in_time(now: Group, _: Group, words: Speech) -> str:
    return _of(now.first_response_target, words)


@dataclass(frozen=True, slots=True)
class _Dimension:
    """`columns`: by which key of a head. `measure`: what its bars show."""

    key: str
    columns: tuple[tuple[str, Cell], ...]
    measure: str = "came_in"


_CAME, _ANSWERED, _RESOLVED = ((name, _count(name)) for name in ("came_in", "answered", "resolved"))
_DIMENSIONS: Final = (
    _Dimension("queue", (_CAME, _RESOLVED, ("open", _open), ("first_answer", _median))),
    _Dimension("channel", (_CAME, _ANSWERED, _RESOLVED)),
    _Dimension("priority", (_CAME, _ANSWERED, _RESOLVED, ("in_time", _in_time))),
    _Dimension("assignee", (_ANSWERED, _RESOLVED, ("reopened", _count("reopened"))), measure="resolved"),
    _Dimension("tag", (_CAME, _ANSWERED, _RESOLVED)),
)


def _by(one: _Dimension, now: Sequence[Group], before: Sequence[Group], words: Speech) -> TableOf:
    """Each name of either period, those of this one first."""
    had = {group.name: group for group in before}
    have = {group.name: group for group in now}
    pairs = [(group, had.get(group.name, Group(name=group.name))) for group in now]
    pairs += [(_none(group), group) for group in before if group.name not in have]
    together = None
    if len(pairs) > MOST_ROWS:
        pairs, rest = pairs[: MOST_ROWS - 1], pairs[MOST_ROWS - 1 :]
        name = words.text("others", n=words.number(len(rest)))
        together = (_together(name, [a for a, _ in rest]), _together(name, [b for _, b in rest]))
    longest = max((getattr(group, one.measure) for group, _ in pairs), default=0)
    rows = []
    for a, b in pairs:
        bar = round(100 * getattr(a, one.measure) / longest) if longest else None
        rows.append(_row(one, _named(one.key, a.name, words), a, b, bar, words))
    if together is not None:  # its bar would dwarf the others
        rows.append(_row(one, together[0].name, *together, None, words))
    return TableOf(
        key=f"by_{one.key}",
        title=words.text(f"title_by_{one.key}"),
        head=_head(words, one.key, *(name for name, _ in one.columns)),
        align="l" + "r" * len(one.columns),
        rows=tuple(rows),
        note=words.text("brackets") if rows else "",
    )


def _row(one: _Dimension, name: str, now: Group, before: Group, bar: int | None, words: Speech) -> Row:
    return Row(cells=(name, *(cell(now, before, words) for _, cell in one.columns)), bar=bar)


def _named(key: str, name: str, words: Speech) -> str:
    """What a group is called: channels and priorities have names of ours."""
    if key in ("channel", "priority"):
        name = words.texts.get(f"{key}_{name}", name)
    return plain(name, _NAME) or words.text("nobody")


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


def _rating(now: Figures, before: Figures, words: Speech) -> TableOf:
    rows: list[Row] = []
    if now.rating.n or before.rating.n:
        longest = max(now.rating.distribution)
        for score in range(5, 0, -1):
            have, had = now.rating.distribution[score - 1], before.rating.distribution[score - 1]
            bar = round(100 * have / longest) if longest else None
            label = words.text("rated_of", score=words.number(score))
            rows.append(Row(cells=(label, _was(words.number(have), words.number(had))), bar=bar))
        averages = [
            NOTHING if one is None else words.decimal(one)
            for one in (now.rating.average, before.rating.average)
        ]
        rows.append(Row(cells=(words.text("on_average"), _was(*averages))))
    return TableOf(
        key="rating",
        title=words.text("title_rating"),
        head=_head(words, "rated", "times"),
        align="lr",
        rows=tuple(rows),
        note=words.text("brackets") if rows else "",
    )


def _busiest(now: Figures, words: Speech) -> TableOf:
    found = [
        (count, day, hour)
        for day, hours in enumerate(now.busiest_hours)
        for hour, count in enumerate(hours)
        if count
    ]
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    longest, days = found[0][0] if found else 0, words.weekdays()
    rows = []
    for count, day, hour in found[:_BUSIEST]:
        when = words.text("hour", day=days[day], since=f"{hour:02}:00", until=f"{(hour + 1) % 24:02}:00")
        rows.append(Row(cells=(when, words.number(count)), bar=round(100 * count / longest)))
    head = _head(words, "hour", "came_in")
    return TableOf(key="busiest", title=words.text("title_busiest"), head=head, align="lr", rows=tuple(rows))


def _waiting(now: Figures, made_at: datetime, words: Speech) -> TableOf:
    rows = tuple(
        Row(
            cells=(
                f"#{one.ticket_id} {plain(one.title, MOST_TITLE)}",
                plain(one.queue, _NAME),
                words.duration((made_at - one.since).total_seconds()),
                plain(one.assignee or "", _NAME) or words.text("nobody"),
            ),
            ticket=one.ticket_id,
        )
        for one in now.oldest_waiting
    )
    head = _head(words, "ticket", "queue", "waited", "assignee")
    return TableOf(key="waiting", title=words.text("title_waiting"), head=head, align="llrl", rows=rows)


# -- charts -------------------------------------------------------------------------------------------------------


def charts(now: Figures, before: Figures, words: Speech) -> Iterator[Chart]:
    """Yield the charts that have something to show, each with its numbers in words."""
    for chart in _charts(now, before, words):
        yield replace(chart, words=chart.told(words))


def _charts(now: Figures, before: Figures, words: Speech) -> Iterator[Chart]:
    counts = ("came_in", "answered", "resolved", "reopened", "backlog_end")
    have, had = (tuple(getattr(figures, name) for name in counts) for figures in (now, before))
    yield _beside("flow", _head(words, *counts), have, had, words)
    if now.period.until - now.period.since > _SEVERAL_DAYS:
        yield _beside("days", words.weekdays(), _by_day(now), _by_day(before), words)
    hours = tuple(f"{hour:02}" for hour in range(24))
    yield _beside("hours", hours, _by_hour(now), _by_hour(before), words)
    if len(now.by_queue) > 1:
        groups = sorted(now.by_queue, key=lambda group: (-group.came_in - group.resolved, group.name))
        yield Chart(
            key="queues",
            title=words.text("chart_queues"),
            labels=tuple(plain(group.name, _NAME) for group in groups[:MOST_ROWS]),
            lines=tuple(
                Line(
                    name=words.text(f"line_{name}"),
                    values=tuple(getattr(group, name) for group in groups[:MOST_ROWS]),
                )
                for name in ("came_in", "resolved")
            ),
        )


def _beside(
    key: str, labels: tuple[str, ...], now: tuple[int, ...], before: tuple[int, ...], words: Speech
) -> Chart:
    """A chart of both periods."""
    lines = (
        Line(name=words.text("line_now"), values=now),
        Line(name=words.text("line_before"), values=before),
    )
    return Chart(key=key, title=words.text(f"chart_{key}"), labels=labels, lines=lines)


def _by_day(figures: Figures) -> tuple[int, ...]:
    return tuple(map(sum, figures.busiest_hours))


def _by_hour(figures: Figures) -> tuple[int, ...]:
    return tuple(map(sum, zip(*figures.busiest_hours, strict=True)))
