"""Somebody who walks through the sandbox's page with a browser, the service running behind it.

What they press is found as people find it: by its words. What it must cause is looked for on the page, or in the rows.
"""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.house import House
from tests.test_browser_walk import shot, use_tool
from tests.waiting import until

BILLING = "billing-desk"
# The page looks at the workspace once a second; here five times, so that no press waits that long to be seen.
IMPATIENT = (
    "const later = window.setTimeout; window.setTimeout = (what, ms) => later(what, Math.min(ms, 200));"
)
SETTINGS: dict[str, Any] = {
    "courier": {"poll": "50ms", "channel_pause": "100ms"},
    "worker": {"poll": "50ms"},
    "slack": {"pace": "1ms", "group_window": "0s", "nudge": True},
}


class Walker:
    """The page, in front of one desk."""

    def __init__(self, house: House, page: Any) -> None:
        assert house.box is not None
        self.house, self.page = house, page
        self.box: Sandbox = house.box
        self.posts = page.get_by_role("list", name="Messages")
        self.replies = page.get_by_role("list", name="Replies")
        self.form = page.get_by_role("dialog")
        self.home = page.get_by_role("region", name="Home")

    async def start(self) -> None:
        """Open the page."""
        self.page.set_default_timeout(10_000)
        await self.page.add_init_script(IMPATIENT)
        await self.page.goto(self.box.url)

    # -- where somebody looks ----------------------------------------------------------------------------------

    async def be(self, name: str, room: str = "relaydesk") -> None:
        """Be somebody, in one of their rooms."""
        await self.page.get_by_label("You are (person)").select_option(name)
        await self.enter(room)

    async def enter(self, room: str) -> None:
        """Go into a channel, or to the messages with the app."""
        channels = self.page.get_by_role("navigation", name="Channels")
        await channels.get_by_role("button", name=room, exact=True).click()
        await self.page.locator("#room-title", has_text=room).wait_for()

    async def look_home(self) -> None:
        """Look at the Home tab."""
        await self.enter("relaydesk")
        await self.page.get_by_role("button", name="Home", exact=True).click()
        await self.home.wait_for()

    def post(self, said: str) -> Any:
        """The post that says so, in the channel."""
        return self.posts.get_by_role("listitem").filter(has_text=said)

    def reply(self, said: str) -> Any:
        """The reply that says so, in the thread."""
        return self.replies.get_by_role("listitem").filter(has_text=said)

    async def open_thread(self, said: str) -> None:
        """Open the thread of a post."""
        await use_tool(self.post(said), "Reply in thread")
        await self.replies.get_by_text(said).first.wait_for()

    async def shot(self, name: str, of: Any = None) -> None:
        """Keep a picture, if somebody asked for pictures (`SHOTS=/some/folder`)."""
        await shot(of or self.page, name)

    # -- what they do ------------------------------------------------------------------------------------------

    async def write(self, text: str) -> None:
        """Write in the channel, or to the app."""
        box = self.page.get_by_role("textbox", name="Message", exact=True)
        await box.fill(text)
        await box.press("Enter")

    async def answer(self, text: str) -> None:
        """Write in the thread."""
        box = self.page.get_by_role("textbox", name="Reply", exact=True)
        await box.fill(text)
        await box.press("Enter")

    async def press(self, where: Any, name: str) -> None:
        """Press a button."""
        await where.get_by_role("button", name=name, exact=True).click()

    async def pick(self, where: Any, menu: str, choice: str) -> None:
        """Choose something of a menu."""
        await where.get_by_label(menu, exact=True).select_option(label=choice)

    async def menu_of(self, post: Any, choice: str) -> None:
        """Choose something of the ⋯ of a post."""
        await use_tool(post, "More actions", choice)

    async def send(self, button: str) -> None:
        """Send a form off; it must close."""
        await self.press(self.form, button)
        await self.form.wait_for(state="hidden")

    # -- what must come of it ----------------------------------------------------------------------------------

    async def ticket(self, said: str, **wanted: Any) -> Any:
        """Wait for the one ticket whose title says so, until these columns have these values."""

        def found() -> Any:
            rows = self.house.store.rows("SELECT * FROM tickets WHERE title LIKE :said", said=f"%{said}%")
            assert len(rows) < 2, f"{len(rows)} tickets say {said}"
            return rows and all(rows[0][name] == value for name, value in wanted.items()) and rows[0]

        return await until(found, timeout=10, what=f"ticket {said} {wanted}")

    async def row(self, sql: str, **values: Any) -> Any:
        """Wait for a row."""
        rows = await until(lambda: self.house.store.rows(sql, **values), timeout=10, what=f"{sql} {values}")
        return rows[0]


def desk(billing: str, general: str, triage: str) -> dict[str, Any]:
    """Two queues, each with its channel; people ask in #general."""
    support = {"name": "support", "addresses": ["support@example.com"], "slack_channel": triage}
    return {
        **SETTINGS,
        "service": {"name": "Acme Support"},
        "queue": [{**support, "request_channels": [general]}, {"name": "billing", "slack_channel": billing}],
    }
