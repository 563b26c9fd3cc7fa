"""INTERFACES.md, HTTP: each request on the real desk, as its table says."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.shapes import File, Visibility
from tests.interfaces.counter import ANN, REPORT, Counter, counter_on, on_sqlite
from tests.rolled import rolled_up
from tests.stores import Store
from tests.web.browser import presses

LINES = {
    ("post", "/report-issue"),
    ("get", "/view-tickets"),
    ("get", "/tickets/{id}"),
    ("post", "/tickets/{id}/messages"),
    ("put", "/tickets/{id}/status"),
    ("put", "/tickets/{id}/assignee"),
    ("get", "/analyze-data"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
}
TICKET = {
    "id",
    "title",
    "description",
    "status",
    "priority",
    "queue",
    "channel",
    "requester",
    "assignee",
    "created_at",
    "updated_at",
    "first_response_at",
    "resolved_at",
}
MESSAGE = {"id", "author", "visibility", "channel", "text", "attachments", "created_at"}
EVENT = {"id", "at", "kind", "actor", "data"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


@on_sqlite
async def test_the_document_has_every_line(desk: Counter) -> None:
    """And says for each what problems it may answer."""
    document = (await desk.nobody.get("/openapi.json")).json()
    found = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert found >= LINES
    for method, path in LINES - {("get", p) for p in ("/healthz", "/readyz", "/metrics", "/openapi.json")}:
        responses = document["paths"][path][method]["responses"]
        assert {"401", "422", "503"} <= set(responses)
        assert list(responses["422"]["content"]) == ["application/problem+json"]


def test_the_lines_are_those_of_the_interfaces(shared_folder: Path) -> None:
    """What isn't a page, and is in the table, is in `LINES`."""
    text = (shared_folder / "INTERFACES.md").read_text("utf-8")
    table = text[text.index("| request | answer |") : text.index("### Pages")]
    rows = [row for row in table.splitlines() if row.startswith("| `") and "text/html" not in row]
    named = re.findall(r"`(GET|POST|PUT) (/[^`?{ ]*(?:\{id\}[^`? ]*)?)", " ".join(rows))
    assert {(method.lower(), path) for method, path in named} == LINES


@on_sqlite
async def test_a_report_is_a_ticket(desk: Counter) -> None:
    """201 with the ticket and where it is; its shape is exactly the table's."""
    answer = await desk.ann.post("/report-issue", json={**REPORT, "priority": "high", "queue": "support"})
    assert answer.status_code == 201
    ticket = answer.json()
    assert answer.headers["location"] == f"/tickets/{ticket['id']}"
    assert set(ticket) == TICKET
    assert {key: ticket[key] for key in REPORT} == REPORT
    assert (ticket["status"], ticket["priority"], ticket["channel"]) == ("new", "high", "web")
    assert ticket["requester"]["email"] == ANN
    assert (ticket["assignee"], ticket["first_response_at"], ticket["resolved_at"]) == (None, None, None)
    assert INSTANT.fullmatch(ticket["created_at"])
    assert (await desk.shown(ticket["id"], desk.ann))["messages"][0]["text"] == REPORT["description"]


@on_sqlite
async def test_staff_report_for_others(desk: Counter) -> None:
    """The requester is who `email` names; a requester can't do that."""
    ticket = await desk.opened(desk.ada, email="Carl@Customer.Example", name="Carl")
    assert ticket["requester"] == {"name": "Carl", "email": "carl@customer.example"}
    forbidden = await desk.ann.post("/report-issue", json={**REPORT, "email": "carl@customer.example"})
    assert forbidden.status_code == 403
    assert (await desk.opened(desk.ann, email=ANN))["requester"]["email"] == ANN


@on_sqlite
async def test_an_unknown_queue_is_named(desk: Counter) -> None:
    """422, with the queues that there are."""
    answer = await desk.ann.post("/report-issue", json={**REPORT, "queue": "sales"})
    assert answer.status_code == 422
    assert "support" in answer.json()["detail"]


