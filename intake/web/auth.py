"""Who asks: a bearer token, or the cookie of a session, to an `Actor`. What they may do is the manager's business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.failures import NotAllowed
from core.shapes import Actor
from intake.web.parts import House
from intake.web.problems import NotSignedIn, OutOfScope
from intake.web.sessions import CSRF_HEADER, may_change, session_actor

# For the document only: its own reading takes a wrong scheme for no credentials at all.
_documented = HTTPBearer(auto_error=False, description="A token of `relaydesk token create`")
Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_documented)]


def scope_of(method: str, path: str) -> str:
    """Return which scope a token needs for a request. Pure."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    return "report" if path == "/report-issue" else "write"


def say_scopes(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document which scope a token needs for each request, where it takes one."""
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            if one.get("security"):
                needed = scope_of(method.upper(), path)
                needed = "`write`" if needed == "write" else f"`{needed}` or `write`"
                one["description"] = f"{one['description']} A token that has scopes needs {needed}."


def check_scope(scopes: Sequence[str], needed: str) -> None:
    """Raise `OutOfScope` where a token isn't for this; one without scopes is for all, `write` too."""
    if scopes and needed not in scopes and "write" not in scopes:
        raise OutOfScope(needed)


async def identify(request: Request, parts: House, _: Documented) -> Actor | None:
    """Return who asks, None where they don't say. Raises `NotSignedIn` where what they say is wrong, `NotAllowed` where
    a session is to change something without the token of our pages, or a token isn't for this."""
    header = request.headers.get("authorization")
    if header is None:
        return await _by_session(request)
    scheme, _space, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("send 'Authorization: Bearer TOKEN'", error="invalid_request")
    actor = await parts.people.by_token(token.strip())
    if actor is None:
        raise NotSignedIn("this token is unknown, expired or revoked", error="invalid_token")
    structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    check_scope(actor.scopes, scope_of(request.method, request.url.path))
    return actor


async def _by_session(request: Request) -> Actor | None:
    actor = await session_actor(request)
    if actor is None:
        return None
    if not may_change(request):
        raise NotAllowed(f"send {CSRF_HEADER} with the token that our pages carry")
    structlog.contextvars.bind_contextvars(user_id=actor.user_id)
    return actor


Anybody = Annotated[Actor | None, Depends(identify)]


async def identified(actor: Anybody) -> Actor:
    """Return who asks. Raises `NotSignedIn`."""
    if actor is None:
        raise NotSignedIn("send 'Authorization: Bearer TOKEN'")
    return actor


Somebody = Annotated[Actor, Depends(identified)]
