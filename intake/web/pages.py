"""Pages of tickets: each shows what its viewer may see, as the JSON requests do, by the same calls."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.failures import NotFound
from core.shapes import Actor, Event
from core.views import TicketCriteria
from intake.web.api import TicketId
from intake.web.auth import Somebody
from intake.web.parts import House
from intake.web.render import CSS, CSS_URL, NegotiatedRoute, PageRoute, page
from intake.web.sessions import cookies_of, csrf_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)
negotiated = APIRouter(include_in_schema=False, route_class=NegotiatedRoute)

LISTED: Final = 50
_YEAR: Final = 31_536_000  # seconds
_SAID: Final = ("reason", "place", "what", "into", "tag", "queue", "priority", "title")
_LONGEST: Final = 300


@router.get("/")
async def home(request: Request, actor: Somebody, parts: House) -> Response:
    """Show the tickets that the viewer sees, newest activity first."""
    found = await parts.manager.view_tickets(actor, TicketCriteria(limit=LISTED))
    return page(request, "tickets", tickets=found.tickets, more=bool(found.cursor), **head_of(request, actor))


@negotiated.get("/tickets/{id}")
async def ticket(id: TicketId, request: Request, actor: Somebody, parts: House) -> Response:
    """Show a ticket with its conversation; to staff with its history."""
    detail = await parts.manager.view_ticket(actor, id)
    events = [(event, said(event)) for event in detail.events] if actor.staff else []
    return page(
        request,
        "ticket",
        ticket=detail.ticket,
        messages=detail.messages,
        events=events,
        **head_of(request, actor),
    )


def head_of(request: Request, actor: Actor) -> dict[str, Any]:
    """What the head of a page shows of its viewer. Who came with an API token has nothing to sign out of."""
    cookies = cookies_of(request)
    session = cookies.read(request, cookies.session)
    return {"viewer": actor, "csrf": csrf_of(session) if session else ""}


def said(event: Event) -> str:
    """Return in words what an entry of the history says beside its kind. Pure."""
    data = event.data
    words = []
    if "from" in data or "to" in data:
        words.append(f"{data.get('from') or 'nobody'} → {data.get('to') or 'nobody'}")
    words += [str(data[name]) for name in _SAID if data.get(name)]
    return ", ".join(words)[:_LONGEST]


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return the style of our pages; its name changes with it."""
    if f"/static/{name}" != CSS_URL:
        raise NotFound("there is no such file")
    return Response(CSS, 200, {"Cache-Control": f"public, max-age={_YEAR}, immutable"}, "text/css")


@router.get("/favicon.ico")
async def no_icon() -> Response:
    """Browsers ask for it with every page; there is none."""
    return Response(status_code=204)
