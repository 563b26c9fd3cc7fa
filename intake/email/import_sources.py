"""Where mails lie in an archive: mbox files, Maildirs, single files, folders of them. Finds them, reads none whole.

An mbox is read as mboxrd: `From ` begins a mail with a date in its line and a field below it, after an empty line (some
programs leave that out; then a well-known field); a `>` that a writer put before a `From ` in the text goes again.
Memory doesn't grow with the archive.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from intake.email.headers import read_date

HEAD_BYTES: Final = 262_144
_LINE: Final = 65_536
_GZIP: Final = b"\x1f\x8b"
# "From ada@example.com Thu Nov 26 21:17:30 2026", perhaps with a zone before or after the year.
_BEGIN: Final = re.compile(
    rb"From .{0,1000}[A-Z][a-z]{2} +\d{1,2} +\d{1,2}:\d{2}(?::\d{2})?(?: [A-Za-z0-9+-]{1,6})? \d{4}"
    rb"(?: [+-]\d{4})?[ \t]*\r?\n"
)
_BEGAN_AT: Final = re.compile(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} [^\r\n]{4,40}")
_FIELD: Final = re.compile(rb"[!-9;-~]{1,128}[ \t]*:")
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_KNOWN: Final = re.compile(
    rb"^(?:from|date|message-id|received|return-path|delivered-to|subject|to|status|x-[a-z-]{2,40})[ \t]*:",
    re.I | re.M,
)
_INTERNAL: Final = re.compile(rb"^subject:.*FOLDER INTERNAL DATA", re.I | re.M)
_MOZILLA: Final = re.compile(rb"^x-mozilla-status: *([0-9a-f]{1,4})\b", re.I | re.M)
_DELETED: Final = re.compile(rb"^(?i:x-status):[ \t]*[A-Z]{0,8}D[A-Z]{0,8}\s*$", re.M)
_FOR_PROGRAMS: Final = ("dovecot", "courierimap", "maildirsize", "maildirfolder", "subscriptions")


class NotRead(Exception):
    """A file that can't be read as mail; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a mail lies: `size` bytes from `offset` of the file at `path`, which for a compressed one is a copy of
    `shown`. `head`: how it begins, at most `HEAD_BYTES`. `arrived`: when it came, as far as its place tells. `skip`:
    why it is none to take in."""

    path: Path
    shown: Path
    offset: int
    size: int
    mbox: bool
    head: bytes
    arrived: datetime | None = None
    skip: str | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """A file that can't be read as mail, and why; `skipped` where it plainly is none, so that nothing is wrong."""

    shown: Path
    reason: str
    skipped: bool = False


Found = Place | Unfit


def places(paths: tuple[Path, ...], scratch: Path) -> Iterator[Found]:
    """Yield every mail below the paths. Compressed files are unpacked into the folder `scratch`."""
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - `is_dir` raises where a folder above can't be entered
            yield from _folder(path, scratch)
        else:
            yield from _file(path, scratch, named=True)


def _folder(folder: Path, scratch: Path) -> Iterator[Found]:
    """Walk a folder in order of names; of a Maildir the mails are in `cur` and `new`, further ones in its folders.
    A folder that can't be read is told; links to folders aren't followed (they may lead round), and told too."""
    unfit: list[Unfit] = []

    def no_entry(exc: OSError) -> None:
        unfit.append(Unfit(Path(os.fsdecode(exc.filename or folder)), f"can't be read: {_why(exc)}"))

    for top, names, files in os.walk(folder, onerror=no_entry):
        here = Path(top)
        names.sort()
        for name in names:
            if os.path.islink(here / name):  # noqa: PTH114
                yield Unfit(here / name, "is a link to a folder; name the folder itself to have it too")
        maildir = {"cur", "new"} & set(names) and ("tmp" in names or {"cur", "new"} <= set(names))
        if maildir:
            for box in ("cur", "new"):
                yield from _maildir(here / box)
            names[:] = [name for name in names if name not in ("cur", "new", "tmp")]
        for name in sorted(files):
            if not name.lower().startswith(_FOR_PROGRAMS):
                yield from _file(here / name, scratch, named=False)
    yield from unfit


def _maildir(box: Path) -> Iterator[Found]:
    """Yield the mails of a Maildir that its owner may be using: a mail that is moved or marked meanwhile has another
    name then, and is looked for under that."""
    if not os.path.isdir(box) or os.path.islink(box):  # noqa: PTH112, PTH114
        return  # a linked one was told
    try:
        with os.scandir(box) as entries:
            for entry in entries:  # as many as there are, so none is kept
                if entry.is_file() and not entry.name.startswith("."):
                    yield _in_maildir(Path(entry.path))
    except OSError as exc:
        yield Unfit(box, f"can't be read: {_why(exc)}")


def _in_maildir(path: Path) -> Found:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        if (now := _name_now(path)) is None:
            return Unfit(path, "is gone: it was moved or deleted meanwhile")
        return _in_maildir(now)
    except OSError as exc:
        return Unfit(path, _why(exc))
    return _single(path, path, 0, size, _marked(path))


def _marked(path: Path) -> str | None:
    """Why its marks in a Maildir say that it's not to be taken in."""
    flags = path.name.rpartition(":2,")[2] if ":2," in path.name else ""
    return "deleted there" if "T" in flags else "a draft" if "D" in flags else None


def _name_now(path: Path) -> Path | None:
    """Find a Maildir's mail that got other marks, or was seen and moved to `cur`: what is before them stays."""
    if path.parent.name not in ("cur", "new"):
        return None
    unique = path.name.partition(":2,")[0]
    with suppress(OSError), os.scandir(path.parent.parent / "cur") as entries:
        for entry in entries:
            if entry.name.partition(":2,")[0] == unique and entry.name != path.name:
                return Path(entry.path)
    return None


