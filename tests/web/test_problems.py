"""What the outside is told of every failure."""

from __future__ import annotations

import json

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from core.failures import Conflict, Invalid, NotAllowed, NotFound, Refused, Unavailable
from core.status import SETS, ForbiddenMove, Status
from intake.web.problems import NotSignedIn, TooLarge, TooSlow, problem_of


class Odd(Conflict):
    """A refusal that the table doesn't name."""


@pytest.mark.parametrize(
    ("exc", "status", "kind"),
    [
        (NotSignedIn("who?"), 401, "not_signed_in"),
        (NotAllowed("no"), 403, "not_allowed"),
        (NotFound("gone"), 404, "not_found"),
        (TooSlow(), 408, "too_slow"),
        (Conflict("busy"), 409, "conflict"),
        (Odd("odd"), 409, "conflict"),
        (ForbiddenMove(Status.CLOSED, SETS[Status.PENDING]), 409, "forbidden_move"),
        (TooLarge(5), 413, "too_large"),
        (Invalid("what?"), 422, "invalid"),
        (Refused("no"), 422, "refused"),
        (RequestValidationError([]), 422, "invalid"),
        (Unavailable("mysql at 10.0.0.1"), 503, "unavailable"),
        (HTTPException(405), 405, "method_not_allowed"),
        (KeyError("secret"), 500, "error"),
    ],
)
def test_each_failure_has_its_status(exc: Exception, status: int, kind: str) -> None:
    """The nearest class in the table decides."""
    problem = problem_of(exc)
    assert (problem.status, problem.kind) == (status, kind)


def test_a_problem_is_a_document_of_rfc_9457() -> None:
    """Type, title, status, detail, and the id under which the log knows it."""
    response = problem_of(NotFound("there is no ticket 5")).response("abc")
    assert response.media_type == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "urn:relaydesk:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no ticket 5",
        "id": "abc",
    }


@pytest.mark.parametrize("exc", [KeyError("secret"), OSError("secret"), Unavailable("secret")])
def test_no_text_of_an_exception_goes_out(exc: Exception) -> None:
    """A database's words stay inside."""
    assert b"secret" not in bytes(problem_of(exc).response("abc").body)


def test_a_forbidden_move_names_the_allowed_ones() -> None:
    """So that a client can offer them."""
    problem = problem_of(ForbiddenMove(Status.CLOSED, SETS[Status.PENDING]))
    assert problem.more["allowed"] == ["open", "closed"]


def test_our_trouble_asks_to_repeat() -> None:
    """503 comes with Retry-After."""
    assert problem_of(Unavailable()).headers["Retry-After"].isdigit()


def test_who_are_you_comes_with_a_challenge() -> None:
    """401 comes with WWW-Authenticate, which says what was wrong with the token."""
    assert problem_of(NotSignedIn("x")).headers["WWW-Authenticate"] == 'Bearer realm="relaydesk"'
    assert (
        'error="invalid_token"'
        in problem_of(NotSignedIn("x", error="invalid_token")).headers["WWW-Authenticate"]
    )


def test_what_was_wrong_is_said_without_repeating_it() -> None:
    """A validation error names the place and the rule, never the value."""
    error = {"loc": ("body", "title"), "msg": "Value error, must be one line", "type": "x", "input": "secret"}
    problem = problem_of(RequestValidationError([error]))
    assert problem.more["errors"] == [{"where": "body.title", "message": "must be one line"}]
    assert b"secret" not in bytes(problem.response("abc").body)
