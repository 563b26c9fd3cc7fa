"""What was sent under somebody's address without signing in: they are asked on their pages, and after the mailed link
they are led to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from core import unsubscribing
from core.preferences import LIST
from tests.interfaces.counter import ANN, BEN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.axe import check_page, chromium, cookies_of
from tests.web.browser import HTML, browser, field, presses, signs_in

ASKS = "Was it you?"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


def _unconfirmed(desk: Counter, number: int) -> bool:
    return bool(desk.store.value("SELECT unconfirmed FROM tickets WHERE id = :id", id=number))


def _link(desk: Counter) -> str:
    told = str(desk.store.value("SELECT data FROM deliveries WHERE data LIKE '%/confirm/%' ORDER BY id DESC"))
    return "/confirm/" + told.split("/confirm/")[1].split('"')[0]


async def test_its_requester_is_asked_and_says_so(desk: Counter) -> None:
    """With the form's token alone, and once; then nothing asks any more, nor waits."""
    own, number = await desk.opened(), (await desk.opened(desk.nobody, email=ANN))["id"]
    path = f"/ui/tickets/{number}/confirm"
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        assert (await http.get("/")).text.count("was it you?") == 1
        assert ASKS not in (await http.get(f"/tickets/{own['id']}")).text
        shown = await http.get(f"/tickets/{number}")
        assert ASKS in shown.text
        assert (await http.post(path, data={"token": "0" * 64})).status_code == 403
        assert _unconfirmed(desk, number)
        for _ in range(2):
            done = await http.post(path, data={"token": field(shown, "token")})
            assert (done.status_code, done.headers["location"]) == (303, f"/tickets/{number}")
        assert not _unconfirmed(desk, number)
        assert ASKS not in (await http.get(f"/tickets/{number}")).text
        assert "was it you?" not in (await http.get("/")).text
    assert desk.store.count("deliveries", "state = 'held'") == 0
    staffs = await desk.ada.get(f"/tickets/{number}", headers=HTML)
    assert "hasn't confirmed" not in staffs.text


async def test_an_answer_of_theirs_by_page_or_token_says_so_too(desk: Counter) -> None:
    await desk.opened()  # she is known
    first, second = [(await desk.opened(desk.nobody, email=ANN))["id"] for _ in range(2)]
    async with browser(desk) as http:
        await signs_in(desk, http, ANN)
        shown = await http.get(f"/tickets/{first}")
        fields = {"token": field(shown, "token"), "key": field(shown, "key"), "message": "Still."}
        assert (await http.post(f"/ui/tickets/{first}/reply", data=fields)).status_code == 303
    assert (await desk.ann.put(f"/tickets/{second}/status", json={"status": "resolved"})).status_code == 200
    assert not _unconfirmed(desk, first)
    assert not _unconfirmed(desk, second)


@on_sqlite
async def test_nobody_else_is_asked(desk: Counter) -> None:
    """Who takes part sees the ticket and no question; staff see what they always saw."""
    number = (await desk.opened(desk.nobody, email=ANN))["id"]
    await desk.parts.manager.admit(await desk.staff(), number, BEN)
    for who in (desk.ben, desk.ada):
        assert ASKS not in (await who.get(f"/tickets/{number}", headers=HTML)).text
    assert "was it you?" not in (await desk.ben.get("/view-tickets", headers=HTML)).text
    assert "hasn't confirmed" in (await desk.ada.get(f"/tickets/{number}", headers=HTML)).text
    assert _unconfirmed(desk, number)


@on_sqlite
async def test_the_mailed_link_leads_to_the_report(desk: Counter) -> None:
    """Who is signed in as its requester, at once; others over the sign-in page."""
    await desk.opened()
    for who, there in (
        (None, "/sign-in?next=/tickets/{}"),
        (BEN, "/sign-in?next=/tickets/{}"),
        (ANN, "/tickets/{}"),
    ):
        number = (await desk.opened(desk.nobody, email=ANN))["id"]
        async with browser(desk) as http:
            if who is not None:
                await signs_in(desk, http, who)
            thanks = await presses(http, _link(desk))
        assert thanks.status_code == 200
        assert f'href="{there.format(number)}">{number}</a>' in thanks.text


@on_sqlite
async def test_these_pages_look_like_the_others(desk: Counter) -> None:
    """Of our style, dark where that is wanted; axe finds nothing, nor on the question."""
    await desk.opened()
    number = (await desk.opened(desk.nobody, email=ANN, description="long " * 10_000))["id"]
    message = (await desk.shown(number))["messages"][0]["id"]
    leave = urlsplit(unsubscribing.url_for(desk.parts.config, LIST, ANN)).path
    async with browser(desk) as http, chromium() as real:
        await signs_in(desk, http, ANN)
        context = await real.new_context(base_url=desk.url, viewport={"width": 1000, "height": 800})
        page = await context.new_page()
        for path in ("/confirm/made-up", leave, f"{leave}x"):
            await page.goto(path)
            await check_page(page)
            await page.emulate_media(color_scheme="dark")
            assert (
                await page.evaluate("() => getComputedStyle(document.body).backgroundColor")
                != "rgb(255, 255, 255)"
            )
            assert await page.locator("header .home").count() == 1
            await page.emulate_media(color_scheme="light")
        await context.add_cookies(await cookies_of(http, desk.url))
        for path in ("/", f"/tickets/{number}/messages/{message}", f"/tickets/{number}"):
            await page.goto(path)
            await check_page(page)
        await page.get_by_role("button", name="Yes, it was me").click()
        await page.get_by_text(ASKS).wait_for(state="detached")
    assert not _unconfirmed(desk, number)
