"""The JSON requests. Each is a call of `TicketManager`: it decides who may do what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Path, Query, Request, Response

from core.failures import Invalid
from core.parts import Parts
from core.shapes import key_of
from core.views import Period, TicketCriteria
from intake.web.auth import Anybody, Somebody
from intake.web.parts import House
from intake.web.problems import documented
from intake.web.schemas import (
    LARGEST_ID,
    AssigneeIn,
    MessageIn,
    MessageOut,
    PeriodQuery,
    PersonOut,
    ReportIn,
    StatusIn,
    TicketDetailOut,
    TicketOut,
    TicketsQuery,
)

router = APIRouter(tags=["tickets"])
_PLAIN_HOST: Final = re.compile(r"[A-Za-z0-9.\-\[\]:]+")

TicketId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same key twice in one place is one request: the second gets what the first made.",
    ),
]


@router.post("/report-issue", status_code=201, responses=documented(401, 403, 413, 422, 429, 503))
async def report_issue(
    report: ReportIn, request: Request, response: Response, actor: Anybody, parts: House, key: Key = None
) -> TicketOut:
    """Open a ticket. Without a token it is unconfirmed until the link that is mailed to `email` was followed."""
    if actor is None:
        return await _stranger_reports(report, request, parts, key)
    person = report.person()
    if person is not None and person.address == actor.email.lower():
        person = None
    ticket = await parts.manager.create_ticket(
        actor,
        report.title,
        report.description,
        queue=report.queue,
        priority=report.priority,
        requester=person,
        key=key and f"report:{key}",
    )
    response.headers["Location"] = f"/tickets/{ticket.id}"
    return TicketOut.of(ticket)


async def _stranger_reports(report: ReportIn, request: Request, parts: Parts, key: str | None) -> TicketOut:
    """Report for somebody who isn't taken to be who they say: they see nothing that they didn't write."""
    person = report.person()
    if person is None:
        raise Invalid("email: needed without a token")
    if key is not None:  # a stranger's key finds what this stranger wrote, nothing of anybody else's
        key = key_of(f"{key} {report.model_dump_json()}").hex()
    ticket = await parts.manager.report(
        person,
        report.title,
        report.description,
        queue=report.queue,
        priority=report.priority,
        source=request.client.host if request.client else "",
        key=key,
    )
    return TicketOut.of(ticket, PersonOut(name=person.name, email=person.address))


@router.get("/view-tickets", responses=documented(401, 422, 503))
async def view_tickets(
    query: Annotated[TicketsQuery, Query()],
    request: Request,
    response: Response,
    actor: Somebody,
    parts: House,
) -> list[TicketOut]:
    """List tickets, newest activity first; the next page stands in a `Link` header."""
    criteria = TicketCriteria(
        status=tuple(query.status),
        queue=query.queue,
        assignee=query.assignee,
        requester=query.requester,
        q=query.q,
        limit=query.limit,
        cursor=query.cursor,
    )
    page = await parts.manager.view_tickets(actor, criteria)
    if page.cursor is not None:
        response.headers["Link"] = f'<{_next_url(request, page.cursor)}>; rel="next"'
    return [TicketOut.of(ticket) for ticket in page.tickets]


def _next_url(request: Request, cursor: str) -> str:
    """Return this request's URL with another cursor; without its host where that is no plain name."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    path = f"{request.url.path}?{urlencode([*asked, ('cursor', cursor)])}"
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}{path}" if _PLAIN_HOST.fullmatch(host) else path


@router.get("/tickets/{id}", responses=documented(401, 403, 404, 422, 503))
async def view_ticket(id: TicketId, actor: Somebody, parts: House) -> TicketDetailOut:
    """Show a ticket with its messages and events."""
    return TicketDetailOut.of_detail(await parts.manager.view_ticket(actor, id))


@router.post(
    "/tickets/{id}/messages", status_code=201, responses=documented(401, 403, 404, 409, 413, 422, 503)
)
async def write_message(
    id: TicketId, written: MessageIn, actor: Somebody, parts: House, key: Key = None
) -> MessageOut:
    """Write a message, or (staff) a note."""
    message = await parts.manager.exchange_messages(
        actor, id, written.message, visibility=written.visibility, key=key and f"message:{id}:{key}"
    )
    return MessageOut.of(message)


@router.put("/tickets/{id}/status", responses=documented(401, 403, 404, 409, 422, 429, 503))
async def set_status(id: TicketId, wanted: StatusIn, actor: Somebody, parts: House) -> TicketOut:
    """Set the status. 409 names in `allowed` what can be set; the status it has already is no event."""
    return TicketOut.of(await parts.manager.assign_status(actor, id, wanted.status))


@router.put("/tickets/{id}/assignee", responses=documented(401, 403, 404, 409, 422, 503))
async def set_assignee(id: TicketId, wanted: AssigneeIn, actor: Somebody, parts: House) -> TicketOut:
    """Assign a staff member, or nobody."""
    return TicketOut.of(await parts.manager.assign(actor, id, wanted.username))


@router.get("/analyze-data", tags=["figures"], responses=documented(401, 403, 422, 503))
async def analyze_data(
    query: Annotated[PeriodQuery, Query()], actor: Somebody, parts: House
) -> dict[str, Any]:
    """Return the figures of a period, by default the last 24 h."""
    until = query.until or parts.clock.now()
    try:
        since = query.since or until - timedelta(days=1)
    except OverflowError:
        raise Invalid("until: out of range") from None
    if since >= until:
        raise Invalid("since must be before until")
    figures = await parts.manager.analyze_data(actor, Period(since, until), query.queue)
    return dict(figures.as_json())
