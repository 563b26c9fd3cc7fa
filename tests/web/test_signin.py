"""Signing in by a mailed link: who gets in, who doesn't, and what nobody learns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from core.matching import mail_person
from core.sessions import ASKS_PER_SOURCE, CODES_PER_LINK, MAILS_PER_ASKER, safe_path
from tests.core.test_figures_read import statements
from tests.interfaces.counter import ANN, BEN, REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import asks, browser, field, mails, presses, signs_in
from tests.web.stage import client


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def test_the_whole_way_in_and_out(desk: Counter) -> None:
    """The cookie serves pages and JSON; signing out ends it on the server."""
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    async with browser(desk) as http:
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")
        answer = await signs_in(desk, http, ANN, path)
        assert answer.headers["location"] == path
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        shown = await http.get(path)
        assert REPORT["title"] in shown.text
        json = await http.get(path, headers={"Accept": "*/*"})
        assert json.json()["title"] == REPORT["title"]
        session = http.cookies["relaydesk_session"]
        assert desk.store.count("tokens", "purpose = 'session'") == 1
        forged = await http.post("/ui/sign-out", data={"token": "0" * 64})
        assert forged.status_code == 403
        gone = await http.post("/ui/sign-out", data={"token": field(shown, "token")})
        assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in")
        assert "relaydesk_session" not in http.cookies
        http.cookies.set("relaydesk_session", session)
        assert (await http.get(path)).status_code == 303
        assert (await http.get(path, headers={"Accept": "*/*"})).status_code == 401


async def test_a_link_works_once_and_opening_it_does_nothing(desk: Counter) -> None:
    async with browser(desk) as http, browser(desk) as scanner:
        path = (await asks(desk, http, ANN))["path"]
        for _ in range(3):
            assert (await scanner.get(path)).status_code == 200
        assert (await presses(scanner, path)).status_code == 403, "a scanner that submits forms has no code"
        assert (await presses(http, path)).status_code == 303
        for one in (http, scanner):
            assert (await one.get(path)).status_code == 404
            assert (await one.post(path, data={"token": "x"})).status_code == 403
        assert desk.store.count("tokens", "purpose = 'session'") == 1


async def test_another_browser_needs_the_code(desk: Counter) -> None:
    async with browser(desk) as http, browser(desk) as phone:
        mail = await asks(desk, http, ANN)
        wrong = f"{(int(mail['code']) + 1) % 1_000_000:06}"
        assert (await presses(phone, mail["path"], code=wrong)).status_code == 403
        answer = await presses(phone, mail["path"], code=f"{mail['code'][:3]} {mail['code'][3:]}")
        assert answer.status_code == 303
        assert (await phone.get("/")).status_code == 200


async def test_codes_cannot_be_tried_out(desk: Counter) -> None:
    async with browser(desk) as http, browser(desk) as thief:
        mail = await asks(desk, http, ANN)
        wrong = f"{(int(mail['code']) + 1) % 1_000_000:06}"
        for _ in range(CODES_PER_LINK):
            assert (await presses(thief, mail["path"], code=wrong)).status_code == 403
        assert (await presses(thief, mail["path"], code=mail["code"])).status_code == 404
        assert (await presses(http, mail["path"])).status_code == 303, "the browser that asked needs none"


async def test_forged_forms_and_nonces_are_refused(desk: Counter) -> None:
    async with browser(desk) as http, browser(desk) as other:
        path = (await asks(desk, http, ANN))["path"]
        foreign = field(await other.get(path), "token")
        assert (await http.post(path, data={"token": foreign})).status_code == 403
        assert (await http.post(path)).status_code == 403
        bare = {"email": ANN, "next": "/"}
        assert (await http.post("/sign-in", data=bare)).status_code == 403
        assert (await http.post("/sign-in", data={**bare, "token": foreign})).status_code == 403
        assert (await http.post("/sign-in", json={**bare, "token": foreign})).status_code == 403
        async with client(desk.url) as cookieless:
            token = field(await http.get(path), "token")
            assert (await cookieless.post(path, data={"token": token})).status_code == 403
        assert desk.store.count("tokens", "purpose = 'session'") == 0
        assert len(mails(desk, ANN)) == 1


async def test_a_session_is_new_at_each_sign_in(desk: Counter) -> None:
    """What somebody planted in the browser is never made good, and an older session ends."""
    async with browser(desk) as http:
        http.cookies.set("relaydesk_session", "planted" * 6)
        await signs_in(desk, http, ANN)
        first = http.cookies.get("relaydesk_session", domain="127.0.0.1")
        assert first is not None
        assert "planted" not in first
        assert await desk.parts.sessions.actor("planted" * 6) is None
        path = (await asks_signed_in(desk, http, BEN))["path"]
        assert (await presses(http, path)).status_code == 303
        assert await desk.parts.sessions.actor(first) is None


async def asks_signed_in(desk: Counter, http: httpx.AsyncClient, email: str) -> dict[str, str]:
    """Ask as somebody else while signed in: the form's page leads away, the cookie of a form is still ours to get."""
    await http.get("/sign-in/unknown")
    session = http.cookies.get("relaydesk_session", domain="127.0.0.1")
    http.cookies.clear()
    mail = await asks(desk, http, email)
    http.cookies.set("relaydesk_session", session or "")
    return mail


