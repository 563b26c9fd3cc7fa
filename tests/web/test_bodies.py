"""Uploads are handed on as they come, counted and timed; everything else is read whole first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from core.failures import TooMany, Unavailable
from intake.web import bodies
from intake.web.bodies import UnderWay, is_upload
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
        self.headers: dict[str, str] = {}

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
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}


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


async def test_too_few_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte now and then is no upload; a slow line is, however long it takes in all."""
    monkeypatch.setattr(bodies, "UPLOAD_PAUSE", 0.2)
    monkeypatch.setattr(bodies, "DRAIN_TIMEOUT", 0.05)
    trickle = _Line(*[b"x"] * 100, pause=0.05)
    await _through(trickle, _whole)
    assert trickle.status == 408
    assert trickle.taken < 10
    slow = _Line(*[b"x" * 90] * 11, pause=0.05)  # 1.8 kB/s for three times as long
    await _through(slow, _whole)
    assert (slow.status, slow.taken) == (200, 11)


async def test_what_we_do_with_a_piece_isn_t_its_sender_s_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "UPLOAD_PAUSE", 0.2)
    line = _Line(*[b"x"] * 4)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def later() -> Message:
            await asyncio.sleep(0.15)
            return await receive()

        await _whole(scope, later, send)

    await _through(line, app)
    assert (line.status, line.taken) == (200, 4)


def test_of_one_network_a_part_of_all_bodies_is_waited_for() -> None:
    under_way = UnderWay(in_all=5, each=2, loopback=3)
    ends = [under_way.begin("203.0.113.7") for _ in range(2)]
    with pytest.raises(TooMany):
        under_way.begin("203.0.113.7")
    ends += [under_way.begin("") for _ in range(3)]
    with pytest.raises(TooMany):
        under_way.begin("")
    with pytest.raises(Unavailable):
        under_way.begin("198.51.100.1")
    for _ in range(2):
        ends[0]()  # counts once
    under_way.begin("203.0.113.7")
    with pytest.raises(TooMany):
        under_way.begin("203.0.113.7")


@pytest.mark.parametrize("kind", [MULTIPART["content-type"], "application/json"])
async def test_a_body_counts_until_it_is_there(kind: str) -> None:
    """Of whatever kind; what is done with it afterwards may take its time, and who hangs up or fails counts no more."""
    at_work, go, asked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        at_work.set()
        await go.wait()
        await _whole(scope, _nothing, send)

    async def halfway() -> Message:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    edge = Edge(app, metrics=Metrics(), limit=LIMIT)
    edge._bodies = UnderWay(loopback=1)
    scope = _scope(content_type=kind, content_length="5")
    line = _Line(b"abcde")
    first = asyncio.create_task(edge(scope, line.receive, line.send))
    await at_work.wait()
    half = asyncio.create_task(edge(scope, halfway, line.send))
    await asked.wait()
    refused = _Line(b"abcde")
    async with asyncio.timeout(10):
        await edge(scope, refused.receive, refused.send)
    assert (refused.status, refused.taken) == (429, 0)
    assert int(refused.headers["retry-after"]) > 0
    half.cancel()
    await asyncio.wait([half])
    go.set()
    for pieces in ((b"x" * 2000, b"x"), (b"abcde",)):
        last = _Line(*pieces)
        await edge(scope, last.receive, last.send)
    assert last.status == 200
    await first
    assert line.status == 200


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_who_hangs_up_gets_no_answer() -> None:
    line = _Line(b"a", hangs_up=True)
    await _through(line, _whole)
    assert line.status == 0
