"""`/status` in a browser: how the parts, the jobs and what waits are, for staff. Programs get the same as JSON."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib import metadata
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.failures import Unavailable
from core.parts import Parts
from core.shapes import Actor
from core.standing import Standing, standing
from intake.web import health
from intake.web.auth import Somebody
from intake.web.parts import House
from intake.web.render import NegotiatedRoute, head, page

router = APIRouter(include_in_schema=False, route_class=NegotiatedRoute)
HEAPS: Final = {
    "new": "To be read",
    "unreadable": "Couldn't be read",
    "queued": "To be sent",
    "sending": "Being sent",
    "held": "Held back",
    "failed": "Failed",
    "bounced": "Came back",
}


@cache
def version() -> str:
    """Return the version that is installed."""
    try:
        return metadata.version("relaydesk")
    except metadata.PackageNotFoundError:  # run from a folder
        return "unknown"


@router.get("/status")
async def status(request: Request, actor: Somebody, parts: House) -> Response:
    """Show it; without the database what is known without it. Raises `NotAllowed` for who is no staff."""
    told = await health.status(request, actor, parts)
    values: dict[str, Any] = {
        "told": told,
        "standing": await _standing(parts, actor),
        "heaps": HEAPS,
        "version": version(),
        "now": parts.clock.now(),
    }
    return page(request, "status", **values, **head(request, actor))


async def _standing(parts: Parts, actor: Actor) -> Standing | None:
    try:
        async with asyncio.timeout(health.PATIENCE):
            return await standing(parts, actor)
    except (Unavailable, TimeoutError):
        return None
