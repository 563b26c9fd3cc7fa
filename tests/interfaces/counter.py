"""What the tests of HTTP and the command line share: the real desk on a store, served on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import build_parts
from core.parts import Parts
from core.shapes import Actor
from tests.stores import Store
from tests.web.stage import client, serving

ANN, BEN = "ann@customer.example", "ben@customer.example"
# For what only the door does; what touches rows in a way of its own runs on every store.
on_sqlite = pytest.mark.parametrize("store_name", ["sqlite"])
REPORT: dict[str, Any] = {"title": "The printer is on fire", "description": "It burns.\nPlease help."}


@dataclass
class Counter:
    """A served desk. `ada` is a manager, `grace` an agent, `ann` and `ben` are requesters."""

    store: Store
    parts: Parts
    url: str
    ada: httpx.AsyncClient
    grace: httpx.AsyncClient
    ann: httpx.AsyncClient
    ben: httpx.AsyncClient
    nobody: httpx.AsyncClient

    async def opened(self, by: httpx.AsyncClient | None = None, **change: Any) -> dict[str, Any]:
        """Report an issue (as ann) and return the ticket."""
        answer = await (by or self.ann).post("/report-issue", json={**REPORT, **change})
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def shown(self, ticket_id: int, by: httpx.AsyncClient | None = None) -> dict[str, Any]:
        """Show a ticket (to ada)."""
        answer = await (by or self.ada).get(f"/tickets/{ticket_id}")
        assert answer.status_code == 200, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def staff(self, username: str = "ada") -> Actor:
        """Return a staff member's actor."""
        return await self.parts.people.staff_actor(username)


@asynccontextmanager
async def counter_on(store: Store, **settings: Any) -> AsyncIterator[Counter]:
    """Open the desk on the store and serve it."""
    parts = build_parts(store.config(**settings))
    await parts.people.sync()

    async def signed_in(url: str, email: str) -> httpx.AsyncClient:
        return client(url, await parts.people.create_token(email, timedelta(days=1)))

    try:
        async with serving(parts) as url:
            people = [
                await signed_in(url, email) for email in ("ada@example.com", "grace@example.com", ANN, BEN)
            ]
            nobody = client(url)
            yield Counter(store, parts, url, *people, nobody)
            for one in (*people, nobody):
                await one.aclose()
    finally:
        await parts.database.close()
