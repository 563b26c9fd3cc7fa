"""What didn't go out and what couldn't be read, for staff: why, and the buttons that try again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.responses import Response

from core import desk_failures
from core.desk_view import Undelivered
from core.failures import NotFound, Refused
from core.parts import Parts
from core.shapes import Actor
from intake.web.auth import Somebody
from intake.web.desk_acts import OLD, Sent
from intake.web.parts import House
from intake.web.problems import problem_of
from intake.web.queues import SCRIPT
from intake.web.render import PageRoute, head, page, see_other
from intake.web.schemas import LARGEST_ID

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST_ID)]
HERE: Final = "/desk/failed"
DONE: Final = {
    "retry": "It is tried again.",
    "cancel": "It is cancelled.",
    "read": "It is read again; look below for what couldn't be, and among the tickets for what could.",
}
KINDS: Final = {
    "message": "message",
    "notice": "notice",
    "card": "card",
    "file": "file",
    "digest": "digest",
    "alert": "notice to staff",
    "edit": "correction",
    "mark": "sign on a message",
    "whisper": "notice to one person",
}
Do = Callable[[Parts, Actor, int], Awaitable[None]]
DELIVERIES: Final[dict[str, Do]] = {"retry": desk_failures.try_again, "cancel": desk_failures.give_up}


@router.get(HERE)
async def failed(
    request: Request, actor: Somebody, parts: House, deliveries: Before = None, unread: Before = None
) -> Response:
    """Show both lists, the newest first."""
    return await _shown(request, parts, actor, deliveries=deliveries, unread=unread)


async def _shown(
    request: Request,
    parts: Parts,
    actor: Actor,
    status: int = 200,
    problem: str = "",
    *,
    deliveries: int | None = None,
    unread: int | None = None,
) -> Response:
    found = await desk_failures.troubles(parts, actor, deliveries_before=deliveries, unread_before=unread)
    done = "" if problem else DONE.get(request.query_params.get("done", ""), "")
    return page(
        request,
        "failed",
        status,
        script=SCRIPT,
        found=found,
        kind=kind_of,
        done=done,
        problem=problem,
        **head(request, actor),
    )


def kind_of(one: Undelivered) -> str:
    """Return in words what should have gone where. Pure."""
    what = KINDS.get(one.what, one.what)
    return f"{what[:1].upper()}{what[1:]} by {'mail' if one.channel == 'email' else one.channel.capitalize()}"


@router.post("/ui/desk/deliveries/{id}/{name}")
async def delivery(id: Id, name: str, request: Request, sent: Sent, parts: House) -> Response:
    """Try a delivery again, or give it up; then back to where the button was: this page, or its ticket's."""
    do = DELIVERIES.get(name)
    if do is None:
        raise NotFound("there is no such page")
    ticket = sent.get("ticket", 19)
    back = f"/tickets/{int(ticket)}" if ticket.isascii() and ticket.isdigit() else HERE
    return await _done(request, sent, parts, do, id, f"{back}?done={name}")


@router.post("/ui/desk/inbox/{id}/read")
async def read(id: Id, request: Request, sent: Sent, parts: House) -> Response:
    """Have something read again."""
    return await _done(request, sent, parts, desk_failures.read_again, id, f"{HERE}?done=read")


async def _done(request: Request, sent: Sent, parts: House, do: Do, number: int, then: str) -> Response:
    if not sent.genuine:
        return await _shown(request, parts, sent.actor, 403, OLD)
    try:
        await do(parts, sent.actor, number)
    except NotFound:
        raise
    except Refused as exc:
        problem = f"{exc.message[:1].upper()}{exc.message[1:]}."
        return await _shown(request, parts, sent.actor, problem_of(exc).status, problem)
    return see_other(then)


@router.get("/desk/inbox/{id}/raw")
async def raw(id: Id, actor: Somebody, parts: House) -> Response:
    """Return what came in, byte for byte, as a file to be saved: whatever is in it, no browser shows it here."""
    found = await desk_failures.raw(parts, actor, id)
    suffix, kind = ("eml", "message/rfc822") if found.channel == "email" else ("json", "application/json")
    headers = {
        "Content-Disposition": f'attachment; filename="inbox-{id}.{suffix}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if found.path is None:
        return Response(found.content, 200, headers, kind)
    if not found.path.is_file():
        raise NotFound("its bytes are gone")
    return FileResponse(found.path, headers=headers, media_type=kind)
