"""What a form of ours sends: fields, each once, and files; and whether it came from a page of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

import structlog
from fastapi import Request

from core.parts import Parts
from core.shapes import Actor, File
from intake.web.sessions import CSRF_HEADER, cookies_of, is_csrf_of, session_actor
from intake.web.uploads import received

MOST: Final = 64 * 1024  # bytes; most forms are short
MOST_WORDS: Final = 2 * 1024 * 1024  # where somebody writes: two hundred thousand characters, escaped
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"


def kind_of(request: Request) -> str:
    """Return the type of a request's body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def fields_of(request: Request, most: int = MOST) -> dict[str, str]:
    """Return the fields of an urlencoded form; of anything else, none."""
    body = await request.body()
    if kind_of(request) != URLENCODED or len(body) > most:
        return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was sent. `actor`: who is signed in with its browser. `genuine`: it came from a page that we gave
    this browser. `problem`: why its files weren't taken."""

    actor: Actor | None
    fields: Mapping[str, str]
    genuine: bool
    files: list[File] = field(default_factory=list)
    problem: str = ""

    def line(self, name: str, longest: int = 400) -> str:
        """Return a short field."""
        return self.fields.get(name, "").strip()[:longest]

    def words(self, name: str) -> str:
        """Return what was typed into a box; browsers end its lines with CR LF."""
        return self.fields.get(name, "").replace("\r\n", "\n")


@asynccontextmanager
async def sent(request: Request, parts: Parts) -> AsyncIterator[Form]:
    """Give the form that was sent; its files are on the disk, and gone again where it is refused. Raises as
    `uploads.received`."""
    actor, cookies = await session_actor(request), cookies_of(request)
    if actor is not None:
        structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    cookie = cookies.read(request, cookies.form if actor is None else cookies.session)

    def genuine(fields: Mapping[str, str]) -> bool:
        return is_csrf_of(cookie, fields.get("token") or request.headers.get(CSRF_HEADER, ""))

    if kind_of(request) != MULTIPART:
        fields = await fields_of(request, MOST_WORDS)
        yield Form(actor, fields, genuine(fields))
        return
    async with received(request, parts.blobs, genuine) as upload:
        fields = upload.fields
        yield Form(actor, fields, genuine(fields), upload.files, upload.problem)
