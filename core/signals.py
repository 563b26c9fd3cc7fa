"""Wake-ups inside one process: a loop waits, a commit wakes it. Losing one costs a poll's time, nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


class Signal:
    """Set by whoever made work, awaited by the loop that does it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiting loops."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when set, or after `seconds`; then it is unset again."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


@dataclass(frozen=True, slots=True)
class Signals:
    """The process's wake-ups."""

    inbox: Signal = field(default_factory=Signal)
    outbox: Signal = field(default_factory=Signal)
