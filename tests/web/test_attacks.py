"""What somebody tries who means harm: forms of other sites, borrowed sessions, links that lead away, words that become
headers, paths or rows, and a victim's mailbox."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from intake.web.sessions import CSRF_HEADER
from tests.interfaces.counter import ANN, REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, asks, browser, field, presses, signs_in
from tests.web.people import Crowd, browser_of, crowd_on, session_of, state_of
from tests.web.stage import client
from tests.web.test_matrix import ROWS, Row
from tests.web.wire import raw

EVIL = "evil.example"
KEYS_OF_LINKS = ("/confirm/", "/unsubscribe/")  # their path is the key: no cookie counts


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


# -- other sites' forms ------------------------------------------------------------------------------------------


@on_sqlite
async def test_another_site_s_form_does_nothing(store: Store) -> None:
    """Whatever changes anything, by the session of a manager who looks at another site: without our token, with the
    token of another session, in every type that a form may send, and as JSON."""
    async with counter_on(store) as desk, crowd_on(desk) as crowd:
        http = crowd.browsers["manager"]
        before = state_of(desk)
        for row in ROWS:
            if row.method == "GET" or row.path.startswith(KEYS_OF_LINKS):
                continue
            for attempt in _forged(crowd, row):
                answer = await http.request(row.method, _path(crowd, row), **attempt)
                assert 400 <= answer.status_code < 500, (row.path, attempt)
        assert state_of(desk) == before
        assert (await http.get("/view-tickets")).status_code == 200, "still signed in"


def _path(crowd: Crowd, row: Row) -> str:
    named = {"id": crowd.ticket, "message_id": crowd.ids["message"], "token": "x" * 43}
    named |= {name: crowd.ids.get(word, word) for name, word in row.at.items()}
    return row.path.format(**named)


def _forged(crowd: Crowd, row: Row) -> list[dict[str, Any]]:
    fields = {**(row.form or {}), **(row.json or {})}
    foreign = crowd.forms["own"]
    tries: list[dict[str, Any]] = []
    for token in ({}, {"token": ""}, {"token": foreign}):
        headers = {CSRF_HEADER: token.get("token", ""), "Origin": f"https://{EVIL}"}
        tries += [
            {"data": {**fields, **token}, "headers": headers},
            {"data": {**fields, **token}, "files": {"files": ("a.txt", b"a")}, "headers": headers},
            {"json": fields, "headers": headers},
            {
                "content": b'{"title": "a", "description": "b"}',
                "headers": {**headers, "Content-Type": "text/plain"},
            },
        ]
    return tries


@on_sqlite
async def test_no_other_site_may_read_or_ask_leave(desk: Counter) -> None:
    """There is no CORS."""
    headers = {"Origin": f"https://{EVIL}", "Access-Control-Request-Method": "PUT"}
    for path in ("/view-tickets", "/tickets/1/status", "/report-issue", "/"):
        for method in ("GET", "OPTIONS"):
            answer = await desk.ada.request(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")]


# -- sessions ----------------------------------------------------------------------------------------------------


async def test_a_session_that_somebody_else_chose_is_not_taken_over(desk: Counter) -> None:
    """Signing in makes a new one, and ends the one that the browser had."""
    planted = "p" * 43
    await desk.opened()
    async with browser(desk) as http, browser(desk) as thief:
        thiefs = await session_of(desk, ANN)
        for chosen in (planted, thiefs):
            http.cookies.set("relaydesk_session", chosen, domain="127.0.0.1")
            if (
                chosen == thiefs
            ):  # a browser that is signed in already is led on: the link works for it all the same
                assert (await http.get("/sign-in")).status_code == 303
                http.cookies.delete("relaydesk_session")
                mail = await asks(desk, http, ANN)
                http.cookies.set("relaydesk_session", chosen, domain="127.0.0.1")
                entered = await presses(http, mail["path"])
            else:
                entered = await signs_in(desk, http, ANN)
            given = re.findall(r"relaydesk_session=([^;]+)", entered.headers["set-cookie"])
            assert len(given) == 1
            assert given[0] not in (planted, thiefs)
            thief.cookies.set("relaydesk_session", chosen, domain="127.0.0.1")
            assert (await thief.get("/")).status_code == 303
            http.cookies.clear()


@pytest.mark.parametrize("base", ["https://desk.example.com", "http://desk.example.com"])
@on_sqlite
async def test_cookies_are_for_us_alone(store: Store, base: str) -> None:
    async with counter_on(store, service={"base_url": base}) as desk, client(desk.url) as http:
        http.headers.update(HTML)
        form = await http.get("/sign-in")
        given = form.headers["set-cookie"]
        secure = base.startswith("https")
        assert given.startswith("__Host-relaydesk_form=" if secure else "relaydesk_form=")
        assert ("; secure" in given.lower()) is secure
        for flag in ("httponly", "samesite=lax", "path=/"):
            assert flag in given.lower()
        assert "domain=" not in given.lower()


# -- links -------------------------------------------------------------------------------------------------------

LEADING_AWAY = [
    f"//{EVIL}",
    f"https://{EVIL}/",
    f"/\\{EVIL}",
    f"\\\\{EVIL}",
    f"/\t/{EVIL}",
    f"/{chr(10)}/{EVIL}",
    f"///{EVIL}",
    f"/.//{EVIL}",
    f"/x/..//{EVIL}",
    f"@{EVIL}",
    f".{EVIL}",
    "javascript:alert(1)",
    "data:text/html,x",
    f"/%09/{EVIL}",
    f"/%5c{EVIL}",
    f"/%2f{EVIL}",
    f"/x%0d%0aX-Evil:%20{EVIL}",
]


@on_sqlite
async def test_nobody_is_led_elsewhere(desk: Counter) -> None:
    """Neither from the form with `next`, nor who is signed in already, nor after the link."""
    await desk.opened()
    session = await session_of(desk, ANN)
    async with browser_of(desk, session) as signed_in, browser(desk) as http:
        for goal in LEADING_AWAY:
            answer = await signed_in.get("/sign-in", params={"next": goal})
            assert answer.status_code == 303
            _stays(desk, answer.headers["location"])
            form = await http.get("/sign-in", params={"next": goal})
            _stays(desk, field(form, "next"))
            assert "x-evil" not in answer.headers
        mail = await asks(desk, http, ANN)
        form = await http.get("/sign-in")
        await http.post("/sign-in", data={"email": ANN, "token": field(form, "token"), "next": f"//{EVIL}"})
        entered = await presses(http, mail["path"])
        _stays(desk, entered.headers["location"])


def _stays(desk: Counter, where: str) -> None:
    """As browsers read it: a backslash is a slash, tabs and ends of lines are nothing."""
    read = re.sub(r"[\t\r\n]", "", where).replace("\\", "/")
    assert urlsplit(urljoin(desk.url, read)).netloc == urlsplit(desk.url).netloc, where


@on_sqlite
async def test_the_host_that_is_asked_for_is_in_no_link(desk: Counter) -> None:
    """Not in a page, a redirect, a Link header, nor a mail."""
    headers = {"Host": EVIL, "X-Forwarded-Host": EVIL, "Forwarded": f"host={EVIL}"}
    for _ in range(2):
        await desk.opened()
    async with browser(desk) as http:
        for path in ("/", "/sign-in", "/report-issue", "/tickets/1", "/nowhere", "/openapi.json"):
            for by in (http, desk.ada):
                answer = await by.get(path, headers={**HTML, **headers})
                assert EVIL not in answer.text + repr(answer.headers)
        form = await http.get("/sign-in")
        fields = {"email": ANN, "token": field(form, "token"), "next": "/"}
        await http.post("/sign-in", data=fields, headers=headers)
        await asks(desk, http, "ada@example.com")
    listed = await desk.ada.get("/view-tickets?limit=1", headers=headers)
    assert listed.links["next"]["url"].startswith("/view-tickets?")
    await desk.opened(desk.nobody, email="carl@customer.example")
    stranger = {**REPORT, "email": "dora@customer.example"}
    await desk.nobody.post("/report-issue", json=stranger, headers=headers)
    assert EVIL not in repr(desk.store.rows("SELECT * FROM deliveries"))


# -- words that become something else ----------------------------------------------------------------------------


@on_sqlite
async def test_no_word_becomes_a_header(desk: Counter) -> None:
    ticket = await desk.opened()
    evil = "a\r\nX-Evil: 1\r\n\r\n<script>"
    files = {"files": (f"{evil}.txt", b"a")}
    written = await desk.ann.post(f"/tickets/{ticket['id']}/messages", data={"message": evil}, files=files)
    assert written.status_code == 201
    answers = [
        await desk.ann.get(written.json()["attachments"][0]["url"]),
        await desk.ada.get("/view-tickets", params={"q": evil, "limit": 1}),
        await desk.ada.get("/view-tickets", params={"queue": evil}),
        await desk.ada.get("/", params={"q": evil, "cursor": evil}, headers=HTML),
        await desk.nobody.get("/sign-in", params={"next": f"/{evil}"}, headers=HTML),
        await desk.nobody.get("/tickets/1%0d%0aX-Evil:%201", headers=HTML),
        await desk.nobody.get("/%0d%0aX-Evil:%201", headers=HTML),
        await desk.ada.get(f"/tickets/{ticket['id']}?done=%0d%0aX-Evil:%201", headers=HTML),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert "x-evil" not in answer.headers
        assert "\r" not in "".join(answer.headers.values())
    title = await desk.ann.post("/report-issue", json={**REPORT, "title": f"a{evil}"})
    assert title.status_code == 422


TRAVERSALS = [
    "../site.py",
    "..%2fsite.py",
    "%2e%2e/site.py",
    "%2e%2e%2fsite.py",
    "..%5csite.py",
    "....//site.py",
    "%252e%252e%252fsite.py",
    "..%c0%afsite.py",
    "pages.css%00.js",
    "/etc/passwd",
    "%2fetc%2fpasswd",
]


@on_sqlite
async def test_no_path_leads_out(desk: Counter) -> None:
    """Sent as it stands, without a client that tidies it up."""
    starts = ("/static/", "/files/", "/attachments/", "/tickets/1/messages/", "/")
    for path in (f"{start}{name}" for start in starts for name in TRAVERSALS):
        head, body = await raw(desk, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert head.split()[1] in (b"400", b"401", b"404", b"405", b"422", b"303"), path
        assert b"import" not in body
        assert b"root:" not in body


@on_sqlite
async def test_a_file_s_name_never_names_a_place(desk: Counter) -> None:
    ticket = await desk.opened()
    before = _files(desk)
    names = (
        "../../../evil.txt",
        "/etc/evil.txt",
        "..\\..\\evil.txt",
        "C:\\evil.txt",
        "a\x00b.txt",
        "." * 3,
        "con.txt",
    )
    for name in names:
        answer = await desk.ann.post(
            f"/tickets/{ticket['id']}/messages",
            data={"message": "a"},
            files={"files": (name, b"content")},
        )
        assert answer.status_code == 201, name
        (kept,) = answer.json()["attachments"]
        assert not set("/\\\x00") & set(kept["filename"])
        served = await desk.ann.get(kept["url"])
        assert served.content == b"content"
        assert not set("/\\") & set(served.headers["content-disposition"])
    new = _files(desk) - before
    assert new
    assert not [path for path in new if "evil" in path]


def _files(desk: Counter) -> set[str]:
    folder = desk.store.folder
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


MORE: list[dict[str, Any]] = [
    {"id": 7},
    {"status": "closed"},
    {"assignee": "ada"},
    {"requester": {"email": ANN}},
    {"requester_id": 1},
    {"unconfirmed": False},
    {"channel": "email"},
    {"created_at": "2020-01-01T00:00:00Z"},
    {"role": "manager"},
    {"author": "ada"},
    {"staff": True},
    {"files": []},
    {"version": 1},
    {"__proto__": {"staff": True}},
    {"": 1},
]


@on_sqlite
async def test_nobody_sets_what_they_aren_t_asked_for(desk: Counter) -> None:
    """JSON and forms: a key that isn't known is refused, and nothing is written."""
    path = f"/tickets/{(await desk.opened())['id']}"
    before = state_of(desk)
    for more in MORE:
        stranger = {**REPORT, "email": "x@y.example", **more}
        answers = [
            await desk.ann.post("/report-issue", json={**REPORT, **more}),
            await desk.nobody.post("/report-issue", json=stranger),
            await desk.ann.post(f"{path}/messages", json={"message": "a", **more}),
            await desk.ada.put(f"{path}/assignee", json={"username": "ada", **more}),
        ]
        if "status" not in more:
            answers.append(await desk.ada.put(f"{path}/status", json={"status": "open", **more}))
        if "files" not in more:
            fields = {**REPORT, **{name: str(value) for name, value in more.items()}}
            answers.append(
                await desk.ann.post("/report-issue", data=fields, files={"files": ("a.txt", b"a")})
            )
        assert [answer.status_code for answer in answers] == [422] * len(answers), more
    assert state_of(desk) == before


