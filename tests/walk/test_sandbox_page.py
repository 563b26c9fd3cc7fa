"""The sandbox's page in a real browser, with the service behind it: a ticket's way, what can be broken, mail programs.

`SHOTS=/some/folder` keeps pictures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from app import build_parts
from core import ways
from core.config import load
from sandbox import Sandbox
from tests.conftest import Houses
from tests.waiting import until
from tests.walk.walker import SETTINGS, Walker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("store_name", ["sqlite"], indirect=True),  # a page has no store
]
CAROL = "carol@customer.example"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
QUICK = {**SETTINGS, "courier": {**SETTINGS["courier"], "retry_after": ["300ms"]}}


class Visitor(Walker):
    """Somebody before the whole page."""

    def __init__(self, house: Any, page: Any) -> None:
        super().__init__(house, page)
        self.mails = page.get_by_role("list", name="Mails")
        self.reader = page.get_by_role("article", name="Mail")
        self.steps = page.get_by_role("list", name="From the inbox over the message to the deliveries")
        self.trouble = page.get_by_role("region", name="Break it")

    async def mail(self, subject: str, text: str) -> None:
        """Write a mail as the customer."""
        await self.page.get_by_role("button", name="Write a mail").click()
        await self.page.get_by_label("Subject", exact=True).fill(subject)
        await self.page.get_by_label("Text", exact=True).fill(text)
        await self.press(self.form, "Send mail")
        await self.form.wait_for(state="hidden")

    async def reply_by(self, program: str, said: str, text: str) -> None:
        """Open the mail that says so, and answer it with this mail program."""
        await self.mails.get_by_role("button").filter(has_text=said).first.click()
        await self.reader.get_by_role("button", name="Reply").click()
        await self.page.get_by_label("Mail program").select_option(program)
        await self.page.get_by_label("Text", exact=True).fill(text)
        await self.press(self.form, "Send mail")
        await self.form.wait_for(state="hidden")

    def step(self, said: str) -> Any:
        """The row of the ticket's way that says so."""
        return self.steps.get_by_role("listitem").filter(has_text=said).filter(has_text="Message")

    async def sees(self, where: Any, text: str) -> None:
        """Wait until it stands there."""
        await where.get_by_text(text, exact=True).first.wait_for()

    async def breaks(self, label: str) -> None:
        """Turn a switch on."""
        if await self.page.locator("#trouble").is_hidden():
            await self.page.get_by_role("button", name="Break it").click()
        await self.trouble.get_by_label(label).check()
        await self.page.get_by_role("button", name="Break it: 1 broken").wait_for()

    async def mends(self) -> None:
        """Turn all off."""
        await self.press(self.trouble, "Mend everything")
        await self.page.get_by_role("button", name="Break it", exact=True).wait_for()

    async def struck(self, text: str) -> None:
        """Wait until a switch says so of itself."""
        await self.trouble.get_by_text(text, exact=True).wait_for()

    async def settled(self, ticket: int, channel: str, kind: str, state: str) -> Any:
        """Wait for one delivery of a ticket that is so."""
        return await self.row(
            "SELECT * FROM deliveries WHERE ticket_id = :t AND channel = :c AND kind = :k AND state = :s",
            t=ticket,
            c=channel,
            k=kind,
            s=state,
        )


@pytest.fixture
async def visitor(houses: Houses, box: Sandbox, page: Any) -> AsyncIterator[Visitor]:
    """A desk that lets itself be watched, and the page."""
    house = await houses(**QUICK)
    parts = build_parts(load(str(house.config_file)))

    async def way(ticket: int | None) -> dict[str, Any]:
        return (await parts.database.read(lambda tx: ways.read(tx, ticket))).as_json()

    box.connect_desk(("127.0.0.1", house.smtp_port), house.url)
    box.watch(way)
    visits = Visitor(house, page)
    await visits.start()
    yield visits
    await page.close()
    await parts.database.close()


async def test_a_tickets_way_is_watched(visitor: Visitor) -> None:
    """Inbox row, message, deliveries, of the newest ticket or of the chosen one."""
    visit = visitor
    await visit.mail("Fire in the cellar", "It smokes.")
    first = visit.step("It smokes.")
    for text in ("Inbox 1", "done", "Message 1", "slack card", "email notice"):
        await visit.sees(first, text)
    await first.get_by_text("sent", exact=True).nth(1).wait_for()
    await visit.mail("Water in the attic", "It drips.")
    await visit.step("It drips.").wait_for()
    assert await visit.step("It smokes.").count() == 0
    ticket = await visit.ticket("Fire in the cellar")
    await visit.pick(visit.page, "Ticket to watch", f"#{ticket['id']} Fire in the cellar")
    await visit.step("It smokes.").wait_for()
    assert await visit.step("It drips.").count() == 0
    await visit.open_thread("Fire in the cellar")
    await visit.answer("note: send a bucket")
    note = visit.step("send a bucket")
    await visit.sees(note, "note")
    assert await note.get_by_text("email message").count() == 0
    await visit.page.locator("#way-facts").get_by_text("support, nobody's").wait_for()
    await visit.shot("way")


