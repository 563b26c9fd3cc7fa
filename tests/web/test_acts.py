"""What people do on a ticket's page: write, resolve, reopen, rate; once each, and only what they may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.evil import XSS
from tests.interfaces.counter import ANN, BEN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import browser, field, signs_in
from tests.web.test_pages import headers_are_right


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _form(http: httpx.AsyncClient, ticket_id: int) -> dict[str, str]:
    page = await http.get(f"/tickets/{ticket_id}")
    headers_are_right(page)
    return {"token": field(page, "token"), "key": field(page, "key")}


async def _says(desk: Counter, ticket_id: int) -> list[tuple[str, str]]:
    return [(one["text"], one["visibility"]) for one in (await desk.shown(ticket_id))["messages"]]


async def test_a_reply_with_a_file_is_written_once(desk: Counter) -> None:
    ticket = await desk.opened()
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        fields = {**await _form(http, ticket["id"]), "message": "More\r\nsmoke"}
        for _ in range(2):
            answer = await http.post(
                f"/ui/tickets/{ticket['id']}/reply", data=fields, files=[("files", ("a.txt", b"abc"))]
            )
            assert answer.status_code == 303
        shown = await http.get(answer.headers["location"].partition("#")[0])
        assert f'id="{answer.headers["location"].partition("#")[2]}"' in shown.text
        assert "a.txt" in shown.text
        alone = {**await _form(http, ticket["id"]), "message": ""}
        answer = await http.post(
            f"/ui/tickets/{ticket['id']}/reply", data=alone, files=[("files", ("b.txt", b"abc"))]
        )
        assert answer.status_code == 303, "a file alone says enough"
    assert await _says(desk, ticket["id"]) == [
        ("It burns.\nPlease help.", "public"),
        ("More\nsmoke", "public"),
        ("", "public"),
    ]


async def test_staff_write_answers_and_notes(desk: Counter) -> None:
    ticket = await desk.opened()
    path = f"/ui/tickets/{ticket['id']}/reply"
    async with browser(desk) as http:
        await signs_in(desk, http, "ada@example.com")
        note = {**await _form(http, ticket["id"]), "message": "psst", "visibility": "note"}
        assert (await http.post(path, data=note)).status_code == 303
        answer = {**await _form(http, ticket["id"]), "message": "We come."}
        assert (await http.post(path, data=answer)).status_code == 303
        odd = {**await _form(http, ticket["id"]), "message": "x", "visibility": "loud"}
        assert (await http.post(path, data=odd)).status_code == 422
    assert (await _says(desk, ticket["id"]))[1:] == [("psst", "note"), ("We come.", "public")]


async def test_what_may_not_be_done_is_not(desk: Counter) -> None:
    """Another's ticket looks missing; a requester writes no note; a false token does nothing and keeps the words."""
    ticket = await desk.opened()
    base = f"/ui/tickets/{ticket['id']}"
    fields = {"message": "mine", "status": "resolved", "score": "5"}
    async with browser(desk) as http:
        await signs_in(desk, http, BEN)
        own = await desk.opened(desk.ben)
        token = {"token": (await _form(http, own["id"]))["token"]}
        for act in ("reply", "status", "rate"):
            answer = await http.post(f"{base}/{act}", data={**fields, **token})
            assert answer.status_code == 404, act
        missing = await http.post("/ui/tickets/999999/reply", data={**fields, **token})
        assert missing.status_code == 404
        assert missing.text == answer.text
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        token = {"token": (await _form(http, ticket["id"]))["token"]}
        note = await http.post(f"{base}/reply", data={**fields, **token, "visibility": "note"})
        assert note.status_code == 403
        for bad in ({}, {"token": "0" * 64}):
            for act in ("reply", "status", "rate"):
                answer = await http.post(f"{base}/{act}", data={**fields, **bad})
                assert answer.status_code == 403
                assert "mine" in answer.text
                headers_are_right(answer)
        closed = await http.post(f"{base}/status", data={**token, "status": "closed"})
        assert closed.status_code == 403
        assert "reopen or resolve" in closed.text
        assert (await http.post(f"{base}/status", data={**token, "status": "gone"})).status_code == 422
        assert (await http.post(f"{base}/reply", data={**token, "message": " "})).status_code == 422
    assert len(await _says(desk, ticket["id"])) == 1
    assert (await desk.shown(ticket["id"]))["status"] == "new"


@on_sqlite
async def test_who_was_signed_out_meanwhile_keeps_their_words(desk: Counter) -> None:
    ticket = await desk.opened()
    async with browser(desk) as http:
        answer = await http.post(f"/ui/tickets/{ticket['id']}/reply", data={"message": "long <b> words"})
        assert answer.status_code == 401
        assert "long &lt;b&gt; words" in answer.text
        assert f"/sign-in?next=/tickets/{ticket['id']}" in answer.text
        headers_are_right(answer)
    assert len(await _says(desk, ticket["id"])) == 1


