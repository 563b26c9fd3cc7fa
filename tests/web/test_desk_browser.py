"""Staff's pages in a real browser: keys, buttons, a ticket that changes while it is open, and who can use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.interfaces.counter import Counter, counter_on
from tests.stores import Store
from tests.waiting import until
from tests.web.axe import check_page, chromium, cookies_of
from tests.web.browser import browser, signs_in
from tests.web.test_desk import CANNED, QUEUES, arrives, fails, state_of

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])
LOOK = 13_000  # milliseconds: longer than the script waits between two looks


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk with two queues and a canned answer."""
    async with counter_on(store, queue=QUEUES, canned=CANNED) as counter:
        yield counter


@asynccontextmanager
async def at_the_desk(desk: Counter, *, script: bool = True) -> AsyncIterator[Any]:
    """A page of grace's browser; what its scripts raise fails the test."""
    async with browser(desk) as http, chromium() as real:
        await signs_in(desk, http, "grace@example.com")
        context = await real.new_context(
            base_url=desk.url, viewport={"width": 1280, "height": 800}, java_script_enabled=script
        )
        await context.add_cookies(await cookies_of(http, desk.url))
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        yield page
        assert errors == []


async def focused(page: Any) -> str:
    return str(await page.evaluate("() => document.activeElement.textContent || document.activeElement.name"))


async def test_with_keys_alone(desk: Counter) -> None:
    """j, k, Enter, u, r, n, / and ?; in a field they are letters, and who doesn't want them switches them off."""
    for title in ("One", "Two", "Three"):
        await desk.opened(title=title)
    async with at_the_desk(desk) as page:
        await page.goto("/")
        for key, title in (("j", "Three"), ("j", "Two"), ("j", "One"), ("j", "One"), ("k", "Two")):
            await page.keyboard.press(key)
            assert await focused(page) == title
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/tickets/2")
        await page.keyboard.press("r")
        assert await focused(page) == "message"
        await page.keyboard.type("just run")
        box = page.get_by_label("Reply", exact=True)
        assert await box.input_value() == "just run"
        await page.keyboard.press("Escape")
        await page.keyboard.press("u")
        await page.get_by_role("link", name="Three", exact=True).wait_for()
        await page.keyboard.press("/")
        await page.keyboard.type("One")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=One*")
        await page.keyboard.press("j")
        assert await focused(page) == "One"
        await page.keyboard.press("n")
        await page.wait_for_url("**/tickets/1#new-note")
        assert await focused(page) == "message"
        assert await page.locator("[name=visibility][value=note]").is_checked()
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard")
        await dialog.get_by_label("Use these keys in this browser").uncheck()
        await dialog.get_by_role("button", name="Close").click()
        await page.goto("/")
        await page.keyboard.press("j")
        assert await focused(page) != "Three"


async def test_a_ticket_is_worked_on(desk: Counter) -> None:
    one, other = (await desk.opened())["id"], (await desk.opened(title="The same again"))["id"]
    async with at_the_desk(desk) as page:
        await page.goto(f"/tickets/{one}")
        await page.get_by_label("Status", exact=True).select_option("pending")
        await page.get_by_role("button", name="Set status").click()
        await page.get_by_text("The status is set.").wait_for()
        await page.get_by_label("Assignee", exact=True).select_option("ada")
        await page.get_by_role("button", name="Assign", exact=True).click()
        await page.get_by_text("It is assigned.").wait_for()
        await page.get_by_role("button", name="Take it", exact=True).click()
        await page.get_by_role("button", name="Take it", exact=True).wait_for(state="detached")
        await page.get_by_label("Add a tag").fill("hot")
        await page.get_by_role("button", name="Add tag").click()
        await page.get_by_role("button", name="Take the tag hot off").wait_for()
        now = await desk.shown(one)
        assert (now["status"], now["assignee"]) == ("pending", "grace")
        await page.keyboard.press("n")
        await page.keyboard.type("She called twice.")
        await page.get_by_role("button", name="Send", exact=True).click()
        await page.locator("article.note").get_by_text("She called twice.").wait_for()
        await page.get_by_text("People, put aside, merge, title, spam").click()
        await page.get_by_label("Merge into ticket number").fill(str(other))
        await page.get_by_role("button", name="Merge", exact=True).click()
        await page.get_by_role("button", name=f"Merge #{one} into #{other}").click()
        await page.get_by_text("It is merged.").wait_for()
        now = await desk.shown(one)
        assert now["status"] == "closed"
        assert [m["visibility"] for m in now["messages"]] == ["public", "note"]


