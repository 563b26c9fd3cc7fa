"""A browser without a window for the tests of pages: keeps cookies, follows forms, reads its mail."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx

from tests.interfaces.counter import Counter
from tests.waiting import until
from tests.web.stage import client

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def field(page: httpx.Response, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


@asynccontextmanager
async def browser(desk: Counter) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody used yet."""
    async with client(desk.url) as http:
        http.headers.update(HTML)
        yield http


def mails(desk: Counter, email: str) -> list[dict[str, Any]]:
    """What the sign-in mails to an address hold, oldest first."""
    sql = "SELECT data FROM deliveries WHERE ticket_id = 0 AND place = :place ORDER BY id"
    rows = desk.store.rows(sql, place=email)
    found = []
    for row in rows:
        data = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
        found.append(data)
    return found


async def asks(desk: Counter, http: httpx.AsyncClient, email: str, goal: str = "/") -> dict[str, Any]:
    """Ask for a link and return its mail, with `path` instead of the whole address."""
    before = len(mails(desk, email))
    form = await http.get("/sign-in", params={"next": goal})
    fields = {"email": email, "token": field(form, "token"), "next": field(form, "next")}
    answer = await http.post("/sign-in", data=fields)
    assert answer.status_code == 200, answer.text
    await until(lambda: len(mails(desk, email)) > before)
    mail = mails(desk, email)[-1]
    base = desk.parts.config.service.base_url
    assert mail["url"].startswith(f"{base}/sign-in/")
    return {**mail, "path": mail["url"].removeprefix(base)}


async def presses(http: httpx.AsyncClient, path: str, **more: str) -> httpx.Response:
    """Open a link's page and press its button."""
    shown = await http.get(path)
    assert shown.status_code == 200, shown.text
    return await http.post(path, data={"token": field(shown, "token"), **more})


async def signs_in(desk: Counter, http: httpx.AsyncClient, email: str, goal: str = "/") -> httpx.Response:
    """The whole way."""
    answer = await presses(http, (await asks(desk, http, email, goal))["path"])
    assert answer.status_code == 303, answer.text
    return answer
