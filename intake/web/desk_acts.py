"""Staff's buttons: each is a form's POST that calls one function of the core and leads back to the ticket.

What is refused comes back as the ticket's page, with the reason on top and everything as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from core import desk_acts, desk_view
from core.desk_acts import Shown, number_of
from core.failures import NotFound, Refused
from core.parts import Parts
from core.shapes import Actor, Visibility
from intake.web.api import TicketId
from intake.web.forms import MOST_WORDS, Form, fields_of
from intake.web.parts import House
from intake.web.problems import NotSignedIn, problem_of
from intake.web.render import PageRoute, head, page, see_other
from intake.web.sessions import cookies_of, is_csrf_of, session_actor
from intake.web.ticket_page import ticket_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
OLD: Final = (
    "The form was too old, or cookies are off in this browser. Nothing was changed; please try again."
)


@dataclass(frozen=True, slots=True)
class StaffForm:
    """A form of somebody of the staff."""

    actor: Actor
    form: Form

    @property
    def genuine(self) -> bool:
        """Did it come from a page of ours in their browser?"""
        return self.form.genuine

    def get(self, name: str, longest: int = 400) -> str:
        """Return a short field."""
        return self.form.line(name, longest)


async def form_of(request: Request) -> StaffForm:
    """Return the form that was sent. Raises `NotSignedIn`, `NotFound` for who is no staff."""
    actor = await session_actor(request)
    if actor is None:
        raise NotSignedIn("sign in")
    if not actor.staff:
        raise NotFound("there is no such page")
    structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    fields, cookies = await fields_of(request, MOST_WORDS), cookies_of(request)
    genuine = is_csrf_of(cookies.read(request, cookies.session), fields.get("token", ""))
    return StaffForm(actor, Form(actor, fields, genuine))


Sent = Annotated[StaffForm, Depends(form_of)]


async def refused(
    request: Request, parts: Parts, actor: Actor, ticket_id: int, why: str, status: int
) -> Response:
    """Show the ticket as it is now, with the reason why something wasn't done."""
    return await ticket_page(request, parts, actor, ticket_id, status=status, desk_problem=sentence(why))


def sentence(why: str) -> str:
    """Return a reason as a sentence. Pure."""
    said = f"{why[:1].upper()}{why[1:]}"
    return said if said.endswith((".", "?", "!")) else f"{said}."


@router.post("/ui/tickets/{id}/desk/{name}")
async def act(id: TicketId, name: str, request: Request, sent: Sent, parts: House) -> Response:
    """Do what a button of a ticket's page says."""
    if not sent.genuine:
        return await refused(request, parts, sent.actor, id, OLD, 403)
    word = sent.get("until") or sent.get("word")
    try:
        if name == "merge" and not sent.get("sure"):
            return await _sure(request, parts, sent.actor, id, word)
        await desk_acts.act(parts, sent.actor, id, name, word, shown_of(sent))
    except NotFound as exc:
        if name in desk_acts.ACTS and await _is_there(parts, sent.actor, id):  # what was named isn't
            return await refused(request, parts, sent.actor, id, exc.message, 422)
        raise
    except Refused as exc:
        return await refused(request, parts, sent.actor, id, exc.message, problem_of(exc).status)
    return see_other(f"/tickets/{id}?done={name}")


def shown_of(sent: StaffForm) -> Shown:
    """Return what the page showed from which a form came."""
    version = sent.get("version", 20)
    return Shown(
        version=int(version) if version.isascii() and version.isdigit() else -1,
        was=sent.form.fields.get("was"),
    )


async def _is_there(parts: Parts, actor: Actor, ticket_id: int) -> bool:
    try:
        await desk_view.version(parts, actor, ticket_id)
    except NotFound:
        return False
    return True


async def _sure(request: Request, parts: Parts, actor: Actor, ticket_id: int, word: str) -> Response:
    """Show the two tickets before one is merged into the other: nothing takes that back. Raises `Refused`."""
    gone, target = await desk_view.to_merge(parts, actor, ticket_id, number_of(word))
    return page(request, "merge", gone=gone, target=target, **head(request, actor))


@router.post("/ui/tickets/{id}/canned")
async def canned(id: TicketId, request: Request, sent: Sent, parts: House) -> Response:
    """Show the ticket's page with a canned answer in the box, below what was typed there: nothing is sent yet."""
    typed, note = sent.form.words("message"), sent.get("visibility") == Visibility.NOTE

    async def shown(draft: str, status: int = 200, problem: str = "") -> Response:
        return await ticket_page(
            request, parts, sent.actor, id, status=status, desk_problem=problem, draft=draft, note=note
        )

    if not sent.genuine:
        return await shown(typed, 403, OLD)
    try:
        ticket = await desk_view.one(parts, sent.actor, id)
        text = await desk_view.answer(parts, sent.actor, ticket, sent.get("name"))
    except NotFound:
        raise
    except Refused as exc:
        return await shown(typed, problem_of(exc).status, sentence(exc.message))
    before = typed.rstrip()
    return await shown(f"{before}\n\n{text}" if before else text)