async def test_nothing_that_is_kept_lets_in(desk: Counter, store: Store) -> None:
    async with browser(desk) as http:
        mail = await asks(desk, http, ANN)
        await presses(http, mail["path"])
        kept = str(store.rows("SELECT * FROM tokens"))
        for secret in (mail["path"].rpartition("/")[2], mail["code"], http.cookies["relaydesk_session"]):
            assert secret not in kept


async def test_links_and_sessions_end(desk: Counter) -> None:
    async with browser(desk) as http:
        path = (await asks(desk, http, ANN))["path"]
        desk.parts.clock.offset = timedelta(minutes=10, seconds=1)
        assert (await http.get(path)).status_code == 404
        path = (await asks(desk, http, ANN))["path"]
        assert (await presses(http, path)).status_code == 303
        assert (await http.get("/")).status_code == 200
        desk.parts.clock.offset = timedelta(days=14, hours=1)
        assert (await http.get("/")).status_code == 303


async def test_nobody_learns_who_is_known(desk: Counter) -> None:
    async with browser(desk) as http:
        form = await http.get("/sign-in")
        answers = []
        for email in (ANN, "stranger@elsewhere.example"):
            answer = await http.post("/sign-in", data={"email": email, "token": field(form, "token")})
            headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")}
            answers.append((answer.status_code, answer.text, headers))
        assert answers[0] == answers[1]
    sessions = desk.parts.sessions
    assert not await sessions.ask("stranger@elsewhere.example", "n", "/")
    assert not await sessions.ask("no address", "n", "/")
    assert not await sessions.ask("evil@x.example\r\nBcc: all@x.example", "n", "/")


async def test_as_much_is_written_for_nobody_and_nothing_of_it_stays(desk: Counter) -> None:
    """A request that waits for the one writer would tell else by how long it waits."""
    sessions, said = desk.parts.sessions, dict[str, list[str]]()
    await sessions.ask(BEN, "n", "/")
    before = [desk.store.count(table) for table in ("tokens", "deliveries", "counters")]
    for address in (ANN, "stranger@elsewhere.example"):
        with statements(desk.parts.database) as all_of_it:
            assert await sessions.ask(address, "n", "/") is (address == ANN)
        said[address] = sorted(one.split(" ")[0] for one in all_of_it if one.startswith(("INSERT", "UPDATE")))
    assert said[ANN] == said["stranger@elsewhere.example"]
    assert len(said[ANN]) >= 4
    after = [desk.store.count(table) for table in ("tokens", "deliveries", "counters")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 2], "those for Ann"


async def test_the_link_goes_to_where_they_are_known(desk: Counter) -> None:
    """Not to how somebody typed it: `straße` and `strasse` have two owners."""
    sessions = desk.parts.sessions
    known = "jörg@xn--strae-oqa.example"
    actor = await desk.parts.people.known(mail_person(known))
    assert actor.email == known
    assert await sessions.ask("jörg@straße.example", "n", "/")
    assert desk.store.value("SELECT place FROM deliveries ORDER BY id DESC LIMIT 1") == known
    assert not await sessions.ask("jörg@strasse.example", "n", "/")


