"""Instances on one data folder: what a killed predecessor held is freed by the next start.

Each running instance holds a locked file whose name begins its lease tokens. A file that nobody locks belongs to the
dead; the kernel unlocks with the process, however it ended.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import structlog
from sqlalchemy import update

from core.database import Database, Tx
from core.tables import work

log = structlog.get_logger(__name__)


class Instance:
    """This process among those that share its data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "instances"
        self.id = secrets.token_hex(4)
        self._file: int | None = None

    def register(self) -> list[str]:
        """Lock our own file and return the ids of the dead."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._folder / self.id, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return [path.name for path in self._folder.iterdir() if path.name != self.id and _dead(path)]

    async def bury(self, database: Database, dead: list[str]) -> None:
        """Free what the dead held. Raises `Unavailable`."""
        for name in dead:

            async def free(tx: Tx, name: str = name) -> int:
                return await tx.changed(
                    update(work)
                    .where(work.c.token.like(f"{name}%"))
                    .values(token=None, expires_at=None, beat=work.c.beat + 1)
                )

            freed = await database.unit(free)
            (self._folder / name).unlink(missing_ok=True)
            log.info("predecessor_buried", instance=name, freed=freed)

    def leave(self) -> None:
        """We end in order: nothing of ours is left to free."""
        if self._file is not None:
            (self._folder / self.id).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def _dead(path: Path) -> bool:
    """Has the instance of this file ended?"""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
