"""Pages of tickets: each shows what its viewer may see, as the JSON requests do, by the same calls."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.failures import Invalid, NotFound
from core.parts import Parts
from core.shapes import Actor
from core.status import Status
from core.views import TicketCriteria, TicketPage
from intake.web import acts, mail_view, queues, report_page, upload_api
from intake.web.api import TicketId
from intake.web.auth import Somebody
from intake.web.parts import House
from intake.web.render import ASSETS, NegotiatedRoute, PageRoute, head, page
from intake.web.ticket_page import message_page, ticket_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
negotiated = APIRouter(include_in_schema=False, route_class=NegotiatedRoute)

LISTED: Final = 30
_YEAR: Final = 31_536_000  # seconds
_LONGEST: Final = 254  # characters of a search
SHOWN: Final = {
    "": "All",
    "open": "Being worked on",
    "pending": "Waiting for you",
    "resolved": "Resolved",
    "closed": "Closed",
}
_STATUSES: Final = {"open": (Status.NEW, Status.OPEN)}


@router.get("/")
async def home(request: Request, actor: Somebody, parts: House) -> Response:
    """Show the tickets that the viewer sees, newest activity first."""
    return await _list(request, actor, parts)


@negotiated.get("/view-tickets")
async def tickets(request: Request, actor: Somebody, parts: House) -> Response:
    """As `/`."""
    return await _list(request, actor, parts)


async def _list(request: Request, actor: Actor, parts: Parts) -> Response:
    if actor.staff:
        return await queues.shown(request, actor, parts)
    asked = request.query_params
    status = asked.get("status", "") if asked.get("status", "") in SHOWN else ""
    q, cursor = " ".join(asked.get("q", "").replace("\0", " ").split())[:_LONGEST], asked.get("cursor", "")
    problem, code = "", 200
    among = _STATUSES.get(status) or ((Status(status),) if status else ())
    criteria = TicketCriteria(status=among, q=q or None, limit=LISTED, cursor=cursor[:1000] or None)
    try:
        found = await parts.manager.view_tickets(actor, criteria)
    except Invalid as exc:
        problem, code = f"{exc.message[:1].upper()}{exc.message[1:]}.", 422
        found = TicketPage(tickets=[], cursor=None)
    kept = [(name, value) for name, value in (("status", status), ("q", q)) if value]
    following = f"{request.url.path}?{urlencode([*kept, ('cursor', found.cursor)])}" if found.cursor else ""
    values: dict[str, Any] = {"tickets": found.tickets, "problem": problem, "q": q, "chosen": status}
    values |= {"statuses": SHOWN, "first": not cursor, "next": following}
    response = page(request, "tickets", code, **values, **head(request, actor))
    if following:
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


@negotiated.get("/tickets/{id}")
async def ticket(id: TicketId, request: Request, actor: Somebody, parts: House) -> Response:
    """Show a ticket with its conversation; to staff with its history."""
    return await ticket_page(request, parts, actor, id)


@negotiated.get("/tickets/{id}/messages/{message_id}")
async def message(
    id: TicketId, message_id: mail_view.MessageId, request: Request, actor: Somebody, parts: House
) -> Response:
    """Show one message whole: of a long one, its ticket's page has the beginning."""
    return await message_page(request, parts, actor, id, message_id)


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return the style or a script of our pages; its name changes with it."""
    found = ASSETS.get(f"/static/{name}")
    if found is None:
        raise NotFound("there is no such file")
    content, kind = found
    return Response(content, 200, {"Cache-Control": f"public, max-age={_YEAR}, immutable"}, kind)


@router.get("/favicon.ico")
async def no_icon() -> Response:
    """Browsers ask for it with every page; there is none."""
    return Response(status_code=204)


# What else takes a request from under the JSON's paths stands before it.
for _router in (report_page.router, report_page.posts, upload_api.router, acts.router, mail_view.router):
    negotiated.include_router(_router)
