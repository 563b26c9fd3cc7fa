"""A folder for an import's unpacked archives, which goes with the import: however that ends, and whatever SIGTERM finds
it at. One that a kill left behind is removed by the next import."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

_PREFIX: Final = "relaydesk-import-"
_NEW: Final = 60.0  # seconds in which the owner of a new folder has surely locked it


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder, locked as long as we live; remove it at the end. Raises `OSError`."""
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(place: Path) -> None:
    """Remove our own folders whose owner is gone."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            there = folder.lstat()
            if there.st_uid != os.getuid() or time.time() - there.st_mtime < _NEW:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # `OSError` while its owner lives
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


class Stop:
    """SIGTERM cancels the task that made this, like Ctrl-C. `at_once`: while the task's own code runs for long and
    awaits nothing, so that it's interrupted there."""

    def __init__(self) -> None:
        self.at_once = False
        self._told = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen, where that can be done: signals are the main thread's."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._told or self._task is None:
            return  # it is cleaning up
        self._told = True
        if self.at_once:
            raise asyncio.CancelledError
        self._loop.call_soon_threadsafe(self._task.cancel)
