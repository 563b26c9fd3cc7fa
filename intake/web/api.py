"""The JSON requests. Each is a call of `TicketManager`: it decides who may do what."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Header, Path, Query, Request, Response

from core.failures import Invalid
from core.parts import Parts
from core.shapes import Actor, File
from core.status import Ticket
from core.views import Period, TicketCriteria
from intake.web.auth import Anybody, Somebody
from intake.web.etags import check_of, is_known, state_of, tag_of
from intake.web.parts import House, parts_of
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
from intake.web.strict_json import JsonRoute
from intake.web.upload_doc import multipart_of

router = APIRouter(tags=["tickets"], route_class=JsonRoute)
_NUMBER: Final = re.compile(r"(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")

TicketId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same request twice under one key is one request: both get the same answer. Another request "
        "under a key that was used is refused (422).",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=2000,
        description="An ETag of this ticket: 412 where it was changed since. May be left out.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=2000,
        description="ETags that the asker has: 304 where one of them is still right.",
    ),
]
_TAGGED: Final = {"headers": {"ETag": {"schema": {"type": "string"}, "description": "For If-Match."}}}


@router.post(
    "/report-issue",
    status_code=201,
    responses=documented(401, 403, 413, 422, 429, 503),
    openapi_extra={**multipart_of(ReportIn), "security": [{}]},  # beside the token's
)
async def report_issue(
    report: ReportIn, request: Request, response: Response, actor: Anybody, parts: House, key: Key = None
) -> TicketOut:
    """Open a ticket. Without a token it is unconfirmed until the link that is mailed to `email` was followed."""
    if actor is None:
        return await stranger_reports(report, request, parts, key)
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


async def stranger_reports(
    report: ReportIn, request: Request, parts: Parts, key: str | None, files: Sequence[File] = ()
) -> TicketOut:
    """Report for somebody who isn't taken to be who they say: they see nothing that they didn't write."""
    person = report.person()
    if person is None:
        raise Invalid("email: needed without a token")
    ticket = await parts.manager.report(
        person,
        report.title,
        report.description,
        queue=report.queue,
        priority=report.priority,
        files=files,
        source=request.client.host if request.client else "",
        key=key,
    )
    return TicketOut.of(ticket, PersonOut(name=person.name, email=person.address))


@router.get("/view-tickets", responses=documented(401, 403, 422, 503))
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
    """Return this request's URL with another cursor: at the site's own address, or the number that was asked; else as
    a path. A name of which only the asker says that it is ours gets into no link."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    path = f"{request.url.path}?{urlencode([*asked, ('cursor', cursor)])}"
    host, ours = request.headers.get("host", ""), urlsplit(parts_of(request).config.service.base_url)
    if host == ours.netloc:
        return f"{ours.scheme}://{host}{path}"
    return f"{request.url.scheme}://{host}{path}" if _NUMBER.fullmatch(host) else path


@router.get(
    "/tickets/{id}",
    response_model=TicketDetailOut,
    responses={
        200: _TAGGED,
        304: {"description": "Not Modified", **_TAGGED},
        **documented(401, 403, 404, 422, 503),
    },
)
async def view_ticket(
    id: TicketId, actor: Somebody, parts: House, if_none_match: IfNoneMatch = None
) -> Response:
    """Show a ticket with its messages and events."""
    _, tag, body = await _seen(parts, actor, id)
    if is_known(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type="application/json")


async def _seen(parts: Parts, actor: Actor, ticket_id: int) -> tuple[str, str, bytes]:
    """Return a ticket's state, its tag and its JSON, as the actor may see it."""
    detail = await parts.manager.view_ticket(actor, ticket_id)
    body = TicketDetailOut.of_detail(detail).model_dump_json().encode()
    state = state_of(detail.ticket)
    return state, tag_of(state, body), body


@router.post(
    "/tickets/{id}/messages",
    status_code=201,
    responses=documented(401, 403, 404, 409, 413, 422, 503),
    openapi_extra=multipart_of(MessageIn),
)
async def write_message(
    id: TicketId, written: MessageIn, actor: Somebody, parts: House, key: Key = None
) -> MessageOut:
    """Write a message, or (staff) a note."""
    message = await parts.manager.exchange_messages(
        actor, id, written.message, visibility=written.visibility, key=key and f"message:{id}:{key}"
    )
    return MessageOut.of(message)


_CHANGED: Final = {200: _TAGGED, **documented(401, 403, 404, 409, 412, 422, 503)}


@router.put("/tickets/{id}/status", responses=_CHANGED)
async def set_status(
    id: TicketId,
    wanted: StatusIn,
    response: Response,
    actor: Somebody,
    parts: House,
    if_match: IfMatch = None,
) -> TicketOut:
    """Set the status. 409 names in `allowed` what can be set; the status it has already is no event."""

    async def change() -> Ticket:
        check = check_of(if_match)
        return await parts.manager.assign_status(actor, id, wanted.status, check=check)

    return await _changed(parts, actor, response, change)


@router.put("/tickets/{id}/assignee", responses=_CHANGED)
async def set_assignee(
    id: TicketId,
    wanted: AssigneeIn,
    response: Response,
    actor: Somebody,
    parts: House,
    if_match: IfMatch = None,
) -> TicketOut:
    """Assign a staff member, or nobody. For staff."""

    async def change() -> Ticket:
        check = check_of(if_match)
        return await parts.manager.assign(actor, id, wanted.username, check=check)

    return await _changed(parts, actor, response, change)


async def _changed(
    parts: Parts, actor: Actor, response: Response, change: Callable[[], Awaitable[Ticket]]
) -> TicketOut:
    """Change a ticket; the answer has the tag of what it is then. Raises `Stale`, with the tag of what it is."""
    ticket = await change()
    state = state_of(ticket)
    now, tag, _ = await _seen(parts, actor, ticket.id)
    # Changed again since: the asker must not think that they know it.
    response.headers["ETag"] = tag if now == state else tag_of(state)
    return TicketOut.of(ticket)


@router.get("/analyze-data", tags=["figures"], responses=documented(401, 403, 422, 503))
async def analyze_data(
    query: Annotated[PeriodQuery, Query()], actor: Somebody, parts: House
) -> dict[str, Any]:
    """Return the figures of a period, by default the last 24 h. For staff."""
    until = query.until or parts.clock.now()
    try:
        since = query.since or until - timedelta(days=1)
    except OverflowError:
        raise Invalid("until: out of range") from None
    if since >= until:
        raise Invalid("since must be before until")
    figures = await parts.manager.analyze_data(actor, Period(since, until), query.queue)
    return dict(figures.as_json())
