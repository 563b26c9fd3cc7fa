"""The workspace's time: real time, as much faster as is asked for, and forward in leaps.

What Slack measures goes by it: the `ts` of messages, trigger ids, response URLs, retries, rate limits, scans. What the
app is given to answer in (three seconds) is real time, for the app's own clock is real.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Clock:
    """`speed` seconds of the workspace pass in a real one."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._since = time.monotonic()
        self._then = time.time()
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> float:
        """Seconds since 1970, as the workspace has it."""
        return self._then + (time.monotonic() - self._since) * self._speed

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._set(self.now())
        self._speed = speed
        self._wake()

    def advance(self, seconds: float) -> None:
        """Let that much time have passed; whoever slept through it wakes up."""
        self._set(self.now() + seconds)
        self._wake()

    def _set(self, now: float) -> None:
        self._then, self._since = now, time.monotonic()

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        self._sleepers.clear()

    async def sleep(self, seconds: float) -> None:
        """Sleep by this clock."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.add(sleeper)
            await asyncio.wait({sleeper}, timeout=left / self._speed)
            self._sleepers.discard(sleeper)
        if seconds <= 0:
            await asyncio.sleep(0)


class Timers:
    """What is to happen later."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        """Do that in so many seconds."""

        async def wait() -> None:
            await self._clock.sleep(seconds)
            then()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def waiting(self) -> int:
        return len(self._tasks)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
