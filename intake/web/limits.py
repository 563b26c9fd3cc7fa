"""So many requests a minute from one token and from one network address; more are answered with 429 and `Retry-After`.

Counted in memory, by each process that serves: what is asked of several instances may be that many times more. Who
writes without a token is braked besides by the counters of `core.brakes`, which all instances share.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from datetime import timedelta
from hashlib import sha256
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.config import Http
from core.failures import TooMany
from intake.web.bodies import network_in
from intake.web.problems import answer_to, problem_of

MINUTE: Final = 60.0
MOST_KEYS: Final = 20_000  # that are remembered; who was quiet for longest is forgotten first
# Monitors ask often; Slack sends all workspaces' events from few addresses, signed.
_BY_COOKIE: Final = ("/ui/", "/sign-in", "/confirm/", "/unsubscribe/", "/preferences")  # no token counts here
_SPARED: Final = frozenset({"/healthz", "/readyz", "/metrics", "/slack/events"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Meter:
    """Lets so many through a minute for each key: all of them at once, or evenly."""

    def __init__(self, limit: int, most_keys: int = MOST_KEYS) -> None:
        self._step, self._most = MINUTE / limit, most_keys
        self._until: dict[
            Hashable, float
        ] = {}  # when a key has all of its minute again; the latest used last

    def take(self, key: Hashable, now: float) -> float:
        """Count one more at `now` (seconds of a steady clock). Returns 0, or in how many seconds there is room again;
        what is refused isn't counted."""
        until = max(self._until.pop(key, now), now)
        wait = until + self._step - now - MINUTE
        refused = wait > self._step / 1000  # less is only rounding
        self._until[key] = until if refused else until + self._step
        if len(self._until) > self._most:
            del self._until[next(iter(self._until))]
        return wait if refused else 0.0


class Limits:
    """ASGI middleware that counts every request, and answers those that are too many."""

    def __init__(self, app: ASGIApp, *, config: Http, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._tokens = Meter(config.requests_per_token)
        self._addresses = Meter(config.requests_per_address)
        self._posts = Meter(config.posts_per_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in _SPARED and (wait := self._wait(scope)):
            await _refusal(scope, wait)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        now, token = self._clock(), _token(scope)
        network = network_in(scope)
        wait = self._tokens.take(token, now) if token else 0.0
        if network and not wait:
            wait = self._addresses.take(network, now)
            counted = not token or scope["path"].startswith(_BY_COOKIE)
            if counted and not wait and scope["method"] not in _SAFE:
                wait = self._posts.take(network, now)
        return wait


def _token(scope: Scope) -> bytes:
    """Return what a token is counted as, valid or not; nothing where there is none."""
    _, _, token = Headers(scope=scope).get("authorization", "").strip().partition(" ")
    return sha256(token.strip().encode("latin-1", "replace")).digest() if token.strip() else b""


def _refusal(scope: Scope, wait: float) -> Response:
    seconds = max(1, math.ceil(wait))
    words = f"too many requests; please wait for {seconds} second{'s' if seconds > 1 else ''}"
    return answer_to(Request(scope), problem_of(TooMany(words, timedelta(seconds=seconds))))
