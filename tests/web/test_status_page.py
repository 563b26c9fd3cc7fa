"""`/status` in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.failures import Unavailable
from core.standing import Heap, standing
from intake.web import health, status_page
from tests.interfaces.counter import Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML
from tests.web.stage import client, parts_with, serving


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def test_staff_see_parts_jobs_and_what_waits(desk: Counter) -> None:
    await desk.opened()
    desk.store.execute("UPDATE deliveries SET state = 'failed'")
    number = desk.store.count("deliveries")
    assert number
    answer = await desk.grace.get("/status", headers=HTML)
    assert answer.status_code == 200
    for words in ("database", "Jobs", "Version", status_page.version(), "Schema", "Refresh"):
        assert words in answer.text
    assert f'<a href="/desk/failed">Look at the {number} that failed</a>' in answer.text
    assert re.search(r"Failed</th><td class=\"r\">\d+</td><td><time ", answer.text)
    assert "<meta http-equiv" not in answer.text
    assert "<script" not in answer.text
    assert "ann@customer.example" not in answer.text
    json = await desk.grace.get("/status")
    assert json.headers["content-type"] == "application/json"
    assert set(json.json()) == {"status", "parts", "details", "jobs", "failing"}
    for job in json.json()["jobs"]:
        assert f'<th scope="row">{job["name"]}</th>' in answer.text


async def test_heaps_know_their_oldest(desk: Counter) -> None:
    """Of each state by itself."""
    await desk.opened()
    await desk.opened(desk.ben)
    first = desk.store.value("SELECT MIN(id) FROM deliveries")
    desk.store.execute("UPDATE deliveries SET state = 'queued'")
    desk.store.execute("UPDATE deliveries SET state = 'bounced' WHERE id = :id", id=first)
    found = await standing(desk.parts, await desk.staff())
    heaps = {heap.state: heap for heap in found.outbox}
    count = desk.store.count("deliveries")
    assert (heaps["bounced"].n, heaps["queued"].n) == (1, count - 1)
    assert heaps["failed"] == Heap(state="failed", n=0)
    bounced, queued = heaps["bounced"].oldest, heaps["queued"].oldest
    assert bounced is not None
    assert queued is not None
    assert bounced <= queued
    assert (found.undelivered, found.unread) == (1, 0)


@on_sqlite
async def test_nobody_else_does(desk: Counter) -> None:
    assert (await desk.ann.get("/status", headers=HTML)).status_code == 404
    answer = await desk.nobody.get("/status", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/status")


async def test_it_is_shown_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(health, "_jobs", away)
    monkeypatch.setattr(status_page, "standing", away)
    async with serving(parts_with()) as url, client(url, "right") as http:
        answer = await http.get("/status", headers=HTML)
    assert answer.status_code == 200
    assert "The database doesn't answer" in answer.text.replace("&#39;", "'")
