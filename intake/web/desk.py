"""What staff see beside a ticket, for its page; and whether that page is still what the ticket is."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from core import desk_view
from core.parts import Parts
from core.shapes import Actor, Priority
from core.views import TicketDetail
from intake.web.api import TicketId
from intake.web.auth import Somebody
from intake.web.parts import House
from intake.web.queues import SCRIPT
from intake.web.render import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# What a page says after an act, by the word in its address.
DONE: Final = {
    "status": "The status is set.",
    "assignee": "It is assigned.",
    "priority": "The priority is set.",
    "queue": "It is in another queue now.",
    "title": "The title is changed.",
    "tag": "It is tagged.",
    "untag": "The tag is gone.",
    "snooze": "Done.",
    "merge": "It is merged.",
    "spam": "Done.",
    "admit": "They take part now.",
    "unsuppress": "Mail goes there again.",
    "retry": "It is tried again.",
    "cancel": "It is cancelled.",
}


async def aside(
    request: Request, actor: Actor, parts: Parts, detail: TicketDetail, problem: str = ""
) -> dict[str, Any]:
    """Return what a ticket's page needs for staff: values for its template. `problem`: why an act wasn't done."""
    now = parts.database.clock.now()
    until = detail.ticket.snoozed_until
    return {
        "beside": await desk_view.beside(parts, actor, detail),
        "priorities": list(Priority),
        "snoozed": until is not None and until > now,
        "desk_problem": problem,
        "desk_done": "" if problem else DONE.get(request.query_params.get("done", ""), ""),
        "script": SCRIPT,
    }


@router.get("/ui/tickets/{id}/version")
async def version(id: TicketId, request: Request, actor: Somebody, parts: House) -> Response:
    """Say which version a ticket has; 304 where it is the one that the asker has."""
    tag = f'"{await desk_view.version(parts, actor, id)}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return JSONResponse({"version": int(tag.strip('"'))}, headers=headers)


@router.get("/ui/tickets/{id}/canned/{name}")
async def canned(id: TicketId, name: str, actor: Somebody, parts: House) -> Response:
    """Return a canned answer, filled in for this ticket."""
    ticket = await desk_view.one(parts, actor, id)
    return JSONResponse({"text": await desk_view.answer(parts, actor, ticket, name)})
