"""A session in a thread of its own, for the loop: awaitable calls, and an end that waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Final, TypeVar

from core.config import Imap
from intake.email.imap_rules import Step
from intake.email.imap_session import GOOD_BYE, Fetched, Mailbox, Session
from intake.email.imap_thread import OwnThread

T = TypeVar("T")
_CUT: Final = 1.0  # seconds for a thread to notice that its connection was cut


class Link:
    """`Session`'s calls, awaited. A call that is cancelled cuts the connection."""

    def __init__(self, box: Imap, limit: int) -> None:
        self._session = Session(box, limit)
        self._thread = OwnThread(f"imap {box.host}")
        self._broken = False

    @property
    def step(self) -> Step:
        """How far the connection has come."""
        return self._session.step

    async def _call(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await self._thread.call(work, *arguments)
        except asyncio.CancelledError:
            self._broken = True
            self._session.cut()
            raise

    async def open(self, token: str | None) -> Mailbox:
        """See `Session.open`."""
        return await self._call(self._session.open, token)

    async def look(self, above: int) -> tuple[list[int], list[int]]:
        """See `Session.look`."""
        return await self._call(self._session.look, above)

    async def fetch(self, uid: int) -> Fetched | None:
        """See `Session.fetch`."""
        return await self._call(self._session.fetch, uid)

    async def mark(self, uids: Collection[int]) -> None:
        """See `Session.mark`."""
        await self._call(self._session.mark, uids)

    async def set_aside(self, uid: int) -> None:
        """See `Session.set_aside`."""
        await self._call(self._session.set_aside, uid)

    async def has_folder(self, folder: str) -> bool:
        """See `Session.has_folder`."""
        return await self._call(self._session.has_folder, folder)

    async def wait(self, longest: timedelta) -> bool:
        """See `Session.wait`."""
        return await self._call(self._session.wait, longest)

    def wake(self) -> None:
        """Let `wait` return."""
        self._session.wake()

    async def close(self) -> None:
        """Say good-bye within two seconds, or cut. Raises nothing of the server's."""
        closing = self._thread.call(self._session.close)
        self._thread.end()
        done, _ = await asyncio.wait({closing}, timeout=_CUT if self._broken else GOOD_BYE + _CUT)
        if not done:
            self._session.cut()
            closing.cancel()
