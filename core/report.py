"""From a period's figures, and those of the period before it, to a report: what changed and what needs somebody,
then the tables. Pure.

Who waits, what nobody has and which mails weren't read are as things stand when it is made (`made_at`); the rest is
of the period.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from core.figures_shapes import LEAST_SHARE, Figures, Share, Spread
from core.report_shapes import Chart as Chart
from core.report_shapes import Line as Line
from core.report_shapes import Need as Need
from core.report_shapes import Report as Report
from core.report_shapes import Row as Row
from core.report_shapes import TableOf as TableOf
from core.report_tables import MOST_TITLE, charts, tables
from core.report_words import Speech, plain, speech

_NAMED: Final = 3  # how many of those who wait are named before the tables
_HAPPENED: Final = (
    *("came_in", "reopened", "moved_in", "restored", "resolved", "closed_unresolved", "moved_out"),
    *("spam_or_merged", "answered", "messages", "deliveries_failed", "unread"),
)


def make(
    name: str,
    figures: Figures,
    before: Figures,
    *,
    service: str,
    zone: ZoneInfo,
    made_at: datetime | None = None,
    late: bool = False,
    held_back: datetime | None = None,
    told_in: Speech | None = None,
) -> Report:
    """Return the report of a period.

    `name`: the digest's. `before`: figures of the period before it, as long. `service`: its name. `made_at`: now; by
    default the end of the period. `late`: it is made after its time. `held_back`: when Slack last held messages back
    (`core.exposure.last_held_back`). `told_in`: how it speaks; by default English.
    """
    words = told_in or speech("en")
    made_at = made_at or figures.period.until
    empty = not any(getattr(figures, what) for what in _HAPPENED) and not figures.rating.n
    return Report(
        name=name,
        service=plain(service, 100),
        since=figures.period.since,
        until=figures.period.until,
        zone=zone.key,
        made_at=made_at,
        queues=figures.queues,
        late=late,
        headline=(_nothing(figures, words),) if empty else tuple(_headline(figures, before, words)),
        needs=tuple(_needs(figures, made_at, zone, held_back, words)),
        tables=()
        if empty
        else tuple(table for table in tables(figures, before, made_at, words) if table.rows),
        series=() if empty else tuple(chart for chart in charts(figures, before, words) if _shows(chart)),
        empty=empty,
        language=words.language,
        texts=words.own,
    )


def _shows(chart: Chart) -> bool:
    return any(any(line.values) for line in chart.lines)


# -- what changed -------------------------------------------------------------------------------------------------


def _nothing(now: Figures, words: Speech) -> str:
    return words.counted("nothing_open", now.backlog_end) if now.backlog_end else words.text("nothing")


def _headline(now: Figures, before: Figures, words: Speech) -> Iterator[str]:
    came = words.compared(now.came_in, before.came_in, "_than_before")
    done = words.compared(now.resolved, before.resolved)
    yield words.text(
        "happened",
        came_in=words.counted("came_in", now.came_in, compared=came),
        resolved=words.counted("resolved", now.resolved, compared=done),
    )
    grown = words.compared(now.backlog_end, now.backlog_start, "_than_start")
    yield words.counted("open_at_end", now.backlog_end, compared=grown)
    if now.first_response.n:
        yield _first(now.first_response, before.first_response, words)
    for key, share, then in (
        ("first_answers_in_time", now.targets.first_response, before.targets.first_response),
        ("resolutions_in_time", now.targets.resolution, before.targets.resolution),
    ):
        if share.of:
            yield _in_time(key, share, then, words)
    if now.rating.average is not None:
        was = before.rating.average
        then_told = "" if was is None else words.text("rated_before", average=words.decimal(was))
        average = words.decimal(now.rating.average)
        yield words.counted("rated", now.rating.n, average=average, before=then_told)


def _first(now: Spread, before: Spread, words: Speech) -> str:
    compared = most = ""
    if now.median is not None and before.median is not None:
        if words.duration(now.median) == words.duration(before.median):
            compared = words.text("as_long")
        else:
            key = "longer" if now.median > before.median else "shorter"
            compared = words.text(key, duration=words.duration(abs(now.median - before.median)))
    if now.n >= LEAST_SHARE:
        most = words.text("nine_of_ten", duration=words.duration(now.p90))
    took = words.counted("first_answer", now.n, duration=words.duration(now.median))
    return words.text("first_answer_told", took=took, compared=compared, most=most)


def _in_time(key: str, now: Share, before: Share, words: Speech) -> str:
    told = words.text(key, met=words.number(now.met), of=words.number(now.of))
    shares = {"now": now, "then": before}
    known = {name: words.percent(share) for name, share in shares.items() if share.percent is not None}
    which = "_both" if len(known) == 2 else "".join(f"_{name}" for name in known)
    return words.text(f"in_time{which}", told=told, **known)


# -- what needs somebody ------------------------------------------------------------------------------------------


def _needs(
    now: Figures, made_at: datetime, zone: ZoneInfo, held_back: datetime | None, words: Speech
) -> Iterator[Need]:
    named = now.oldest_waiting[:_NAMED]
    for one in named:
        waited = words.duration((made_at - one.since).total_seconds())
        yield Need(
            kind="waiting",
            text=words.text("waiting_with", duration=waited, assignee=plain(one.assignee, 40))
            if one.assignee
            else words.text("waiting_nobody", duration=waited),
            ticket=one.ticket_id,
            title=plain(one.title, MOST_TITLE),
            colon=words.text("colon"),
        )
    for kind, key, n in (
        ("waiting", "waiting_more", now.waiting_for_staff - now.waiting_aside - len(named)),
        ("unassigned", "unassigned", now.unassigned - now.unassigned_aside),
        ("past", "past", now.past_target),
        ("missed", "missed_first", _missed(now.targets.first_response)),
        ("missed", "missed_next", _missed(now.targets.next_response)),
        ("missed", "missed_resolution", _missed(now.targets.resolution)),
        ("deliveries", "deliveries", now.deliveries_failed),
        ("unread", "unread", now.unread),
    ):
        if n > 0:
            yield Need(kind=kind, text=words.counted(key, n))
    if held_back is not None:
        yield Need(kind="held_back", text=words.text("held_back", when=words.moment(held_back, zone)))


def _missed(share: Share) -> int:
    return share.of - share.met
