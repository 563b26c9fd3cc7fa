"""The site as the network sees it: who is let in, what is refused before anybody is asked, how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from core.failures import NotAllowed, Unavailable
from intake.web import health
from intake.web.health import PartState, Readiness, State
from intake.web.site import WebDoor, build_site
from tests.waiting import port_answers
from tests.web.browser import field
from tests.web.stage import Answers, all_is_well, client, parts_with, serving

RIGHT = {"Authorization": "Bearer right"}
JSON = {"Content-Type": "application/json"}
REPORT = {"title": "Printer", "description": "Fire", "email": "ann@example.com"}


def _calls(parts: Any) -> list[str]:
    manager: Answers = parts.manager
    return [name for name, _, _ in manager.calls]


CHALLENGES = {
    b"": "",
    b"Bearer wrong": ', error="invalid_token"',
    b"Bearer": ', error="invalid_request"',
    b"Basic cmlnaHQ=": ', error="invalid_request"',
    b"right": ', error="invalid_request"',
    b"Bearer " + b"x" * 9000: ', error="invalid_token"',
    b"Bearer \xff\xfe": ', error="invalid_token"',
}
NEED_A_TOKEN: list[tuple[str, str, Any]] = [
    ("GET", "/view-tickets", None),
    ("GET", "/tickets/1", None),
    ("POST", "/tickets/1/messages", {"message": "x"}),
    ("PUT", "/tickets/1/status", {"status": "open"}),
    ("PUT", "/tickets/1/assignee", {"username": "ada"}),
    ("GET", "/analyze-data", None),
    ("GET", "/attachments/1", None),
]


async def test_nobody_gets_in_without_a_token() -> None:
    """401 with a challenge; the desk isn't asked."""
    parts = parts_with()
    async with serving(parts) as url, client(url) as http:
        for header, error in CHALLENGES.items():
            headers = [(b"Authorization", header)] if header else []
            for method, path, body in NEED_A_TOKEN:
                answer = await http.request(method, path, headers=headers, json=body)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == f'Bearer realm="relaydesk"{error}'
    assert _calls(parts) == []


async def test_a_wrong_token_is_not_taken_for_none() -> None:
    """A report with an expired token isn't silently a stranger's."""
    parts = parts_with()
    async with serving(parts) as url, client(url, "wrong") as http:
        assert (await http.post("/report-issue", json=REPORT)).status_code == 401
    assert _calls(parts) == []


NONSENSE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"{}",
    b'{"title": "x", "description": "y", "email": "a@b", "extra": 1}',
    b'{"title": {"a": 1}, "description": "y", "email": "a@b"}',
    b'{"title": "x\\r\\nBcc: c@d", "description": "y", "email": "a@b"}',
    b'{"title": "x", "description": "y", "email": "a@b\\r\\nBcc: c@d"}',
    b'{"title": "x", "description": "\\ud800", "email": "a@b"}',
    b'{"title": "x", "description": "\\u0000", "email": "a@b"}',
    b'{"title": NaN, "description": "y", "email": "a@b"}',
    b'{"title": "x", "description": "y"}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"9" * 100_000,
]


async def test_what_makes_no_sense_is_a_problem() -> None:
    """4xx, a problem document, and the desk isn't asked."""
    parts = parts_with()
    async with serving(parts) as url, client(url) as http:
        for body in NONSENSE:
            answer = await http.post("/report-issue", content=body, headers=JSON)
            assert answer.status_code in (400, 422)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
    assert _calls(parts) == []


async def test_only_json_is_json() -> None:
    """A page elsewhere could post text/plain or a form without asking the browser's leave."""
    parts = parts_with()
    async with serving(parts) as url, client(url) as http:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            content = json.dumps(REPORT).encode()
            answer = await http.post("/report-issue", content=content, headers={"Content-Type": kind})
            assert answer.status_code in (403, 422)
    assert _calls(parts) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_body_is_refused(stream: bool) -> None:
    """413, read by its sender, whether it says its length or not; the next request is served."""

    async def pieces() -> Any:
        for _ in range(64):
            yield b"x" * 65_536

    content = pieces() if stream else b"x" * 65_536 * 64
    async with serving(parts_with()) as url, client(url) as http:
        answer = await http.post("/report-issue", content=content, headers=JSON)
        assert answer.status_code == 413
        assert (await http.get("/healthz")).status_code == 200


async def test_the_configured_limit_counts() -> None:
    """`http.max_body_bytes` below what JSON may have."""
    parts = parts_with(http={"max_body_bytes": 1024})
    async with serving(parts) as url, client(url) as http:
        body = {**REPORT, "description": "x" * 2000}
        assert (await http.post("/report-issue", json=body)).status_code == 413


