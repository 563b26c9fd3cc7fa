"""Reporting by a form: the rules of the JSON, for strangers and who is signed in, with files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from intake.web import uploads
from intake.web.forms import MOST
from tests.evil import XSS
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import browser, field, signs_in
from tests.web.test_pages import headers_are_right

TYPED = {"title": "No <light>", "description": "It is dark.\r\nHelp."}
STRANGER = {**TYPED, "email": "zoe@customer.example", "name": "Zoë"}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _filled(http: httpx.AsyncClient, **fields: str) -> dict[str, str]:
    form = await http.get("/report-issue")
    assert form.status_code == 200
    headers_are_right(form)
    return {"token": field(form, "token"), "key": field(form, "key"), **fields}


def _count(desk: Counter, table: str = "tickets") -> int:
    return int(desk.store.rows(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])


def _blobs(desk: Counter) -> int:
    return sum(1 for path in desk.parts.blobs.folder.glob("??/*") if path.is_file())


async def test_a_stranger_reports(desk: Counter) -> None:
    """They see nothing of the ticket, the desk has it unconfirmed, and the same form twice is one ticket."""
    async with browser(desk) as http:
        fields = await _filled(http, **STRANGER)
        for _ in range(2):
            answer = await http.post("/report-issue", data=fields)
            assert answer.status_code == 200
            assert "Look into your mail" in answer.text
            headers_are_right(answer)
    rows = desk.store.rows("SELECT id, title, description, unconfirmed, channel FROM tickets")
    assert len(rows) == 1
    assert (rows[0]["title"], rows[0]["description"]) == ("No <light>", "It is dark.\nHelp.")
    assert bool(rows[0]["unconfirmed"])
    assert (await desk.shown(rows[0]["id"]))["requester"] == {"name": "Zoë", "email": STRANGER["email"]}


async def test_who_is_signed_in_reports_with_files(desk: Counter) -> None:
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        form = await http.get("/report-issue")
        assert 'name="email"' not in form.text
        fields = await _filled(http, **TYPED, priority="high")
        files = [
            ("files", ("plan.txt", b"the plan")),
            ("files", ("../../etc/x.png", b"\x89PNG")),
            ("files", ("", b"")),
        ]
        answers = [await http.post("/report-issue", data=fields, files=files) for _ in range(2)]
        assert [one.status_code for one in answers] == [303, 303]
        assert answers[0].headers["location"] == answers[1].headers["location"]
        shown = await http.get(answers[0].headers["location"])
        assert "No &lt;light&gt;" in shown.text
    assert _count(desk) == 1
    ticket = await desk.shown(int(answers[0].headers["location"].rpartition("/")[2]), desk.ann)
    assert (ticket["priority"], ticket["requester"]["email"]) == ("high", ANN)
    found = ticket["messages"][0]["attachments"]
    assert [(one["filename"], one["size"]) for one in found] == [("plan.txt", 8), ("x.png", 4)]
    assert (await desk.ann.get(found[0]["url"])).content == b"the plan"


@on_sqlite
@pytest.mark.parametrize("token", ["", "0" * 64, "ü"])
@pytest.mark.parametrize("with_file", [False, True])
async def test_without_the_token_nothing_is_taken(desk: Counter, token: str, with_file: bool) -> None:
    """What was typed is still there, and the page's own form works."""
    async with browser(desk) as http:
        await _filled(http)
        files = [("files", ("a.txt", b"abc"))] if with_file else None
        answer = await http.post("/report-issue", data={**STRANGER, "token": token}, files=files)
        assert answer.status_code == 403
        headers_are_right(answer)
        assert "No &lt;light&gt;" in answer.text
        assert "It is dark." in answer.text
        assert (_count(desk), _blobs(desk)) == (0, 0)
        again = await http.post("/report-issue", data={**STRANGER, "token": field(answer, "token")})
        assert again.status_code == 200
    assert _count(desk) == 1


@on_sqlite
async def test_another_browser_s_token_is_false(desk: Counter) -> None:
    async with browser(desk) as one, browser(desk) as other:
        theirs = await _filled(other, **TYPED)
        await signs_in(desk, one, ANN)
        assert (await one.post("/report-issue", data=theirs)).status_code == 403
        await _filled(one)
        assert (await one.post("/report-issue", data=theirs)).status_code == 403
    assert _count(desk) == 0


@on_sqlite
@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"title": "  "}, 422, "Title: please write something"),
        ({"description": "\r\n "}, 422, "Description: please write something"),
        ({"email": ""}, 422, "E-mail: please say"),
        ({"email": "no address"}, 422, "E-mail: is no mail address"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, 422, "E-mail"),
        ({"queue": "nowhere"}, 422, "no queue"),
        ({"priority": "burning"}, 422, "Priority: "),
        ({"status": "closed"}, 422, "Status: "),
        ({"unconfirmed": "0"}, 422, "Unconfirmed: "),
    ],
)
async def test_what_is_refused_is_said_and_kept(
    desk: Counter, change: dict[str, str], status: int, words: str
) -> None:
    async with browser(desk) as http:
        fields = await _filled(http, **{**STRANGER, **change})
        answer = await http.post("/report-issue", data=fields, files=[("files", ("a.txt", b"abc"))])
        assert answer.status_code == status, answer.text
        assert words in answer.text
        assert "Zoë" in answer.text
        headers_are_right(answer)
    assert (_count(desk), _blobs(desk)) == (0, 0)


