"""The door of the Web API: reading a call, checking token and scopes, meeting faults, answering.

docs.slack.dev/apis/web-api: GET or POST, JSON, form or multipart; `{ok: false, error}` comes with status 200.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import BasicAuth, web

from sandbox import (  # noqa: F401 - they fill METHODS
    auth_api,
    chat,
    chat_more,
    conversations,
    directory,
    files_api,
    reactions,
    views_api,
)
from sandbox.chaos import Chaos
from sandbox.faults import Fault, Faults
from sandbox.interactions import Interactions
from sandbox.methods import METHODS, Asked, Method
from sandbox.oauth import Grants
from sandbox.rates import Rates
from sandbox.shapes import Call, Json, SlackError
from sandbox.socket_mode import SocketHub
from sandbox.views import Views
from sandbox.workspace import Workspace

JSON_MAX = 64 * 1024 * 1024


class WebApi:
    """Answers `POST /api/{method}`."""

    def __init__(
        self,
        space: Workspace,
        interactions: Interactions,
        views: Views,
        sockets: SocketHub,
        faults: Faults,
        tokens: dict[str, str],
    ) -> None:
        self.space, self.interactions, self.views, self.sockets = space, interactions, views, sockets
        self.faults = faults
        self.rates = Rates(space.clock.now)
        self.chaos: Chaos | None = None
        self.oauth: Grants | None = None
        self._tokens = tokens  # token: "bot" or "app"
        self.in_flight = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        name = request.match_info["method"]
        self.in_flight += 1
        try:
            return await self._serve(request, name)
        finally:
            self.in_flight -= 1
            self.space.pulse.beat()

    async def _serve(self, request: web.Request, name: str) -> web.StreamResponse:
        if self.faults.is_down:
            self.faults.met["down"] += 1
            return web.Response(status=503, text="<html><body>Service Unavailable</body></html>")
        args, token = await read_args(request)
        call = Call(name, args)
        self.space.calls.append(call)
        fault = self.fault(name, args)
        if fault and fault.kind == "drop_request":
            return _cut(request)
        if fault and fault.kind != "drop_answer":
            early = await self._faulty(fault, call)
            if early is not None:
                return early
        wait = self.rates.wait(name, args) if self.faults.strict_rates else 0
        if wait:
            return self._limited(call, wait)
        call.answer = _unreadable(request, args) or await self._answer(name, args, token, _basic(request))
        if fault and fault.kind == "drop_answer":
            return _cut(request)
        return self._respond(call.answer, name)

    async def behind_faults(
        self, name: str, request: web.Request, door: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        """The doors beside the API meet faults by these names: `upload`, `download`, `response_url`."""
        fault = self.fault(name, {})
        if fault and fault.kind == "ratelimit":
            return web.Response(status=429, headers={"Retry-After": str(fault.retry_after)})
        if self.faults.is_down or (fault and fault.kind == "http_error"):
            return web.Response(status=fault.status if fault else 503, text="<html><body>Error</body></html>")
        if fault and fault.kind == "drop_request":
            return _cut(request)
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        answer = await door()
        return _cut(request) if fault and fault.kind == "drop_answer" else answer

    def fault(self, name: str, args: Json) -> Fault | None:
        """What this call meets: what was set for it, else what chaos has for it."""
        found = self.faults.take(name)
        return found or (self.chaos.of_call(name, args) if self.chaos else None)

    async def _faulty(self, fault: Fault, call: Call) -> web.Response | None:
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.kind == "ratelimit":
            return self._limited(call, fault.retry_after)
        if fault.kind == "http_error":
            call.status = fault.status
            return web.Response(status=fault.status, text="<html><body>Server Error</body></html>")
        call.answer = {"ok": False, "error": fault.error}
        return self._respond(call.answer, call.method)

    def _limited(self, call: Call, seconds: int) -> web.Response:
        call.status = 429
        call.answer = {"ok": False, "error": "ratelimited"}
        return web.json_response(call.answer, status=429, headers={"Retry-After": str(seconds)})

    async def _answer(self, name: str, args: Json, token: str, basic: tuple[str, str]) -> Json:
        try:
            method = METHODS.get(name)
            if method is None:
                raise SlackError("unknown_method", req_method=name)
            self._check(method, args, token)
            asked = Asked(self.space, self.interactions, self.views, self, args, basic)
            asked.need(*method.scopes)
            return {"ok": True} | await method.handler(asked)
        except SlackError as refused:
            return {"ok": False, "error": refused.error} | refused.more

    def _check(self, method: Method, args: Json, token: str) -> None:
        if method.by != "none":
            if not token:
                raise SlackError("not_authed")
            kind = self._tokens.get(token)
            if kind is None:
                raise SlackError("invalid_auth")
            if kind == "bot" and self.space.revoked:
                raise SlackError(self.space.revoked)
            if kind != method.by:
                raise SlackError("not_allowed_token_type")
        missing = [name for name in method.required if args.get(name) in (None, "")]
        if missing:
            messages = [f"[ERROR] missing required field: {name}" for name in missing]
            raise SlackError("invalid_arguments", response_metadata={"messages": messages})

    def _respond(self, answer: Json, name: str) -> web.Response:
        headers = {"x-oauth-scopes": ",".join(sorted(self.space.scopes)), "x-slack-req-id": "sandbox"}
        method = METHODS.get(name)
        if method and method.scopes:
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
        return web.json_response(answer, headers=headers)


def _basic(request: web.Request) -> tuple[str, str]:
    try:
        given = BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        return "", ""
    return given.login, given.password


def _cut(request: web.Request) -> web.Response:
    """Close the connection instead of answering."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


_ARGUMENT = re.compile(r"\w+(\[\])?", re.ASCII)
_READABLE = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


def _unreadable(request: web.Request, args: Json) -> Json | None:
    """The refusal of a call whose form says nothing."""
    wrong = ""
    if request.method == "POST" and request.body_exists and request.headers.get("Content-Length") != "0":
        if "Content-Type" not in request.headers:
            wrong = "missing_post_type"
        elif request.content_type not in _READABLE:
            wrong = "invalid_post_type"
    if not all(_ARGUMENT.fullmatch(name) for name in args):
        wrong = "invalid_arg_name"
    elif any(name.endswith("[]") for name in args):
        wrong = "invalid_array_arg"
    return {"ok": False, "error": wrong} if wrong else None


async def read_args(request: web.Request) -> tuple[Json, str]:
    """A call's arguments, wherever they are, and its token."""
    args: Json = dict(request.query)
    kind = request.content_type
    if request.method == "POST":
        if kind == "application/json":
            args |= _object(await request.text())
        elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            args |= {key: _field(value) for key, value in (await request.post()).items()}
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    in_form = str(args.pop("token", ""))
    return args, bearer if scheme.lower() == "bearer" else in_form


def _object(text: str) -> Json:
    try:
        body = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _field(value: Any) -> Any:
    return value.file.read() if isinstance(value, web.FileField) else value