def _why(exc: OSError) -> str:
    return exc.strerror or type(exc).__name__


def _file(path: Path, scratch: Path, *, named: bool) -> Iterator[Found]:
    """Yield what a file holds. `named`: somebody gave its very name, so that it's wrong where it is no mail."""
    try:
        if not path.is_file():
            raise NotRead("no file")
        real = _unpacked(path, scratch)
        with real.open("rb") as file:
            start = file.read(4_096)
        if start.startswith(b"From "):
            yield from _mbox(real, path)
        elif path.suffix.lower() == ".emlx":
            yield _emlx(real, path, start)
        elif named or path.suffix.lower() == ".eml" or _like_mail(start):
            yield _single(real, path, 0, real.stat().st_size)
        else:
            yield Unfit(path, "is no mail", skipped=True)
    except NotRead as exc:
        yield Unfit(path, str(exc))
    except OSError as exc:
        yield Unfit(path, _why(exc))


def _like_mail(start: bytes) -> bool:
    head = start.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0]
    return bool(_FIELD.match(start)) and len(_KNOWN.findall(head)) >= 2


def _unpacked(path: Path, scratch: Path) -> Path:
    """Return the file, or an unpacked copy of a compressed one. Raises `NotRead`, `OSError`."""
    with path.open("rb") as file:
        if file.read(2) != _GZIP:
            return path
    handle, name = tempfile.mkstemp(dir=scratch)
    try:
        with os.fdopen(handle, "wb") as copy, gzip.open(path) as packed:
            shutil.copyfileobj(packed, copy, 1_048_576)
    except (EOFError, gzip.BadGzipFile, ValueError) as exc:
        raise NotRead("is compressed and broken") from exc
    return Path(name)


def _single(path: Path, shown: Path, offset: int, size: int, skip: str | None = None) -> Found:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            head = file.read(min(size, HEAD_BYTES))
            changed = os.fstat(file.fileno()).st_mtime
    except OSError as exc:
        return Unfit(shown, _why(exc))
    if not head.strip():
        return Unfit(shown, "is empty")
    return Place(
        path=path,
        shown=shown,
        offset=offset,
        size=size,
        mbox=False,
        head=_head_of(head),
        arrived=datetime.fromtimestamp(changed, UTC),
        skip=skip,
    )


def _emlx(path: Path, shown: Path, start: bytes) -> Found:
    """Apple Mail: a line with the mail's length, the mail, a property list."""
    line, _, _ = start.partition(b"\n")
    if not line.strip().isdigit() or len(line) > 20:
        raise NotRead("is no .emlx file")
    offset = len(line) + 1
    return _single(path, shown, offset, min(int(line), path.stat().st_size - offset))


def _head_of(head: bytes) -> bytes:
    for blank in (b"\n\n", b"\r\n\r\n"):
        at = head.find(blank)
        if at >= 0:
            head = head[: at + 1]
    return head


# -- mbox ---------------------------------------------------------------------------------------------------------


def _mbox(path: Path, shown: Path) -> Iterator[Found]:
    """Yield the mails of an mbox, reading it once, line by line (of an endless line a piece at a time)."""
    begun, opening, head, in_head = -1, b"", bytearray(), False
    candidate: tuple[int, bytes, re.Pattern[bytes]] | None = None
    at, blank, fresh = 0, True, True
    with path.open("rb") as file:
        while line := file.readline(_LINE):
            if candidate is not None and (begun < 0 or candidate[2].match(line)):
                if begun >= 0:
                    yield _in_mbox(path, shown, begun, candidate[0], opening, bytes(head))
                begun, opening, head, in_head = at, candidate[1], bytearray(), True
            begins = at == 0 or (fresh and _BEGIN.fullmatch(line))
            candidate = (at, line, _FIELD if blank else _KNOWN) if begins else None
            blank = fresh and line in (b"\n", b"\r\n")
            in_head = in_head and not blank
            if in_head and len(head) < HEAD_BYTES:
                head += line
            fresh = line.endswith(b"\n")
            at += len(line)
    if begun >= 0:
        yield _in_mbox(path, shown, begun, at, opening, bytes(head))


def _in_mbox(path: Path, shown: Path, start: int, end: int, opening: bytes, head: bytes) -> Place:
    found = _BEGAN_AT.search(opening)
    return Place(
        path=path,
        shown=shown,
        offset=start,
        size=end - start,
        mbox=True,
        head=head,
        arrived=read_date(found[0].decode("ascii", "replace")) if found else None,
        skip=_no_mail(head),
    )


def _no_mail(head: bytes) -> str | None:
    """Mails that the program that kept the folder counts as deleted, and what it keeps in it for itself."""
    if _INTERNAL.search(head):
        return "the folder's own data"
    status = _MOZILLA.search(head)
    deleted = status is not None and int(status[1], 16) & 0x8  # nsMsgMessageFlags::Expunged
    return "deleted there" if deleted or _DELETED.search(head) else None


def mail_of(place: Place) -> bytes:
    """Return the bytes of a mail, as they were before its mbox quoted them. Raises `OSError`."""
    try:
        file = place.path.open("rb")
    except FileNotFoundError:
        if (now := _name_now(place.path)) is None:
            raise
        file = now.open("rb")
    with file:
        file.seek(place.offset)
        raw = file.read(place.size)
    if not place.mbox:
        return raw
    for ends in (b"\r\n", b"\n"):  # the empty line before the next `From `
        if raw.endswith(ends * 2):
            raw = raw[: -len(ends)]
            break
    return _QUOTED.sub(rb"\1", raw) if b">From " in raw else raw