@on_sqlite
async def test_a_stranger_is_not_taken_to_be_who_they_say(desk: Counter) -> None:
    """Their answer holds what they wrote, and nothing that we know of the address; the ticket is unconfirmed."""
    await desk.parts.people.create_token("carl@customer.example", timedelta(days=1))
    ada = await desk.staff()
    await desk.opened(desk.ada, email="carl@customer.example", name="Carl Secret")
    answer = await desk.nobody.post("/report-issue", json={**REPORT, "email": "carl@customer.example"})
    assert answer.status_code == 201
    assert answer.json()["requester"] == {"name": "", "email": "carl@customer.example"}
    assert "Secret" not in answer.text
    assert (await desk.parts.manager.view_ticket(ada, answer.json()["id"])).ticket.unconfirmed
    assert (await desk.nobody.post("/report-issue", json=REPORT)).status_code == 422


async def test_a_stranger_gives_nobody_a_name(desk: Counter) -> None:
    """Who is known already keeps theirs, also none; who is new has the one that was given."""
    await desk.parts.people.create_token("carl@customer.example", timedelta(days=1))
    for email, name in (("carl@customer.example", ""), ("new@customer.example", "Call me now")):
        report = {**REPORT, "email": email, "name": "Call me now"}
        assert (await desk.nobody.post("/report-issue", json=report)).status_code == 201
        sql = "SELECT u.name FROM users u JOIN identities i ON i.user_id = u.id WHERE i.address = :email"
        assert desk.store.value(sql, email=email) == name


async def test_odd_cursors_and_times_are_refused_at_once(desk: Counter) -> None:
    """What a date can't be, what no row can be, and a text that took a pattern seconds."""
    for value in ('["0001-01-01T00:00:00+23:00", 1]', f'["2026-01-01T00:00:00+00:00", {10**40}]'):
        cursor = base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
        assert (await desk.ada.get("/view-tickets", params={"cursor": cursor})).status_code == 422
    began = time.process_time()
    answer = await desk.ada.get("/analyze-data", params={"since": "T00:00" * 8_000})
    assert answer.status_code == 422
    assert time.process_time() - began < 1


async def test_the_mailed_link_confirms(desk: Counter) -> None:
    """Opening it doesn't, its button does; the link's path is one that we serve."""
    ticket = await desk.opened(desk.nobody, email="carl@customer.example")
    url = _confirmation(desk.store)
    path = httpx.URL(url).path
    assert (await desk.nobody.get(path)).status_code == 200
    assert _unconfirmed(desk.store, ticket["id"])
    done = await presses(desk.nobody, path)
    assert done.status_code == 200
    assert str(ticket["id"]) in done.text
    assert not _unconfirmed(desk.store, ticket["id"])
    assert (await presses(desk.nobody, "/confirm/made-up")).status_code == 404


def _unconfirmed(store: Store, ticket_id: int) -> bool:
    return bool(store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=ticket_id))


def _confirmation(store: Store) -> str:
    """The link in the one mail that a stranger gets."""
    rows = store.rows("SELECT data FROM deliveries WHERE state = 'queued' AND kind = 'notice'")
    found = [match[0] for row in rows if (match := re.search(r'http[^"]*/confirm/[^"]+', str(row["data"])))]
    assert len(found) == 1
    return found[0]


async def test_the_list_has_pages(desk: Counter) -> None:
    """Newest activity first; the next page in a Link header that can be followed as it is."""
    ids = [(await desk.opened(title=f"Nr. {n}"))["id"] for n in range(5)]
    seen: list[int] = []
    answer = await desk.ada.get("/view-tickets?status=new&queue=support&requester=&q=&limit=2")
    while True:
        assert answer.status_code == 200
        seen += [ticket["id"] for ticket in answer.json()]
        if "next" not in answer.links:
            break
        assert answer.links["next"]["url"].startswith(f"{desk.url}/view-tickets?")
        answer = await desk.ada.get(answer.links["next"]["url"])
    assert seen == ids[::-1]


