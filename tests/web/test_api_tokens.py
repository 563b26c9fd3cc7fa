"""What an API token is for: all that its owner may, or less."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from core.failures import Invalid
from intake.web.auth import check_scope, scope_of
from intake.web.problems import OutOfScope
from tests.interfaces.counter import REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.stage import client

DAY = timedelta(days=1)


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _answers(desk: Counter, ticket_id: int, *scopes: str) -> dict[str, int]:
    token = await desk.parts.people.create_token("ada@example.com", DAY, scopes)
    path = f"/tickets/{ticket_id}"
    async with client(desk.url, token) as http:
        asked = {
            "see": await http.get(path),
            "list": await http.get("/view-tickets"),
            "figures": await http.get("/analyze-data"),
            "report": await http.post("/report-issue", json=REPORT),
            "report with files": await http.post(
                "/report-issue", data=REPORT, files={"files": ("a.txt", b"a")}
            ),
            "write": await http.post(f"{path}/messages", json={"message": "x"}),
            "write with files": await http.post(
                f"{path}/messages", data={"message": "x"}, files={"files": ("a.txt", b"a")}
            ),
            "set": await http.put(f"{path}/status", json={"status": "open"}),
            "assign": await http.put(f"{path}/assignee", json={"username": "ada"}),
        }
    for answer in asked.values():
        if answer.status_code == 403:
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            assert "scope" in answer.json()["detail"]
    return {name: answer.status_code for name, answer in asked.items()}


async def test_a_token_may_what_its_scopes_say(desk: Counter) -> None:
    ticket = (await desk.opened())["id"]
    everything = await _answers(desk, ticket)
    assert set(everything.values()) <= {200, 201}
    sees, reports = ("see", "list", "figures"), ("report", "report with files")
    for scopes, allowed in (
        (["read"], set(sees)),
        (["report"], set(reports)),
        (["write"], set(everything)),
        (["read", "report"], {*sees, *reports}),
        (["read", "write"], set(everything)),
    ):
        got = await _answers(desk, ticket, *scopes)
        expected = {name: code if name in allowed else 403 for name, code in everything.items()}
        assert got == expected, scopes


@on_sqlite
async def test_a_narrow_token_reads_pages_and_changes_nothing_by_them(desk: Counter) -> None:
    ticket = (await desk.opened())["id"]
    token = await desk.parts.people.create_token("ada@example.com", DAY, ["report"])
    async with client(desk.url, token) as http:
        answer = await http.get(f"/tickets/{ticket}", headers={"Accept": "text/html"})
        assert answer.status_code in (403, 404)
        assert (await http.get("/status")).status_code == 403


@on_sqlite
async def test_no_scope_is_made_up(desk: Counter) -> None:
    with pytest.raises(Invalid, match="read, report, write"):
        await desk.parts.people.create_token("ada@example.com", DAY, ["admin"])


def test_what_is_not_known_to_be_harmless_is_writing() -> None:
    assert scope_of("PATCH", "/report-issue/x") == scope_of("DELETE", "/tickets/1") == "write"
    check_scope((), "write")
    check_scope(("write",), "report")
    for have, needed in ((("report",), "write"), (("read",), "report"), (("report",), "read")):
        with pytest.raises(OutOfScope):
            check_scope(have, needed)
