"""Every control that the service offers in Slack is pressed in the sandbox's page, in a real browser.

`SHOTS=/some/folder` keeps pictures of what people see.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox import GENERAL, TRIAGE, Sandbox
from tests.conftest import Houses
from tests.test_browser_walk import shot
from tests.waiting import until
from tests.walk.walker import BILLING, Walker, desk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("store_name", ["sqlite"], indirect=True),  # a page has no store
]


@pytest.fixture
async def walker(houses: Houses, box: Sandbox, page: Any) -> Walker:
    """A desk with two queues, and its page in the browser."""
    room = box.workspace.add_channel(BILLING, members=["ada", "grace"])
    await box.workspace.user("ada").invite(BILLING)
    house = await houses(**desk(room.id, GENERAL, TRIAGE))
    box.connect_desk(("127.0.0.1", house.smtp_port))
    walks = Walker(house, page)
    await walks.start()
    return walks


# -- who asks ------------------------------------------------------------------------------------------------------


async def test_who_asks_presses_everything(walker: Walker) -> None:
    """A requester: messages, forms, shortcuts, the emoji, hints, their Home tab."""
    await _direct_messages(walker)
    await _forms(walker)
    await _messages_of_others(walker)
    await _hints(walker)
    await _home_of_who_asks(walker)
    await _home_that_fails(walker)


async def _direct_messages(walk: Walker) -> None:
    await walk.be("Ann Requester")
    await walk.write("My laptop is stuck")
    first = await walk.ticket("laptop", status="new", channel="slack")
    await walk.write("The blue one by the window")
    second = await walk.ticket("blue one", merged_into=None)
    await walk.open_thread("The blue one")
    receipt = walk.reply(f"ticket #{second['id']}")
    await receipt.get_by_text("Is it about something that you asked already?").wait_for()
    await walk.shot("dm-belongs")
    await walk.press(receipt, f"This belongs to #{first['id']}: My laptop is stuck")
    await walk.ticket("blue one", merged_into=first["id"], status="closed")
    await walk.shot("dm-merged")


async def _forms(walk: Walker) -> None:
    await walk.write("/ticket The printer is empty")
    form = walk.form
    assert await form.get_by_label("What is it about?").input_value() == "The printer is empty"
    await form.get_by_label("What happened, what do you need?").fill("Both trays.\nSince Monday.")
    await walk.pick(form, "Priority", "High")
    await walk.pick(form, "Queue", "billing")
    await form.get_by_label("Files").set_input_files(
        [{"name": "tray.txt", "mimeType": "text/plain", "buffer": b"empty"}]
    )
    await walk.shot("modal-new")
    await walk.send("Open")
    made = await walk.ticket("printer", queue="billing", priority="high")
    assert "Since Monday." in made["description"]
    await walk.row("SELECT id FROM attachments WHERE name = 'tray.txt' AND bytes = 5")
    await walk.post(f"ticket #{made['id']}").get_by_text("Both trays.").wait_for()

    await walk.page.get_by_label("Shortcuts", exact=True).select_option("Open a ticket")
    await walk.press(form, "Open")
    await form.get_by_text("please complete this required field").wait_for()
    await walk.press(form, "Cancel")
    await form.wait_for(state="hidden")
    walk.box.workspace.faults.fail("views.open", "expired_trigger_id")
    await walk.page.get_by_label("Shortcuts", exact=True).select_option("Open a ticket")
    await walk.press(walk.post("The form didn't open in time."), "Open the form")
    await form.get_by_label("What is it about?").fill("A key for the cellar")
    await walk.send("Open")
    await walk.ticket("cellar", queue="support", priority="normal")


async def _messages_of_others(walk: Walker) -> None:
    bob = walk.box.workspace.user("bob")
    await bob.post("general", "The coffee machine leaks")
    await bob.post("general", "The window doesn't close")
    await walk.enter("general")
    await walk.menu_of(walk.post("coffee machine"), "Make a ticket of this")
    assert await walk.form.get_by_label("What is it about?").input_value() == "The coffee machine leaks"
    await walk.form.get_by_text("The ticket is its author's").wait_for()
    await walk.shot("modal-make")
    await walk.send("Open")
    made = await walk.ticket("coffee machine")
    author = await walk.row("SELECT name FROM users WHERE id = :id", id=made["requester_id"])
    assert author["name"] == "Bob Requester"
    await walk.menu_of(walk.post("window"), ":ticket:")
    await walk.ticket("window")


async def _hints(walk: Walker) -> None:
    await walk.write("@relaydesk")
    await walk.press(walk.post("Write what it is about after the mention"), "Open a ticket")
    await walk.form.get_by_label("What is it about?").fill("A second screen")
    await walk.send("Open")
    await walk.ticket("second screen")
    await walk.write("where can I find the holiday calendar")
    nudge = walk.post("Shall I open a ticket of that?")
    await walk.press(nudge, "Open a ticket")
    await walk.ticket("holiday calendar")
    await nudge.wait_for(state="detached")
    await walk.be("Bob Requester", "general")
    await walk.write("my chair makes very odd noises")
    await walk.press(nudge, "No")
    await nudge.wait_for(state="detached")
    assert walk.house.store.count("tickets", "title LIKE '%chair%'") == 0


async def _home_of_who_asks(walk: Walker) -> None:
    await walk.be("Ann Requester")
    await walk.look_home()
    home = walk.home
    await home.get_by_text("My laptop is stuck").wait_for()
    await walk.press(home, "New request")
    await walk.form.get_by_label("What is it about?").fill("A quiet room")
    await walk.send("Open")
    await walk.ticket("quiet room", status="new")
    await walk.look_home()
    await home.get_by_text("A quiet room").wait_for()
    await home.get_by_role("button", name="Resolve").last.click()  # of the oldest
    await walk.ticket("laptop", status="resolved")
    await home.get_by_text("Resolved lately").wait_for()
    await walk.shot("home-requester")
    await walk.press(home, "Reopen")
    await walk.ticket("laptop", status="open")
    await home.get_by_text("Resolved lately").wait_for(state="detached")  # now it is the first, changed last
    async with walk.page.expect_popup() as opened:
        await home.get_by_role("link", name="in our conversation").first.click()
    there = await opened.value
    there.set_default_timeout(10_000)
    await there.get_by_role("list", name="Replies").get_by_text("ticket #1").first.wait_for()
    await there.close()


async def _home_that_fails(walk: Walker) -> None:
    """Nothing is known of Gil yet, and Slack doesn't say who it is."""
    await walk.be("Gil Guest")
    faults = walk.box.workspace.faults
    faults.http_error("users.info", times=99)
    await walk.look_home()
    await walk.home.get_by_text("Nothing is lost").wait_for()
    faults.clear()
    await walk.press(walk.home, "Try again")
    await walk.home.get_by_text("You haven't asked for anything yet").wait_for()