async def test_the_list_can_be_narrowed(desk: Counter) -> None:
    """By status, assignee, requester and words."""
    burning, other = await desk.opened(), await desk.opened(desk.ben, title="Mouse")
    await desk.ada.put(f"/tickets/{other['id']}/assignee", json={"username": "grace"})

    async def ids(query: str) -> list[int]:
        answer = await desk.ada.get(f"/view-tickets?{query}")
        assert answer.status_code == 200, answer.text
        return [ticket["id"] for ticket in answer.json()]

    assert await ids("status=new") == [burning["id"]]
    assert await ids("status=new,open") == await ids("status=new&status=open") == [other["id"], burning["id"]]
    assert await ids("assignee=grace") == [other["id"]]
    assert await ids(f"requester={ANN}") == [burning["id"]]
    assert await ids("q=mouse") == [other["id"]]
    assert await ids(f"q=%23{burning['id']}") == [burning["id"]]


@on_sqlite
async def test_messages_go_both_ways(desk: Counter) -> None:
    """201 with the message; the ticket has them in order, with its history."""
    ticket = await desk.opened()
    reply = await desk.ada.post(f"/tickets/{ticket['id']}/messages", json={"message": "On my way."})
    again = await desk.ann.post(f"/tickets/{ticket['id']}/messages", json={"message": "Hurry!"})
    assert (reply.status_code, again.status_code) == (201, 201)
    assert set(reply.json()) == MESSAGE
    assert reply.json()["author"]["staff"] is True
    shown = await desk.shown(ticket["id"])
    assert set(shown) == TICKET | {"messages", "events"}
    assert [m["text"] for m in shown["messages"]] == [REPORT["description"], "On my way.", "Hurry!"]
    assert [m["author"]["staff"] for m in shown["messages"]] == [False, True, False]
    assert all(set(event) == EVENT and INSTANT.fullmatch(event["at"]) for event in shown["events"])
    assert (shown["status"], bool(shown["first_response_at"])) == ("open", True)


@on_sqlite
async def test_statuses_move_by_the_table(desk: Counter) -> None:
    """409 names what is allowed; the status it has already is 200 and no event."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}/status"
    assert (await desk.ada.put(path, json={"status": "closed"})).json()["status"] == "closed"
    events = (await desk.shown(ticket["id"]))["events"]
    refused = await desk.ada.put(path, json={"status": "pending"})
    assert refused.status_code == 409
    assert set(refused.json()["allowed"]) == {"open", "closed"}
    same = await desk.ada.put(path, json={"status": "closed"})
    assert (same.status_code, same.json()["status"]) == (200, "closed")
    assert (await desk.shown(ticket["id"]))["events"] == events
    assert (
        await desk.ada.put(f"/tickets/{ticket['id']}/assignee", json={"username": "ada"})
    ).status_code == 409


@on_sqlite
async def test_somebody_is_assigned_and_nobody(desk: Counter) -> None:
    """An unknown name is refused; a new ticket is open once somebody has it."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}/assignee"
    taken = (await desk.ada.put(path, json={"username": "grace"})).json()
    assert (taken["assignee"], taken["status"]) == ("grace", "open")
    assert (await desk.ada.put(path, json={"username": "zoe"})).status_code in (404, 422)
    assert (await desk.ada.put(path, json={"username": None})).json()["assignee"] is None


async def test_figures_of_a_period(desk: Counter) -> None:
    """By default of the last 24 h; the flow adds up."""
    await desk.opened()
    done = await desk.opened()
    await desk.ada.put(f"/tickets/{done['id']}/status", json={"status": "resolved"})
    figures = (await desk.ada.get("/analyze-data")).json()
    assert (figures["came_in"], figures["resolved"], figures["backlog_end"]) == (2, 1, 1)
    since, until = (datetime.fromisoformat(figures[key]) for key in ("since", "until"))
    assert until - since == timedelta(days=1)
    assert abs(until - datetime.now(UTC)) < timedelta(minutes=1)
    day = "since=2020-01-01T00:00:00%2B01:00&until=2020-01-02T00:00:00Z&queue=support"
    old = (await desk.ada.get(f"/analyze-data?{day}")).json()
    assert (old["came_in"], old["since"]) == (0, "2019-12-31T23:00:00Z")


