"""The way in for Slack's events over HTTP. Raw, because the signature is over the bytes; `bot/` reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Request, Response

# The body and the headers (names in lower case) -> status, headers, body.
SlackEvents = Callable[[bytes, Mapping[str, str]], Awaitable[tuple[int, Mapping[str, str], bytes]]]


def router_for(take: SlackEvents) -> APIRouter:
    """Return the route that hands each request to `take`."""
    router = APIRouter(include_in_schema=False)

    @router.post("/slack/events")
    async def slack_events(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer, body = await take(await request.body(), headers)
        return Response(body, status, dict(answer))

    return router
