"""Who may see and do what over HTTP, and what happens to those who try anyway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from tests.interfaces.counter import ANN, REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.stage import client

SECRET = "the-note-that-nobody-outside-sees"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


@on_sqlite
async def test_another_s_ticket_is_not_there(desk: Counter) -> None:
    """Like one that doesn't exist, to the letter; nothing of it changes."""
    ticket = await desk.opened()
    before = await desk.shown(ticket["id"])
    for number, missing in ((ticket["id"], ticket["id"] + 1000),):
        for method, end, body in (
            ("GET", "", None),
            ("POST", "/messages", {"message": "let me in"}),
            ("PUT", "/status", {"status": "resolved"}),
        ):
            real = await desk.ben.request(method, f"/tickets/{number}{end}", json=body)
            none = await desk.ben.request(method, f"/tickets/{missing}{end}", json=body)
            assert (real.status_code, none.status_code) == (404, 404)
            assert real.json()["detail"] == none.json()["detail"].replace(str(missing), str(number))
    for path, body in (("status", {"status": "closed"}), ("assignee", {"username": "ada"})):
        assert (await desk.ben.put(f"/tickets/{ticket['id']}/{path}", json=body)).status_code in (403, 404)
    assert await desk.shown(ticket["id"]) == before


@on_sqlite
async def test_a_list_holds_one_s_own(desk: Counter) -> None:
    """Whatever one asks for."""
    mine, theirs = await desk.opened(), await desk.opened(desk.ben, title="Mouse")
    for query in ("", f"requester={ANN}", "q=printer", "q=mouse", f"q={mine['id']}", "status=new"):
        found = [ticket["id"] for ticket in (await desk.ben.get(f"/view-tickets?{query}")).json()]
        assert mine["id"] not in found
    assert [t["id"] for t in (await desk.ben.get("/view-tickets")).json()] == [theirs["id"]]
    assert len((await desk.grace.get("/view-tickets")).json()) == 2


@on_sqlite
async def test_notes_stay_with_the_staff(desk: Counter) -> None:
    """Not in the ticket, its history, the list's order, nor what a search finds; nor may a requester write one."""
    first, second = await desk.opened(), await desk.opened(title="Second")
    note = {"message": SECRET, "visibility": "note"}
    assert (await desk.grace.post(f"/tickets/{first['id']}/messages", json=note)).status_code == 201
    assert (await desk.ann.post(f"/tickets/{first['id']}/messages", json=note)).status_code == 403
    assert SECRET in json.dumps(await desk.shown(first["id"], desk.grace))
    seen = await desk.shown(first["id"], desk.ann)
    assert SECRET not in json.dumps(seen)
    assert [message["visibility"] for message in seen["messages"]] == ["public"]
    assert "note" not in {event["kind"] for event in seen["events"]}
    listed = (await desk.ann.get("/view-tickets")).json()
    assert [ticket["id"] for ticket in listed] == [second["id"], first["id"]]
    assert (await desk.ann.get(f"/view-tickets?q={SECRET}")).json() == []


@on_sqlite
async def test_a_note_does_not_show_in_the_times(desk: Counter) -> None:
    """`updated_at` moves for staff alone."""
    ticket = await desk.opened()
    before = await desk.shown(ticket["id"], desk.ann)
    await desk.grace.post(f"/tickets/{ticket['id']}/messages", json={"message": SECRET, "visibility": "note"})
    assert await desk.shown(ticket["id"], desk.ann) == before
    listed = (await desk.ann.get("/view-tickets")).json()
    assert [one["updated_at"] for one in listed] == [before["updated_at"]]


@on_sqlite
async def test_a_requester_sees_no_staff_address(desk: Counter) -> None:
    """Their names, yes."""
    ticket = await desk.opened()
    await desk.grace.post(f"/tickets/{ticket['id']}/messages", json={"message": "On my way."})
    seen = await desk.shown(ticket["id"], desk.ann)
    assert seen["messages"][1]["author"]["name"] == "Grace Hopper"
    assert "grace@example.com" not in json.dumps(seen)
    assert seen["messages"][0]["author"]["email"] == ANN


@on_sqlite
async def test_what_a_requester_may_do(desk: Counter) -> None:
    """Write, resolve and reopen; the rest is the staff's."""
    ticket = await desk.opened()

    async def put(path: str, body: dict[str, str]) -> int:
        return (await desk.ann.put(f"/tickets/{ticket['id']}/{path}", json=body)).status_code

    assert await put("status", {"status": "resolved"}) == 200
    assert await put("status", {"status": "open"}) == 200
    for status in ("pending", "closed", "new"):
        assert await put("status", {"status": status}) in (403, 409)
    assert await put("assignee", {"username": "ada"}) == 403
    assert (await desk.ann.get("/analyze-data")).status_code == 403


