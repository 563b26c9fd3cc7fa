"""When to catch up: after every absence, one instance at a time; and else to note how far all has come.

What the cursor says is only moved on by who has the turn, so that nobody notes as come what another still reads. Who
could note nothing for a while (the database was away, the machine slept) was absent too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.catchup import ALL, CatchUp
from bot.home import later, time_of, ts_of
from core import work
from core.database import Database
from core.failures import Failure, StaleLease, Unavailable
from core.tasks import kept

log = structlog.get_logger(__name__)

NAME: Final = "slack:catch-up"
KIND: Final = "cursor"
NOTE_EVERY: Final = 30.0
MARGIN: Final = timedelta(seconds=60)  # an event may come that late
LOOK_AGAIN: Final = 2.0  # whether the other instance is done
ABSENT: Final = timedelta(minutes=2)  # without a look for so long, Slack may have given events up
COVERED: Final = timedelta(minutes=3)  # for so long another instance may take to note past our absence
Turn = Callable[[], AbstractAsyncContextManager[bool]]


class Cursors:
    """The catch-up's cursors, and the turn to read by them: a leased piece of `work`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lease: work.Lease | None = None
        self._made = False

    async def load(self) -> dict[str, str]:
        """Return conversation → ts until which it was read, and `*` for all."""
        return await work.remembered(self._database, NAME)

    async def save(self, cursors: dict[str, str]) -> None:
        """Keep them. Raises `StaleLease` where another has the turn."""
        if self._lease is None:
            raise StaleLease(NAME)
        await work.note(self._database, self._lease, cursors)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Take the turn; False where another instance has it. Raises `Unavailable`."""
        if not self._made:
            await self._database.unit(lambda tx: work.ensure(tx, {NAME: KIND}))
            self._made = True
        lease = self._lease = await work.claim_named(self._database, NAME, KIND, due=False)
        if lease is None:
            yield False
            return
        try:
            async with kept(self._database, lease):
                yield True
        finally:
            self._lease = None
            with suppress(StaleLease, Unavailable):
                await work.finish(self._database, lease, due=None, not_before=None)


@asynccontextmanager
async def always() -> AsyncIterator[bool]:
    """The turn of the only instance."""
    yield True


class KeepUp:
    """Runs the catch-up. `missed` says that something may have been missed, and since when; `opened` is set while
    payloads reach this instance."""

    def __init__(
        self,
        catch_up: CatchUp,
        load: Callable[[], Awaitable[dict[str, str]]],
        opened: asyncio.Event,
        now: Callable[[], datetime],
        turn: Turn = always,
    ) -> None:
        self._catch_up, self._load, self._open, self._now, self._turn = catch_up, load, opened, now, turn
        self._wake = asyncio.Event()
        self._missed = True
        self._since: str | None = None  # nothing that came to us before it is missing
        self._missed_at = now()
        self._seen: str | None = None  # the cursor when another instance had the turn
        self._looked: datetime | None = None  # when all was well last
        self._read: datetime | None = None  # everything until then was read from the histories

    def missed(self, since: datetime | None = None) -> None:
        """Something may have been missed, since a moment (None: since the cursor)."""
        if since is not None:
            at = ts_of(since - MARGIN)
            self._since = at if self._since is None or later(self._since, at) else self._since
        self._missed, self._missed_at = True, self._now()
        self._seen = None
        self._wake.set()

    def repeated(self, happened: datetime, heard: datetime) -> None:
        """Slack sends something again: what it tried to send us meanwhile may have been given up. `happened`: when it
        tried first, at the earliest; `heard`: when we heard of it last at the first try."""
        if self._read is None or happened > self._read:
            self.missed(min(happened, heard))

    def behind(self, channel: str) -> bool:
        """Whether the catch-up that runs hasn't been at that conversation yet; it goes there next."""
        return self._catch_up.hurry(channel)

    async def run(self) -> None:
        """Catch up whenever something may have been missed; else note now and then that all has come."""
        while True:
            if not self._open.is_set():
                await self._open.wait()
                self._looked = None  # who opened knows since when it was closed
            self._wake.clear()
            if self._looked is not None and self._now() - self._looked > ABSENT:
                self.missed(self._looked)
            try:
                pause = await self._once()
                self._looked = self._now()
            except (Failure, Unavailable) as exc:
                log.warning("catch_up_failed", reason=str(exc))
                pause = 5.0
            except StaleLease:
                log.warning("catch_up_lost")
                pause = LOOK_AGAIN
            except Exception:
                log.exception("catch_up_failed")
                pause = 60.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _once(self) -> float:
        """Do what is to be done now; return how long nothing is."""
        async with self._turn() as ours:
            if ours and not self._missed:
                await self._catch_up.note(MARGIN)
                return NOTE_EVERY
            if ours and not await self._covered():
                self._missed, since, self._since = False, self._since, None
                began = self._now()
                try:
                    await self._catch_up.run(since)
                except BaseException:
                    known = [at for at in (since, self._since) if at is not None]
                    self._missed, self._since = True, min(known, key=time_of, default=None)
                    raise
                self._read = began
                return 0.0 if self._missed else NOTE_EVERY
            if self._missed and self._seen is None:
                self._seen = (await self._load()).get(ALL, "")
        return LOOK_AGAIN if self._missed else NOTE_EVERY

    async def _covered(self) -> bool:
        """Whether another instance reads what we missed: it had the turn when we asked for it, is through, and has
        been there all the while; once it has noted past our absence, nothing is missing."""
        if self._seen is None or self._since is not None:  # what was sent to us alone, only we know of
            return False
        noted = (await self._load()).get(ALL, "")
        if later(noted, ts_of(self._missed_at)):
            log.info("catch_up_covered")
            self._missed, self._since, self._seen = False, None, None
            return True
        return noted != self._seen and self._now() - self._missed_at < COVERED
