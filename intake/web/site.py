"""The site, put together; and the door that serves it in the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI

from core.parts import Parts
from intake.web import (
    api,
    auth,
    confirm,
    desk,
    desk_acts,
    desk_failed,
    docs,
    files,
    health,
    pages,
    preferences,
    problems,
    rate,
    reports_page,
    signin,
    slack_signin,
    status_page,
    unsubscribe,
)
from intake.web.edge import Edge
from intake.web.health import Look
from intake.web.limits import Limits
from intake.web.metrics import Metrics
from intake.web.protocol import Protocol
from intake.web.slack_events import SlackEvents, router_for

log = structlog.get_logger()
DRAIN: Final = 4  # seconds for requests in hand when the door closes


class _Site(FastAPI):
    """FastAPI, whose document says what tokens need."""

    def openapi(self) -> dict[str, Any]:
        """See FastAPI."""
        made = self.openapi_schema is None
        document = super().openapi()
        if made:
            auth.say_scopes(document)
        return document


def build_site(
    parts: Parts,
    *,
    readiness: Look,
    slack_events: SlackEvents | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Return the site. `readiness` looks at the neighbours; `slack_events` takes Slack's events over HTTP."""
    site = _Site(
        title="relaydesk",
        summary="Report issues, follow tickets, read the figures.",
        version="1",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    site.state.parts = parts
    site.state.readiness = readiness
    site.state.metrics = metrics or Metrics(parts.intake.turned_away)
    ours = (
        pages.negotiated,
        api.router,
        files.router,
        status_page.router,
        health.router,
        confirm.router,
        slack_signin.router,
        signin.router,
        pages.router,
        desk.router,
        desk_acts.router,
        desk_failed.router,
        reports_page.router,
        preferences.router,
        rate.router,
        unsubscribe.router,
        docs.router,
    )
    for router in (*ours, _document(site)):
        site.include_router(router)
    if slack_events is not None:
        site.include_router(router_for(slack_events))
    problems.install(site)
    site.add_middleware(Limits, config=parts.config.http)
    site.add_middleware(Edge, metrics=site.state.metrics, limit=parts.config.http.max_body_bytes)
    return site


def _document(site: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/openapi.json", tags=["document"])
    async def document() -> dict[str, Any]:
        """Return this document."""
        return site.openapi()

    return router


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the house has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebDoor:
    """Serves a site on a socket of its own, from `start` to `stop`."""

    def __init__(self, site: FastAPI, host: str, port: int) -> None:
        self._host, self._wanted = host, port
        self.port = port
        self._server = _Server(
            uvicorn.Config(
                site,
                lifespan="off",
                http=Protocol,
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=None,  # the protocol's own
                timeout_keep_alive=15,
                timeout_graceful_shutdown=DRAIN,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen and accept. Raises `OSError` where the address is taken."""
        listener = self._bound()
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="web")
        while not self._server.started:
            if self._task.done():
                listener.close()
                await self._task
                raise RuntimeError("the web server ended before it began")
            await asyncio.sleep(0.005)
        log.info("web_listening", host=self._host, port=self.port)

    def _bound(self) -> socket.socket:
        """Return the listening socket. Its protocol is named: else asyncio leaves Nagle's algorithm on, and each
        answer waits 40 ms for an acknowledgement."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((self._host, self._wanted))
            listener.listen(1024)
        except OSError as exc:
            listener.close()
            raise OSError(exc.errno, f"http.port: {self._host}:{self._wanted}: {exc.strerror}") from exc
        return listener

    async def stop(self) -> None:
        """Accept nothing new, finish what is in hand within seconds, then cut it off."""
        if self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({self._task}, timeout=DRAIN + 2)
        if not self._task.done():
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        log.info("web_stopped")
