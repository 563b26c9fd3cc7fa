"""A connection, between uvicorn and the site: who says nothing is hung up on, and what isn't plainly framed is refused.

uvicorn itself bounds a request's head (16 KB) and holds a body back that nobody reads. How long a head may take, how
many connections there are, and what is told to who is refused before the site sees it, is decided here.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import h11
import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.failures import Unavailable
from intake.web.edge import HEADERS
from intake.web.problems import Problem, problem_of

log = structlog.get_logger()
CONNECTIONS: Final = 1000
CROWDED: Final = 900  # from here on, who comes takes the place of who has said nothing for longest
# Chunks of a byte each cost more time than a body of any size: so many, and one for each of these bytes.
CHUNKS: Final = 20_000
CHUNK_BYTES: Final = 256


class Framed(h11.Connection):
    """Refuses what two servers in a row might read in two ways (RFC 9112 6.1), and bodies in crumbs."""

    _chunks = _taken = 0

    def next_event(self) -> Any:
        """See h11. Raises `h11.RemoteProtocolError`."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._taken = 0
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version == b"1.0"):
                raise h11.RemoteProtocolError("the length of the body is said in two ways")
        elif isinstance(event, h11.Data) and event.chunk_start:
            self._chunks += 1
            self._taken += len(event.data)
            if self._chunks > CHUNKS + self._taken // CHUNK_BYTES:
                raise h11.RemoteProtocolError("the chunks are too small")
        return event


async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in the site's place, where there are too many connections."""
    response = _told(problem_of(Unavailable("too many connections")))
    await response(scope, receive, send)


def _told(problem: Problem) -> Any:
    """Return the answer, with what all answers of ours have; one line says that it was given."""
    request_id = secrets.token_hex(8)
    log.info("http_refused", status=problem.status, request_id=request_id)
    response = problem.response(request_id)
    response.headers.update(HEADERS | {"X-Request-Id": request_id, "Connection": "close"})
    return response


class Protocol(H11Protocol):
    """uvicorn's protocol, which also hangs up on who says nothing after connecting, or doesn't come to the end of a
    request's head: such connections count."""

    _late: asyncio.TimerHandle | None = None
    _quiet_since = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = Framed(h11.SERVER)
        self._site = self.app

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        if len(self.connections) >= CROWDED:
            self._make_room()
        super().connection_made(transport)
        self._quiet_since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _make_room(self) -> None:
        """Hang up on who has been without a request for longest, so that nobody holds the door by holding still."""
        quiet = [one for one in self.connections if isinstance(one, Protocol) and one.is_quiet()]
        if quiet:
            min(quiet, key=lambda one: one._quiet_since).transport.close()

    def is_quiet(self) -> bool:
        """Is nothing asked here, and nothing being answered?"""
        return not self._at_work() and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        if self._at_work():
            self._in_time()
        elif self._late is None:  # more bytes of the head give no more time
            self._late = self.loop.call_later(self.timeout_keep_alive, self._too_late)

    def handle_events(self) -> None:
        """See uvicorn."""
        full = len(self.connections) > CONNECTIONS or len(self.tasks) >= CONNECTIONS
        self.app = crowded if full else self._site
        super().handle_events()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; where it comes in the middle of an answer, hang up. See uvicorn."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = _told(
                Problem(400, "bad_request", "Bad request", "this is not plainly a request of HTTP")
            )
            told = h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request")
            for event in (told, h11.Data(data=response.body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._quiet_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._in_time()
        super().connection_lost(exc)

    def _at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if not self._at_work() and not self.transport.is_closing():
            self.transport.close()
