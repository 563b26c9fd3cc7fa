"""A requester's pages in a real browser: without script, on a phone, in the dark, and with axe-core's eyes.

`SHOTS=/some/folder` keeps pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.shapes import Visibility
from intake.web.render import CSS, SCRIPTS
from tests.evil import XSS
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.waiting import until
from tests.web.axe import check_page, chromium, cookies_of, too_wide
from tests.web.browser import browser, mails, signs_in
from tests.web.test_mail_view import HOSTILE, _with_html

PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
LARGEST = 100_000  # bytes of a page, its style and script


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _shot(page: Any, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", PHONE)):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size(size)
            kind = "phone" if size is PHONE else scheme
            await page.screenshot(path=str(Path(folder) / f"{name}-{kind}.png"), full_page=True)
        await page.set_viewport_size(WIDE)


async def _open(desk: Counter, engine: Any, email: str = "", **more: Any) -> Any:
    """A page of a context of its own, signed in where an address is given."""
    context = await engine.new_context(base_url=desk.url, viewport=WIDE, **more)
    if email:
        async with browser(desk) as http:
            await signs_in(desk, http, email)
            await context.add_cookies(await cookies_of(http, desk.url))
    return await context.new_page()


def _confirmation(desk: Counter) -> str:
    """The path of the link that the one mail to a stranger holds."""
    rows = desk.store.rows("SELECT data FROM deliveries WHERE place = :place", place=ANN)
    found = [json.loads(row["data"]) for row in rows]
    links = [one["url"] for one in found if one.get("what") == "confirm"]
    assert len(links) == 1
    return str(links[0].removeprefix(desk.parts.config.service.base_url))


@on_sqlite
async def test_a_stranger_reports_signs_in_and_replies_without_script(desk: Counter, tmp_path: Path) -> None:
    plan = tmp_path / "plan.txt"
    plan.write_text("the plan")
    async with chromium() as engine:
        page = await _open(desk, engine, java_script_enabled=False)
        await page.goto("/report-issue")
        await page.get_by_label("Title").fill("The lamp is dark")
        await page.get_by_label("Description").fill("It was bright.\nNow it isn't.")
        await page.get_by_label("E-mail").fill(ANN)
        await page.get_by_label("Name (optional)").fill("Ann")
        await page.get_by_label("Files").set_input_files(str(plan))
        await page.get_by_role("button", name="Send").click()
        await page.get_by_role("heading", name="Look into your mail").wait_for()

        await page.goto(_confirmation(desk))
        await page.get_by_role("button", name="Yes, confirm it").click()
        await page.get_by_role("heading", name="Thank you").wait_for()
        await page.goto("/")
        await page.get_by_label("E-mail").fill(ANN)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Look into your mail").wait_for()
        await until(lambda: bool(mails(desk, ANN)))
        link = mails(desk, ANN)[-1]["url"].removeprefix(desk.parts.config.service.base_url)
        await page.goto(link)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="The lamp is dark").click()
        await page.get_by_role("link", name="plan.txt").wait_for()
        await page.get_by_label("Reply").fill("Nobody came.\nPlease come.")
        await page.get_by_label("Files").set_input_files(str(plan))
        await page.get_by_role("button", name="Send").click()
        await page.get_by_text("Please come.").wait_for()
        assert await page.get_by_role("link", name="plan.txt").count() == 2
        await page.get_by_role("button", name="Resolve").click()
        await page.get_by_label("4 stars").check()
        await page.get_by_label("Comment (optional)").fill("Well done")
        await page.get_by_role("button", name="Rate").click()
        await page.get_by_text("You rated this 4 of 5").wait_for()
        await page.get_by_role("button", name="Reopen").click()
        await page.get_by_role("button", name="Resolve").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
    tickets = (await desk.ada.get("/view-tickets")).json()
    assert [(one["title"], one["status"]) for one in tickets] == [("The lamp is dark", "open")]


async def _told(desk: Counter) -> tuple[int, int]:
    """A ticket with all that a page can hold; returns it and a message that came as a mail."""
    ticket = await desk.opened(title="The printer on the third floor is on fire, and nobody knows why it is")
    await desk.opened(title="A" * 200, description="B" * 2000)
    ada, number = await desk.staff(), int(ticket["id"])
    manager = desk.parts.manager
    await manager.exchange_messages(ada, number, "We look into it.\n\nAda")
    await manager.exchange_messages(ada, number, "a nice customer", visibility=Visibility.NOTE)
    first = (await desk.shown(number))["messages"][0]["id"]
    await _with_html(desk, number, first, HOSTILE)
    return number, first


@on_sqlite
async def test_every_page_is_for_everybody(desk: Counter) -> None:
    """WCAG 2.2 AA by axe-core, in light and dark, at 360 px; and small."""
    number, first = await _told(desk)
    async with chromium() as engine:
        page = await _open(desk, engine)
        for name, path in (("report-stranger", "/report-issue"), ("sign-in", "/sign-in")):
            await page.goto(path)
            await check_page(page)
            await _shot(page, name)
        for name, email in (("requester", ANN), ("staff", "ada@example.com")):
            page = await _open(desk, engine, email)
            for kind, path in (
                ("report", "/report-issue"),
                ("ticket", f"/tickets/{number}"),
                ("tickets", "/"),
                ("mail", f"/tickets/{number}/messages/{first}/mail"),
                ("missing", "/tickets/999999"),
            ):
                answer = await page.goto(path)
                assert len(await answer.body()) + len(CSS) + len(SCRIPTS["staff.js"][1]) < LARGEST
                await check_page(page)
                await _shot(page, f"{kind}-{name}")
            if name == "requester":
                await desk.ann.put(f"/tickets/{number}/status", json={"status": "resolved"})
                await page.goto(f"/tickets/{number}")
                await check_page(page)
                await _shot(page, "ticket-resolved")


@on_sqlite
async def test_what_people_wrote_does_nothing(desk: Counter) -> None:
    """In a subject, a name, a file's name, a text and a mail's HTML: no script runs, nothing elsewhere is asked for."""
    evil = "".join(XSS)
    ticket = await desk.opened(title=f"T {evil}"[:250], description=f"D {evil}")
    number = int(ticket["id"])
    files = [
        ("files", (f"{evil}.png", b"x", "text/html")),
        ("files", ("e.html", b"<script>alert(1)</script>")),
    ]
    answer = await desk.ann.post(f"/tickets/{number}/messages", data={"message": evil}, files=files)
    first = answer.json()["id"]
    await _with_html(desk, number, first, HOSTILE + evil)
    desk.store.execute("UPDATE users SET name = :name", name=f"N {evil}")
    async with chromium() as engine:
        for email in (ANN, "ada@example.com"):
            page = await _open(desk, engine, email)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("dialog", lambda dialog, asked=asked: asked.append("dialog"))
            for path in (
                "/",
                f"/tickets/{number}",
                f"/tickets/{number}/messages/{first}/mail",
                "/report-issue",
            ):
                await page.goto(path)
                assert await page.locator("main svg, main img, main script").count() == 0
                assert await too_wide(page) == []
            await page.goto(f"/tickets/{number}/messages/{first}/mail")
            frame = page.frame_locator("iframe")
            await frame.get_by_text("Hello").wait_for()
            picture = frame.get_by_alt_text("logo")
            assert (await picture.get_attribute("src") or "").startswith("data:image/png")
            assert [url for url in asked if not url.startswith((desk.url, "data:"))] == []