# -- staff -----------------------------------------------------------------------------------------------------------


async def test_staff_press_everything(walker: Walker) -> None:
    """Staff: the card, its menu and forms, the thread; the requester's rating."""
    await walker.box.workspace.user("ann").dm("My laptop is stuck\nIt says: disk full.")
    await walker.be("Ada Lovelace", "triage")
    await _card(walker)
    await _thread(walker)
    await _rating(walker)
    await _menu(walker)
    await _spam_merge_and_queue(walker)
    await _retry(walker)


async def _card(walk: Walker) -> None:
    card = walk.post("My laptop is stuck")
    await walk.press(card, "Take")
    ada = await walk.row("SELECT id FROM users WHERE username = 'ada'")
    grace = await walk.row("SELECT id FROM users WHERE username = 'grace'")
    await walk.ticket("laptop", assignee_id=ada["id"])
    await card.get_by_text("Ada Lovelace").first.wait_for()
    await walk.pick(card, "Assign to…", "Grace Hopper")
    await walk.ticket("laptop", assignee_id=grace["id"])
    await walk.pick(card, "Status", "pending")
    await walk.ticket("laptop", status="pending")
    await walk.pick(card, "Priority", "urgent")
    await walk.ticket("laptop", priority="urgent")
    await card.locator(".b-fields").get_by_text("urgent").wait_for()
    await walk.shot("card")
    await _page(walk, card)
    await walk.press(card, "Resolve")
    await walk.ticket("laptop", status="resolved")
    await walk.press(card, "Reopen")
    await walk.ticket("laptop", status="open")


async def _page(walk: Walker, card: Any) -> None:
    """The card's link leads to the ticket's page, by way of signing in with a mailed link."""
    async with walk.page.expect_popup() as opened:
        await walk.press(card, "Open page")
    there = await opened.value
    there.set_default_timeout(10_000)
    await there.get_by_label("E-mail").fill("ada@example.com")
    await there.get_by_role("button").first.click()
    mail = await walk.box.mailbox.wait_for(lambda mail: "/sign-in/" in mail.text)
    [link] = re.findall(r"http://\S+/sign-in/\S+", mail.text)
    await there.goto(link)
    await there.get_by_role("button", name="Sign in").click()
    await there.get_by_role("heading", name="My laptop is stuck").wait_for()
    await there.get_by_text("It says: disk full.").wait_for()
    await shot(there, "ticket-page")
    await there.close()


