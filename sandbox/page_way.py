"""Between mailbox and workspace: a ticket's way through the desk, as the desk tells it, and the switches that break it.

The box knows nothing of the desk: whoever runs both hands it a function that reads (`Sandbox.watch`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.shapes import Json

if TYPE_CHECKING:
    from sandbox.box import Sandbox

Provider = Callable[[int | None], Awaitable[Json]]
"""Reads the way of a ticket, or of the newest one; see `docs/sandbox.md` for what it returns."""

FRESH = 0.4
"""Seconds for which an answer serves everybody who asks for the same ticket."""
PATIENCE = 3.0
"""Seconds after which a reading is given up."""


class Way:
    """Reads for all open pages together: one reading at a time, and none while nobody looks."""

    def __init__(self) -> None:
        self.provider: Provider | None = None
        self._lock = asyncio.Lock()
        self._last: tuple[float, int | None, Json] | None = None

    async def shown(self, ticket: int | None) -> Json:
        """What the desk tells; where it can't be read, that."""
        if self.provider is None:
            return {"watched": False}
        async with self._lock:
            now = time.monotonic()
            if self._last and self._last[1] == ticket and now - self._last[0] < FRESH:
                return self._last[2]
            answer = await self._read(self.provider, ticket)
            self._last = (time.monotonic(), ticket, answer)
            return answer

    async def _read(self, provider: Provider, ticket: int | None) -> Json:
        try:
            async with asyncio.timeout(PATIENCE):
                return {"watched": True, **await provider(ticket)}
        except Exception as trouble:  # whatever ails the desk, the page goes on
            return {"watched": True, "error": type(trouble).__name__}


class WayPages:
    """The routes."""

    def __init__(self, box: Sandbox) -> None:
        self._way, self._trouble = box.way, box.trouble

    async def way(self, request: web.Request) -> web.Response:
        """The newest ticket's way, or that of the one in `ticket`."""
        asked = request.query.get("ticket", "")
        number = int(asked) if asked.isdecimal() and len(asked) < 19 else None
        return web.json_response(await self._way.shown(number))

    async def turn(self, request: web.Request) -> web.Response:
        """Turn a switch."""
        body: Json = await request.json()
        try:
            self._trouble.turn(request.match_info["name"], bool(body.get("on")))
        except LookupError as refused:
            return web.json_response({"error": str(refused)}, status=404)
        return web.json_response({})

    async def mend(self, request: web.Request) -> web.Response:
        """Turn all off."""
        self._trouble.mend()
        return web.json_response({})


def mount(app: web.Application, box: Sandbox) -> None:
    pages = WayPages(box)
    app.router.add_get("/sandbox/way", pages.way)
    app.router.add_post("/sandbox/break/{name}", pages.turn)
    app.router.add_post("/sandbox/mend", pages.mend)
