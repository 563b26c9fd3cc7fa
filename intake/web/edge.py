"""The outermost layer: an id for each request, limits on its body, headers on its answer, one log line.

Bodies are read here, whole, before anything else runs: what is too large or too slow costs no more than its limit,
and no more than `LARGE_AT_ONCE` large ones are held at a time. Uploads alone are handed on as they come. Of one network
a part of all bodies is waited for, however slowly they come.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.failures import Unavailable
from intake.web.bodies import (
    SMALL,
    Gone,
    Places,
    Streamed,
    UnderWay,
    chunks,
    declared,
    drain,
    is_upload,
    network_in,
    replay,
)
from intake.web.metrics import Metrics
from intake.web.problems import TooLarge, TooSlow, answer_to, problem_of

log = structlog.get_logger()

JSON_LIMIT: Final = 2 * 1024 * 1024
LARGE_AT_ONCE: Final = 16
BODY_TIMEOUT: Final = 30.0

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(slots=True)
class Exchange:
    """One request under way."""

    scope: Scope
    send: Send
    id: str
    began: float = field(default_factory=time.perf_counter)
    ended: float = 0.0  # when the answer had gone: what is done after it is nobody's to know
    status: int = 0
    upload: Streamed | None = None

    async def answer(self, message: Message) -> None:
        """Pass on what the site answers, with our headers."""
        if message["type"] == "http.response.start":
            if self.upload is not None:
                await self.upload.finish()
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self.id
        await self.send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.ended = time.perf_counter()

    @property
    def route(self) -> str:
        """The route's template: paths hold tokens and are without number."""
        return getattr(self.scope.get("route"), "path", "") or "unmatched"


class Edge:
    """ASGI middleware around the whole site."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, limit: int) -> None:
        self._app, self._metrics = app, metrics
        self._limit, self._upload_limit = min(limit, JSON_LIMIT), limit
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._uploads, self._bodies = Places(), UnderWay()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        exchange = Exchange({**scope, "state": dict(scope.get("state") or {})}, send, secrets.token_hex(8))
        exchange.scope["state"]["request_id"] = exchange.id
        if method == "HEAD":  # the server leaves the body out
            exchange.scope["method"] = "GET"
        structlog.contextvars.clear_contextvars()  # a connection's requests share one context
        with structlog.contextvars.bound_contextvars(request_id=exchange.id):
            async with AsyncExitStack() as held:
                try:
                    body = await self._handed_on(exchange, receive, held)
                    await self._app(exchange.scope, body, exchange.answer)
                except Gone:
                    return
                except Exception as exc:
                    await self._failed(exchange, receive, exc)
            self._done(exchange, method)

    async def _handed_on(self, exchange: Exchange, receive: Receive, held: AsyncExitStack) -> Receive:
        """Return where the site has the body from. Raises `TooMany`, and as `_body`."""
        scope, headers = exchange.scope, Headers(scope=exchange.scope)
        upload = is_upload(scope)
        if not upload and "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            return replay(b"", receive)
        end = self._bodies.begin(network_in(scope))
        held.callback(end)
        if upload:
            exchange.upload = Streamed(scope, receive, self._upload_limit, held, self._uploads, end)
            return exchange.upload.receive
        body = await self._body(headers, receive, held)
        end()
        return replay(body, receive)

    async def _body(self, headers: Headers, receive: Receive, held: AsyncExitStack) -> bytes:
        """Read the body. Raises `TooLarge`, `TooSlow`, `Unavailable`, `Gone`."""
        if declared(headers) > self._limit:
            raise TooLarge(self._limit)
        taken: list[bytes] = []
        size = 0
        large = False
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                async for chunk in chunks(receive):
                    size += len(chunk)
                    if size > self._limit:
                        raise TooLarge(self._limit)
                    taken.append(chunk)
                    if size > SMALL and not large:
                        large = True
                        await held.enter_async_context(self._large)
        except TimeoutError:
            raise (Unavailable() if self._large.locked() and large else TooSlow()) from None
        return b"".join(taken)

    async def _failed(self, exchange: Exchange, receive: Receive, exc: Exception) -> None:
        """Answer what the site had no answer for."""
        problem = problem_of(exc)
        if problem.status == 500:
            log.error("http_failed", route=exchange.route, exc_info=exc)
        if exchange.status:  # the answer was under way: the connection is cut
            raise exc
        if isinstance(exc, TooLarge) and exchange.upload is None:
            await drain(Headers(scope=exchange.scope), receive)
        response = answer_to(Request(exchange.scope), problem)
        response.headers["Connection"] = "close"
        await response(exchange.scope, receive, exchange.answer)

    def _done(self, exchange: Exchange, method: str) -> None:
        seconds = (exchange.ended or time.perf_counter()) - exchange.began
        self._metrics.request_done(method, exchange.route, exchange.status, seconds)
        log.info(
            "http_request",
            method=method,
            route=exchange.route,
            status=exchange.status,
            ms=round(seconds * 1000, 1),
        )
