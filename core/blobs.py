"""Blobs: bytes too large for a row, in a folder. Keys are unique and never used again.

Everything is on the disk (file and directory fsynced) before a row may name it; a sweeper (`core/sweeping.py`) removes
what no row names after a day. What is being written is a `.part` file that its writer keeps locked: the kernel unlocks
it with the process, however that ended, so the sweeper can tell what was left behind.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from io import RawIOBase
from pathlib import Path
from typing import Final, TypeVar

INLINE_BYTES = 65_536  # raw input up to this size lives in its inbox row
LEFT_BEHIND: Final = timedelta(minutes=10)  # a part that nobody holds is nobody's after so long
# A slow disk holds up those who write to it, not all else that is done in threads.
_WRITERS: Final = 4
_T = TypeVar("_T")


class BlobWriter:
    """A blob being written: `write` as often as needed, then `commit` or `abort`. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.key = secrets.token_hex(16)
        self._target = folder / self.key[:2] / self.key
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._path = self._target.with_suffix(".part")
        self._file: RawIOBase = self._path.open("xb", buffering=0)
        _hold(self._file.fileno())
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes (to the operating system's cache, so it doesn't block for long). Raises `OSError`."""
        _write_all(self._file, data)
        self.size += len(data)

    async def commit(self) -> str:
        """Put it on the disk for good and return its key. Raises `OSError`."""
        await asyncio.to_thread(self.put_down)
        return self.key

    def put_down(self) -> None:
        """What `commit` does, for whoever is in a thread already. Raises `OSError`."""
        os.fsync(self._file.fileno())
        self._path.rename(self._target)
        self._file.close()
        _settle(self._target)

    def abort(self) -> None:
        """Forget what was written, also after a `commit` whose key nobody was told."""
        self._file.close()
        self._path.unlink(missing_ok=True)
        self._target.unlink(missing_ok=True)


def _write_all(file: RawIOBase, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _settle(target: Path) -> None:
    """Make a file's name last."""
    for folder in (target.parent, target.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _hold(descriptor: int) -> bool:
    """Lock it for as long as it's open. False where somebody else does; a file system without locks says True."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


class Blobs:
    """The folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads: ThreadPoolExecutor | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def writer(self) -> BlobWriter:
        """Begin a blob. Raises `OSError`."""
        return BlobWriter(self.folder)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Run what waits for this disk in a thread of its own kind, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(), work)

    def soon(self, work: Callable[[], object]) -> None:
        """Have it done in such a thread; nobody waits for it."""
        self._pool().submit(work)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_WRITERS, "blobs")
        return self._threads

    async def put(self, content: bytes) -> str:
        """Store bytes durably and return their key. Raises `OSError`."""
        writer = self.writer()
        try:
            await asyncio.to_thread(writer.write, content)
            return await writer.commit()
        except BaseException:
            writer.abort()
            raise

    async def adopt(self, name: str) -> str:
        """Make a part that another process of ours wrote (`loose_part`) a blob and return its key.

        Raises `ValueError` for what is no such name, `OSError`."""
        if not name.endswith(".part"):
            raise ValueError("not a part")
        key = name.removesuffix(".part")
        target = self.path(key)

        def settle() -> None:
            part = target.with_suffix(".part")
            descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.rename(target)
            _settle(target)

        await asyncio.to_thread(settle)
        return key

    async def twin(self, key: str) -> str:
        """Store the same bytes once more under a key of their own, by a further name where the disk can do that.
        Raises `OSError`."""
        source, other = self.path(key), secrets.token_hex(16)
        target = self.path(other)

        def copy() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileNotFoundError:
                raise
            except OSError:
                part = target.with_suffix(".part")
                try:
                    shutil.copyfile(source, part)
                    with part.open("rb") as copied:
                        os.fsync(copied.fileno())
                    part.rename(target)
                except BaseException:
                    part.unlink(missing_ok=True)
                    raise
            _settle(target)

        await asyncio.to_thread(copy)
        return other

    def path(self, key: str) -> Path:
        """Return where a blob lies. Raises `ValueError` for what is no key of ours."""
        if not _is_key(key):
            raise ValueError("not a blob key")
        return self.folder / key[:2] / key

    async def get(self, key: str) -> bytes:
        """Return a blob's bytes. Raises `OSError` where it is gone."""
        return await asyncio.to_thread(self.path(key).read_bytes)

    async def remove(self, key: str) -> None:
        """Delete a blob that no row names any more."""
        await asyncio.to_thread(self.path(key).unlink, True)

    def sweep_parts(self) -> int:
        """Delete what a process that ended was writing and return how many files that were. For a thread."""
        before = self._now() - LEFT_BEHIND.total_seconds()
        swept = 0
        for folder in self.folder.glob("??"):
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                parts = (Path(entry) for entry in entries if entry.name.endswith(".part"))
                swept += sum(_left_behind(part, before) for part in parts)
        return swept

    def older_than(self, age: timedelta, folder: str) -> Iterator[str]:
        """Yield the keys in one of the folders ("00" to "ff") that were stored or got this name so long ago. For a
        thread; holds no list of them. Raises `OSError`."""
        before = self._now() - age.total_seconds()
        with suppress(FileNotFoundError), os.scandir(self.folder / folder) as entries:
            for entry in entries:
                if _is_key(entry.name) and _settled_before(Path(entry), before):
                    yield entry.name

    def remove_old(self, keys: Sequence[str], age: timedelta) -> int:
        """Delete those that are still so old and return how many. For a thread. Raises `OSError`."""
        before = self._now() - age.total_seconds() if keys else 0.0
        removed = 0
        for path in map(self.path, keys):
            if _settled_before(path, before):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _now(self) -> float:
        """The time of the disk, whose clock need not be ours. Raises `OSError`."""
        os.utime(self.folder)
        return self.folder.stat().st_mtime


def _is_key(name: str) -> bool:
    return len(name) == 32 and all(c in "0123456789abcdef" for c in name)


def _settled_before(path: Path, before: float) -> bool:
    """Neither written nor renamed nor linked since: a twin has its source's time of writing, but not of change."""
    try:
        told = path.lstat()
    except FileNotFoundError:
        return False
    return max(told.st_mtime, told.st_ctime) < before


def _left_behind(part: Path, before: float) -> bool:
    """Delete the part where its writer is gone."""
    with suppress(OSError):
        if part.lstat().st_mtime > before:
            return False
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if _hold(descriptor):
                part.unlink()
                return True
        finally:
            os.close(descriptor)
    return False


def free_bytes(folder: Path) -> int:
    """Return the bytes that we may still write there; very many where that can't be said."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return 1 << 62
    return told.f_bavail * told.f_frsize


def loose_part(folder: Path, content: bytes) -> str:
    """Write bytes where `Blobs.adopt` takes them over, and return the name. Raises `OSError`."""
    name = f"{secrets.token_hex(16)}.part"
    path = folder / name[:2] / name
    path.parent.mkdir(exist_ok=True)
    with path.open("xb", buffering=0) as file:
        _write_all(file, content)
    return name
