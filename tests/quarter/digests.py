"""What the quarter's digests say, as they are kept, beside a plain recount."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select

from core.report_words import speech
from core.tables import reports
from tests.quarter.counts import Counted, Group, Share, Spread
from tests.quarter.reckoning import Reckoning, Sent
from tests.quarter.world import World

ENGLISH = speech("en")  # the quarter's service speaks it
duration, number = ENGLISH.duration, ENGLISH.number
NOTHING = "–"
Table = dict[str, tuple[str, ...]]


def _share(share: Share) -> str:
    return f"{number(share[0])} of {number(share[1])}" if share[1] else NOTHING


def _percent(share: Share) -> str:
    return f"{round(100 * share[0] / share[1], 1):g} %" if share[1] >= 5 else NOTHING


def _both(now: str, then: str) -> str:
    return f"{now} ({then})"


_COUNTS = {
    "backlog_start": "Open at the start",
    "came_in": "Came in",
    "reopened": "Reopened",
    "moved_in": "Moved in",
    "restored": "Restored",
    "resolved": "Resolved",
    "closed_unresolved": "Closed without it",
    "moved_out": "Moved out",
    "spam_or_merged": "Spam or merged",
    "backlog_end": "Open at the end",
    "answered": "Got a first answer",
    "messages": "Messages",
}
_SPREADS = (
    ("first_response", "First answer"),
    ("first_response_business", "First answer … in business hours"),
    ("resolution", "Resolution"),
    ("resolution_business", "Resolution … in business hours"),
)
_TARGETS = {"first_response": "First answer", "next_response": "Next answers", "resolution": "Resolution"}


def should_say(sent: Sent) -> dict[str, Table]:
    """Return the tables of a digest by the recount: by the first cell, the others."""
    now, then = sent.counted, sent.before
    spread = _spreads(now, then)
    groups = {what: _grouped(what, now, then) for what in ("queue", "priority", "assignee")}
    return {
        "counts": {
            label: (number(now.counts[what]), number(then.counts[what])) for what, label in _COUNTS.items()
        },
        "standing": {
            "Nobody has them": (number(now.standing["unassigned"]),),
            "Wait for us": (number(now.standing["for_us"]),),
            "Wait for the customer": (number(now.standing["for_customer"]),),
        },
        "times": spread,
        "targets": {
            label: (
                _share(now.targets[what]),
                _percent(now.targets[what]),
                _share(then.targets[what]),
                _percent(then.targets[what]),
            )
            for what, label in _TARGETS.items()
            if now.targets[what][1] or then.targets[what][1]
        },
        **{f"by_{what}": table for what, table in groups.items()},
    }


def _spreads(now: Counted, then: Counted) -> Table:
    found: Table = {}
    for what, label in _SPREADS:
        a, b = now.spreads[what], then.spreads[what]
        if a[0] or b[0]:
            found[label] = tuple(_both(_of_spread(a, part), _of_spread(b, part)) for part in range(3))
    return found


def _of_spread(spread: Spread, part: int) -> str:
    return number(spread[0]) if part == 0 else duration(spread[part])


def _grouped(what: str, now: Counted, then: Counted) -> Table:
    found: Table = {}
    for name in {*now.groups[what], *then.groups[what]}:
        a, b = now.groups[what].get(name, Group()), then.groups[what].get(name, Group())

        def both(count: str, a: Group = a, b: Group = b) -> str:
            return _both(number(getattr(a, count)), number(getattr(b, count)))

        medians = [one.first_response for one in (a, b)]
        first = _both(*(duration(one[1]) for one in medians)) if any(one[0] for one in medians) else NOTHING
        found[name] = {
            "queue": (both("came_in"), both("resolved"), both("backlog_end"), first),
            "priority": (both("came_in"), both("answered"), both("resolved"), _share(a.in_time)),
            "assignee": (both("answered"), both("resolved"), both("reopened")),
        }[what]
    return found


def does_say(series: dict[str, Any]) -> dict[str, Table]:
    """Return the tables of a report as it is kept."""
    found: dict[str, Table] = {}
    for table in series["tables"]:
        rows: Table = {}
        last = ""
        for row in table["rows"]:
            label, *cells = row["cells"]
            label = f"{last} {label}" if label.startswith("…") else label
            last = last if label.startswith(f"{last} …") else label
            rows[label] = tuple(cells)
        found[table["key"]] = rows
    return found


# -- beside each other --------------------------------------------------------------------------------------------


async def differences(world: World, reckoning: Reckoning) -> tuple[int, list[str]]:
    """Return how many figures were compared, and a line for each that differs."""
    rows = await world.there[0].database.read(lambda tx: tx.all(select(reports)))
    kept = {(row.name, int(row.until.timestamp())): row for row in rows}
    compared, lines = 0, []
    for sent in reckoning.digests:
        row = kept.get((sent.rules.name, sent.slot))
        if row is None:
            continue  # that it's missing is told elsewhere
        name = f"{sent.rules.name} of {datetime.fromtimestamp(sent.slot, UTC):%Y-%m-%d %H:%M}"
        for where, wanted, found in _cells(world, sent, row):
            compared += len(wanted)
            if wanted != found:
                lines.append(f"{name}: {where}: should be {wanted}, is {found}")
    return compared, lines


def _cells(
    world: World, sent: Sent, row: Row[Any]
) -> Iterator[tuple[str, tuple[object, ...], tuple[object, ...]]]:
    """Yield what is to be compared of a digest: what it is, as it should be, and as it is."""
    yield (
        "period",
        (sent.counted.since, sent.slot),
        tuple(int(at.timestamp()) for at in (row.since, row.until)),
    )
    yield "empty", (sent.counted.empty,), (row.series["empty"],)
    if sent.counted.empty:
        return
    should, does = should_say(sent), does_say(row.series)
    for key, table in should.items():
        width = _exact(key, sent)
        wanted, found = _worth(table, width), _worth(does.get(key, {}), width)
        for label in sorted({*wanted, *found}):
            yield f"{key}: {label}", wanted.get(label, ()), found.get(label, ())
    made_at = row.made_at.timestamp()
    waits = tuple(
        (f"#{world.ids[number]}", queue, duration(made_at - since), who)
        for number, queue, since, who in sent.counted.waiting
    )
    told = does.get("waiting", {})
    yield "waiting", waits, tuple((label.split()[0], *cells) for label, cells in told.items())


def _exact(key: str, sent: Sent) -> int:
    """How many cells of a table are told exactly. A long period's are put together of days that were rolled up: what a
    ticket is now may come a while later to those, and medians are of buckets."""
    if key == "counts":
        return 2  # the third is their difference
    if sent.rules.length == 1:
        return 9
    return {"standing": 1, "by_queue": 3}.get(key, 0)


def _worth(table: Table, width: int) -> Table:
    """So many cells of each row, without the rows that say nothing but zeros."""
    empty = {"0", "0 (0)", NOTHING}
    cut = {label: cells[:width] for label, cells in table.items()}
    return {label: cells for label, cells in cut.items() if not set(cells) <= empty}
