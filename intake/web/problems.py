"""Every refusal and failure as an RFC 9457 problem document. The one place that knows which is which status.

What goes out: a sentence for the person who asked, and an id that stands in the log. Never an exception's text,
unless it is one of ours that was written for them (`Refused.message`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core.failures import Conflict, Invalid, KeyUsed, NotAllowed, NotFound, Refused, TooMany, Unavailable
from core.status import ForbiddenMove
from intake.web.etags import Stale
from intake.web.strict_json import WORDS as JSON_WORDS

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER: Final = "5"  # seconds; the database is usually back by then
ANYWHERE: Final = (408, 413, 429)  # of a request's size, time and number, wherever it goes


class NotSignedIn(Exception):
    """The request names nobody, or by a token that is wrong, expired or revoked (HTTP 401)."""

    def __init__(self, message: str, *, error: str | None = None) -> None:
        super().__init__(message)
        self.message, self.error = message, error


class OutOfScope(NotAllowed):
    """The token isn't for this, whatever its owner may (HTTP 403). `scope`: which one it would have to have."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this token has no scope '{scope}'")
        self.scope = scope


class TooLarge(Exception):
    """The body is larger than we take (HTTP 413)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.message = f"the body may have {limit} bytes"


class TooSlow(Exception):
    """The body didn't arrive in time (HTTP 408)."""

    message = "the body took too long to arrive"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document in the making. `kind` ends its `type`; `more` are further members."""

    status: int
    kind: str
    title: str
    detail: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str) -> JSONResponse:
        """Render it, with the id under which the log knows the request."""
        document = {
            "type": f"urn:relaydesk:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "id": request_id,
            **self.more,
        }
        return JSONResponse(document, self.status, dict(self.headers), MEDIA_TYPE)


# The nearest class in an exception's ancestry decides.
TABLE: Final[dict[type[Exception], tuple[int, str, str]]] = {
    NotSignedIn: (401, "not_signed_in", "Who are you?"),
    NotAllowed: (403, "not_allowed", "Not allowed"),
    NotFound: (404, "not_found", "Not found"),
    TooSlow: (408, "too_slow", "Too slow"),
    Conflict: (409, "conflict", "Not as things stand"),
    ForbiddenMove: (409, "forbidden_move", "No such move from this status"),
    Stale: (412, "stale", "Changed meanwhile"),
    TooLarge: (413, "too_large", "Too large"),
    Invalid: (422, "invalid", "Makes no sense"),
    KeyUsed: (422, "key_used", "Not the same request"),
    TooMany: (429, "too_many", "Too many"),
    Refused: (422, "refused", "Refused"),
    Unavailable: (503, "unavailable", "Our own trouble"),
    Exception: (500, "error", "Our mistake"),
}


def problem_of(exc: Exception) -> Problem:
    """Return what the outside is told of `exc`."""
    if isinstance(exc, RequestValidationError):
        return _of_validation(exc)
    if isinstance(exc, HTTPException):
        return _of_framework(exc)
    status, kind, title = next(TABLE[cls] for cls in type(exc).__mro__ if cls in TABLE)
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(exc, ForbiddenMove):
        more["allowed"] = [status.value for status in exc.allowed]
    elif isinstance(exc, NotSignedIn):
        headers["WWW-Authenticate"] = _challenge(exc.error)
    elif isinstance(exc, OutOfScope):
        headers["WWW-Authenticate"] = f'{_challenge("insufficient_scope")}, scope="{exc.scope}"'
    elif isinstance(exc, Stale):
        headers["ETag"] = exc.tag
    elif isinstance(exc, TooMany):
        headers["Retry-After"] = str(max(1, math.ceil(exc.wait.total_seconds())))
    elif isinstance(exc, Unavailable):
        headers["Retry-After"] = RETRY_AFTER
        return Problem(status, kind, title, "nothing was lost or changed; please repeat", headers=headers)
    detail = (
        exc.message if isinstance(exc, Refused | NotSignedIn | TooLarge | TooSlow) else "it is in our log"
    )
    return Problem(status, kind, title, detail, more, headers)


def _challenge(error: str | None) -> str:
    return 'Bearer realm="relaydesk"' + (f', error="{error}"' if error else "")


def _of_framework(exc: HTTPException) -> Problem:
    phrase = HTTPStatus(exc.status_code).phrase
    kind = phrase.lower().replace(" ", "_").replace("-", "_")
    return Problem(exc.status_code, kind, phrase, headers=exc.headers or {})


def _of_validation(exc: RequestValidationError) -> Problem:
    errors = [_error(error) for error in exc.errors()[:20]]
    detail = "; ".join(f"{error['where']}: {error['message']}" for error in errors[:3])
    return Problem(422, "invalid", "Makes no sense", detail, {"errors": errors})


def _error(error: Mapping[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid":
        said = str(error.get("ctx", {}).get("error", ""))
        return {"where": "body", "message": said if said in JSON_WORDS else "is no JSON"}
    where = ".".join(str(part) for part in error["loc"])
    return {"where": where[:200], "message": str(error["msg"]).removeprefix("Value error, ")[:500]}


def request_id_of(request: Request) -> str:
    """Return the id that the log and the answer share."""
    return str(getattr(request.state, "request_id", ""))


def answer_to(request: Request, problem: Problem) -> Response:
    """Return a problem as whoever asked prefers it: a page in words, or the document."""
    from intake.web.render import message, wants_html  # its pages need this module

    if "app" not in request.scope or not wants_html(request.scope):
        return problem.response(request_id_of(request))
    response = message(request, problem.title, in_words(problem, request_id_of(request)), problem.status)
    response.headers.update(problem.headers)
    return response


def in_words(problem: Problem, request_id: str) -> str:
    """Return what a page says of a problem; of a mistake of ours with the id that the log knows. Pure."""
    text = problem.detail or _WORDS.get(problem.status, "")
    text = f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) or not text else '.'}"
    return f"{text} Its number is {request_id}." if problem.status == 500 and request_id else text


_WORDS: Final = {404: "there is no such page", 405: "this page takes no such request"}


def _in_a_browser(request: Request) -> bool:
    """Whether somebody opened an address of ours in a browser, who may sign in and come back. Pure."""
    from intake.web.render import wants_html

    opened = request.method in ("GET", "HEAD") and "authorization" not in request.headers
    return opened and wants_html(request.scope)


async def _answer(request: Request, exc: Exception) -> Response:
    if isinstance(exc, NotSignedIn) and _in_a_browser(request):
        from intake.web.render import to_sign_in

        return to_sign_in(request)
    return answer_to(request, problem_of(exc))


def install(site: FastAPI) -> None:
    """Have the site answer what is raised. Anything not in the table is left to `edge.Edge`, which logs it."""
    for cls in (*(cls for cls in TABLE if cls is not Exception), RequestValidationError, HTTPException):
        site.add_exception_handler(cls, _answer)


class ProblemOut(BaseModel):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    id: str


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer these problems, and those that any may."""
    content = {MEDIA_TYPE: {"schema": ProblemOut.model_json_schema()}}
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, *ANYWHERE}):
        found[status] = {"description": HTTPStatus(status).phrase, "content": content}
        if status in (429, 503):
            found[status]["description"] += " (when to try again is in Retry-After)"
            found[status]["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
            }
    return found