async def test_who_is_only_said_to_have_reported_gets_no_link(desk: Counter) -> None:
    """Else a form would be a way to have mails sent to anybody."""
    victim = "victim@elsewhere.example"
    answer = await desk.nobody.post("/report-issue", json={**REPORT, "email": victim})
    assert answer.status_code == 201
    assert not await desk.parts.sessions.ask(victim, "n", "/")
    desk.store.execute("UPDATE tickets SET unconfirmed = :no", no=False)
    assert await desk.parts.sessions.ask(victim, "n", "/")


async def test_so_many_mails_an_hour_and_asks_a_minute(desk: Counter) -> None:
    sessions = desk.parts.sessions
    sent = [await sessions.ask(ANN, "n", "/", "198.51.100.7") for _ in range(MAILS_PER_ASKER + 2)]
    assert sent == [True] * MAILS_PER_ASKER + [False] * 2
    assert await sessions.ask(ANN, "n", "/", "203.0.113.9"), "somebody else's asks keep nobody out"
    assert await sessions.ask(BEN, "n", "/")
    desk.parts.clock.offset = timedelta(hours=1)
    assert await sessions.ask(ANN, "n", "/")
    assert ASKS_PER_SOURCE >= 10
    allowed = [await sessions.may_ask("192.0.2.7") for _ in range(ASKS_PER_SOURCE * 2 + 1)]
    assert allowed[:ASKS_PER_SOURCE] == [True] * ASKS_PER_SOURCE
    assert not allowed[-1]
    assert await sessions.may_ask("192.0.2.8")


@on_sqlite
async def test_a_session_changes_nothing_without_the_token_of_our_pages(desk: Counter) -> None:
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}/messages"
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        body = {"message": "more"}
        assert (await http.post(path, json=body)).status_code == 403
        for wrong in ("", "x", "ł", "0" * 64):
            headers = {"X-CSRF-Token": wrong.encode()}
            assert (await http.post(path, json=body, headers=headers)).status_code == 403
        assert (await http.post("/report-issue", json=REPORT)).status_code == 403
        token = field(await http.get("/"), "token")
        answer = await http.post(path, json=body, headers={"X-CSRF-Token": token})
        assert answer.status_code == 201
        shown = await desk.shown(ticket["id"])
        assert shown["messages"][-1]["author"]["email"] == ANN


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "", "evil",
     "/a//evil.example", "/x\r\nSet-Cookie: a=b", "/\t/evil.example", "/ö", "/" + "a" * 400, "/<script>"],
)  # fmt: skip
def test_next_is_a_path_of_ours_alone(path: str) -> None:
    assert safe_path(path) == "/"


@on_sqlite
async def test_no_open_redirect_and_no_header_of_others(desk: Counter) -> None:
    assert safe_path("/view-tickets?status=new&q=a%20b") == "/view-tickets?status=new&q=a%20b"
    for goal in ("//evil.example", "/\\evil.example", "https://evil.example/", "/x\r\nX-Evil: 1"):
        async with browser(desk) as http:
            form = await http.get("/sign-in", params={"next": goal})
            assert "evil" not in form.text.lower()
            fields = {"email": BEN, "token": field(form, "token"), "next": goal}
            assert (await http.post("/sign-in", data=fields)).status_code == 200
    async with browser(desk) as http:
        answer = await signs_in(desk, http, "grace@example.com", "//evil.example")
        assert answer.headers["location"] == "/"
        assert (await http.get("/sign-in", params={"next": "//evil.example"})).headers["location"] == "/"


async def test_over_https_cookies_are_this_host_s_alone(store: Store) -> None:
    async with (
        counter_on(store, service={"base_url": "https://desk.example.com"}) as desk,
        browser(desk) as http,
    ):
        cookie = (await http.get("/sign-in", headers={"Host": "evil.example"})).headers["set-cookie"]
        assert cookie.startswith("__Host-relaydesk_form=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert await desk.parts.sessions.ask(ANN, "n", "/")
        assert mails(desk, ANN)[-1]["url"].startswith("https://desk.example.com/sign-in/")
