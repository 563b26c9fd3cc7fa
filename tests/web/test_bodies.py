"""Uploads are handed on as they come, counted and timed; everything else is read whole first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from intake.web import bodies
from intake.web.bodies import is_upload
from intake.web.edge import Edge
from intake.web.metrics import Metrics

LIMIT = 1000
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


def _scope(path: str = "/report-issue", method: str = "POST", **headers: str) -> Scope:
    named = {
        "content-type": MULTIPART["content-type"],
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http", "method": method, "path": path, "headers": raw}


@pytest.mark.parametrize(
    ("scope", "upload"),
    [
        (_scope(), True),
        (_scope("/tickets/7/messages"), True),
        (_scope("/ui/tickets/7/reply"), True),
        (_scope("/ui/tickets/7/status"), False),
        (_scope("/tickets/x/messages"), False),
        (_scope("/report-issue/"), False),
        (_scope(method="PUT"), False),
        (_scope(content_type="application/json"), False),
    ],
)
def test_what_may_bring_files(scope: Scope, upload: bool) -> None:
    assert is_upload(scope) is upload


class _Line:
    """A client that sends pieces, and how many of them were taken."""

    def __init__(self, *pieces: bytes, pause: float = 0.0, hangs_up: bool = False) -> None:
        self.pieces, self.pause, self.hangs_up = list(pieces), pause, hangs_up
        self.taken = self.status = 0

    async def receive(self) -> Message:
        await asyncio.sleep(self.pause)
        if not self.pieces:
            return {"type": "http.disconnect"}
        self.taken += 1
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or self.hangs_up}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]


async def _through(line: _Line, app: Any, **headers: str) -> None:
    await Edge(app, metrics=Metrics(), limit=LIMIT)(_scope(**headers), line.receive, line.send)


async def _whole(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_pieces_come_one_by_one() -> None:
    line = _Line(b"a", b"b", b"c")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert line.taken == 0
        assert (await receive())["body"] == b"a"
        assert line.taken == 1
        await _whole(scope, receive, send)

    await _through(line, app)
    assert (line.status, line.taken) == (200, 3)


async def test_what_nobody_reads_is_read_on_before_the_answer() -> None:
    """So that who is refused early sees the answer and not a reset."""
    line = _Line(b"a", b"b", b"c")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await _through(line, app)
    assert (line.status, line.taken) == (401, 3)


@pytest.mark.parametrize("declared", ["2000", ""])
async def test_too_large(declared: str) -> None:
    line = _Line(*[b"x" * 400] * 5)
    await _through(line, _whole, **({"content_length": declared} if declared else {}))
    assert (line.status, line.taken) == (413, 5)


async def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that is too long, or too many short ones."""
    for name in ("UPLOAD_PAUSE", "UPLOAD_TIMEOUT"):
        with monkeypatch.context() as patch:
            patch.setattr(bodies, name, 0.05)
            patch.setattr(bodies, "DRAIN_TIMEOUT", 0.05)
            line = _Line(*[b"x"] * 100, pause=0.2 if name == "UPLOAD_PAUSE" else 0.02)
            await _through(line, _whole)
            assert line.status == 408
            assert line.taken < 20


async def test_who_hangs_up_gets_no_answer() -> None:
    line = _Line(b"a", hangs_up=True)
    await _through(line, _whole)
    assert line.status == 0
