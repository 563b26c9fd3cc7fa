"""What people do on a ticket's page: write, resolve, reopen, rate, say that a report was theirs. Each is a form's POST
and a call of `TicketManager`.

What is refused comes back as the ticket's page with the reason and with what was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.failures import Invalid, NotFound, Refused
from core.once import mark_of
from core.parts import Parts
from core.ratings import score_of
from core.shapes import Actor, Visibility
from core.status import Status
from intake.web.api import TicketId
from intake.web.forms import Form, sent
from intake.web.parts import House
from intake.web.problems import problem_of
from intake.web.render import PageRoute, page, see_other
from intake.web.ticket_page import ticket_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
OLD: Final = "The form was too old, or cookies are off in this browser. Nothing was done; please try again."
Do = Callable[[Actor, Form], Awaitable[str]]


@router.post("/ui/tickets/{id}/reply")
async def reply(id: TicketId, request: Request, parts: House) -> Response:
    """Write a message with files; staff also a note."""

    async def do(actor: Actor, form: Form) -> str:
        asked = form.line("visibility") or Visibility.PUBLIC
        if asked not in list(Visibility):
            raise Invalid("a message is public, or a note")
        text, key = form.words("message"), form.line("key", 100)
        same = mark_of(
            key, text, asked, files=form.files
        )  # sent twice; with other words it's another message
        written = await parts.manager.exchange_messages(
            actor,
            id,
            text,
            visibility=Visibility(asked),
            files=form.files,
            key=f"page:{id}:{same}" if key else None,
        )
        return f"/tickets/{written.ticket_id}#message-{written.id}"

    return await _done(request, parts, id, do)


@router.post("/ui/tickets/{id}/status")
async def status(id: TicketId, request: Request, parts: House) -> Response:
    """Resolve or reopen."""

    async def do(actor: Actor, form: Form) -> str:
        wanted = form.line("status")
        if wanted not in list(Status):
            raise Invalid("there is no such status")
        await parts.manager.assign_status(actor, id, Status(wanted))
        return f"/tickets/{id}"

    return await _done(request, parts, id, do)


@router.post("/ui/tickets/{id}/rate")
async def rate(id: TicketId, request: Request, parts: House) -> Response:
    """Say how it went."""

    async def do(actor: Actor, form: Form) -> str:
        given = form.line("score")
        score = score_of([given] if given else [])
        await parts.manager.rate(actor, id, score, form.words("comment"))
        return f"/tickets/{id}#rating"

    return await _done(request, parts, id, do)


@router.post("/ui/tickets/{id}/confirm")
async def confirm(id: TicketId, request: Request, parts: House) -> Response:
    """Say that it was oneself who sent it without signing in."""

    async def do(actor: Actor, form: Form) -> str:
        await parts.manager.confirm_own(actor, id)
        return f"/tickets/{id}"

    return await _done(request, parts, id, do)


@router.get("/ui/tickets/{id}/reply")
@router.get("/ui/tickets/{id}/status")
@router.get("/ui/tickets/{id}/rate")
@router.get("/ui/tickets/{id}/confirm")
@router.get("/ui/tickets/{id}/canned")
@router.get("/ui/tickets/{id}/desk/{name}")
async def opened_anew(id: TicketId) -> Response:
    """Lead to the ticket who opens the address of an act, where its refusal was shown."""
    return see_other(f"/tickets/{id}")


async def _done(request: Request, parts: Parts, ticket_id: int, do: Do) -> Response:
    """Do it and lead to where it shows, or show the ticket's page again."""
    form: Form | None = None
    try:
        async with sent(request, parts) as form:
            if form.actor is None:
                return page(request, "signed_out", 401, ticket_id=ticket_id, typed=_typed(form))
            if not form.genuine:
                return await _again(request, parts, form.actor, ticket_id, form, OLD, 403)
            if form.problem:
                raise Invalid(form.problem)
            return see_other(await do(form.actor, form))
    except NotFound:
        raise
    except Refused as exc:
        if form is None or form.actor is None:
            raise
        code = 413 if form.problem else problem_of(exc).status
        text = f"{exc.message[:1].upper()}{exc.message[1:]}."
        return await _again(request, parts, form.actor, ticket_id, form, text, code)


async def _again(
    request: Request, parts: Parts, actor: Actor, ticket_id: int, form: Form, problem: str, code: int
) -> Response:
    return await ticket_page(
        request,
        parts,
        actor,
        ticket_id,
        status=code,
        problem=problem,
        draft=form.words("message"),
        note=form.line("visibility") == Visibility.NOTE,
        comment=form.words("comment"),
    )


def _typed(form: Form) -> str:
    return form.words("message") or form.words("comment")
