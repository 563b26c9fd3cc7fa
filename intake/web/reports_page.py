"""`/reports`: the figures of a period for managers, as charts and tables, as CSV, or as a digest by mail."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from core import reporting
from core.failures import Invalid, NotAllowed, NotFound, Refused
from core.figures_days import Counting
from core.parts import Parts
from core.reporting import OWN, PERIODS, Found, Wanted
from core.shapes import Actor
from intake.web import csv
from intake.web.auth import Somebody
from intake.web.charts import drawn
from intake.web.desk_acts import OLD, Sent
from intake.web.parts import House
from intake.web.problems import problem_of
from intake.web.render import PageRoute, head, page, see_other

router = APIRouter(include_in_schema=False, route_class=PageRoute)
HERE: Final = "/reports"
FIGURES: Final = "figures"
MANY: Final = 12  # rows of a chart's table: from here on it is folded


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. `problem`: why it can't be shown as asked."""

    wanted: Wanted
    first: str = ""
    last: str = ""
    problem: str = ""

    def query(self, **more: str) -> str:
        """Return the query that asks for it again."""
        own = {"from": self.first, "to": self.last} if self.wanted.period == OWN else {}
        kept = {"period": self.wanted.period, "queue": self.wanted.queue or "", **own, **more}
        return urlencode({name: value for name, value in kept.items() if value})


def asked_of(request: Request, parts: Parts) -> Asked:
    """Read the pickers. What makes no sense is said, and left out."""
    given = request.query_params
    period, queue = given.get("period") or Wanted().period, given.get("queue") or None
    first, last = given.get("from", "")[:10], given.get("to", "")[:10]
    problem = ""
    if period not in PERIODS:
        period, problem = Wanted().period, "There is no such period."
    if queue is not None and queue not in [one.name for one in parts.config.queue]:
        queue, problem = None, "There is no such queue."
    wanted = Wanted(period=period, queue=queue, first=_day(first), last=_day(last))
    return Asked(wanted, first, last, problem)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@router.get(HERE)
async def reports(request: Request, actor: Somebody, parts: House) -> Response:
    """Show a period beside the one before it."""
    return await _shown(request, parts, actor)


async def _shown(
    request: Request, parts: Parts, actor: Actor, status: int = 200, problem: str = ""
) -> Response:
    asked = asked_of(request, parts)
    problem = problem or asked.problem
    found: Found | None = None
    try:
        found = await reporting.found(parts, actor, asked.wanted)
    except Invalid as exc:
        problem = f"{exc.message[:1].upper()}{exc.message[1:]}."
    except Counting:
        problem, status = "The figures are being counted. Try again in a while.", 503
    if problem and status == 200:
        status = 422
    now = parts.database.clock.now()
    shown = head(request, actor)
    values = {
        "asked": asked,
        "periods": PERIODS,
        "own": OWN,
        "queues": [one.name for one in parts.config.queue],
        "found": found,
        "led": led,
        "before": _before(found, parts) if found else "",
        "charts": [(chart, drawn(chart)) for chart in found.report.series] if found else [],
        "many": MANY,
        "digests": [one.name for one in parts.config.digest] if shown["csrf"] else [],
        "figures": FIGURES,
        "key": secrets.token_urlsafe(12),
        "sent": request.query_params.get("sent", "") if not problem else "",
        "today": now.date().isoformat(),
        "problem": problem,
    }
    return page(request, "reports", status, **values, **shown)


def led(text: str) -> Markup:
    """Return what a report says with a link in place of the command that lists what failed. Pure."""
    return _FAILED.join(Markup.escape(part) for part in _COMMAND.split(text))


_COMMAND: Final = re.compile(r"relaydesk (?:outbox|inbox) list")
_FAILED: Final = Markup('<a href="/desk/failed">Undelivered and unread</a>')


def _before(found: Found, parts: Parts) -> str:
    before = found.before.period
    zone = ZoneInfo(parts.config.service.timezone)
    return reporting.speech_of(parts).span(before.since, before.until, zone)


@router.get(f"{HERE}.csv")
async def as_csv(request: Request, actor: Somebody, parts: House) -> Response:
    """Return a table or a chart's numbers, or all figures. Raises `NotFound` for what there is none of."""
    asked = asked_of(request, parts)
    if asked.problem:
        raise NotFound(asked.problem)
    try:
        found = await reporting.found(parts, actor, asked.wanted)
    except Invalid as exc:
        raise NotFound(exc.message) from exc
    key = request.query_params.get("table", FIGURES)
    since = found.now.period.since
    name = f"{key}-{since:%Y%m%d}-{found.now.period.until:%Y%m%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(_csv_of(found, key), 200, headers, csv.TYPE)


def _csv_of(found: Found, key: str) -> bytes:
    if key == FIGURES:
        return csv.written(csv.figure_rows(found.now, found.before))
    for table in found.report.tables:
        if table.key == key:
            return csv.written(csv.table_rows(table))
    for chart in found.report.series:
        if f"chart-{chart.key}" == key:
            return csv.written(csv.chart_rows(chart))
    raise NotFound("there is no such table")


@router.post("/ui/reports/send")
async def send(request: Request, sent: Sent, parts: House) -> Response:
    """Send a digest to whoever asks, now."""
    reporting.check_manager(sent.actor)
    if not sent.genuine:
        return await _shown(request, parts, sent.actor, 403, OLD)
    name = sent.get("digest", 100)
    try:
        await reporting.send(parts, sent.actor, name, sent.get("key", 40))
    except (NotFound, NotAllowed):
        raise
    except Refused as exc:
        problem = f"{exc.message[:1].upper()}{exc.message[1:]}."
        return await _shown(request, parts, sent.actor, problem_of(exc).status, problem)
    return see_other(f"{HERE}?{urlencode({'sent': name})}")
