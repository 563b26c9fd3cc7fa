"""Reports, status and the sign-in page with Slack's button in a real browser: WCAG, the dark, a phone, no script.

`SHOTS=/some/folder` keeps pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sandbox import Sandbox
from tests.interfaces.counter import Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.axe import check_page, chromium, cookies_of
from tests.web.browser import browser, signs_in
from tests.web.test_reports import DIGESTS, QUEUES
from tests.web.test_slack_signin import slack_of

SIZES = {"light": ("light", 1280, 900), "dark": ("dark", 1280, 900), "phone": ("light", 360, 740)}


async def shots(page: Any, name: str) -> None:
    folder = os.environ.get("SHOTS")
    for kind, (scheme, width, height) in SIZES.items() if folder else ():
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": height})
        await page.screenshot(path=str(Path(str(folder)) / f"{name}-{kind}.png"), full_page=True)


async def busy(desk: Counter) -> None:
    """Tickets of both queues, answered, resolved, waiting, one with a delivery that failed."""
    for number in range(9):
        who = desk.ann if number % 2 else desk.ben
        queue = "billing" if number % 3 else "support"
        ticket = await desk.opened(who, title=f"The printer of room {number} is on fire", queue=queue)
        if number % 2:
            path = f"/tickets/{ticket['id']}"
            await desk.ada.post(f"{path}/messages", json={"message": "Take the stairs."})
            await desk.ada.put(f"{path}/status", json={"status": "resolved"})
    desk.store.execute("UPDATE deliveries SET state = 'failed' WHERE id = (SELECT MAX(id) FROM deliveries)")


@on_sqlite
async def test_pages_of_figures(store: Store) -> None:
    """The pickers work without script, each table can be reached, and a digest is sent."""
    async with counter_on(store, queue=QUEUES, digest=DIGESTS) as desk, chromium() as chrome:
        await busy(desk)
        async with browser(desk) as http:
            await signs_in(desk, http, "ada@example.com")
            cookies = await cookies_of(http, desk.url)
        context = await chrome.new_context(viewport={"width": 1280, "height": 900})
        await context.add_cookies(cookies)
        page = await context.new_page()
        await page.goto(f"{desk.url}/reports")
        await shots(page, "reports")
        await check_page(page)
        await page.get_by_role("combobox", name="Period").select_option("today")
        await page.get_by_role("combobox", name="Queue").select_option("billing")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_role("heading", name="Today, queue billing").wait_for()
        row = page.get_by_role("table", name="What happened").get_by_role("row", name="Came in")
        assert "6" in await row.inner_text()
        await page.get_by_role("button", name="Send me “daily” now").click()
        await page.get_by_role("status").wait_for()
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="All figures as CSV").click()
        assert (await downloading.value).suggested_filename.startswith("figures-")
        await page.goto(f"{desk.url}/status")
        await check_page(page)
        await shots(page, "status")
        await page.get_by_role("link", name="Look at the 1 that failed").wait_for()


@on_sqlite
async def test_on_to_slack_and_back(store: Store) -> None:
    """With the button alone, through Slack's page, to the page that was wanted."""
    box = Sandbox()
    await box.start()
    try:
        async with counter_on(store, slack=slack_of(box)) as desk, chromium() as chrome:
            object.__setattr__(desk.parts.config.service, "base_url", desk.url)
            page = await chrome.new_page(viewport={"width": 1280, "height": 900})
            await page.goto(f"{desk.url}/reports")
            await check_page(page)
            await shots(page, "sign-in")
            await page.get_by_role("button", name="Continue with Slack").click()
            await page.get_by_role("link", name="Ada Lovelace").click()
            await page.get_by_role("heading", name="Reports").wait_for()
    finally:
        await box.stop()
