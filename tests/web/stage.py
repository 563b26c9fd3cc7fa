"""What the tests of the HTTP door share: a site served on loopback over parts that a test gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx

from core.clock import Clock
from core.config import parse
from core.shapes import Actor, Role
from intake.web.health import PartState, Readiness, State
from intake.web.site import WebDoor, build_site

STAFF = Actor(user_id=1, role=Role.AGENT, channel="web", name="Ada", email="ada@example.com")


async def all_is_well() -> Readiness:
    """Nothing to complain of."""
    return Readiness((PartState("database", State.OK),))


class Answers:
    """A manager that has one answer to every call: it returns it, raises it, or calls and awaits it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            if isinstance(self.answer, Exception):
                raise self.answer
            return await self.answer() if callable(self.answer) else self.answer

        return call


def parts_with(answer: Any = None, **settings: Any) -> Any:
    """Parts without a database, for what the door does by itself. The token is `right`."""

    async def by_token(token: str) -> Actor | None:
        return STAFF if token == "right" else None

    async def counts() -> dict[str, dict[str, int]]:
        return {"inbox": {"new": 1}}

    return SimpleNamespace(
        config=parse(settings),
        clock=Clock(),
        blobs=None,
        intake=SimpleNamespace(turned_away={}),
        people=SimpleNamespace(by_token=by_token),
        manager=Answers(answer),
        operations=SimpleNamespace(counts=counts),
    )


@asynccontextmanager
async def serving(parts: Any, *, readiness: Any = all_is_well, **more: Any) -> AsyncIterator[str]:
    """Serve on loopback; gives the URL."""
    door = WebDoor(build_site(parts, readiness=readiness, **more), "127.0.0.1", 0)
    await door.start()
    try:
        yield f"http://127.0.0.1:{door.port}"
    finally:
        await door.stop()


def client(url: str, token: str | None = None, **more: Any) -> httpx.AsyncClient:
    """A client of the site."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=15, verify=False, **more)
