"""Routes by what a request brings: one path takes a form of a page, an upload of a program, and JSON (`api.py`)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from intake.web.forms import MULTIPART, URLENCODED
from intake.web.render import PageRoute, wants_html


def _kind(scope: Scope) -> str:
    return Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()


def is_program(scope: Scope) -> bool:
    """Whether a form comes from a program: with a token of its own, or as multipart without any cookie where no page is
    wanted (a browser that was given our form has its cookie). Pure."""
    headers = Headers(scope=scope)
    if "authorization" in headers:
        return True
    return _kind(scope) == MULTIPART and "cookie" not in headers and not wants_html(scope)


class FormRoute(PageRoute):
    """A form of a browser. Its failures are pages, where the sender prefers them."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        form = scope.get("method") == "POST" and _kind(scope) in (URLENCODED, MULTIPART)
        return super().matches(scope) if form and not is_program(scope) else (Match.NONE, {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        as_pages, plain = super().get_route_handler(), APIRoute.get_route_handler(self)

        async def answer(request: Request) -> Response:
            return await (as_pages if wants_html(request.scope) else plain)(request)

        return answer


class UploadRoute(APIRoute):
    """An upload of a program: multipart in place of JSON."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        upload = scope.get("method") == "POST" and _kind(scope) == MULTIPART
        return super().matches(scope) if upload else (Match.NONE, {})
