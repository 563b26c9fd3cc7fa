"""The outermost layer: bodies, headers, failures, measurements."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from intake.web import edge
from intake.web.edge import HEADERS, Edge
from intake.web.metrics import Metrics

LIMIT = 1000


class Answer:
    """What came back of one request."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _ask(
    app: Any,
    pieces: Iterable[bytes] = (),
    *,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    metrics: Metrics | None = None,
    pause: float = 0.0,
) -> tuple[Answer, int]:
    """Ask through the edge; returns the answer and how many pieces of the body were taken."""
    waiting = list(pieces)
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        await asyncio.sleep(pause)
        if not waiting:
            return {"type": "http.disconnect"}
        taken += 1
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": "/x", "headers": raw}
    answer = Answer()
    layer = Edge(app, metrics=metrics or Metrics(), limit=LIMIT)
    await layer(scope, receive, answer.send)
    return answer, taken


async def test_a_body_is_passed_on_whole() -> None:
    """In whatever pieces it came."""
    answer, _ = await _ask(_echo, [b"ab", b"", b"cd"], headers={"transfer-encoding": "chunked"})
    assert (answer.status, answer.body) == (200, b"abcd")


async def test_every_answer_has_our_headers() -> None:
    """An answer's own value for one of them stays."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-security-policy", b"sandbox")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    plain, own = (await _ask(_echo))[0], (await _ask(app))[0]
    assert {name: plain.headers[name.lower()] for name in HEADERS} == HEADERS
    assert own.headers["content-security-policy"] == "sandbox"
    assert plain.headers["x-request-id"] != own.headers["x-request-id"]


@pytest.mark.parametrize("headers", [{"content-length": "2000"}, {"transfer-encoding": "chunked"}])
async def test_too_large_a_body_is_refused_before_the_site_sees_it(headers: dict[str, str]) -> None:
    """413, and its sender may finish, so that they read the answer."""
    answer, taken = await _ask(_never, [b"x" * 400] * 5, headers=headers)
    assert (answer.status, taken) == (413, 5)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


async def test_who_waits_for_leave_gets_none() -> None:
    """`Expect: 100-continue` with too large a body is answered without taking a byte."""
    headers = {"content-length": "2000", "expect": "100-continue"}
    answer, taken = await _ask(_never, [b"x" * 2000], headers=headers)
    assert (answer.status, taken) == (413, 0)


@pytest.mark.parametrize("length", ["-1", "+5", "9" * 30, "x", "٣"])
async def test_an_odd_length_is_no_crash(length: str) -> None:
    """What the server lets through is counted anyway."""
    answer, _ = await _ask(_echo, [b"x"], headers={"content-length": length})
    assert answer.status == 200


async def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """408, after a time for the whole of it."""
    monkeypatch.setattr(edge, "BODY_TIMEOUT", 0.05)
    answer, taken = await _ask(_never, [b"x"] * 100, headers={"transfer-encoding": "chunked"}, pause=0.01)
    assert answer.status == 408
    assert taken < 100


async def test_who_hangs_up_is_not_answered() -> None:
    """Nobody is there to read it, and the site saw nothing."""
    answer, _ = await _ask(_never, [], headers={"content-length": "5"})
    assert answer.status == 0


async def test_few_large_bodies_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones go on meanwhile."""
    monkeypatch.setattr(edge, "SMALL", 10)
    monkeypatch.setattr(edge, "LARGE_AT_ONCE", 1)
    monkeypatch.setattr(edge, "BODY_TIMEOUT", 0.05)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        if len(body) > 10:
            inside.set()
            await leave.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    layer = Edge(app, metrics=Metrics(), limit=LIMIT)

    async def ask(body: bytes) -> int:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        answer = Answer()
        headers = [(b"content-length", str(len(body)).encode())]
        await layer({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, answer.send)
        return answer.status

    first = asyncio.create_task(ask(b"x" * 20))
    await inside.wait()
    assert await ask(b"x" * 5) == 200
    assert await ask(b"x" * 20) == 503
    leave.set()
    assert await first == 200
    assert await ask(b"x" * 20) == 200


async def test_our_mistake_is_logged_under_the_id_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """500 without a word of the exception."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret")

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer, _ = await _ask(app)
    assert answer.status == 500
    assert b"secret" not in answer.body
    failed = next(entry for entry in logs if entry["event"] == "http_failed")
    assert failed["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"].encode() in answer.body


async def test_an_answer_that_broke_off_is_cut() -> None:
    """No second answer is written into the first."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    with pytest.raises(RuntimeError, match="late"):
        await _ask(app)


async def test_head_is_a_get_to_the_site() -> None:
    """The server leaves the body out."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await _echo(scope, _empty, send)

    assert (await _ask(app, method="HEAD"))[0].status == 200
    assert seen == ["GET"]


async def test_one_line_and_one_measurement_a_request() -> None:
    """By the route's template: paths hold tokens, and are without number."""
    metrics = Metrics()
    with structlog.testing.capture_logs() as logs:
        await _ask(_echo, metrics=metrics)
    assert [(entry["event"], entry["route"], entry["status"]) for entry in logs] == [
        ("http_request", "unmatched", 200)
    ]
    labels = {"method": "POST", "route": "unmatched", "status": "200"}
    assert metrics.registry.get_sample_value("relaydesk_http_request_seconds_count", labels) == 1


async def test_nothing_of_the_request_before_stays_in_the_log() -> None:
    """A connection's requests share one context; who asked first is not who asks next."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        structlog.contextvars.bind_contextvars(user_id=7)
        await _echo(scope, _empty, send)

    await _ask(app)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await _ask(_echo)
    assert "user_id" not in logs[-1]


async def _never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the site must not see this")


async def _empty() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