@pytest.mark.parametrize("program", ["Gmail", "Outlook", "Apple Mail", "Plain text"])
async def test_each_mail_programs_reply(visitor: Visitor, program: str) -> None:
    """Whatever it quotes and however it says what it answers: the thread has the new words alone."""
    visit = visitor
    await visit.mail("A wrong invoice", "The sum is wrong.")
    ticket = await visit.ticket("A wrong invoice")
    await visit.open_thread("A wrong invoice")
    await visit.answer("Which line is it?")
    await visit.mails.get_by_text("Which line is it?").wait_for()
    await visit.reply_by(program, "Which line is it?", "The third one.")
    await visit.reply("The third one.").wait_for()
    row = await visit.row("SELECT * FROM messages WHERE ticket_id = :t AND seq = 3", t=ticket["id"])
    assert row["text"] == "The third one."
    sent = visit.box.desk.sent[-1]
    assert "Which line is it?" in sent.text
    assert (bool(sent.html), bool(sent.header("References"))) == (
        program != "Plain text",
        program != "Outlook",
    )
    await visit.press(visit.reader, "Source")
    await visit.reader.get_by_text("In-Reply-To: <").wait_for()


async def test_slack_is_down(visitor: Visitor) -> None:
    """Mail is taken, cards wait, what people wrote meanwhile is fetched; then all is made up for, once."""
    visit = visitor
    await visit.mail("Before the storm", "Still dry.")
    await visit.open_thread("Before the storm")
    before = await visit.ticket("Before the storm")
    await visit.settled(before["id"], "slack", "card", "sent")
    await visit.breaks("Slack is down")
    await visit.mail("In the storm", "All wet.")
    during = await visit.ticket("In the storm")
    step = visit.step("All wet.")
    await visit.sees(step, "queued")
    await visit.settled(during["id"], "email", "notice", "sent")
    await visit.trouble.get_by_text("On. It struck ").wait_for()
    await visit.answer("I saw it through the window")
    assert await visit.post("In the storm").count() == 0
    await visit.shot("broken")
    await visit.mends()
    await visit.post("In the storm").wait_for()
    await step.get_by_text("queued", exact=True).wait_for(state="detached")
    fetched = await visit.row("SELECT * FROM messages WHERE text LIKE '%through the window%'")
    assert fetched["ticket_id"] == before["id"]
    assert await visit.post("In the storm").count() == 1


async def test_the_relay_says_later(visitor: Visitor) -> None:
    """The mail stays, is tried again, and reaches the customer once the relay takes it."""
    visit = visitor
    await visit.breaks("The mail relay says “later” (4xx)")
    await visit.mail("A late answer", "Are you there?")
    ticket = await visit.ticket("A late answer")
    step = visit.step("Are you there?")
    await step.get_by_text("451").first.wait_for()
    await visit.trouble.get_by_text("On. It struck ").wait_for()
    assert visit.box.mailbox.to(CAROL) == []
    await visit.mends()
    await visit.settled(ticket["id"], "email", "notice", "sent")
    await visit.mails.get_by_text("Thank you, your request has reached us.").wait_for()
    assert len(visit.box.mailbox.to(CAROL)) == 1


async def test_the_relay_says_no(visitor: Visitor) -> None:
    """Staff see in the thread that their answer didn't reach the customer, and can send it again."""
    visit = visitor
    await visit.mail("A refused answer", "Hello?")
    ticket = await visit.ticket("A refused answer")
    await visit.settled(ticket["id"], "email", "notice", "sent")
    await visit.open_thread("A refused answer")
    await visit.breaks("The mail relay says “no” (5xx)")
    await visit.answer("Here I am.")
    await visit.settled(ticket["id"], "email", "message", "failed")
    await visit.sees(visit.step("Here I am."), "failed")
    await visit.struck("On. It struck once.")
    await visit.mends()
    await visit.struck("Off again. It struck once.")
    await visit.press(visit.replies, "Try again")
    await visit.settled(ticket["id"], "email", "message", "sent")
    await visit.mails.get_by_text("Here I am.").wait_for()


async def test_an_answer_is_lost(visitor: Visitor) -> None:
    """The card was posted though nobody could know: it's found, and not posted twice."""
    visit = visitor
    await visit.breaks("Lose an answer")
    await visit.mail("A lost answer", "Hello?")
    ticket = await visit.ticket("A lost answer")
    await visit.settled(ticket["id"], "slack", "card", "sent")
    await visit.struck("Off again. It struck once.")
    await visit.page.get_by_role("button", name="Break it", exact=True).wait_for()  # off by itself
    assert await visit.post("A lost answer").count() == 1


async def test_an_answer_that_isnt_lost_after_all(visitor: Visitor) -> None:
    """The switch is turned off before anything was posted: nothing is lost."""
    visit = visitor
    await visit.breaks("Lose an answer")
    await visit.mends()
    await visit.mail("A kept answer", "Hello?")
    await visit.post("A kept answer").wait_for()
    assert visit.box.workspace.faults.met["drop_answer"] == 0