async def test_resolve_rate_and_reopen(desk: Counter) -> None:
    """Each button is there when it does something."""
    ticket = await desk.opened()
    base = f"/ui/tickets/{ticket['id']}"
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        page = (await http.get(f"/tickets/{ticket['id']}")).text
        assert ("Resolve" in page, "Reopen" in page, "How did it go?" in page) == (True, False, False)
        token = {"token": (await _form(http, ticket["id"]))["token"]}
        assert (await http.post(f"{base}/rate", data={**token, "score": "5"})).status_code == 409
        assert (await http.post(f"{base}/status", data={**token, "status": "resolved"})).status_code == 303
        page = (await http.get(f"/tickets/{ticket['id']}")).text
        assert ("Resolve<" in page, "Reopen" in page, "How did it go?" in page) == (False, True, True)
        for score, status in (("", 422), ("6", 422), ("x", 422), ("2", 303), ("2", 303)):
            data = {**token, "score": score, "comment": "<b>slow</b>"}
            answer = await http.post(f"{base}/rate", data=data)
            assert answer.status_code == status, score
        page = (await http.get(f"/tickets/{ticket['id']}")).text
        assert "You rated this 2 of 5" in page
        assert "&lt;b&gt;slow&lt;/b&gt;" in page
        assert (await http.post(f"{base}/status", data={**token, "status": "open"})).status_code == 303
    rated = [one for one in (await desk.shown(ticket["id"]))["events"] if one["kind"] == "rated"]
    assert len(rated) == 1
    assert (await desk.shown(ticket["id"]))["status"] == "open"
    staffs = await desk.ada.get(f"/tickets/{ticket['id']}", headers={"Accept": "text/html"})
    assert "Rated 2 of 5" in staffs.text
    assert "How did it go?" not in staffs.text


async def test_closed_too_long_ago(desk: Counter) -> None:
    """Its requester is led to a new request, on the page and by the JSON; staff go on with it."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    await desk.ada.put(f"{path}/status", json={"status": "closed"})
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        assert "Reopen" in (await http.get(path)).text
        fields = {**await _form(http, ticket["id"]), "message": "still broken", "status": "open"}
        before = desk.parts.clock.now() - timedelta(days=15)
        desk.store.execute("UPDATE tickets SET closed_at = :at", at=before.strftime("%Y-%m-%d %H:%M:%S"))
        page = (await http.get(path)).text
        assert "closed too long ago" in page
        assert "Reopen" not in page
        for act in ("reply", "status"):
            answer = await http.post(f"/ui{path}/{act}", data=fields)
            assert answer.status_code == 409
            assert "closed too long ago" in answer.text
    assert (await desk.ann.post(f"{path}/messages", json={"message": "M"})).status_code == 409
    assert (await desk.ann.put(f"{path}/status", json={"status": "open"})).status_code == 409
    assert (await desk.ben.post(f"{path}/messages", json={"message": "M"})).status_code == 404
    assert (await desk.ada.put(f"{path}/status", json={"status": "open"})).status_code == 200


async def test_my_tickets(desk: Counter) -> None:
    """Filtered, searched, and paged by a cursor."""
    titles = [f"Printer {n}" for n in range(32)]
    for title in titles:
        await desk.opened(title=title)
    await desk.opened(desk.ben, title="Printer of Ben")
    done = await desk.opened(title="Mouse")
    await desk.ann.put(f"/tickets/{done['id']}/status", json={"status": "resolved"})
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        for path in ("/", "/view-tickets"):
            first = await http.get(path)
            headers_are_right(first)
            following = first.headers["link"].partition("<")[2].partition(">")[0]
            second = await http.get(following)
            seen = [title for title in (*titles, "Mouse") if f">{title}</a>" in first.text + second.text]
            assert len(seen) == 33
            assert "of Ben" not in first.text + second.text
            assert "link" not in second.headers
        resolved = (await http.get("/", params={"status": "resolved"})).text
        assert (">Mouse</a>" in resolved, ">Printer 1</a>" in resolved) == (True, False)
        found = (await http.get("/", params={"q": "Mouse"})).text
        assert (">Mouse</a>" in found, ">Printer 1</a>" in found) == (True, False)
        assert "Nothing was found" in (await http.get("/", params={"q": "zebra"})).text
        odd: list[dict[str, Any]] = [{"cursor": "x"}, {"status": "<b>"}, {"q": "\x00'%_!"}, {"q": "x" * 5000}]
        for query in odd:
            answer = await http.get("/", params=query)
            assert answer.status_code in (200, 422), query
            headers_are_right(answer)


@on_sqlite
@pytest.mark.parametrize("evil", XSS)
async def test_what_was_typed_is_text(desk: Counter, evil: str) -> None:
    ticket = await desk.opened(title=f"T {evil}")
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        listed = await http.get("/", params={"q": evil, "status": evil})
        refused = await http.post(
            f"/ui/tickets/{ticket['id']}/reply", data={"message": f"</textarea>{evil}", "comment": evil}
        )
        out = await http.post(f"/ui/tickets/{evil.replace('/', '')}/reply", data={"message": evil})
        for answer in (listed, refused, out, await http.get("/")):
            headers_are_right(answer)
            for bad in ("<script>", "<img", "<svg", "</textarea><"):
                assert bad not in answer.text.replace("</textarea></div>", "")
