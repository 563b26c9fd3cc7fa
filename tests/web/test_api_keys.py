"""Idempotency keys: one request sent twice, and two requests under one key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.interfaces.counter import REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store

KEY = {"Idempotency-Key": "one"}
STRANGER = {**REPORT, "email": "carl@customer.example", "name": "Carl"}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


def _same(one: httpx.Response, other: httpx.Response) -> bool:
    return (one.status_code, one.json(), one.headers.get("location")) == (
        other.status_code,
        other.json(),
        other.headers.get("location"),
    )


async def test_a_repeated_report_has_the_same_answer(desk: Counter) -> None:
    """Whatever became of the ticket meanwhile."""
    body = {**REPORT, "priority": "high"}
    first = await desk.ann.post("/report-issue", json=body, headers=KEY)
    path = f"/tickets/{first.json()['id']}"
    await desk.ada.post(f"{path}/messages", json={"message": "We look into it."})
    await desk.ada.put(f"{path}/assignee", json={"username": "grace"})
    await desk.ada.put(f"{path}/status", json={"status": "resolved"})
    again = await desk.ann.post("/report-issue", json=body, headers=KEY)
    assert first.status_code == 201
    assert _same(first, again)
    assert desk.store.count("tickets") == 1


@pytest.mark.parametrize(
    "change", [{"title": "Other"}, {"description": "Other"}, {"priority": "low"}, {"queue": "support"}]
)
@on_sqlite
async def test_another_report_under_a_used_key_is_refused(desk: Counter, change: dict[str, Any]) -> None:
    for http, body in ((desk.ann, REPORT), (desk.nobody, STRANGER)):
        first = await http.post("/report-issue", json=body, headers=KEY)
        other = await http.post("/report-issue", json={**body, **change}, headers=KEY)
        assert other.status_code == 422
        assert other.json()["type"] == "urn:relaydesk:problem:key_used"
        assert "Idempotency-Key" in other.json()["detail"]
        assert _same(first, await http.post("/report-issue", json=body, headers=KEY))
    assert desk.store.count("tickets") == 2


async def test_another_message_under_a_used_key_is_refused(desk: Counter) -> None:
    path = f"/tickets/{(await desk.opened())['id']}/messages"
    first = await desk.ada.post(path, json={"message": "Hello"}, headers=KEY)
    for body in ({"message": "Hello!"}, {"message": "Hello", "visibility": "note"}):
        refused = await desk.ada.post(path, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:relaydesk:problem:key_used")
    assert _same(first, await desk.ada.post(path, json={"message": "Hello"}, headers=KEY))
    assert desk.store.count("messages") == 2


async def test_two_reports_at_once_under_one_key(desk: Counter) -> None:
    """One is taken."""
    bodies = [{**REPORT, "title": f"Nr. {n}"} for n in range(4)]
    answers = await asyncio.gather(*(desk.ann.post("/report-issue", json=b, headers=KEY) for b in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]
    assert desk.store.count("tickets") == 1


@on_sqlite
async def test_files_are_part_of_the_request(desk: Counter) -> None:
    path = f"/tickets/{(await desk.opened())['id']}/messages"

    async def send(content: bytes, name: str = "a.txt") -> httpx.Response:
        files = {"files": (name, content)}
        return await desk.ada.post(path, data={"message": "See this"}, files=files, headers=KEY)

    first = await send(b"one")
    assert first.status_code == 201
    assert _same(first, await send(b"one"))
    assert (await send(b"two")).status_code == 422
    assert (await send(b"one", "b.txt")).status_code == 422
    assert desk.store.count("attachments") == 1


@on_sqlite
async def test_keys_of_an_older_version_are_good(desk: Counter) -> None:
    """It kept nothing of the request."""
    first = await desk.ann.post("/report-issue", json=REPORT, headers=KEY)
    desk.store.execute("UPDATE links SET remote = NULL")
    again = await desk.ann.post("/report-issue", json={**REPORT, "title": "Other"}, headers=KEY)
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 201])
@on_sqlite
async def test_keys_that_are_none(desk: Counter, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    answer = await desk.ann.post("/report-issue", json=REPORT, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