async def test_tokens_end(desk: Counter) -> None:
    """Revoked or expired, they are as good as made up."""
    people = desk.parts.people
    fine, short, revoked = [await people.create_token(ANN, timedelta(days=1)) for _ in range(3)]
    await people.revoke_token(revoked)
    desk.store.execute(
        "UPDATE tokens SET expires_at = :then WHERE hash = :hash",
        then="2020-01-01 00:00:00",
        hash=_hash(short),
    )
    for token, status in ((fine, 200), (short, 401), (revoked, 401), ("rd_made_up", 401), (fine + "x", 401)):
        async with client(desk.url, token) as http:
            answer = await http.get("/view-tickets")
            assert answer.status_code == status
            assert ("www-authenticate" in answer.headers) is (status == 401)


def _hash(token: str) -> bytes:
    from core.people import token_hash

    return token_hash(token)


@on_sqlite
async def test_cursors_that_are_not_ours(desk: Counter) -> None:
    """422, however they are bent."""
    for cursor in (
        "x",
        "AAAA",
        "W10",
        "bnVsbA",
        "WyIyMDI2IiwxXQ",
        "%00",
        "é",
        "e30",
        "x" * 2000,
        "-" * 8,
        "W1siYSJdLDFd",
    ):
        answer = await desk.ada.get("/view-tickets", params={"cursor": cursor})
        assert (answer.status_code, cursor) == (422, cursor)


async def test_words_that_could_be_sql(desk: Counter) -> None:
    """They are words."""
    await desk.opened()
    for q in ("%", "_", "'; DROP TABLE tickets; --", "\\", "!", "100%", "🔥", "#", "1e9", "9" * 200):
        answer = await desk.ada.get("/view-tickets", params={"q": q})
        assert (answer.status_code, answer.json()) == (200, [])


async def test_the_longest_and_strangest_words(desk: Counter) -> None:
    """Emoji, right-to-left, combining characters come back as they went; too long is refused."""
    words = "🔥 مرحبا שלום Ǻ e\u0301 \u202e 中文\t\n\r\nend"
    ticket = await desk.opened(title="🔥 Größe 中文", description=words)
    assert (await desk.shown(ticket["id"]))["messages"][0]["text"] == words
    assert (await desk.shown(ticket["id"]))["title"] == "🔥 Größe 中文"
    for body in ({"message": "x" * 1_000_000}, {"message": "x" * 5_000_000}):
        answer = await desk.ada.post(f"/tickets/{ticket['id']}/messages", json=body)
        assert answer.status_code in (413, 422)


@on_sqlite
async def test_without_the_database(desk: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, whatever is asked; alive all the same, and back by itself."""

    def gone() -> None:
        raise OSError("no route to 10.0.0.1")

    ticket = await desk.opened()
    with monkeypatch.context() as patch:
        patch.setattr(type(desk.parts.database.engine), "connect", lambda self: gone())
        answers = [
            await desk.ada.get("/view-tickets"),
            await desk.ann.post("/report-issue", json=REPORT),
            await desk.nobody.post("/report-issue", json={**REPORT, "email": ANN}),
            await desk.ada.put(f"/tickets/{ticket['id']}/status", json={"status": "open"}),
        ]
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["retry-after"] and "10.0.0.1" not in answer.text for answer in answers)
        assert (await desk.nobody.get("/healthz")).status_code == 200
        assert "relaydesk_database_up 0.0" in (await desk.nobody.get("/metrics")).text
    assert (await desk.ada.get("/view-tickets")).status_code == 200


async def test_strangers_mails_are_capped(desk: Counter) -> None:
    """Per address: all reports are taken, one mail a day goes out."""
    for n in range(3):
        await desk.opened(desk.nobody, title=f"Nr. {n}", email="carl@customer.example")
    assert desk.store.count("tokens", "purpose = 'confirm'") == 1


async def test_many_at_once(desk: Counter) -> None:
    """One key, sent at once, is one ticket."""
    import asyncio

    async def ask(who: httpx.AsyncClient) -> int:
        answer = await who.post("/report-issue", json=REPORT, headers={"Idempotency-Key": "once"})
        return int(answer.json()["id"])

    assert len(set(await asyncio.gather(*(ask(desk.ann) for _ in range(8))))) == 1
    assert desk.store.count("tickets") == 1


async def test_how_each_of_the_staff_does_is_for_managers(desk: Counter) -> None:
    """Of people an agent's figures have the agent's own line, and that of what nobody has; all else is the same."""
    for username in ("ada", "grace", None):
        ticket = await desk.opened()
        if username:
            answer = await desk.ada.put(f"/tickets/{ticket['id']}/assignee", json={"username": username})
            assert answer.status_code == 200
    period = {"since": "2020-01-01", "until": "2100-01-01"}
    full, own = [(await one.get("/analyze-data", params=period)).json() for one in (desk.ada, desk.grace)]
    assert {one["name"] for one in full["by_assignee"]} == {"ada", "grace", ""}
    assert {one["name"] for one in own["by_assignee"]} == {"grace", ""}
    assert all(one in full["by_assignee"] for one in own["by_assignee"])
    del full["by_assignee"], own["by_assignee"]
    assert own == full
