"""The page: its doors, and a visit with a real browser."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from tests.sandbox.conftest import App
from tests.sandbox.test_forms import FORM
from tests.sandbox.test_interactions import CARD, MODAL

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def http(box: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=box.url) as session:
        yield session


def html_mail(html: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "support@example.com",
        "carol@customer.example",
        "Re: x",
    )
    message["Reply-To"] = "support+t1@example.com"
    message.set_content("plain words")
    message.add_alternative(html, subtype="html")
    part = message.get_payload()[1]
    part.add_related(b"\x89PNG", "image", "png", cid="<logo>")
    message.add_attachment(b"abc", maintype="text", subtype="plain", filename="../a.txt")
    return message.as_bytes()


async def test_the_page_loads_nothing_from_elsewhere(box: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.get("/") as answer:
        text = await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "https://" not in text
    for name in (
        "style.css",
        "slack.css",
        "app.js",
        "dates.js",
        "dom.js",
        "slack.js",
        "mail.js",
        "blocks.js",
        "inputs.js",
        "views.js",
        "blocktext.js",
    ):
        async with http.get(f"/static/{name}") as answer:
            assert answer.status == 200, name
            assert "http://" not in (await answer.text()).replace("http://www.w3.org/2000/svg", "")
    async with http.get("/static/..%2Fbox.py") as answer:
        assert answer.status == 404


async def test_only_this_machines_page_may_act(box: Sandbox, http: aiohttp.ClientSession) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        async with http.post("/sandbox/act/react", json={"user": "ada"}, headers=headers) as answer:
            assert answer.status == 403
        async with http.get("/sandbox/state", headers=headers) as answer:
            assert answer.status == 403


async def test_acts_are_the_drivers(box: Sandbox, http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData({"user": "U0ADA00001", "channel": TRIAGE, "text": "hello @grace"})
    form.add_field("files", b"abc", filename="a.txt")
    async with http.post("/sandbox/post", data=form) as answer:
        ts = (await answer.json())["ts"]
    body: dict[str, Any] = {"user": "U0ADA00001", "channel": TRIAGE, "ts": ts}
    for act, more in (("react", {"name": "eyes"}), ("edit", {"text": "changed"})):
        async with http.post(f"/sandbox/act/{act}", json=body | more) as answer:
            assert answer.status == 200
    async with http.get(
        "/sandbox/state", params={"as": "U0ADA00001", "channel": TRIAGE, "thread": ts}
    ) as answer:
        shown = (await answer.json())["slack"]
    message = shown["messages"][0]
    assert (message["text"], message["edited"], message["own"]) == ("changed", True, True)
    assert message["reactions"] == [{"name": "eyes", "users": ["ada"], "mine": True}]
    assert shown["thread"]["ts"] == ts
    async with http.get(f"/sandbox/files/{message['files'][0]['id']}") as answer:
        assert await answer.read() == b"abc"
    async with http.post("/sandbox/act/delete", json=body) as answer:
        assert answer.status == 200
    for act, status in (("delete", 400), ("click", 400), ("nonsense", 404)):
        async with http.post(f"/sandbox/act/{act}", json=body | {"action_id": "x"}) as answer:
            assert answer.status == status
    async with http.post(
        "/sandbox/post", data={"user": "ann", "channel": "dm", "text": "/ticket x"}
    ) as answer:
        assert answer.status == 504  # nobody is connected


async def test_home_tab_forms_and_shortcuts(
    box: Sandbox, app: App, client: AsyncWebClient, http: aiohttp.ClientSession
) -> None:
    files: list[str] = []

    @app.bolt.shortcut("new_ticket")
    async def shortcut(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.bolt.view("new")
    async def submitted(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        papers = body["view"]["state"]["values"]["b-papers"]["papers"]["files"]
        files.extend(file["name"] for file in papers)

    me = {"user": "U0ANN00001"}
    async with http.post("/sandbox/act/shortcut", json=me | {"callback_id": "new_ticket"}) as answer:
        assert answer.status == 200
    await box.workspace.wait_for(lambda: box.workspace.user("ann").modal)
    modal = box.workspace.user("ann").modal
    assert modal
    form = aiohttp.FormData(me | {"view": modal.id, "values": '{"age": "x"}'})
    async with http.post("/sandbox/submit", data=form) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "age: not a number"})
    form = aiohttp.FormData(me | {"view": modal.id, "values": "{}"})
    form.add_field("file papers", b"abc", filename="a.txt")
    async with http.post("/sandbox/submit", data=form) as answer:
        assert answer.status == 200
    assert files == ["a.txt"]
    ask = me | {"view": "V404", "action_id": "x", "query": "y"}
    async with http.post("/sandbox/suggest", json=ask) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "not_found"})
    async with http.post("/sandbox/act/open_home", json=me) as answer:
        assert answer.status == 200
    view = {"type": "home", "blocks": [{"type": "divider"}]}
    await client.views_publish(user_id="U0ANN00001", view=view)
    where = {"as": "U0ANN00001", "channel": "D0ANN00001", "tab": "home"}
    async with http.get("/sandbox/state", params=where) as answer:
        slack = (await answer.json())["slack"]
    assert (slack["tab"], slack["home"]["blocks"][0]["type"], slack["dm"]) == (
        "home",
        "divider",
        "D0ANN00001",
    )
    assert slack["commands"] == ["/ticket"]
    assert [s["callback_id"] for s in slack["shortcuts"]] == ["new_ticket", "make_ticket"]


async def test_rows_that_share_their_actions(
    box: Sandbox, app: App, client: AsyncWebClient, http: aiohttp.ClientSession
) -> None:
    """The control of the row is pressed that was pressed; in a row that is gone, none of another."""
    pressed: list[str] = []

    @app.bolt.action("take")
    async def take(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        pressed.append(body["actions"][0]["block_id"])

    button = {"type": "button", "action_id": "take", "text": {"type": "plain_text", "text": "Take"}}
    rows = [{"type": "actions", "block_id": f"row {n}", "elements": [button]} for n in (1, 2)]
    await client.views_publish(user_id="U0ADA00001", view={"type": "home", "blocks": rows})
    home = box.workspace.user("ada").home
    assert home is not None
    body = {"user": "ada", "view": home.id, "action_id": "take"}
    for block, status in (("row 2", 200), ("row 1", 200), ("row 3", 400)):
        async with http.post("/sandbox/act/click_in_view", json=body | {"block": block}) as answer:
            assert answer.status == status
    assert pressed == ["row 2", "row 1"]
    await client.views_publish(user_id="U0ADA00001", view={"type": "home", "blocks": rows[:1]})
    async with http.post("/sandbox/act/click_in_view", json=body | {"block": "row 0"}) as answer:
        assert answer.status == 200  # a block that was named anew meanwhile
    assert pressed[2:] == ["row 1"]


async def test_mails_are_shown_in_all_forms(box: Sandbox, http: aiohttp.ClientSession) -> None:
    box.mailbox.keep(
        "bounce@example.com", ["carol@customer.example"], html_mail("<b>x</b><img src='cid:logo'>")
    )
    async with http.get("/sandbox/state", params={"customer": "carol@customer.example"}) as answer:
        mail = (await answer.json())["mail"]["mails"][0]
    async with http.get(f"/sandbox/mails/{mail['id']}") as answer:
        one = await answer.json()
    assert one["reply"] == {"to": "support+t1@example.com", "subject": "Re: x"}
    assert one["text"].strip() == "plain words"
    async with http.get(f"/sandbox/mails/{mail['id']}/html") as answer:
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert "data:image/png;base64," in await answer.text()
    async with http.get(f"/sandbox/mails/{mail['id']}/source") as answer:
        assert answer.content_type == "text/plain"
    names = [file["name"] for file in one["files"]]
    async with http.get(f"/sandbox/mails/{mail['id']}/parts/{names.index('../a.txt')}") as answer:
        assert await answer.read() == b"abc"
        assert answer.headers["Content-Disposition"].startswith("attachment")
    for path in ("404", "x", f"{mail['id']}/parts/9"):
        async with http.get(f"/sandbox/mails/{path}") as answer:
            assert answer.status == 404


async def test_writing_to_the_desk(box: Sandbox, http: aiohttp.ClientSession) -> None:
    letter = {"from": "carol@customer.example", "to": "support@example.com", "subject": "s", "text": "t"}
    async with http.post("/sandbox/mail", data=letter) as answer:
        assert (answer.status, "no desk" in (await answer.json())["error"]) == (502, True)
    box.connect_desk((box.smtp_host, box.smtp_port))
    async with http.post("/sandbox/mail", data=letter) as answer:
        assert answer.status == 200
    assert (await box.mailbox.wait_for(1)).recipients == ["support@example.com"]
    async with http.post("/sandbox/mail", data=letter | {"to": "nobody"}) as answer:
        assert answer.status == 400


async def test_a_permalink_leads_to_the_page(box: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.get(f"/archives/{TRIAGE}/p1700000000000001", allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"/#channel={TRIAGE}&thread=1700000000.000001"
    async with http.get("/archives/x%22y/p1", allow_redirects=False) as answer:
        assert answer.status == 404


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as started:
        opened = await started.chromium.launch(executable_path=chromium, args=ARGS)
        yield opened
        await opened.close()


async def test_a_visit(box: Sandbox, app: App, client: AsyncWebClient, browser: Any) -> None:
    taken: list[str] = []

    @app.bolt.action("take")
    async def take(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        taken.append(body["user"]["id"])
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.bolt.view("new")
    async def new(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        taken.append(body["view"]["state"]["values"]["title"]["t"]["value"])

    box.connect_desk((box.smtp_host, box.smtp_port))
    box.mailbox.keep(
        "s@example.com", ["carol@customer.example"], html_mail("<p>hello <script>alert(1)</script></p>")
    )
    root = (await client.chat_postMessage(channel=TRIAGE, text="card", blocks=CARD))["ts"]
    await box.workspace.user("grace").post("triage", "<script>alert(1)</script> *bold*", thread_ts=root)
    page = await browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(box.url)
    await page.get_by_role("button", name="1 reply").click()
    replies = page.get_by_role("list", name="Replies")
    await replies.get_by_text("<script>alert(1)</script>").wait_for()
    await page.get_by_label("Reply", exact=True).fill("on it")
    await page.get_by_label("Reply", exact=True).press("Enter")
    await replies.get_by_text("on it").wait_for()
    await page.get_by_role("list", name="Messages").get_by_role("button", name="Take it").click()
    await page.get_by_role("dialog").get_by_label("Title").fill("Fire")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("dialog").wait_for(state="hidden")
    assert taken == ["U0ADA00001", "Fire"]
    await page.get_by_role("article").get_by_role("button", name="Reply").click()
    await page.get_by_label("Text", exact=True).fill("thank you")
    await page.get_by_role("button", name="Send mail").click()
    mail = await box.mailbox.wait_for(lambda mail: "thank you" in mail.text)
    assert mail.recipients == ["support+t1@example.com"]
    assert errors == []