async def _thread(walk: Walker) -> None:
    await walk.open_thread("My laptop is stuck")
    await walk.page.get_by_label("Attach files to the reply").set_input_files(
        [{"name": "steps.txt", "mimeType": "text/plain", "buffer": b"1. empty the bin"}]
    )
    await walk.answer("Please empty the *bin* first:\n```rm -r bin```")
    await walk.reply("empty the bin").get_by_label("envelope, 1").wait_for()
    await walk.answer("note: third time this month")
    await walk.reply("third time").get_by_label("lock, 1").wait_for()
    await walk.answer("!help")
    await walk.reply("!snooze").first.wait_for()
    await walk.box.workspace.user("ann").dm("Done, thank you", thread_ts=_asked(walk))
    await walk.reply("Done, thank you").wait_for()
    await walk.replies.evaluate("list => { list.scrollTop = 0; }")
    await walk.shot("thread")


def _asked(walk: Walker) -> str:
    [root] = [m for m in walk.box.workspace.dm_channel("ann").top if "laptop" in m.text]
    return root.ts


async def _rating(walk: Walker) -> None:
    await walk.press(walk.post("My laptop is stuck"), "Resolve")
    await walk.ticket("laptop", status="resolved")
    await walk.be("Ann Requester")
    await walk.open_thread("My laptop is stuck")
    asked = walk.reply("How did we do?").last
    for score in (1, 2, 4, 3):  # the fifth with its comment, below
        await walk.press(asked, "★" * score)
        await walk.row("SELECT score FROM ratings WHERE score = :score AND comment IS NULL", score=score)
    assert walk.house.store.count("ratings") == 1
    await walk.press(asked, "Add a comment")
    assert await walk.form.get_by_label("★★★", exact=True).is_checked() is False
    await walk.form.get_by_label("Anything to add?").fill("Words alone")
    await walk.press(walk.form, "Send")
    await walk.form.get_by_text("please complete this required field").wait_for()
    assert walk.house.store.count("ratings", "comment IS NOT NULL") == 0
    await walk.form.get_by_label("★★★★★", exact=True).check()
    await walk.form.get_by_label("Anything to add?").fill("Quick & kind")
    await walk.shot("modal-rate")
    await walk.send("Send")
    await walk.row("SELECT score FROM ratings WHERE score = 5 AND comment = 'Quick & kind'")
    await walk.reply("5 of 5").last.wait_for()
    await walk.shot("dm-rated")


async def _menu(walk: Walker) -> None:
    await walk.be("Ada Lovelace", "triage")
    card = walk.post("My laptop is stuck")
    await walk.press(card, "Reopen")
    await walk.ticket("laptop", status="open")
    await walk.pick(card, "More…", "Add note…")
    await walk.press(walk.form, "Cancel")
    await walk.form.wait_for(state="hidden")
    await walk.pick(card, "More…", "Edit title…")
    title = walk.form.get_by_label("Title")
    await title.fill("The disk is full")
    await walk.shot("modal-title")
    await walk.send("Save")
    await walk.ticket("disk is full")
    card = walk.post("The disk is full")
    await walk.pick(card, "More…", "Add note…")
    await walk.form.get_by_label("Only staff see it").fill("Order a larger one")
    await walk.send("Add")
    await walk.row("SELECT id FROM messages WHERE text = 'Order a larger one' AND visibility = 'note'")
    await walk.pick(card, "More…", "Snooze…")
    await walk.press(walk.form, "Snooze")
    await walk.form.get_by_text("Choose for how long").wait_for()
    await walk.pick(walk.form, "For how long?", "2 days")
    await walk.shot("modal-snooze")
    await walk.send("Snooze")
    await until(lambda: walk.house.store.count("tickets", "snoozed_until IS NOT NULL"))
    await card.get_by_text("snoozed until").wait_for()
    await walk.shot("card-snoozed")
    await walk.pick(card, "More…", "Snooze…")
    await walk.pick(walk.form, "For how long?", "Not any more: take it up now")
    await walk.send("Snooze")
    await until(lambda: not walk.house.store.count("tickets", "snoozed_until IS NOT NULL"))


