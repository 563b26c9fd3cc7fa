"""WCAG 2.2 AA and what a narrow screen needs, looked at in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.test_browser_walk import ARGS

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """A real Chromium (Playwright's `Browser`), for contexts of any kind."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(ARGS))
        try:
            yield browser
        finally:
            await browser.close()


async def cookies_of(http: Any, url: str) -> list[dict[str, Any]]:
    """The cookies of a browser without a window (`tests.web.browser`), for `context.add_cookies`."""
    return [{"name": c.name, "value": c.value or "", "url": url} for c in http.cookies.jar]


async def violations(page: Any) -> list[str]:
    """What axe-core has to say against the page that is open: rule and where; nothing for a good one."""
    from axe_playwright_python.async_playwright import Axe

    options = {"resultTypes": ["violations"], "runOnly": list(RULES)}
    found = (await Axe().run(page, options=options)).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found
        for node in one["nodes"]
    ]


async def too_wide(page: Any) -> list[str]:
    """What makes the page wider than its window; nothing where it isn't."""
    script = """() => {
        const wide = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= wide) return [];
        const over = [...document.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > wide);
        return ["the page", ...over.map((e) => `${e.tagName}#${e.id}.${e.className}`)];
    }"""
    return [str(one) for one in await page.evaluate(script)]


async def scrolls_sideways(page: Any) -> bool:
    """Whether the page is wider than its window."""
    return bool(await too_wide(page))


async def check_page(page: Any) -> None:
    """No violation as it is shown, in the dark, and at 360 px, where nothing scrolls sideways."""
    before = page.viewport_size
    for scheme, size in (("light", before), ("dark", before), ("light", {"width": 360, "height": 740})):
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(size)
        found = await violations(page)
        assert not found, (page.url, scheme, size, found)
        wide = await too_wide(page)
        assert not wide, (page.url, size, wide)
    await page.set_viewport_size(before)
