"""What is refused before the site sees it: a browser gets a page with words, a program the problem document."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.failures import TooMany, Unavailable
from intake.web import edge
from tests.web.browser import HTML
from tests.web.stage import client, parts_with, serving

BROWSERS = (
    HTML["Accept"],
    "text/html",
    "text/*",
    "text/html, application/json;q=0.9",
    "application/json;q=0.1, text/html;q=0.2",
    "TEXT/HTML ; q=1",
)
PROGRAMS = (
    "",
    "*/*",
    "application/json",
    "application/problem+json",
    "text/html;q=0",
    "text/html;q=0.5, application/json",
    "text/html;q=nan",
    "application/*, text/html;q=0.9",
    "nonsense;;;,,q=",
)


def is_page(answer: httpx.Response, words: str) -> bool:
    """Whether it is a page of ours that says this; if not, it is a problem document."""
    if answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["id"] == answer.headers["x-request-id"]
        return False
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "<h1" in answer.text
    assert words in answer.text
    return True


async def _asked(http: httpx.AsyncClient, accept: str | None, **more: Any) -> httpx.Response:
    request = http.build_request("POST", "/report-issue", **more)
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    return await http.send(request)


@pytest.mark.parametrize("accept", [*BROWSERS, *PROGRAMS, None])
async def test_what_is_too_large(accept: str | None) -> None:
    async with serving(parts_with()) as url, client(url) as http:
        answer = await _asked(http, accept, content=b"x" * (edge.JSON_LIMIT + 1))
        assert answer.status_code == 413
        assert is_page(answer, "The body may have") == (accept in BROWSERS)


@pytest.mark.parametrize("accept", [HTML["Accept"], "*/*", None])
async def test_what_is_too_much_or_not_there(accept: str | None) -> None:
    """429 by the counters, 503 without the database, 404, 405, 500."""
    page = accept == HTML["Accept"]

    report = {"title": "T", "description": "D", "email": "a@b.example"}
    for failure, status, words in (
        (TooMany("too many reports"), 429, "Too many reports."),
        (Unavailable(), 503, "Nothing was lost or changed"),
        (RuntimeError("secret"), 500, "It is in our log. Its number is "),
    ):
        async with serving(parts_with(failure)) as url, client(url) as http:
            answer = await _asked(http, accept, json=report)
            assert answer.status_code == status
            assert is_page(answer, words) == page
            assert ("retry-after" in answer.headers) == (status != 500)
            assert "secret" not in answer.text
    async with serving(parts_with()) as url, client(url) as http:
        headers = {} if accept is None else {"Accept": accept}
        missing = await http.get("/nothing", headers=headers)
        assert missing.status_code == 404
        assert is_page(missing, "There is no such page.") == page
        odd = await http.delete("/healthz", headers=headers)
        assert odd.status_code == 405
        assert is_page(odd, "takes no such request") == page


async def test_the_limits_of_a_minute() -> None:
    """Loopback is spared, a token isn't."""
    async with serving(parts_with(http={"requests_per_token": 1})) as url, client(url, "right") as http:
        await http.get("/view-tickets")
        for accept in (HTML["Accept"], "*/*"):
            answer = await http.get("/view-tickets", headers={"Accept": accept})
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 0
            assert is_page(answer, "Too many requests; please wait") == (accept != "*/*")


async def test_no_name_of_the_host_is_asked_for() -> None:
    """Links come from the configuration alone, so any Host is answered alike."""
    async with serving(parts_with()) as url, client(url) as http:
        for host in ("desk.example.com", "evil.example", "127.0.0.1:1"):
            answer = await http.get("/sign-in", headers={"Host": host, **HTML})
            assert answer.status_code == 200
            assert host not in answer.text
