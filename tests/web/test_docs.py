"""The API's page: all that the document has, for people."""

from __future__ import annotations

import re

from intake.web.docs import requests_of
from tests.interfaces.counter import counter_on, on_sqlite
from tests.stores import Store
from tests.web.axe import chromium, scrolls_sideways, violations
from tests.web.browser import HTML
from tests.web.stage import client, parts_with, serving


async def test_every_request_is_on_the_page() -> None:
    async with serving(parts_with()) as url, client(url) as http:
        document = (await http.get("/openapi.json")).json()
        page = await http.get("/docs", headers=HTML)
    assert page.status_code == 200
    assert "script" not in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert not re.search(r'(?:src|href)="(?!/|#)', page.text), "nothing comes from elsewhere"
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            assert f"{method.upper()} {path}" in page.text
            for parameter in one.get("parameters", ()):
                assert parameter["name"] in page.text
    assert len(page.content) < 100_000
    shown = page.text.partition("<main")[2]
    assert "`" not in shown
    assert (
        "mailed to <code>email</code> was followed. A token that has scopes needs <code>report</code>"
        in shown
    )


async def test_what_a_request_takes_is_said() -> None:
    async with serving(parts_with()) as url, client(url) as http:
        asked = requests_of((await http.get("/openapi.json")).json())
    report = next(one for one in asked if (one.method, one.path) == ("POST", "/report-issue"))
    fields = {named.name: named for named in report.named}
    assert fields["title"].needed
    assert "at most 255 characters" in fields["title"].limits
    assert "low, normal, high, urgent" in fields["priority"].limits
    assert fields["Idempotency-Key"].place == "header"
    assert not report.token, "strangers report, too"
    assert {"201", "422", "429"} <= {status for status, _ in report.answers}
    assert len({one.id for one in asked}) == len(asked)


@on_sqlite
async def test_everybody_can_read_it(store: Store) -> None:
    """WCAG 2.2 AA, dark and on a phone too."""
    async with counter_on(store) as desk, chromium() as browser:
        for scheme in ("light", "dark"):
            context = await browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 700})
            page = await context.new_page()
            await page.goto(f"{desk.url}/docs")
            assert await violations(page) == []
            assert not await scrolls_sideways(page)
            await context.close()
