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
from core.report_words import counted, duration, moment, more, number, percent, plain

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
) -> Report:
    """Return the report of a period.

    `name`: the digest's. `before`: figures of the period before it, as long. `service`: its name. `made_at`: now; by
    default the end of the period. `late`: it is made after its time. `held_back`: when Slack last held messages back
    (`core.exposure.last_held_back`).
    """
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
        headline=(_nothing(figures),) if empty else tuple(_headline(figures, before)),
        needs=tuple(_needs(figures, made_at, zone, held_back)),
        tables=() if empty else tuple(table for table in tables(figures, before, made_at) if table.rows),
        series=() if empty else tuple(chart for chart in charts(figures, before) if _shows(chart)),
        empty=empty,
    )


def _shows(chart: Chart) -> bool:
    return any(any(line.values) for line in chart.lines)


# -- what changed -------------------------------------------------------------------------------------------------


def _nothing(now: Figures) -> str:
    if not now.backlog_end:
        return "Nothing happened."
    return f"Nothing happened; {counted(now.backlog_end, 'ticket is', 'tickets are')} open."


def _headline(now: Figures, before: Figures) -> Iterator[str]:
    came = more(now.came_in, before.came_in)
    came = f"{came} than the period before" if came else "as many as the period before"
    done = more(now.resolved, before.resolved) or "as many as then"
    was = "was" if now.resolved == 1 else "were"
    yield f"{number(now.came_in)} came in, {came}; {number(now.resolved)} {was} resolved, {done}."
    grown = more(now.backlog_end, now.backlog_start)
    grown = f"{grown} than at its start" if grown else "as many as at its start"
    are = "was" if now.backlog_end == 1 else "were"
    yield f"{number(now.backlog_end)} {are} open at the end of the period, {grown}."
    if now.first_response.n:
        yield _first(now.first_response, before.first_response)
    if now.targets.first_response.of:
        yield _in_time(now.targets.first_response, before.targets.first_response, "first answers")
    if now.targets.resolution.of:
        yield _in_time(now.targets.resolution, before.targets.resolution, "resolutions")
    if now.rating.average is not None:
        then = f"; the period before {before.rating.average:g}" if before.rating.average is not None else ""
        yield f"{counted(now.rating.n, 'rating', 'ratings')}: {now.rating.average:g} of 5 on average{then}."


def _first(now: Spread, before: Spread) -> str:
    told = f"A first answer took {duration(now.median)} (the median of {number(now.n)})"
    if now.n == 1:
        told = f"The one first answer took {duration(now.median)}"
    if now.median is not None and before.median is not None:
        differs = duration(abs(now.median - before.median))
        if duration(now.median) == duration(before.median):
            told += ", as long as the period before"
        else:
            told += f", {differs} {'longer' if now.median > before.median else 'less'} than the period before"
    if now.n >= LEAST_SHARE:
        told += f"; nine of ten took at most {duration(now.p90)}"
    return told + "."


def _in_time(now: Share, before: Share, what: str) -> str:
    told = f"{number(now.met)} of {number(now.of)} {what} came in time"
    shares = [percent(now)] if now.percent is not None else []
    if before.percent is not None:
        shares.append(f"the period before {percent(before)}")
    return f"{told} ({'; '.join(shares)})." if shares else f"{told}."


# -- what needs somebody ------------------------------------------------------------------------------------------


def _needs(now: Figures, made_at: datetime, zone: ZoneInfo, held_back: datetime | None) -> Iterator[Need]:
    named = now.oldest_waiting[:_NAMED]
    for one in named:
        whose = f"{plain(one.assignee, 40)} has it" if one.assignee else "nobody has it"
        yield Need(
            kind="waiting",
            text=f"has waited {duration((made_at - one.since).total_seconds())}; {whose}",
            ticket=one.ticket_id,
            title=plain(one.title, MOST_TITLE),
        )
    if (rest := now.waiting_for_staff - now.waiting_aside - len(named)) > 0:
        yield Need(kind="waiting", text=f"{counted(rest, 'more waits', 'more wait')} for an answer.")
    if (free := now.unassigned - now.unassigned_aside) > 0:
        yield Need(kind="unassigned", text=f"{counted(free, 'open ticket has', 'open tickets have')} nobody.")
    if now.past_target:
        past = counted(now.past_target, "open ticket is past its", "open tickets are past their")
        yield Need(kind="past", text=f"{past} target.")
    for share, one_late, many_late in (
        (now.targets.first_response, "first answer", "first answers"),
        (now.targets.next_response, "further answer", "further answers"),
        (now.targets.resolution, "resolution", "resolutions"),
    ):
        if missed := share.of - share.met:
            yield Need(kind="missed", text=f"{counted(missed, one_late, many_late)} came after the target.")
    if now.deliveries_failed:
        failed = counted(now.deliveries_failed, "delivery", "deliveries")
        yield Need(kind="deliveries", text=f"{failed} failed: relaydesk outbox list shows them.")
    if now.unread:
        mails = counted(now.unread, "mail", "mails")
        yield Need(kind="unread", text=f"{mails} could not be read: relaydesk inbox list shows what.")
    if held_back is not None:
        when = moment(held_back, zone)
        yield Need(
            kind="held_back",
            text=f"Slack held messages back, last at {when}; what was missed is read by and by.",
        )
