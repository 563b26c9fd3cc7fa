"""Connections: what isn't plainly framed, who says nothing, and who only half says it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from intake.web import protocol
from intake.web.bodies import BODIES_PER_SOURCE
from intake.web.edge import HEADERS
from tests.waiting import until
from tests.web.stage import client, parts_with, serving

POST = b"POST /report-issue HTTP/1.1\r\nHost: x\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED, LENGTH = b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"


@asynccontextmanager
async def _line(url: str, *sent: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which this was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, limit=2**20)
    writer.writelines(sent)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """An answer after which the connection is closed."""
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


def _is_a_problem(headers: dict[str, str], body: bytes, status: int) -> None:
    assert {name: headers[name.lower()] for name in HEADERS} == {n: v.lower() for n, v in HEADERS.items()}
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert (json.loads(body)["status"], json.loads(body)["id"]) == (status, headers["x-request-id"])


@pytest.mark.parametrize(
    "text",
    [
        POST + LENGTH + CHUNKED + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        POST + CHUNKED + LENGTH + b"\r\n0\r\n\r\n",
        b"POST /report-issue HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + CHUNKED + b"\r\nzz\r\n",
        b"GET /healthz\r\n\r\n",
    ],
)
async def test_a_body_has_one_length(text: bytes) -> None:
    """Whoever passes it on may read another one: nothing after it is taken for a request."""
    async with serving(parts_with()) as url, _line(url, text) as (reader, _):
        status, headers, body = await _answer(reader)
        assert status == 400
        _is_a_problem(headers, body, 400)
        assert body.count(b"{") == 1


@pytest.mark.parametrize(("size", "status"), [(1, 400), (100, 422)])
async def test_a_body_in_crumbs_is_refused(size: int, status: int) -> None:
    """Each chunk takes its time, whatever its size; lines of some length may come one by one."""
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    text = POST + b"Connection: close\r\n" + JSON + CHUNKED + b"\r\n"
    async with serving(parts_with()) as url, _line(url, text) as (reader, writer):
        writer.write(chunk * (protocol.CHUNKS + 1_000 // size) + b"0\r\n\r\n")
        assert (await _answer(reader))[0] == status


async def test_who_says_nothing_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or doesn't come to the end of a head: the one of longest ago is hung up on for each who comes."""
    monkeypatch.setattr(protocol, "CONNECTIONS", 6)
    monkeypatch.setattr(protocol, "CROWDED", 4)
    async with serving(parts_with()) as url, client(url) as http:
        lines = []
        for n in range(12):
            open_line = _line(url, *([b"GET / HT"] if n % 2 else []))
            lines.append((open_line, (await open_line.__aenter__())[0]))
            assert (await http.get("/healthz", headers={"Connection": "close"})).status_code == 200
        async with asyncio.timeout(10):
            for _, reader in lines[:8]:
                assert await reader.read() == b""
        for one, _ in lines:
            await one.__aexit__(None, None, None)


async def test_too_many_at_work_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CONNECTIONS", 2)
    go, inside = asyncio.Event(), 0

    async def wait() -> None:
        nonlocal inside
        inside += 1
        await go.wait()

    async with serving(parts_with(wait)) as url, client(url, "right") as http:
        asked = [asyncio.create_task(http.get("/tickets/1")) for _ in range(2)]
        await until(lambda: inside == 2)
        async with _line(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _):
            status, headers, body = await _answer(reader)
        assert (status, headers["retry-after"]) == (503, "5")
        _is_a_problem(headers, body, 503)
        go.set()
        await asyncio.wait(asked)
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("kind", [b"multipart/form-data; boundary=b", b"application/json"])
async def test_one_network_doesn_t_shut_the_door(kind: bytes) -> None:
    """Bodies that don't come to their end: more than its part of them are refused at once, others' are taken."""
    one = b"Content-Type: " + kind + b"\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: 9000\r\n\r\n--b"
    async with serving(parts_with()) as url, client(url) as http:
        lines = [_line(url, POST, one) for _ in range(BODIES_PER_SOURCE)]
        readers = [(await line.__aenter__())[0] for line in lines]
        for _ in range(5):
            async with _line(url, POST, one) as (reader, _):
                status, headers, _ = await _answer(reader)
            assert (status, headers["connection"]) == (429, "close")
            assert int(headers["retry-after"]) > 0
        for address in ("198.51.100.1", ""):
            said = {"X-Forwarded-For": address} if address else {}
            assert (await http.post("/report-issue", json={}, headers=said)).status_code == 422
        assert not any(reader.at_eof() for reader in readers)
        for line in lines:
            await line.__aexit__(None, None, None)

        async def taken() -> bool:
            said = {"X-Forwarded-For": "203.0.113.7"}
            return (await http.post("/report-issue", json={}, headers=said)).status_code == 422

        await until(taken)