@pytest.mark.parametrize(
    "query",
    [
        "since=2020-01-02&until=2020-01-01",
        "since=x",
        "queue=sales",
        "colour=red",
        "until=0001-01-01T00:00:00Z",
        "since=2026-01-01T00:00:00Z&until=9999-12-31T23:59:59Z",
        "since=0001-01-01T00:00:00Z",
        "since=9999-12-30T00:00:00Z&until=9999-12-31T23:59:59Z",
        "since=1800-01-01&until=1899-12-31",
        "since=1969-12-31T23:59:59Z",
    ],
)
@on_sqlite
async def test_periods_that_make_no_sense(desk: Counter, query: str) -> None:
    """422."""
    assert (await desk.ada.get(f"/analyze-data?{query}")).status_code == 422


@on_sqlite
async def test_the_longest_period(desk: Counter) -> None:
    """Also where days are rolled up already, around which others are looked at."""
    await desk.opened()
    sql = "INSERT INTO rollups (day, queue, series, made_at) VALUES ('2020-01', '', :series, '2026-01-01 00:00:00')"
    desk.store.execute(sql, series='{"effect": {}}')
    rolled_up(desk.store, date(2019, 12, 30), date(2020, 2, 2))
    asked = {"since": "1970-01-01", "until": "9000-12-31T23:59:59.999999Z"}
    answer = await desk.ada.get("/analyze-data", params=asked)
    assert (answer.status_code, answer.json()["came_in"]) == (200, 1)


async def test_a_key_makes_once(desk: Counter) -> None:
    """The same Idempotency-Key again gives what it made; it is one's own, and its place's."""

    async def ask(who: httpx.AsyncClient, path: str, key: str, body: dict[str, Any]) -> int:
        answer = await who.post(path, json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    one = await ask(desk.ann, "/report-issue", "k", REPORT)
    assert await ask(desk.ann, "/report-issue", "k", REPORT) == one
    other = await ask(desk.ben, "/report-issue", "k", REPORT)
    second = await ask(desk.ann, "/report-issue", "k2", REPORT)
    assert len({one, other, second}) == 3
    stranger = {**REPORT, "email": "carl@customer.example"}
    third = await ask(desk.nobody, "/report-issue", "k", stranger)
    assert await ask(desk.nobody, "/report-issue", "k", stranger) == third
    fourth = await ask(desk.nobody, "/report-issue", "k", {**stranger, "email": "dora@customer.example"})
    assert len({one, other, second, third, fourth}) == 5
    hello = {"message": "Hello"}
    first = await ask(desk.ann, f"/tickets/{one}/messages", "k", hello)
    assert await ask(desk.ann, f"/tickets/{one}/messages", "k", hello) == first
    assert await ask(desk.ann, f"/tickets/{second}/messages", "k", hello) != first
    assert [m["text"] for m in (await desk.shown(one))["messages"]] == [REPORT["description"], "Hello"]


async def test_files_are_served_byte_for_byte(desk: Counter) -> None:
    """Under a name and type of ours, as a download, to who may see the message."""
    content = b"<script>alert(1)</script>\r\n\x00\xff"
    files = [File(name="Übung;x.html", content_type="text/html", size=len(content), content=content)]
    ticket = await desk.opened()
    ada = await desk.staff()
    await desk.parts.manager.exchange_messages(ada, ticket["id"], "see this", files=files)
    await desk.parts.manager.exchange_messages(
        ada, ticket["id"], "not for ann", visibility=Visibility.NOTE, files=files
    )
    open_one, secret = [
        message["attachments"][0] for message in (await desk.shown(ticket["id"]))["messages"][1:]
    ]
    assert open_one == {
        "filename": "Übung;x.html",
        "content_type": "application/octet-stream",
        "size": len(content),
        "url": open_one["url"],
    }
    answer = await desk.ann.get(open_one["url"])
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert (await desk.ann.get(secret["url"])).status_code == 404
    assert (await desk.ben.get(open_one["url"])).status_code == 404
    assert (await desk.nobody.get(open_one["url"])).status_code == 401
    assert (await desk.ada.get(secret["url"])).content == content
    assert (await desk.ada.get("/attachments/99999")).status_code == 404
