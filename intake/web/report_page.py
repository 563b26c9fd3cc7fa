"""The page on which an issue is reported, by somebody signed in or by a stranger; the rules are those of the JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from core.blank import is_blank
from core.failures import Invalid, NotAllowed, Refused
from core.once import mark_of
from core.parts import Parts
from core.shapes import Actor, Priority
from core.status import Ticket
from intake.web.form_routes import FormRoute
from intake.web.forms import Form, sent
from intake.web.parts import House
from intake.web.problems import problem_of
from intake.web.render import PageRoute, head, message, page, see_other, wants_html
from intake.web.schemas import ReportIn
from intake.web.sessions import cookies_of, csrf_of, session_actor
from intake.web.upload_api import for_whom
from intake.web.uploads import EACH_BYTES, MOST_FILES

router = APIRouter(include_in_schema=False, route_class=PageRoute)
posts = APIRouter(include_in_schema=False, route_class=FormRoute)

OLD: Final = (
    "The form was too old, or cookies are off in this browser. Nothing was sent; please send it again."
)
_TYPED: Final = ("title", "description", "email", "name", "queue", "priority")
_OURS: Final = frozenset({"token", "key", "files"})
_EMPTY: Final = "please write something"
_LABELS: Final = {"title": "Title", "description": "Description", "email": "E-mail", "name": "Name"}


@router.get("/report-issue")
async def report_page(request: Request, parts: House) -> Response:
    """Show the form."""
    return _shown(request, parts, await session_actor(request), {})


def _shown(
    request: Request,
    parts: Parts,
    actor: Actor | None,
    fields: Mapping[str, str],
    problem: str = "",
    status: int = 200,
) -> Response:
    """The form, with what was typed into it."""
    cookies, new = cookies_of(request), dict[str, str]()
    shown = head(request, actor)
    token = shown["csrf"] if actor else csrf_of(cookies.form_nonce(request, new))
    response = page(
        request,
        "report",
        status,
        **shown,
        typed={name: fields.get(name, "") for name in _TYPED},
        problem=problem,
        form_token=token,
        key=secrets.token_urlsafe(12),
        queues=[one.name for one in parts.config.queue if one.public or actor.staff] if actor else [],
        priorities=[one.value for one in Priority] if actor else [],
        most_files=MOST_FILES,
        each=EACH_BYTES,
        together=parts.config.http.max_body_bytes,
    )
    cookies.put(response, new)
    return response


@posts.post("/report-issue")
async def report(request: Request, parts: House) -> Response:
    """Take the form."""
    form: Form | None = None
    try:
        async with sent(request, parts) as form:
            if not form.genuine and not wants_html(request.scope):
                raise NotAllowed("send the token of the form, or JSON")
            if not form.genuine:
                return _shown(request, parts, form.actor, form.fields, OLD, 403)
            if form.problem:
                return _shown(request, parts, form.actor, form.fields, _sentence(form.problem), 413)
            ticket = await _opened(request, parts, form)
    except Refused as exc:
        if form is None or not form.genuine:
            raise
        return _shown(request, parts, form.actor, form.fields, _sentence(exc.message), problem_of(exc).status)
    if form.actor is not None:
        return see_other(f"/tickets/{ticket.id}")
    return message(
        request,
        "Look into your mail",
        "We have your report. A mail with a link is on its way to the address that you gave: please follow it, so that "
        "we know the report is yours. If such a mail waits there already, use that one.",
        200,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


async def _opened(request: Request, parts: Parts, form: Form) -> Ticket:
    """Open the ticket. Raises `Refused`."""
    report, key, actor = _read(form), form.line("key", 100), form.actor
    # The same form sent twice; with other words it's another report.
    once = "form:" + mark_of(key, report.model_dump_json(), files=form.files) if key else None
    if actor is not None:
        return await parts.manager.create_ticket(
            actor,
            report.title,
            report.description,
            queue=report.queue,
            priority=report.priority,
            requester=for_whom(report, actor),
            files=form.files,
            key=once,
        )
    person = report.person()
    if person is None:
        raise Invalid("e-mail: please say where we can answer")
    return await parts.manager.report(
        person,
        report.title,
        report.description,
        queue=report.queue,
        priority=report.priority,
        files=form.files,
        source=request.client.host if request.client else "",
        key=once,
    )


def _read(form: Form) -> ReportIn:
    """Return what the form says. Raises `Invalid`, in words for who filled it in."""
    fields: dict[str, Any] = {name: value for name, value in form.fields.items() if name not in _OURS}
    for name in ("email", "name", "queue", "priority"):  # an empty field was left out
        if not fields.get(name, "").strip():
            fields.pop(name, None)
    fields["description"] = form.words("description")
    if is_blank(fields["description"]):
        raise Invalid("description: please write something")
    try:
        return ReportIn.model_validate(fields)
    except ValidationError as exc:
        raise Invalid("; ".join(_complaint(one) for one in exc.errors()[:3])) from None


def _complaint(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])[:100]
    label = _LABELS.get(name, name)
    words = {"string_too_short": _EMPTY, "too_short": _EMPTY, "missing": _EMPTY}
    said = words.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    return f"{label}: {said}"