async def test_everything_is_told_twice(visitor: Visitor) -> None:
    """A message of staff's stands in the ticket once, and goes out once; afterwards events come once again."""
    visit = visitor
    await visit.mail("An echo", "Hello?")
    ticket = await visit.ticket("An echo")
    await visit.open_thread("An echo")
    await visit.breaks("Tell everything twice")
    await visit.answer("Hello, hello.")
    await visit.mails.get_by_text("Hello, hello.").wait_for()
    await visit.trouble.get_by_text("On. It struck ").wait_for()
    await visit.settled(ticket["id"], "slack", "mark", "sent")
    rows = visit.house.store.rows("SELECT id FROM messages WHERE text = 'Hello, hello.'")
    assert len(rows) == 1
    assert len([m for m in visit.box.mailbox.mails if "Hello, hello." in m.text]) == 1
    await visit.mends()
    met = visit.box.workspace.faults.met["duplicate"]
    assert met > 0
    await visit.answer("Only once.")
    await visit.mails.get_by_text("Only once.").wait_for()
    assert visit.box.workspace.faults.met["duplicate"] == met


async def violations(page: Any) -> list[tuple[str, list[str]]]:
    """What axe-core finds, with where; it must have looked at much."""
    found = (await Axe().run(page, options=RULES)).response
    assert len(found["passes"]) > 20
    return [(one["id"], [str(node["target"]) for node in one["nodes"]]) for one in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_for_everybody(visitor: Visitor, scheme: Any) -> None:
    """axe-core finds nothing, with all that the page can show; nothing scrolls sideways at 900 px."""
    visit, page = visitor, visitor.page
    await page.emulate_media(color_scheme=scheme)
    await visit.mail("For everybody", "Hello?")
    await visit.open_thread("For everybody")
    await visit.answer("Hello to you.")
    await visit.mails.get_by_text("Hello to you.").first.click()
    await visit.breaks("Lose an answer")
    await visit.shot(f"everything-{scheme}")
    assert await violations(page) == []
    for width in (1280, 900):
        await page.set_viewport_size({"width": width, "height": 800})
        wide = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, width
    await page.get_by_role("button", name="Write a mail").click()
    assert await violations(page) == []


async def test_by_keyboard_alone(visitor: Visitor) -> None:
    """The tour leads to its first press; switches are turned and left with keys; focus stays where it was."""
    visit, page = visitor, visitor.page

    async def press(*keys: str) -> None:
        for key in keys:
            await page.keyboard.press(key)

    focused = "document.activeElement.id || document.activeElement.name"
    await page.get_by_role("button", name="Show me").focus()
    await press("Enter")
    assert await page.evaluate(focused) == "write"
    await press("Enter")
    await visit.form.wait_for()
    await page.keyboard.type("By keyboard")
    await press("Tab")
    await page.keyboard.type("No mouse.")
    await press("Tab", "Tab", "Tab", "Tab", "Enter")
    await visit.ticket("By keyboard")
    await page.get_by_role("button", name="Break it").focus()
    await press("Enter", "Tab")
    await page.locator("#switch-lose_answer").focus()
    await press("Space")
    await page.get_by_role("button", name="Break it: 1 broken").wait_for()
    assert await page.evaluate(focused) == "switch-lose_answer"
    await press("Space")
    await page.get_by_role("button", name="Break it", exact=True).wait_for()
    await press("Escape")
    await visit.trouble.wait_for(state="hidden")
    assert await page.evaluate(focused) == "break"


async def test_the_tour_is_left_and_taken_again(visitor: Visitor) -> None:
    """It stays away once it was ended, begins anew by its button, and lets steps be skipped."""
    visit, page = visitor, visitor.page
    tour = page.get_by_role("region", name="Five steps")
    await tour.wait_for()
    await visit.press(tour, "End the tour")
    await tour.wait_for(state="hidden")
    await page.reload()
    await page.get_by_role("button", name="Tour", exact=True).click()
    for step in (
        "Write a mail",
        "See the card",
        "Reply in the thread",
        "Read it and reply",
        "Resolve and rate",
    ):
        assert step in await tour.locator("[aria-current=step]").inner_text()
        await visit.press(tour, "Skip this step")
    await tour.get_by_text("That was the whole way").wait_for()
    assert await page.get_by_role("button", name="Skip this step").count() == 0


async def test_the_desk_cant_be_read(visitor: Visitor) -> None:
    """The page says so, goes on, and shows the way once it can be read again."""
    visit = visitor
    read = visit.box.way.provider

    async def broken(ticket: int | None) -> dict[str, Any]:
        raise ConnectionError

    visit.box.watch(broken)
    note = visit.page.get_by_role("region", name="The ticket's way").get_by_role("status")
    await note.get_by_text("The desk can't be read now").wait_for()
    assert read is not None
    visit.box.watch(read)
    await visit.mail("Seen again", "Hello?")
    await visit.step("Hello?").wait_for()
    await until(lambda: _empty(note), timeout=5, what="the note gone")


async def _empty(note: Any) -> bool:
    return await note.inner_text() == ""