@pytest.mark.parametrize("script", [True, False])
async def test_a_canned_answer_fills_the_box(desk: Counter, script: bool) -> None:
    """It is added to what is typed; without a script the page comes again with the box filled. Nothing is sent."""
    number = (await desk.opened())["id"]
    async with at_the_desk(desk, script=script) as page:
        await page.goto(f"/tickets/{number}")
        box = page.get_by_label("Reply", exact=True)
        await box.fill("Hello!")
        await page.get_by_label("Note", exact=True).check()
        await page.get_by_role("button", name="Put it into the box").click()
        await until(lambda: _said(box, "we open at nine"))
        assert (await box.input_value()).startswith("Hello!\n\nDear ")
        assert await page.get_by_label("Note", exact=True).is_checked()
    assert len((await desk.shown(number))["messages"]) == 1


async def _said(box: Any, words: str) -> bool:
    return words in await box.input_value()


async def test_something_new_while_a_ticket_is_open(desk: Counter) -> None:
    """A bar says so; what is typed stays, on pressing it and on every other button; the pages' own state is fresh."""
    number = (await desk.opened())["id"]
    async with at_the_desk(desk) as page:
        await page.clock.install()
        await page.goto(f"/tickets/{number}")
        news = page.get_by_text("There is something new here.")
        await page.get_by_label("Reply", exact=True).fill("I was just")
        await page.clock.run_for(LOOK)
        assert not await news.is_visible()
        await desk.ann.post(f"/tickets/{number}/messages", json={"message": "It's out, thanks"})
        await desk.ada.put(f"/tickets/{number}/assignee", json={"username": "ada"})
        await page.clock.run_for(LOOK)
        await news.wait_for()
        assert await page.get_by_text("It's out, thanks").count() == 0
        await page.get_by_role("button", name="Show it").click()
        await page.get_by_text("It's out, thanks").wait_for()
        assert not await news.is_visible()
        assert await page.get_by_label("Reply", exact=True).input_value() == "I was just"
        assert await page.get_by_label("Assignee", exact=True).input_value() == "ada"
        await page.get_by_label("Status", exact=True).select_option("resolved")
        await page.get_by_role("button", name="Set status").click()
        await page.get_by_text("The status is set.").wait_for()
        assert await page.get_by_label("Reply", exact=True).input_value() == "I was just"


async def test_a_draft_stays_what_it_is(desk: Counter) -> None:
    """What was typed as a note comes back as one, and what was sent doesn't come back."""
    number = (await desk.opened())["id"]
    async with at_the_desk(desk) as page:
        await page.goto(f"/tickets/{number}")
        await page.get_by_label("Note", exact=True).check()
        box = page.get_by_label("Reply", exact=True)
        await box.fill("Between us")
        await page.get_by_role("button", name="Set priority").click()
        await page.get_by_text("The priority is set.").wait_for()
        assert await box.input_value() == "Between us"
        assert await page.get_by_label("Note", exact=True).is_checked()
        await page.keyboard.press("r")
        assert await page.get_by_label("Note", exact=True).is_checked()
        await page.get_by_role("button", name="Send", exact=True).click()
        await page.locator("article.note").get_by_text("Between us").wait_for()
        assert await box.input_value() == ""
        await page.reload()
        assert await box.input_value() == ""