async def _spam_merge_and_queue(walk: Walker) -> None:
    ann = walk.box.workspace.user("ann")
    for words in ("You have won a car", "The screen flickers", "My invoice is wrong"):
        await ann.dm(words)
        await walk.post(words).wait_for()
    spam = walk.post("You have won a car")
    await walk.pick(spam, "More…", "Spam")
    await walk.form.get_by_text("its requester is told nothing").wait_for()
    await walk.shot("modal-spam")
    await walk.send("Yes, it is spam")
    await walk.ticket("won a car", spam=1, status="closed")
    await walk.open_thread("You have won a car")
    await walk.answer("!spam off")
    await walk.ticket("won a car", spam=0)

    screen, full = await walk.ticket("screen"), await walk.ticket("disk is full")
    other = walk.post("The screen flickers")
    await walk.pick(other, "More…", "Merge into…")
    await walk.form.get_by_label("One of these").wait_for()  # what the desk knows of is there
    await walk.form.get_by_label("The ticket's number").fill(str(screen["id"]))
    await walk.press(walk.form, "Merge")
    await walk.form.get_by_text("That is this very ticket.").wait_for()
    await walk.form.get_by_label("The ticket's number").fill("")
    await walk.pick(walk.form, "One of these", f"#{full['id']} The disk is full")
    await walk.shot("modal-merge")
    await walk.send("Merge")
    await walk.ticket("screen", merged_into=full["id"])
    await walk.post(f"merged into #{full['id']}").wait_for()

    await walk.pick(walk.post("My invoice is wrong"), "More…", "Move to queue…")
    await walk.pick(walk.form, "Queue", "billing")
    await walk.send("Move")
    await walk.ticket("invoice", queue="billing")
    await walk.post("My invoice is wrong").get_by_text("moved: it goes on in").wait_for()
    await walk.shot("card-moved")
    await walk.enter(BILLING)
    await walk.press(walk.post("My invoice is wrong"), "Resolve")
    await walk.ticket("invoice", status="resolved")


async def _retry(walk: Walker) -> None:
    await walk.house.send_mail(subject="The door is locked")
    await walk.enter("triage")
    await walk.post("The door is locked").wait_for()
    await walk.box.mailbox.wait_for(1)
    walk.box.mailbox.refuse_next(550, "5.1.1 Mailbox unavailable", stage="rcpt")
    await walk.open_thread("The door is locked")
    await walk.answer("Here is the code: 4711")
    failed = walk.reply("Mailbox unavailable").last
    await failed.wait_for()
    await walk.shot("thread-failed")
    await walk.press(failed, "Try again")
    await walk.box.mailbox.wait_for(lambda mail: "4711" in mail.text)
    await walk.reply("4711").get_by_label("envelope, 1").wait_for()
    await walk.shot("thread-retried")


# -- staff's Home tab ------------------------------------------------------------------------------------------------


async def test_staff_press_everything_at_home(walker: Walker) -> None:
    """Lists, filters, pages, and what can be done to a row."""
    walk = walker
    for number in range(12):
        await walk.house.send_mail(subject=f"Request {number:02}")
    await until(lambda: walk.house.store.count("tickets") == 12, timeout=20)
    await walk.be("Ada Lovelace")
    await walk.look_home()
    home = walk.home
    await home.get_by_text("Nothing is assigned to you.").wait_for()
    await walk.press(home, "Unassigned")
    await home.get_by_text("1–10 of 12").wait_for()
    await walk.shot("home-staff")
    await walk.press(home, "Next ›")
    await home.get_by_text("11–12 of 12").wait_for()
    await walk.press(home, "‹ Previous")
    await home.get_by_text("1–10 of 12").wait_for()
    fourth = (
        await home.locator(".b-section").filter(has_text="#").filter(has_text="Request ").nth(3).inner_text()
    )
    await home.get_by_role("button", name="Take").nth(3).click()
    await home.get_by_text("1–10 of 11").wait_for()
    taken = await walk.row("SELECT title FROM tickets WHERE assignee_id IS NOT NULL")
    assert taken["title"] in fourth
    await walk.press(home, "Mine")
    await home.get_by_text(taken["title"]).wait_for()
    await walk.pick(home.locator(".b-actions").last, "Status", "pending")
    await walk.ticket(taken["title"], status="pending")
    await home.get_by_text("1–1 of 1").wait_for()
    await walk.press(home, "All open")
    await home.get_by_text("1–10 of 12").wait_for()
    await walk.pick(home.locator(".b-actions").nth(1), "Status", "pending")
    await home.get_by_text("1–1 of 1").wait_for()
    await walk.pick(home.locator(".b-actions").nth(1), "Status", "Any open status")
    await home.get_by_text("1–10 of 12").wait_for()
    await walk.pick(home, "Queue", "billing")
    await home.get_by_text("Nothing here with these filters.").wait_for()
    await walk.pick(home, "Queue", "All queues")
    await home.get_by_text("1–10 of 12").wait_for()
    await walk.press(home, "Waiting longest")
    await home.get_by_text("1–10 of 11").wait_for()  # the pending one waits for its requester
    await walk.shot("home-waiting")
    await walk.press(home, "New request")
    await walk.form.get_by_label("What is it about?").fill("A desk for Bob")
    await walk.pick(walk.form, "For somebody else", "Bob Requester")
    await walk.send("Open")
    made = await walk.ticket("desk for Bob")
    asks = await walk.row("SELECT name FROM users WHERE id = :id", id=made["requester_id"])
    assert asks["name"] == "Bob Requester"
