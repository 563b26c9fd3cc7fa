"""Pages of tickets: who sees what, and that nothing people wrote becomes part of a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from core.rich import clean
from core.shapes import Event, File, Visibility
from intake.web.render import formatted, wants_html
from intake.web.ticket_page import NEWEST, said
from tests.evil import XSS
from tests.interfaces.counter import ANN, BEN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, browser, signs_in

SECRET = "the-note-that-nobody-outside-sees"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


def headers_are_right(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    scripts = re.findall("<script[^>]*>", answer.text)
    assert all(re.fullmatch(r'<script src="/static/staff\.[0-9a-f]{12}\.js" defer>', one) for one in scripts)
    assert ("script-src 'self'" in policy) is bool(scripts)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text


async def test_a_ticket_as_each_may_see_it(desk: Counter) -> None:
    ticket = await desk.opened()
    path, manager = f"/tickets/{ticket['id']}", desk.parts.manager
    ada = await desk.staff()
    files = [File(name="plan.txt", content_type="text/plain", size=4, content=b"plan")]
    await manager.exchange_messages(ada, ticket["id"], "We look into it.", files=files)
    await manager.exchange_messages(ada, ticket["id"], SECRET, visibility=Visibility.NOTE)
    await desk.grace.put(f"{path}/assignee", json={"username": "grace"})
    theirs = (await desk.ann.get(path, headers=HTML)).text
    staffs = (await desk.grace.get(path, headers=HTML)).text
    for words in (
        "The printer is on fire",
        "It burns.",
        "We look into it.",
        "plan.txt",
        "grace",
        "normal",
        "support",
    ):
        assert words in theirs
        assert words in staffs
    assert SECRET in staffs
    assert SECRET not in theirs
    assert "History" in staffs
    assert "History" not in theirs
    assert "ada@example.com" not in theirs
    link = theirs.partition('href="/attachments/')[2].partition('"')[0]
    assert (await desk.ann.get(f"/attachments/{link}")).content == b"plan"
    assert (await desk.ben.get(f"/attachments/{link}")).status_code == 404


@on_sqlite
async def test_a_long_one_begins_with_the_newest(desk: Counter) -> None:
    """The rest is a link away, in its order, so that no page grows without end."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    for number in range(NEWEST + 3):
        await desk.parts.manager.exchange_messages(await desk.staff(), ticket["id"], f"answer <{number}>")
    page = (await desk.grace.get(path, headers=HTML)).text
    assert page.count('id="message-') == NEWEST
    assert "4 earlier messages" in page
    assert "answer &lt;2&gt;" not in page
    whole = (await desk.ann.get(f"{path}?all=1", headers=HTML)).text
    assert whole.count('id="message-') == NEWEST + 4
    assert whole.index("answer &lt;2&gt;") < whole.index("answer &lt;3&gt;")
    assert "earlier" not in whole


@on_sqlite
async def test_long_messages_stand_on_pages_of_their_own(desk: Counter) -> None:
    """The ticket's page has how they begin, and stays small; what is short stands there whole."""
    number = (await desk.opened(description="<begins> " + "a" * 190_000 + " the end"))["id"]
    path = f"/tickets/{number}"
    for length in (199_000, 19_000, 19_000, 19_000, 19_000, 2_000):
        text = f"{length} <b> " + "b" * length + " the end"
        await desk.parts.manager.exchange_messages(await desk.staff(), number, text)
    ids = [one["id"] for one in (await desk.shown(number))["messages"]]
    for who in (desk.ann, desk.ada):
        shown = (await who.get(path, headers=HTML)).text
        assert len(shown.encode()) < 100_000
        assert "&lt;begins&gt; aaa" in shown
        whole = [one for one in ids if f'href="{path}/messages/{one}"' not in shown]
        assert (shown.count("the end"), len(whole)) == (4, 4), "the newest, as many as there is room for"
        assert whole == ids[-4:]
        for one in ids:
            alone = await who.get(f"{path}/messages/{one}", headers=HTML)
            headers_are_right(alone)
            assert "the end</p>" in alone.text
            assert f'href="{path}#message-{one}"' in alone.text
    assert (await desk.ben.get(f"{path}/messages/{ids[0]}", headers=HTML)).status_code == 404
    other = (await desk.opened())["id"]
    assert (await desk.ann.get(f"/tickets/{other}/messages/{ids[0]}", headers=HTML)).status_code == 404
    assert len((await desk.shown(number))["messages"][0]["text"]) > 190_000, "JSON has it all"


