"""Odd requests: bodies, methods, and what is told of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.evil import XSS
from tests.interfaces.counter import REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML
from tests.web.people import state_of
from tests.web.wire import raw

MARK = "zxcvb-of-the-attacker"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


# -- bodies ------------------------------------------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "null": (b"null", ""),
    "a list": (b"[]", ""),
    "a number": (b"1e999", ""),
    "not a number": (b'{"title": NaN, "description": "b"}', "a number is none"),
    "thousands of digits": (b'{"title": ' + b"9" * 10_000 + b"}", "a number is none"),
    "a thousand deep": (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deep"),
    "a thousand deep, by name": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "is nested too deep"),
    "a key twice": (b'{"title": "a", "title": "b", "description": "c"}', "a key is there twice"),
    "a key twice, within": (b'{"title": "a", "description": {"a": 1, "a": 2}}', "a key is there twice"),
    "no UTF-8": (b'{"title": "\xff", "description": "b"}', "is no UTF-8"),
    "UTF-16": ('{"title": "a", "description": "b"}'.encode("utf-16"), "is no UTF-8"),
    "half a character": (b'{"title": "a", "description": "\\ud800"}', ""),
    "a NUL": (b'{"title": "a", "description": "\\u0000"}', ""),
    "cut off": (b'{"title": "a", "descr', "is no JSON"),
    "two": (b"{}{}", "is no JSON"),
    "keys without end": (b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}", ""),
    "something packed": (b"\x1f\x8b\x08\x00", "is no UTF-8"),
}


@on_sqlite
async def test_odd_bodies_are_refused(desk: Counter) -> None:
    headers = {"Content-Type": "application/json"}
    for name, (content, said) in BODIES.items():
        for by in (desk.ann, desk.nobody):
            answer = await by.post("/report-issue", content=content, headers=headers)
            assert answer.status_code == 422, name
            assert said in answer.json()["detail"], name
            assert len(answer.content) < 20_000, name
    assert desk.store.count("tickets") == 0


@on_sqlite
async def test_large_bodies_are_refused_wherever_they_go(desk: Counter) -> None:
    huge = b" " * (3 * 1024 * 1024)
    for method, path in (
        ("POST", "/report-issue"),
        ("PUT", "/tickets/1/status"),
        ("POST", "/sign-in"),
        ("POST", "/nowhere"),
        ("POST", "/ui/sign-out"),
    ):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            answer = await desk.ann.request(method, path, content=huge, headers={"Content-Type": kind})
            assert answer.status_code == 413
            assert answer.json()["id"] == answer.headers["x-request-id"]


NO_REQUESTS = [
    "POST /report-issue HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "POST /report-issue HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /report-issue HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /report-issue HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "GET /view-tickets HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
    "GET /view-tickets HTTP/1.1\r\n\r\n",
    "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00",
]


@on_sqlite
async def test_what_is_no_request_is_no_trouble(desk: Counter) -> None:
    """No answer of ours, or one in the 400s; and the next is served."""
    for text in NO_REQUESTS:
        head, _ = await raw(
            desk, text.replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n", 1), hang_up=True
        )
        assert head == b"" or head.split()[1].startswith(b"4"), text
        assert (await desk.ann.get("/view-tickets")).status_code == 200


# -- methods -----------------------------------------------------------------------------------------------------


@on_sqlite
async def test_methods_that_no_route_has(desk: Counter) -> None:
    """TRACE repeats nothing, HEAD has no body, nothing but what is documented does anything."""
    ticket = await desk.opened()
    paths = (
        "/",
        f"/tickets/{ticket['id']}",
        "/view-tickets",
        "/report-issue",
        "/sign-in",
        "/healthz",
        "/nowhere",
    )
    before = state_of(desk)
    for path in paths:
        for method in ("TRACE", "TRACK", "CONNECT", "DELETE", "PATCH", "PROPFIND", "OPTIONS", "get"):
            text = f"{method} {path} HTTP/1.1\r\nHost: x\r\nCookie: {MARK}\r\nConnection: close\r\n\r\n"
            head, rest = await raw(desk, text)
            assert head.split()[1] in (b"400", b"404", b"405"), (method, path, head)
            assert MARK.encode() not in rest
        shown, asked = await desk.ada.get(path), await desk.ada.head(path)
        assert (asked.status_code, asked.content) == (shown.status_code, b"")
        assert asked.headers["content-type"] == shown.headers["content-type"]
    assert state_of(desk) == before
    override = {"X-HTTP-Method-Override": "PUT", "X-HTTP-Method": "DELETE"}
    assert (await desk.ada.get(paths[1], headers=override)).status_code == 200
    assert state_of(desk) == before


# -- what is told ------------------------------------------------------------------------------------------------


@on_sqlite
async def test_an_error_has_an_id_and_repeats_nothing(desk: Counter) -> None:
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    answers = [
        await desk.ann.post("/report-issue", json={**REPORT, "priority": MARK}),
        await desk.ann.post("/report-issue", json={"title": {"a": MARK}, "description": [MARK]}),
        await desk.nobody.post("/report-issue", json={**REPORT, "email": f"{MARK} <x>"}),
        await desk.nobody.post(
            "/report-issue", content=MARK.encode(), headers={"Content-Type": "application/json"}
        ),
        await desk.ann.post(f"{path}/messages", json={"message": "a", "visibility": MARK}),
        await desk.ada.put(f"{path}/status", json={"status": MARK}),
        await desk.ada.get("/view-tickets", params={"cursor": MARK}),
        await desk.ada.get("/view-tickets", params={"status": MARK}),
        await desk.ada.get("/view-tickets", params={"limit": MARK}),
        await desk.ada.get("/analyze-data", params={"since": MARK}),
        await desk.ada.get(f"/tickets/{MARK}"),
        await desk.ada.get(f"/{MARK}"),
        await desk.nobody.get("/view-tickets", headers={"Authorization": f"Bearer {MARK}"}),
        await desk.nobody.get("/view-tickets", headers={"Authorization": f"Basic {MARK}"}),
        await desk.ada.put(f"{path}/status", json={"status": "open"}, headers={"If-Match": MARK}),
        await desk.ann.post("/report-issue", json=REPORT, headers={"Idempotency-Key": f"{MARK} {MARK}"}),
    ]
    for answer in answers:
        problem = answer.json()
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["id"] == answer.headers["x-request-id"]
        assert set(problem) >= {"type", "title", "status", "detail", "id"}
        assert MARK not in answer.text
        assert "Traceback" not in answer.text
        assert "pydantic" not in answer.text


@on_sqlite
async def test_our_mistake_tells_nothing(desk: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as JSON nor as a page."""

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(MARK)

    for name in ("view_ticket", "show_ticket", "view_tickets", "create_ticket"):
        monkeypatch.setattr(desk.parts.manager, name, fail)
    for answer in (
        await desk.ann.get("/tickets/1"),
        await desk.ann.get("/tickets/1", headers=HTML),
        await desk.ann.get("/view-tickets"),
        await desk.ann.post("/report-issue", json=REPORT),
    ):
        assert answer.status_code == 500
        assert MARK not in answer.text
        assert answer.headers["x-request-id"] in answer.text


@on_sqlite
async def test_json_is_never_a_page(desk: Counter) -> None:
    """What people wrote comes back as it was, as JSON that no browser takes for anything else."""
    for evil in XSS:
        await _json_all_the_same(desk, evil)


async def _json_all_the_same(desk: Counter, evil: str) -> None:
    ticket = await desk.opened(title=f"T {evil}", description=f"D {evil}")
    path = f"/tickets/{ticket['id']}"
    await desk.ann.post(f"{path}/messages", json={"message": f"M {evil}"})
    shown = await desk.ada.get(path)
    assert shown.json()["title"] == f"T {evil}"
    assert shown.json()["messages"][1]["text"] == f"M {evil}"
    answers = [
        shown,
        await desk.ann.get("/view-tickets", params={"q": evil}),
        await desk.ann.get("/view-tickets", params={"status": evil}),
        await desk.ann.post("/report-issue", json={**REPORT, evil: 1}),
        await desk.ann.get(f"/{evil}"),
    ]
    for answer in answers:
        assert answer.headers["content-type"] in ("application/json", "application/problem+json")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