# -- somebody else's mailbox -------------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.slow
async def test_a_thousand_forms_for_one_victim_are_one_mail(desk: Counter) -> None:
    """From many addresses, under many names and spellings, by form and JSON."""
    victim = "victim@customer.example"
    left = iter(range(1000))
    async with browser(desk) as http:
        token = field(await http.get("/report-issue"), "token")

        async def some() -> None:
            for n in left:
                by_form = n % 2
                email = victim.upper() if n % 3 else victim.title()
                body = {"title": f"Nr. {n}", "description": "Win!", "email": email, "name": f"N {n}"}
                headers = {"X-Forwarded-For": f"198.51.{n // 250}.{n % 250}"}
                if by_form:
                    answer = await http.post("/report-issue", data={**body, "token": token}, headers=headers)
                else:
                    answer = await desk.nobody.post("/report-issue", json=body, headers=headers)
                assert answer.status_code in (200, 201, 429), answer.text

        await asyncio.gather(*(some() for _ in range(8)))
    assert desk.store.count("tickets") == 1000, "what somebody writes isn't lost for that"
    going = desk.store.rows("SELECT state, data FROM deliveries WHERE LOWER(place) = :place", place=victim)
    assert len([row for row in going if row["state"] != "held"]) == 1
    assert desk.store.count("tokens", "purpose = 'confirm'") == 1
