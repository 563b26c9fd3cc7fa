"""The sandbox's page in a real browser: the newcomer's minute with the whole service, then every kind of control.

`SHOTS=/some/folder` keeps pictures of the second walk.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import TimeoutError as TooLate
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import GENERAL, TRIAGE, Sandbox
from tests.house import House
from tests.sandbox.conftest import App
from tests.waiting import until

ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Json = dict[str, Any]


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


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
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
    await use_tool(posts.get_by_role("listitem").last, "Reply in thread")
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


def words(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def options(*names: str) -> list[Json]:
    return [{"text": words(name), "value": name.lower()} for name in names]


def actions(block_id: str, *elements: Json) -> Json:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def asked(label: str, kind: str, **more: Any) -> Json:
    element = {"type": kind, "action_id": label.lower(), **more}
    return {
        "type": "input",
        "block_id": f"b {label}",
        "label": words(label),
        "optional": True,
        "element": element,
    }


SURE = {"title": words("Sure?"), "text": words("Really?"), "confirm": words("Yes"), "deny": words("No")}
CONTROLS: list[Json] = [
    {"type": "header", "text": words("#7 All that can be pressed")},
    {
        "type": "section",
        "block_id": "s",
        "text": {"type": "mrkdwn", "text": "*Ann* asks: `why`?\n> a quote"},
        "accessory": {"type": "overflow", "action_id": "menu", "options": options("Merge", "Spam")},
    },
    actions(
        "first",
        {"type": "button", "action_id": "take", "text": words("Take it"), "style": "primary", "value": "7"},
        {"type": "button", "action_id": "spam", "text": words("Spam"), "style": "danger", "confirm": SURE},
        {
            "type": "static_select",
            "action_id": "status",
            "placeholder": words("Status"),
            "options": options("Open", "Pending"),
            "initial_option": options("Open")[0],
        },
        {"type": "users_select", "action_id": "assign", "placeholder": words("Assignee")},
        {"type": "channels_select", "action_id": "where", "placeholder": words("Channel")},
        {
            "type": "multi_static_select",
            "action_id": "tags",
            "placeholder": words("Tags"),
            "options": options("A", "B"),
        },
        {
            "type": "external_select",
            "action_id": "other",
            "placeholder": words("Other ticket"),
            "min_query_length": 1,
        },
    ),
    actions(
        "second",
        {"type": "checkboxes", "action_id": "boxes", "options": options("Loud", "Quick")},
        {"type": "radio_buttons", "action_id": "radio", "options": options("Left", "Right")},
        {"type": "datepicker", "action_id": "day", "placeholder": words("Day")},
        {"type": "timepicker", "action_id": "hour", "placeholder": words("Hour")},
    ),
    {
        "type": "context_actions",
        "block_id": "good",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "feedback",
                "positive_button": {"text": words("Good"), "value": "yes"},
                "negative_button": {"text": words("Bad"), "value": "no"},
            }
        ],
    },
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "due *soon* :eyes:"}]},
]
FORM: Json = {
    "type": "modal",
    "callback_id": "form",
    "title": words("All fields"),
    "submit": words("Create"),
    "notify_on_close": True,
    "blocks": [
        {**asked("Title", "plain_text_input"), "optional": False},
        asked("Words", "plain_text_input", multiline=True),
        asked("Priority", "static_select", options=options("Low", "High"), placeholder=words("Choose one")),
        asked("Person", "users_select", placeholder=words("Somebody")),
        asked("Ticket", "external_select", min_query_length=1),
        asked("Tags", "checkboxes", options=options("Loud", "Quick")),
        asked("Side", "radio_buttons", options=options("Left", "Right")),
        asked("Day", "datepicker"),
        asked("Number", "number_input", is_decimal_allowed=False),
        asked("Mail", "email_text_input"),
        asked("Papers", "file_input"),
        actions("push", {"type": "button", "action_id": "push", "text": words("More")}),
    ],
}
ABOVE: Json = {
    "type": "modal",
    "callback_id": "above",
    "title": words("Above it"),
    "close": words("Back"),
    "blocks": [{"type": "section", "text": words("The form waits below.")}],
}


class Clerk:
    """An app that shows all controls, and notes which were used."""

    def __init__(self, app: App, client: AsyncWebClient) -> None:
        self.used: dict[str, Any] = {}
        self.app, self.client = app, client
        bolt = app.bolt
        bolt.action(re.compile(".+"))(self.act)
        bolt.command("/ticket")(self.open)
        bolt.shortcut("new_ticket")(self.open)
        bolt.shortcut("make_ticket")(self.note_shortcut)
        bolt.view("form")(self.submitted)
        bolt.view_closed("form")(self.closed)
        bolt.event("app_home_opened")(self.show_home)
        bolt.options("other")(self.offer)
        bolt.options("ticket")(self.offer)

    async def act(self, ack: Any, body: Json) -> None:
        await ack()
        action = body["actions"][0]
        known = (
            "value",
            "selected_option",
            "selected_options",
            "selected_user",
            "selected_channel",
            "selected_date",
        )
        found = next((action[key] for key in (*known, "selected_time") if action.get(key)), True)
        self.used[action["action_id"]] = found
        if action["action_id"] == "push":
            await self.client.views_push(trigger_id=body["trigger_id"], view=ABOVE)
        if action["action_id"] == "take":
            channel, user = body["channel"]["id"], body["user"]["id"]
            await self.client.chat_postEphemeral(channel=channel, user=user, text="It's yours.")

    async def open(self, ack: Any, body: Json) -> None:
        await ack()
        await self.client.views_open(trigger_id=body["trigger_id"], view=FORM)

    async def note_shortcut(self, ack: Any, body: Json) -> None:
        await ack()
        self.used["make_ticket"] = body["message"]["text"]

    async def submitted(self, ack: Any, body: Json) -> None:
        state = body["view"]["state"]["values"]
        values = {action: value for inner in state.values() for action, value in inner.items()}
        if values["title"]["value"] == "bad":
            await ack(response_action="errors", errors={"b Title": "Say more."})
            return
        await ack()
        self.used["form"] = values

    async def closed(self, ack: Any) -> None:
        await ack()
        self.used["closed"] = True

    async def show_home(self, event: Json) -> None:
        if event["tab"] == "home":
            blocks = [{"type": "header", "text": words("Your tickets")}, *CONTROLS[1:3]]
            await self.client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    async def offer(self, ack: Any, payload: Json) -> None:
        found = [name for name in ("Fire", "Flood") if payload["value"].lower() in name.lower()]
        await ack(options=options(*found))


def seen(page: Any, name: str) -> str | None:
    """Where to put a picture, if somebody asked for pictures."""
    folder = os.environ.get("SHOTS")
    return str(Path(folder) / f"{name}.png") if folder else None


async def use_tool(post: Any, tool: str, choice: str | None = None) -> None:
    """Point at a post and press this tool of it, or choose this of it.

    A post that comes meanwhile moves the list away from under the pointer: then point again.
    """
    control = post.get_by_label(tool)

    async def used() -> bool:
        await post.hover()
        try:
            if choice is None:
                await control.click(timeout=1000)
            else:
                await control.select_option(choice, timeout=1000)
        except TooLate:
            return False
        return True

    await until(used, timeout=20, what=f"{tool} is used")


async def shot(page: Any, name: str) -> None:
    if path := seen(page, name):
        await page.screenshot(path=path)


async def test_every_kind_of_control(box: Sandbox, page: Any) -> None:
    """Each is pressed where it stands, in a message, a home tab, a form; the app hears of it."""
    app = App(box)
    client = AsyncWebClient(box.bot_token, base_url=box.api_url, retry_handlers=[])
    clerk = Clerk(app, client)
    await app.connect()
    try:
        await client.chat_postMessage(channel=TRIAGE, text="card", blocks=CONTROLS)
        await page.goto(box.url)
        await _message(box, page, clerk)
        await _form(box, page, clerk)
        await _home(box, page, clerk)
    finally:
        await app.close()


async def _used(box: Sandbox, clerk: Clerk, action: str) -> Any:
    await box.workspace.wait_for(lambda: action in clerk.used)
    return clerk.used[action]


async def _message(box: Sandbox, page: Any, clerk: Clerk) -> None:
    posts = page.get_by_role("list", name="Messages")
    await posts.get_by_text("All that can be pressed").wait_for()
    await posts.get_by_role("button", name="Take it").click()
    assert await _used(box, clerk, "take") == "7"
    await posts.get_by_text("Only visible to you").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    await posts.get_by_role("button", name="Spam").click()
    await _used(box, clerk, "spam")
    await posts.get_by_label("Status").select_option("Pending")
    assert (await _used(box, clerk, "status"))["value"] == "pending"
    await posts.get_by_label("Assignee").select_option("Grace Hopper")
    assert await _used(box, clerk, "assign") == "U0GRACE001"
    await posts.get_by_label("Channel").select_option("general")
    assert await _used(box, clerk, "where") == GENERAL
    await posts.get_by_label("Tags").select_option(["A", "B"])
    assert [o["value"] for o in await _used(box, clerk, "tags")] == ["a", "b"]
    await posts.get_by_label("Search: Other ticket").fill("fi")
    await posts.get_by_label("Other ticket", exact=True).select_option("Fire")
    assert (await _used(box, clerk, "other"))["value"] == "fire"
    await posts.get_by_label("Quick").check()
    assert [o["value"] for o in await _used(box, clerk, "boxes")] == ["quick"]
    await posts.get_by_label("Right").check()
    assert (await _used(box, clerk, "radio"))["value"] == "right"
    await posts.get_by_label("Day").fill("2030-01-31")
    assert await _used(box, clerk, "day") == "2030-01-31"
    await posts.get_by_label("Hour").fill("12:30")
    assert await _used(box, clerk, "hour") == "12:30"
    await posts.get_by_label("More", exact=True).select_option("Merge")
    assert (await _used(box, clerk, "menu"))["value"] == "merge"
    await posts.get_by_role("button", name="Good").click()
    assert await _used(box, clerk, "feedback") == "yes"
    await page.wait_for_function("() => document.querySelector('[data-key=status]').value === 'pending'")
    await shot(page, "message")
    await use_tool(posts.get_by_role("listitem").first, "More actions", "Make a ticket")
    assert await _used(box, clerk, "make_ticket") == "card"
    await use_tool(posts.get_by_role("listitem").first, "More actions", ":ticket:")
    await posts.get_by_role("button", name="ticket, 1").click()  # taken back
    await posts.get_by_role("button", name="ticket, 1").wait_for(state="detached")


async def _form(box: Sandbox, page: Any, clerk: Clerk) -> None:
    await page.get_by_label("Shortcuts").select_option("Open a ticket")
    form = page.get_by_role("dialog")
    await form.get_by_role("button", name="Create").click()
    await form.get_by_text("please complete this required field").wait_for()
    await form.get_by_label("Title").fill("bad")
    await form.get_by_label("Words").fill("two\nlines")
    await form.get_by_role("button", name="Create").click()
    await form.get_by_text("Say more.").wait_for()
    await form.get_by_label("Title").fill("Fire")
    await form.get_by_label("Priority").select_option("High")
    await form.get_by_label("Person").select_option("Grace Hopper")
    await form.get_by_label("Search: Ticket").fill("flo")
    await form.get_by_label("Ticket", exact=True).select_option("Flood")
    await form.get_by_label("Loud").check()
    await form.get_by_label("Left").check()
    await form.get_by_label("Day").fill("2030-02-01")
    await form.get_by_label("Number").fill("5")
    await form.get_by_label("Mail").fill("a@b.example")
    await form.get_by_label("Papers").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": b"abc"} for name in ("a.txt", "b.txt")]
    )
    await shot(page, "form")
    await form.get_by_role("button", name="More").click()
    await form.get_by_text("The form waits below.").wait_for()
    await shot(page, "stacked")
    await form.get_by_role("button", name="Back").click()
    assert await form.get_by_label("Title").input_value() == "Fire"  # what was typed is still there
    await form.get_by_role("button", name="Create").click()
    await form.wait_for(state="hidden")
    values = await _used(box, clerk, "form")
    assert (values["title"]["value"], values["words"]["value"]) == ("Fire", "two\nlines")
    assert values["priority"]["selected_option"]["value"] == "high"
    assert values["person"]["selected_user"] == "U0GRACE001"
    assert values["ticket"]["selected_option"]["value"] == "flood"
    assert [o["value"] for o in values["tags"]["selected_options"]] == ["loud"]
    assert values["side"]["selected_option"]["value"] == "left"
    assert (values["day"]["selected_date"], values["number"]["value"]) == ("2030-02-01", "5")
    assert [file["name"] for file in values["papers"]["files"]] == ["a.txt", "b.txt"]
    await page.get_by_label("Shortcuts").select_option("/ticket")
    await page.get_by_role("textbox", name="Message").press("Enter")
    await form.get_by_label("Title").wait_for()
    await page.keyboard.press("Escape")
    await form.wait_for(state="hidden")
    assert await _used(box, clerk, "closed")


async def _home(box: Sandbox, page: Any, clerk: Clerk) -> None:
    clerk.used.clear()
    await page.get_by_label("You are (person)").select_option("Ann Requester")
    channels = page.get_by_role("navigation", name="Channels")
    await channels.get_by_role("button", name="relaydesk").click()
    await page.get_by_role("button", name="Home").click()
    home = page.get_by_role("region", name="Home")
    await home.get_by_text("Your tickets").wait_for()
    await home.get_by_role("button", name="Take it").click()
    await _used(box, clerk, "take")
    await home.get_by_label("Status").select_option("Pending")
    assert (await _used(box, clerk, "status"))["value"] == "pending"
    await page.wait_for_function(
        "() => document.querySelector('#home [data-key=status]').value === 'pending'"
    )
    await home.get_by_label("More", exact=True).select_option("Spam")
    await _used(box, clerk, "menu")
    await shot(page, "home")
    await page.get_by_role("button", name="Messages").click()
    await page.get_by_role("textbox", name="Message").fill("help!")
    await page.get_by_label("Attach files to the message").set_input_files(
        [{"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"}]
    )
    await page.get_by_role("button", name="Send", exact=True).click()
    await page.get_by_role("list", name="Messages").get_by_text("help!").wait_for()
    await page.get_by_role("link", name="a.txt").wait_for()
    await shot(page, "direct")
