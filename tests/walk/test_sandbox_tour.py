"""The whole product as a newcomer meets it: the real `relaydesk sandbox`, its one page, the tour's five steps.

Nothing here knows the service but by what a browser shows.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.stores import Store
from tests.test_browser_walk import shot, use_tool
from tests.waiting import free_port, until
from tests.walk.walker import IMPATIENT

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)]
CAROL = "carol@customer.example"
QUICK = {"courier": {"poll": "50ms"}, "worker": {"poll": "50ms"}}


@pytest.fixture
async def sandbox(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    """`relaydesk sandbox`, as `make run` starts it."""
    web, mail = free_port(), free_port()
    house = House(
        store,
        tmp_path / "house",
        command=("sandbox",),
        env={"RELAYDESK_HTTP__PORT": str(web), "RELAYDESK_EMAIL__INBOUND__PORT": str(mail)},
        service={"base_url": f"http://127.0.0.1:{web}"},
        **QUICK,
    )
    await house.start()
    await house.ready()
    yield house
    await house.close()


async def address_of(house: House) -> str:
    """The address that it tells to open."""

    def found() -> str:
        lines = [line for line in house.output if "open this" in line]
        return re.findall(r"http://\S+", lines[0])[0] if lines else ""

    return await until(found, timeout=20, what="the address of the page")


async def test_the_five_steps(sandbox: House, page: Any, store_name: str) -> None:
    """Mail, card, reply, the customer's reply, the end, the rating; the tour notices each."""
    page.set_default_timeout(10_000)
    await page.add_init_script(IMPATIENT)
    await page.goto(await address_of(sandbox))
    tour = page.get_by_role("region", name="Five steps")

    async def at(step: str) -> None:
        await tour.locator("[aria-current=step]", has_text=step).wait_for()

    await at("Write a mail")
    await _write(page)
    await at("See the card")
    await _open_the_thread(page)
    await at("Reply in the thread")
    answer = page.get_by_role("textbox", name="Reply", exact=True)
    await answer.fill("The corrected invoice is on its way.")
    await answer.press("Enter")
    await at("Read it and reply")
    await _answer(page)
    await at("Resolve and rate")
    await page.get_by_role("list", name="Replies").get_by_text("It has arrived, thank you!").wait_for()
    await shot(page, "tour")
    await page.get_by_role("list", name="Messages").get_by_role("button", name="Resolve").click()
    await page.get_by_role("list", name="Mails").get_by_text("marked as resolved").wait_for()
    await _rate(page)
    await tour.get_by_text("That was the whole way").wait_for()
    await page.locator("#way-facts").get_by_text("rated 5 of 5").wait_for()
    await shot(page, "tour-done")


async def _write(page: Any) -> None:
    await page.get_by_role("button", name="Write a mail").click()
    await page.get_by_label("Subject", exact=True).fill("Invoice 4711 has the wrong address")
    await page.get_by_label("Text", exact=True).fill("Our new address is Mill Lane 3.")
    await page.get_by_label("Files", exact=True).set_input_files(
        [{"name": "invoice.txt", "mimeType": "text/plain", "buffer": b"4711"}]
    )
    await page.get_by_role("button", name="Send mail").click()


async def _open_the_thread(page: Any) -> None:
    posts = page.get_by_role("list", name="Messages")
    await posts.get_by_text("Invoice 4711").first.wait_for()
    await posts.get_by_role("button", name="Take").last.click()
    await posts.get_by_text("Ada Lovelace").first.wait_for()
    await use_tool(posts.get_by_role("listitem").last, "Reply in thread")


async def _answer(page: Any) -> None:
    """As the customer: read it in all forms, and reply with Outlook."""
    await page.get_by_role("list", name="Mails").get_by_text("The corrected invoice").first.click()
    mail = page.get_by_role("article", name="Mail")
    await mail.frame_locator("iframe").get_by_text("The corrected invoice").first.wait_for()
    await mail.get_by_role("button", name="Text").click()
    await mail.locator("pre", has_text="The corrected invoice").wait_for()
    await mail.get_by_role("button", name="Source").click()
    await mail.get_by_text("Reply-To: ").first.wait_for()
    await mail.get_by_role("button", name="Reply").click()
    await page.get_by_label("Mail program").select_option("Outlook")
    await page.get_by_label("Text", exact=True).fill("It has arrived, thank you!")
    await page.get_by_role("button", name="Send mail").click()


async def _rate(page: Any) -> None:
    """By the desk's own pages: signed in with a link that comes to the mailbox."""
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Open the desk").click()
    desk = await opened.value
    await desk.get_by_label("E-mail").fill(CAROL)
    await desk.get_by_role("button", name="Sign in").click()
    await page.get_by_role("list", name="Mails").get_by_role("button").filter(has_text="ign in").first.click()
    letter = page.get_by_role("article", name="Mail").frame_locator("iframe")
    async with (
        page.context.expect_page() as opened
    ):  # by key: Chromium drops clicks on a frame that has just appeared
        await letter.get_by_role("link").filter(has_text=re.compile("sign in", re.I)).first.press("Enter")
    desk = await opened.value
    await desk.get_by_role("button", name="Sign in").click()
    await desk.get_by_role("link", name="Invoice 4711 has the wrong address").click()
    await desk.get_by_role("radio", name="5").check()
    await desk.get_by_role("button", name="Rate").click()