async def test_numbers_that_no_ticket_has() -> None:
    """Refused before a database sees them."""
    parts = parts_with()
    async with serving(parts) as url, client(url, "right") as http:
        for number in ("0", "-1", "1.5", "x", str(2**63), "9" * 5000):
            assert (await http.get(f"/tickets/{number}")).status_code == 422
    assert _calls(parts) == []


async def test_odd_idempotency_keys() -> None:
    """Printable ASCII of some length, or nothing at all."""
    async with serving(parts_with()) as url, client(url, "right") as http:
        for key in (b"", b"a b", b"x" * 201, b"\xe4"):
            headers = [(b"Idempotency-Key", key)]
            answer = await http.post("/tickets/1/messages", json={"message": "x"}, headers=headers)
            assert answer.status_code == 422


async def test_unknown_paths_and_methods_are_problems() -> None:
    """404; 405 with what is allowed."""
    async with serving(parts_with()) as url, client(url) as http:
        missing, wrong = await http.get("/nothing"), await http.delete("/view-tickets")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("failure", "status"),
    [(NotAllowed("managers only"), 403), (Unavailable("10.0.0.1 away"), 503), (KeyError("secret"), 500)],
)
async def test_failures_of_the_desk(failure: Exception, status: int) -> None:
    """The table's status; an unknown one is 500, and nothing of its text goes out."""
    async with serving(parts_with(failure)) as url, client(url, "right") as http:
        answer = await http.get("/tickets/1")
        assert answer.status_code == status
        assert answer.json()["id"] == answer.headers["x-request-id"]
        for word in ("secret", "10.0.0.1"):
            assert word not in answer.text


async def test_every_answer_is_guarded() -> None:
    """nosniff, no framing, no caching, no referrer: errors too."""
    async with serving(parts_with()) as url, client(url) as http:
        for path in ("/healthz", "/nothing", "/tickets/1", "/metrics", "/confirm/x"):
            headers = (await http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


async def test_strangers_reports_go_with_their_source() -> None:
    """The desk brakes by it, and tells by the key what was sent twice."""
    parts = parts_with(Unavailable())
    async with serving(parts) as url, client(url) as http:
        for change in ({}, {}, {"title": "Other"}):
            await http.post("/report-issue", json={**REPORT, **change}, headers={"Idempotency-Key": "k"})
    (_, first, one), (_, _, two), (_, _, three) = parts.manager.calls
    assert (first[0].address, one["source"]) == ("ann@example.com", "127.0.0.1")
    assert one["key"] == two["key"] == three["key"] == "k"


async def test_opening_the_confirmation_does_nothing() -> None:
    """Mail scanners open links; its one button posts. No script, nothing of the token on the page."""
    parts = parts_with(None)
    async with serving(parts) as url, client(url) as http:
        page = await http.get("/confirm/secret-token")
        assert _calls(parts) == []
        for forged in ({}, {"token": "0" * 64}):
            assert (await http.post("/confirm/secret-token", data=forged)).status_code == 403
        async with client(url) as other:
            token = field(page, "token")
            assert (await other.post("/confirm/secret-token", data={"token": token})).status_code == 403
        assert _calls(parts) == []
        gone = await http.post("/confirm/secret-token", data={"token": token})
    assert page.status_code == 200
    assert page.text.count("<button>") == 1
    assert '<form method="post">' in page.text
    assert "script" not in page.text + page.headers["content-security-policy"]
    assert "secret-token" not in page.text
    assert (gone.status_code, _calls(parts)) == (404, ["confirm"])


# -- health -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "status", "word"),
    [
        ((State.OK, State.OK, State.OK), 200, "ok"),
        ((State.OK, State.OK, State.DEGRADED), 200, "degraded"),
        ((State.DOWN, State.OK, State.DEGRADED), 503, "down"),
        ((State.OK, State.DOWN, State.OK), 503, "down"),
    ],
)
async def test_ready_names_each_part(states: tuple[State, ...], status: int, word: str) -> None:
    """503 for the database or a listener of ours; Slack away is no reason to send people elsewhere."""
    named = dict(zip(("database", "smtp", "slack"), states, strict=True))

    async def look() -> Readiness:
        return Readiness(tuple(PartState(name, state, "") for name, state in named.items()))

    async with serving(parts_with(), readiness=look) as url, client(url) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == status
    assert answer.json() == {"status": word, "parts": named, "details": {}}


