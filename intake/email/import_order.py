"""In which order an archive's mails are taken in: by their dates, but what answers comes after what it answers.

The list lies in a temporary database on the disk, which goes when it is closed: memory doesn't grow with the archive.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from intake.email.arrival import scan_head
from intake.email.headers import read_date
from intake.email.import_sources import Place

EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)  # before, nobody's clock was right
_ROUNDS: Final = 50  # answers of answers whose clocks were all wrong
_ID: Final = re.compile(rb"<([^<>\s]{1,900})>")
_TABLES: Final = """
CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT, shown TEXT, UNIQUE (path));
CREATE TABLE mails (
    id INTEGER PRIMARY KEY, at REAL, file INTEGER, start INTEGER, size INTEGER, mbox INTEGER, arrived REAL,
    own BLOB, answered BLOB
);
"""
_LATER: Final = """
UPDATE mails SET at = (SELECT min(p.at) FROM mails p WHERE p.own = mails.answered) + 0.001
WHERE answered IS NOT NULL
AND at <= (SELECT min(p.at) FROM mails p WHERE p.own = mails.answered AND p.id <> mails.id)
"""


def sane(moment: datetime | None, now: datetime) -> datetime | None:
    """Return the time where a mail can be from then, else None."""
    return moment if moment is not None and EARLIEST <= moment <= now else None


class Order:
    """A list of mails that sorts itself. Belongs to one thread."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._list = sqlite3.connect("")  # a file without a name
        self._list.executescript("PRAGMA cache_size = -8000; PRAGMA temp_store = FILE;" + _TABLES)
        self._file = (Path(), 0)

    def add(self, place: Place) -> None:
        """Note a mail."""
        fields = scan_head(memoryview(place.head))
        when = sane(read_date(fields.get(b"date", b"").decode("latin-1")), self._now)
        arrived = sane(place.arrived, self._now)
        at = when or arrived or self._now
        self._list.execute(
            "INSERT INTO mails (at, file, start, size, mbox, arrived, own, answered) VALUES (?,?,?,?,?,?,?,?)",
            (
                at.timestamp(),
                self._file_of(place),
                place.offset,
                place.size,
                place.mbox,
                arrived.timestamp() if arrived else None,
                _name(fields.get(b"message-id", b""), last=False),
                _name(fields.get(b"in-reply-to", b""), last=False)
                or _name(fields.get(b"references", b""), last=True),
            ),
        )

    def _file_of(self, place: Place) -> int:
        if self._file[0] != place.path:
            names = (_text(place.path), _text(place.shown))
            self._list.execute("INSERT OR IGNORE INTO files (path, shown) VALUES (?, ?)", names)
            (number,) = self._list.execute("SELECT id FROM files WHERE path = ?", names[:1]).fetchone()
            self._file = (place.path, int(number))
        return self._file[1]

    def arrange(self) -> int:
        """Sort; return how many mails there are."""
        self._list.executescript(
            "CREATE INDEX own ON mails (own); CREATE INDEX answered ON mails (answered);"
        )
        for _ in range(_ROUNDS):
            if not self._list.execute(_LATER).rowcount:
                break
        (count,) = self._list.execute("SELECT count(*) FROM mails").fetchone()
        return int(count)

    def mails(self) -> Iterator[Place]:
        """Yield them in order, without their heads."""
        rows = self._list.execute(
            "SELECT path, shown, start, size, mbox, arrived FROM mails JOIN files ON files.id = mails.file "
            "ORDER BY at, mails.id"
        )
        for path, shown, start, size, mbox, arrived in rows:
            yield Place(
                path=Path(_path(path)),
                shown=Path(_path(shown)),
                offset=start,
                size=size,
                mbox=bool(mbox),
                head=b"",
                arrived=None if arrived is None else datetime.fromtimestamp(arrived, UTC),
            )

    def close(self) -> None:
        """Forget the list."""
        self._list.close()


def _name(field: bytes, *, last: bool) -> bytes | None:
    """What a Message-ID is compared by: the first in the field, or the last."""
    found = _ID.findall(field)
    return sha256(found[-1 if last else 0]).digest()[:12] if found else None


def _text(path: Path) -> bytes:
    """File names are bytes; not all of them are text."""
    return str(path).encode("utf-8", "surrogateescape")


def _path(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