@on_sqlite
async def test_files_over_the_limits(desk: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page says so, with what was typed; nothing is left on the disk."""
    monkeypatch.setattr(uploads, "EACH_BYTES", 1000)
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        many = [("files", (f"{n}.txt", b"x")) for n in range(uploads.MOST_FILES + 1)]
        for files, words in (
            (many, "at most 10 files"),
            ([("files", ("a", b"x" * 200_000))], "at most 1 kB"),
        ):
            fields = await _filled(http, **TYPED)
            answer = await http.post("/report-issue", data=fields, files=files)
            assert answer.status_code == 413
            assert words in answer.text
            assert "It is dark." in answer.text
    assert (_count(desk), _blobs(desk)) == (0, 0)


@on_sqlite
async def test_more_than_a_body_may_have(store: Store) -> None:
    async with counter_on(store, http={"max_body_bytes": 100_000}) as desk, browser(desk) as http:
        await signs_in(desk, http, ANN)
        fields = await _filled(http, **TYPED)
        for size in (150_000, 300_000):
            answer = await http.post("/report-issue", data=fields, files=[("files", ("a", b"x" * size))])
            assert answer.status_code == 413
            assert "text/html" in answer.headers["content-type"]
            headers_are_right(answer)
        long = await http.post("/report-issue", data={**fields, "description": "ü" * MOST})
        assert long.status_code == 413
        assert (_count(desk), _blobs(desk)) == (0, 0)


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b"--b\r\nContent-Disposition: form-data; name=title\r\n\r\nx",
        b"--c\r\n\r\n--c--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" * 40 + b"--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" * 2 + b"--b--\r\n",
    ],
)
async def test_broken_multipart(desk: Counter, body: bytes) -> None:
    """By pages and by token: a clear 4xx, never a 5xx."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with browser(desk) as http:
        assert 400 <= (await http.post("/report-issue", content=body, headers=headers)).status_code < 500
    for path in ("/report-issue", "/tickets/1/messages"):
        answer = await desk.ann.post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/problem+json"
    assert _blobs(desk) == 0


async def test_programs_send_files_by_token(desk: Counter) -> None:
    """The fields of the JSON, and `files`; an answer as to JSON; a key twice is one."""
    headers = {"Idempotency-Key": "once"}
    files: list[Any] = [("files", ("Größe.txt", b"abc", "text/html"))]
    data = {"title": "T", "description": "D", "priority": "low"}
    answers = [
        await desk.ann.post("/report-issue", data=data, files=files, headers=headers) for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [201, 201]
    ticket = answers[0].json()
    assert answers[0].headers["location"] == f"/tickets/{ticket['id']}"
    assert ticket == answers[1].json()
    path = f"/tickets/{ticket['id']}/messages"
    written = await desk.ada.post(path, data={"message": "M", "visibility": "note"}, files=files)
    assert written.status_code == 201
    message = written.json()
    assert (message["visibility"], message["attachments"][0]["filename"]) == ("note", "Größe.txt")
    assert (await desk.ada.get(message["attachments"][0]["url"])).content == b"abc"
    assert (await desk.ann.get(message["attachments"][0]["url"])).status_code == 404


@on_sqlite
async def test_what_programs_may_not_send(desk: Counter) -> None:
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}/messages"
    blobs = _blobs(desk)
    file: list[Any] = [("files", ("a.txt", b"abc"))]
    wrong: list[Any] = [("upload", ("a.txt", b"abc"))]
    answers = {
        401: [await desk.nobody.post(path, data={"message": "M"}, files=file)],
        404: [await desk.ben.post(path, data={"message": "M"}, files=file)],
        403: [
            await desk.ann.post(path, data={"message": "M", "visibility": "note"}, files=file),
            await desk.nobody.post(
                "/report-issue", data=TYPED, files=file, headers={"Cookie": "relaydesk_form=old"}
            ),
        ],
        422: [
            await desk.ann.post(path, data={"message": "M", "author": "ada"}, files=file),
            await desk.ann.post(path, data={"message": "M"}, files=wrong),
            await desk.ann.post("/report-issue", data={"title": "T"}, files=file),
            await desk.ann.post("/report-issue", data={"title": "T"}),
        ],
        413: [await desk.ann.post(path, data={"message": "M"}, files=file * 11)],
    }
    for status, given in answers.items():
        for answer in given:
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
    assert _blobs(desk) == blobs
    assert len((await desk.shown(ticket["id"]))["messages"]) == 1


@on_sqlite
@pytest.mark.parametrize("evil", XSS)
async def test_what_was_typed_is_text(desk: Counter, evil: str) -> None:
    async with browser(desk) as http:
        fields = await _filled(http, **dict.fromkeys(STRANGER, f"{evil}"))
        answer = await http.post("/report-issue", data=fields)
        assert answer.status_code == 422
        headers_are_right(answer)
        for bad in ("<script", "<img", "<svg", "onerror=alert(1)>"):
            assert bad not in answer.text.replace("onerror=alert(1)&gt;", "")


@on_sqlite
async def test_json_alone_is_asked_for(desk: Counter) -> None:
    """The form is a page: who wants no page gets none."""
    assert "<form" in (await desk.nobody.get("/report-issue", headers={"Accept": "*/*"})).text
