"""The JSON requests that take files: the same fields as multipart, and `files`. By the same calls and rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from core.failures import NotAllowed
from core.parts import Parts
from core.shapes import Actor, Person
from intake.web.api import Key, TicketId, stranger_reports
from intake.web.auth import Anybody, Somebody
from intake.web.form_routes import UploadRoute
from intake.web.parts import House
from intake.web.schemas import MessageIn, MessageOut, ReportIn, TicketOut
from intake.web.sessions import from_elsewhere
from intake.web.uploads import FilesTooLarge, Upload, received

router = APIRouter(include_in_schema=False, route_class=UploadRoute)
M = TypeVar("M", bound=BaseModel)


def read(model: type[M], fields: Mapping[str, str]) -> M:
    """Return what the fields say. Raises `RequestValidationError`, as JSON would."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as exc:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in exc.errors()]
        ) from None


def for_whom(report: ReportIn, actor: Actor) -> Person | None:
    """Return whom a report is for, None where it's the actor. Pure."""
    person = report.person()
    return None if person is not None and person.address == actor.email.lower() else person


@asynccontextmanager
async def _taken(request: Request, parts: Parts) -> AsyncIterator[Upload]:
    async with received(request, parts.blobs, lambda _: True) as upload:
        if upload.problem:
            raise FilesTooLarge(upload.problem)
        yield upload


@router.post("/report-issue", status_code=201)
async def report_issue(
    request: Request, response: Response, actor: Anybody, parts: House, key: Key = None
) -> TicketOut:
    """Open a ticket with files. Without a token as by JSON; but not for another site's page, which could have any of
    its visitors send this, as it can't with JSON."""
    if actor is None and from_elsewhere(request):
        raise NotAllowed("send this from a program, or by the form of our page")
    async with _taken(request, parts) as upload:
        report = read(ReportIn, upload.fields)
        if actor is None:
            return await stranger_reports(report, request, parts, key, upload.files)
        ticket = await parts.manager.create_ticket(
            actor,
            report.title,
            report.description,
            queue=report.queue,
            priority=report.priority,
            requester=for_whom(report, actor),
            files=upload.files,
            key=key and f"report:{key}",
        )
    response.headers["Location"] = f"/tickets/{ticket.id}"
    return TicketOut.of(ticket)


@router.post("/tickets/{id}/messages", status_code=201)
async def write_message(
    id: TicketId, request: Request, actor: Somebody, parts: House, key: Key = None
) -> MessageOut:
    """Write a message with files."""
    async with _taken(request, parts) as upload:
        written = read(MessageIn, upload.fields)
        message = await parts.manager.exchange_messages(
            actor,
            id,
            written.message,
            visibility=written.visibility,
            files=upload.files,
            key=key and f"message:{id}:{key}",
        )
    return MessageOut.of(message)