@on_sqlite
async def test_whoever_has_no_name_is_called_somebody(desk: Counter) -> None:
    """As in mails and in Slack: others don't see their address."""
    number = (await desk.opened(desk.nobody, email="zoe@customer.example"))["id"]
    await desk.parts.manager.admit(await desk.staff(), number, ANN)
    seen = (await desk.ann.get(f"/tickets/{number}", headers=HTML)).text
    assert '<strong dir="auto">somebody</strong>' in seen
    assert '<dd dir="auto">somebody' in seen
    assert "zoe@" not in seen


async def test_missing_and_forbidden_look_alike(desk: Counter) -> None:
    ticket = await desk.opened()
    async with browser(desk) as http:
        await signs_in(desk, http, BEN)
        answers = [
            await http.get(f"/tickets/{one}") for one in (ticket["id"], ticket["id"] + 1000, "x", 2**70, 0)
        ]
        assert {a.status_code for a in answers} == {404}
        assert len({a.text for a in answers}) == 1
        for answer in answers:
            headers_are_right(answer)
        listed = await http.get("/")
        assert ticket["title"] not in listed.text
        mine = await desk.opened(desk.ben, title="Mouse <b>")
        listed = await http.get("/")
        assert f'<a href="/tickets/{mine["id"]}" dir="auto">Mouse &lt;b&gt;</a>' in listed.text
        headers_are_right(listed)


@on_sqlite
async def test_rights_are_those_of_now(desk: Counter) -> None:
    """Who is staff no longer sees no other's ticket, though they are still signed in."""
    ticket = await desk.opened()
    async with browser(desk) as http:
        await signs_in(desk, http, "grace@example.com")
        assert (await http.get(f"/tickets/{ticket['id']}")).status_code == 200
        desk.store.execute("UPDATE users SET role = 'requester' WHERE username = 'grace'")
        assert (await http.get(f"/tickets/{ticket['id']}")).status_code == 404


@on_sqlite
@pytest.mark.parametrize("evil", XSS)
async def test_what_people_write_is_text(desk: Counter, evil: str) -> None:
    ticket = await desk.opened(title=f"T {evil}", description=f"D {evil}")
    path, ada = f"/tickets/{ticket['id']}", await desk.staff()
    files = [File(name=f"{evil}.txt", content_type="text/html", size=1, content=b"x")]
    await desk.parts.manager.exchange_messages(ada, ticket["id"], f"M {evil}", files=files)
    desk.store.execute("UPDATE users SET name = :name", name=f"N {evil}")
    desk.store.execute(
        "UPDATE messages SET rich = :rich WHERE seq = 1", rich=f"<p onclick=alert(1)>R {evil}</p>"
    )
    for by in (desk.ann, desk.ada):
        answer = await by.get(path, headers=HTML)
        assert answer.status_code == 200
        headers_are_right(answer)
        for bad in ("<script>", "<img", "<svg", "onclick=", 'href="javascript'):
            assert bad not in answer.text
        assert "{{ 7 * 7 }}" in answer.text or "{{" not in evil
    async with browser(desk) as http:
        for query in ({"next": evil}, {"next": f"/{evil}"}):
            headers_are_right(await http.get("/sign-in", params=query))