@pytest.mark.parametrize("leaves_from", ["/", "/status"])
async def test_a_draft_is_its_writers_alone(desk: Counter, leaves_from: str) -> None:
    """Who signs in after them in the same tab doesn't find it, wherever they signed out; nor is it kept for later."""
    number = (await desk.opened())["id"]
    async with at_the_desk(desk) as page, browser(desk) as http:
        await page.goto(f"/tickets/{number}")
        box = page.get_by_label("Reply", exact=True)
        await box.fill("What grace thinks")
        await page.goto(leaves_from)
        await page.goto(f"/tickets/{number}")
        assert await box.input_value() == "What grace thinks"
        await page.goto(leaves_from)
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
        await signs_in(desk, http, "ada@example.com")
        await page.context.add_cookies(await cookies_of(http, desk.url))
        await page.goto(f"/tickets/{number}")
        assert await box.input_value() == ""
        assert await page.evaluate("() => Object.keys(sessionStorage)") == []


async def test_looking_rests(desk: Counter) -> None:
    """Not while the page is hidden; ever more rarely while the server is away; never again once one is signed out."""
    number = (await desk.opened())["id"]
    async with at_the_desk(desk) as page:
        asked: list[str] = []
        status = 503

        async def answers(route: Any) -> None:
            await route.fulfill(status=status, body="")
            asked.append(route.request.url)

        async def heard(times: int) -> None:
            await until(lambda: len(asked) == times)
            # The page has that answer before this one.
            await page.evaluate("() => fetch('/healthz').then(() => null)")

        await page.route("**/version", answers)
        await page.clock.install()
        await page.goto(f"/tickets/{number}")
        await page.clock.run_for(LOOK)
        await heard(1)
        await page.clock.run_for(LOOK)
        assert len(asked) == 1
        await page.clock.run_for(LOOK)
        await heard(2)
        await page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { get: () => window.away ?? false }) }"
        )
        change = "away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')) }"
        await page.evaluate(change, True)
        await page.clock.run_for(600_000)
        assert len(asked) == 2
        status = 401
        await page.evaluate(change, False)
        await heard(3)
        await page.clock.run_for(600_000)
        assert len(asked) == 3


async def test_what_failed_is_tried_again(desk: Counter) -> None:
    one, other = (await desk.opened())["id"], (await desk.opened())["id"]
    first, second = fails(desk, one), fails(desk, other)
    held = await arrives(desk, b"From: m@bad.example\r\nSubject: You won\r\n\r\nx", "held")
    async with at_the_desk(desk) as page:
        await page.goto("/")
        await page.get_by_role("link", name="Undelivered").click()
        await page.get_by_role("button", name=f"Try again delivery {first}").click()
        await page.get_by_text("It is tried again.").wait_for()
        assert state_of(desk, first) == "queued"
        await page.get_by_role("button", name=f"Make a ticket of {held}").click()
        await page.get_by_text("All that came in was read.").wait_for()
        await page.goto(f"/tickets/{other}")
        await page.get_by_role("button", name="Cancel it").click()
        await page.get_by_text("It is cancelled.").wait_for()
        assert state_of(desk, second) == "cancelled"


async def test_everybody_can_use_them(desk: Counter) -> None:
    """axe finds nothing, in light and dark and at 360 px, where nothing scrolls sideways; without a script, too."""
    number = (await desk.opened(title="A" * 200, priority="urgent"))["id"]
    await desk.opened(title="Two", queue="billing")
    fails(desk, number)
    await arrives(desk, b"From: m@bad.example\r\nSubject: " + b"w" * 200 + b"\r\n\r\nx", "unreadable")
    paths = (
        "/",
        "/?tab=waiting&sort=oldest&status=open",
        "/?q=nothing",
        f"/tickets/{number}",
        "/desk/failed",
    )
    async with at_the_desk(desk) as page:
        for path in paths:
            await page.goto(path)
            for summary in await page.locator("summary").all():
                await summary.click()
            await check_page(page)
        await page.goto("/")
        await page.keyboard.press("?")
        await check_page(page)
    async with at_the_desk(desk, script=False) as page:
        await page.goto(f"/tickets/{number}")
        await page.get_by_label("Priority", exact=True).select_option("low")
        await page.get_by_role("button", name="Set priority").click()
        await page.get_by_text("The priority is set.").wait_for()
        assert await page.get_by_role("button", name="Keyboard").count() == 0
