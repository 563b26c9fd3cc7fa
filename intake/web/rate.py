"""The page behind the link of the mail that says a request is resolved: who asked says how it went, signed in or not.

Mail scanners follow links, so opening it changes nothing; the form's POST does, and the token in it is the only key.
It shows the ticket's number and title and the score that was given, nothing else. A link that is forged, cut off, too
old or of a ticket that was opened again is refused in the same words.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from core import rating_links
from core.failures import Conflict, Invalid, NotAllowed, TooMany
from core.parts import Parts
from core.rating_links import Rateable
from core.ratings import MOST, score_of
from intake.web.forms import MOST_WORDS, fields_of
from intake.web.parts import House
from intake.web.render import PageRoute, message, page, see_other

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/rate/{token}")
async def ask(token: str, request: Request, parts: House) -> Response:
    """Ask how it went."""
    ticket = await _found(parts, token)
    return _refused(request) if ticket is None else _form(request, token, ticket)


@router.post("/ui/rate")
async def rate(request: Request, parts: House) -> Response:
    """Take the score, and a comment if there is one."""
    fields = await fields_of(request, MOST_WORDS)
    token = fields.get("token", "")
    ticket = await _found(parts, token)
    if ticket is None:
        return _refused(request)
    comment = fields.get("comment", "").replace("\r\n", "\n")
    try:
        given = fields.get("score", "").strip()
        score = score_of([given] if given else [])
        await parts.manager.rate(ticket.actor, ticket.ticket_id, score, comment)
    except Invalid as exc:
        problem = f"{exc.message[:1].upper()}{exc.message[1:]}."
        return _form(request, token, ticket, problem=problem, comment=comment, status=422)
    except TooMany as exc:
        return _form(request, token, ticket, problem=exc.message, comment=comment, status=429)
    except (Conflict, NotAllowed):  # it was opened again, or became another's, this very moment
        return _refused(request)
    return see_other(f"/rate/{token}")


async def _found(parts: Parts, token: str) -> Rateable | None:
    return await parts.database.read(lambda tx: rating_links.found(tx, parts.config, token))


def _form(
    request: Request,
    token: str,
    ticket: Rateable,
    *,
    problem: str = "",
    comment: str = "",
    status: int = 200,
) -> Response:
    scores = range(1, MOST + 1)
    return page(
        request,
        "rate",
        status,
        link_token=token,
        ticket=ticket,
        scores=scores,
        problem=problem,
        comment=comment,
    )


def _refused(request: Request) -> Response:
    text = (
        "It is too old or was cut off on its way, or the request was opened again. "
        "When a request is resolved, we write to you with a new one."
    )
    return message(request, "This link doesn't work", text, 404)