@on_sqlite
async def test_titles_that_show_nothing_and_those_from_right_to_left(desk: Counter) -> None:
    """The one has words to click on, the other leaves the number where it stands: wherever both are in one line."""
    number = (await desk.opened(title="T"))["id"]
    old = await desk.opened(title="U")
    desk.store.execute("UPDATE tickets SET title = :t WHERE id = :id", t="\u200b", id=old["id"])
    desk.store.execute(
        "UPDATE tickets SET title = :t WHERE id = :id", t="\u05e9\u05dc\u05d5\u05dd", id=number
    )
    line = f'<a href="/tickets/{number}">#{number} <bdi>\u05e9\u05dc\u05d5\u05dd</bdi></a>'
    reports = (await desk.ada.get("/reports", headers=HTML)).text
    assert line in reports
    assert f'<a href="/tickets/{old["id"]}">#{old["id"]} <bdi>(no title)</bdi></a>' in reports
    for who in (desk.ada, desk.ann):
        listed = (await who.get("/view-tickets", headers=HTML)).text
        assert ">(no title)</a>" in listed
        shown = (await who.get(f"/tickets/{number}", headers=HTML)).text
        assert f"#{number}</span> <bdi>\u05e9" in shown
        assert "<bdi>(no title)</bdi>" in (await who.get(f"/tickets/{old['id']}", headers=HTML)).text
    for title, description in (("\u2060", "d"), ("t", "\ufeff")):
        refused = await desk.ann.post("/report-issue", json={"title": title, "description": description})
        assert refused.status_code == 422


def test_formatting_is_the_subset_alone() -> None:
    shown = formatted(
        '<p>a <b>b</b> <a href="https://x.example/?a=1&amp;b" onclick="x()">c</a></p><script>x</script>'
    )
    assert shown == (
        '<p>a <b>b</b> <a rel="nofollow noopener noreferrer" href="https://x.example/?a=1&amp;b">c</a></p>'
    )
    assert "<a" not in formatted('<a href="javascript:alert(1)">x</a>')
    assert formatted(clean("<p>&lt;a href=x&gt;</p>")) == "<p>&lt;a href=x&gt;</p>"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        (HTML["Accept"], True),
        ("text/html;q=0.5, application/json", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html, application/json", False),
        ("text/*", True),
        ("text/html;q=x", False),
        ("text/html;q=0, */*", False),
        (";;;,,", False),
    ],
)
def test_who_wants_a_page(accept: str, html: bool) -> None:
    assert wants_html({"headers": [(b"accept", accept.encode())] if accept else []}) is html


@on_sqlite
async def test_json_stays_json(desk: Counter) -> None:
    """And the document of the requests knows nothing of pages."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    for accept in ("*/*", "application/json"):
        answer = await desk.ann.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/json"
        assert (await desk.nobody.get(path, headers={"Accept": accept})).status_code == 401
    assert (
        await desk.ann.put(f"{path}/status", json={"status": "resolved"}, headers=HTML)
    ).status_code == 200
    paths = (await desk.nobody.get("/openapi.json")).json()["paths"]
    assert not [one for one in paths if one.startswith(("/sign", "/static", "/ui")) or one == "/"]


@on_sqlite
async def test_the_style_is_ours_and_kept(desk: Counter) -> None:
    async with browser(desk) as http:
        form = await http.get("/sign-in")
        headers_are_right(form)
        sheet = form.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        style = await http.get(sheet)
        assert style.headers["content-type"].startswith("text/css")
        assert "immutable" in style.headers["cache-control"]
        assert (await http.get("/static/../site.py")).status_code == 404
        assert (await http.get("/static/..%2fsite.py")).status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, ""),
        ({"from": "new", "to": "open"}, "new → open"),
        ({"from": None, "to": "ada"}, "nobody → ada"),
        ({"from": "ada", "to": None}, "ada → nobody"),
        ({"to": "ada"}, "→ ada"),
        ({"reason": "550 no such user"}, "550 no such user"),
        ({"reason": "x" * 1000}, "x" * 300),
    ],
)
def test_what_the_history_says(data: dict[str, Any], words: str) -> None:
    event = Event(id=1, ticket_id=1, at=datetime.now(UTC), kind="moved", actor="", public=True, data=data)
    assert said(event) == words


@on_sqlite
async def test_somebody_without_a_session_is_led_to_sign_in(desk: Counter) -> None:
    async with browser(desk) as http:
        for path in ("/", "/tickets/7", "/tickets/7?a=b"):
            answer = await http.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?next=")
        assert ANN not in answer.text
