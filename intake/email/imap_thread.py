"""A thread of its own for calls that block, so that one slow server holds up nothing but itself.

Not the loop's pool: a call that hangs (a name server that doesn't answer) would keep a place there, and the process
from ending. This thread is a daemon's: what can't be ended in time is left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class OwnThread:
    """Runs calls one after the other. Belongs to the loop that made it; `end` it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Return what `work` will return or raise. Cancelling doesn't end it: cut what it waits for."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._calls.put((lambda: work(*arguments), done))
        return done

    def end(self) -> None:
        """Let the thread end after what it's doing; nothing waits for that."""
        self._calls.put(None)

    def _run(self) -> None:
        while (taken := self._calls.get()) is not None:
            work, done = taken
            if done.cancelled():
                continue
            try:
                result, failed = work(), None
            except BaseException as exc:
                result, failed = None, exc
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, done, result, failed)
            del taken, work, done, result, failed  # a mail may hang on them


def _settle(done: asyncio.Future[Any], result: Any, failed: BaseException | None) -> None:
    if done.done():
        return
    if failed is None:
        done.set_result(result)
    else:
        done.set_exception(failed)
