"""The newcomer's minute, in a real browser: write a mail, answer in the thread, read the answer, reply, note, close."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.house import House

ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    """A page of a real Chromium; what its scripts raise fails the test."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        opened = await browser.new_page(viewport={"width": 1440, "height": 900})
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        await browser.close()
        assert errors == []


async def test_the_first_minute(house: House, page: Any, store_name: str) -> None:
    """As the README tells it, with clicks and keys alone."""
    box = house.box
    assert box is not None
    box.connect_desk(("127.0.0.1", house.smtp_port))
    await page.goto(box.url)
    await page.get_by_role("button", name="Write a mail").click()
    await page.get_by_label("Subject", exact=True).fill("Invoice 4711 has the wrong address")
    await page.get_by_label("Text", exact=True).fill("Our new address is Mill Lane 3.")
    await page.get_by_role("button", name="Send mail").click()
    posts = page.get_by_role("list", name="Messages")
    await posts.get_by_text("Invoice 4711").first.wait_for()

    await posts.get_by_role("button", name="Take").last.click()
    await posts.get_by_text("Ada Lovelace").first.wait_for()
    await posts.get_by_role("listitem").last.hover()
    await posts.get_by_role("button", name="Reply in thread").last.click()
    answer = page.get_by_role("textbox", name="Reply", exact=True)
    await answer.fill("The corrected invoice is on its way.")
    await answer.press("Enter")
    replies = page.get_by_role("list", name="Replies")
    await replies.get_by_text("✉️").first.wait_for()

    mails = page.get_by_role("list", name="Mails")
    await mails.get_by_text("The corrected invoice").first.click()
    await page.get_by_role("article").get_by_role("button", name="Reply").click()
    await page.get_by_label("Text", exact=True).fill("It has arrived, thank you!")
    await page.get_by_role("button", name="Send mail").click()
    await replies.get_by_text("It has arrived, thank you!").wait_for()

    await answer.fill("note: a nice customer")
    await answer.press("Enter")
    await replies.get_by_text(re.compile("🔒|^lock 1")).first.wait_for()  # its name where no font has it
    await answer.fill("!close")
    await answer.press("Enter")
    await mails.get_by_text("closed").first.wait_for()
    assert not any("a nice customer" in mail.raw.decode("utf-8", "replace") for mail in box.mailbox.mails)