async def test_a_look_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """And alive asks nobody."""
    monkeypatch.setattr(health, "PATIENCE", 0.05)

    async def look() -> Readiness:
        await asyncio.sleep(30)
        raise AssertionError

    async with serving(parts_with(), readiness=look) as url, client(url) as http:
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.head("/healthz")).status_code == 200


async def test_metrics_are_prometheus_text() -> None:
    """Requests by route template, rows by state."""
    async with serving(parts_with()) as url, client(url) as http:
        await http.get("/tickets/77")
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'relaydesk_inbox{state="new"} 1.0' in answer.text
    assert 'route="/tickets/{id}",status="401"' in answer.text
    assert "/tickets/77" not in answer.text


# -- Slack's events ----------------------------------------------------------------------------------------------


async def test_slack_events_are_passed_on_raw() -> None:
    """The signature is over the bytes; header names come in lower case."""
    seen: list[tuple[bytes, Mapping[str, str]]] = []

    async def take(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        seen.append((body, headers))
        return 200, {"Content-Type": "text/plain"}, b"challenge"

    async with serving(parts_with(), slack_events=take) as url, client(url) as http:
        answer = await http.post(
            "/slack/events", content=b'{"a": 1}\xff', headers={"X-Slack-Signature": "v0=1"}
        )
    assert (answer.status_code, answer.content) == (200, b"challenge")
    assert (seen[0][0], seen[0][1]["x-slack-signature"]) == (b'{"a": 1}\xff', "v0=1")


async def test_without_slack_there_is_no_such_path() -> None:
    """404, not 500."""
    async with serving(parts_with()) as url, client(url) as http:
        assert (await http.post("/slack/events", content=b"{}")).status_code == 404


# -- the door ----------------------------------------------------------------------------------------------------


async def test_closing_finishes_what_is_in_hand() -> None:
    """A request under way is answered; afterwards nobody listens."""
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        inside.set()
        await leave.wait()
        raise NotAllowed("in the end")

    door = WebDoor(build_site(parts_with(slow), readiness=all_is_well), "127.0.0.1", 0)
    await door.start()
    async with client(f"http://127.0.0.1:{door.port}", "right") as http:
        asked = asyncio.create_task(http.get("/tickets/1"))
        await inside.wait()
        closing = asyncio.create_task(door.stop())
        await asyncio.sleep(0.15)
        leave.set()
        assert (await asked).status_code == 403
        await closing
    assert not port_answers(door.port)
    await door.stop()


async def test_closing_waits_for_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that hangs is cut off within seconds; an idle connection is no reason to wait."""
    monkeypatch.setattr("intake.web.site.DRAIN", 1)

    async def hang() -> None:
        await asyncio.sleep(60)

    door = WebDoor(build_site(parts_with(hang), readiness=all_is_well), "127.0.0.1", 0)
    await door.start()
    async with client(f"http://127.0.0.1:{door.port}", "right") as http:
        await http.get("/healthz")
        asked = asyncio.create_task(http.get("/tickets/1"))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await door.stop()
        assert time.monotonic() - began < 3
        with contextlib.suppress(httpx.HTTPError):
            assert (await asked).status_code == 500


async def test_who_doesnt_come_to_an_end_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head whose bytes come one by one gets no more time by that; a request under way does."""
    inside = asyncio.Event()

    async def slow() -> None:
        inside.set()
        await asyncio.sleep(0.8)
        raise NotAllowed("in the end")

    door = WebDoor(build_site(parts_with(slow), readiness=all_is_well), "127.0.0.1", 0)
    door._server.config.timeout_keep_alive = 0.4  # type: ignore[assignment]
    await door.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        drip = asyncio.create_task(_drip(writer))
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        drip.cancel()
        writer.close()
        async with client(f"http://127.0.0.1:{door.port}", "right") as http:
            assert (await http.get("/tickets/1")).status_code == 403
        assert inside.is_set()
    finally:
        await door.stop()


async def _drip(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)


async def test_a_taken_address_is_said_at_start() -> None:
    """An `OSError`, and the first one goes on."""
    site = build_site(parts_with(), readiness=all_is_well)
    first = WebDoor(site, "127.0.0.1", 0)
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await WebDoor(site, "127.0.0.1", first.port).start()
    assert port_answers(first.port)
    await first.stop()


async def test_answers_are_not_held_back() -> None:
    """With Nagle's algorithm each answer on a kept connection would wait 40 ms for an acknowledgement."""
    times = []
    async with serving(parts_with()) as url, client(url) as http:
        for _ in range(10):
            began = time.perf_counter()
            await http.get("/nothing")
            times.append(time.perf_counter() - began)
    assert min(times[1:]) < 0.02
