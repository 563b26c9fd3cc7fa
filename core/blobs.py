"""Blobs: bytes too large for a row, in a folder. Keys are unique and never used again.

Everything is on the disk (file and directory fsynced) before a row may name it; a sweeper removes what no row names
after a day.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import BinaryIO

INLINE_BYTES = 65_536  # raw input up to this size lives in its inbox row


class BlobWriter:
    """A blob being written: `write` as often as needed, then `commit` or `abort`."""

    def __init__(self, folder: Path) -> None:
        self.key = secrets.token_hex(16)
        self._target = folder / self.key[:2] / self.key
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._path = self._target.with_suffix(".part")
        self._file: BinaryIO = self._path.open("xb")
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes (to the operating system's cache, so it doesn't block for long)."""
        self._file.write(data)
        self.size += len(data)

    async def commit(self) -> str:
        """Put it on the disk for good and return its key. Raises `OSError`."""
        await asyncio.to_thread(self._commit)
        return self.key

    def _commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(self._target)
        for folder in (self._target.parent, self._target.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def abort(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """The folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def writer(self) -> BlobWriter:
        """Begin a blob. Raises `OSError`."""
        return BlobWriter(self.folder)

    async def put(self, content: bytes) -> str:
        """Store bytes durably and return their key. Raises `OSError`."""
        writer = self.writer()
        try:
            await asyncio.to_thread(writer.write, content)
            return await writer.commit()
        except BaseException:
            writer.abort()
            raise

    def path(self, key: str) -> Path:
        """Return where a blob lies. Raises `ValueError` for what is no key of ours."""
        if len(key) != 32 or not all(c in "0123456789abcdef" for c in key):
            raise ValueError("not a blob key")
        return self.folder / key[:2] / key

    async def get(self, key: str) -> bytes:
        """Return a blob's bytes. Raises `OSError` where it is gone."""
        return await asyncio.to_thread(self.path(key).read_bytes)

    async def remove(self, key: str) -> None:
        """Delete a blob that no row names any more."""
        await asyncio.to_thread(self.path(key).unlink, True)
