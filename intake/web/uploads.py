"""Forms with files: fields are kept, files go to the disk as they come in, each under a key of ours.

A file is only written where its sender may send it (`may_store`, asked with the fields before it) and within limits;
what is over them is read on and forgotten, so that the sender gets a page and not a broken line. A file's name and type
are words about it: they never name anything of ours.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from core.blobs import Blobs, BlobWriter, free_bytes
from core.failures import Invalid, Refused, Unavailable
from core.shapes import File
from intake.web.parts import parts_of
from intake.web.problems import TooLarge
from intake.web.sizes import size

MOST_FILES: Final = 10
EACH_BYTES: Final = 25_000_000
MOST_FIELDS: Final = 30
# Empty ones too, and whatever else looks like the line before a part: each costs time.
MOST_PARTS: Final = 100
FIELD_BYTES: Final = 1024 * 1024
FILES: Final = "files"
_NAME: Final = 255
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXTENDED: Final = re.compile(
    rb";[ \t]*filename\*[ \t]*=[ \t]*(utf-8|iso-8859-1)'[^';]*'([^;\s]*)", re.IGNORECASE
)


class FilesTooLarge(TooLarge):
    """Files are too large, or too many (HTTP 413)."""

    def __init__(self, message: str) -> None:
        super().__init__(0)
        self.message = message


MayStore = Callable[[Mapping[str, str]], bool]


@dataclass(slots=True)
class Upload:
    """What a form brought. `problem`: why its files were not taken, in words for its sender."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    problem: str = ""


class _Part:
    """A part under way: a field's bytes, or a file's writer with its digest."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.name = self.filename = ""
        self.is_file = False
        self.value = bytearray()
        self.writer: BlobWriter | None = None
        self.digest = sha256()
        self.size = 0


class _Reader:
    """Takes the parser's events. `room`: whether there is room on the disk. Raises `Invalid`, `OSError`,
    `Unavailable`."""

    def __init__(self, blobs: Blobs, may_store: MayStore, room: Callable[[], bool]) -> None:
        self.upload = Upload()
        self.written: list[tuple[_Part, BlobWriter]] = []
        self.ended = False
        self._blobs, self._may_store, self._room = blobs, may_store, room
        self._part = _Part()
        self._header, self._value = bytearray(), bytearray()
        self._fields = self._parts = 0

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_done,
            "on_headers_finished": self._named,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._ended,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _crowded()
        self._part = _Part()

    def _ended(self) -> None:
        self.ended = True

    def _header_done(self) -> None:
        self._part.headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _named(self) -> None:
        part = self._part
        disposition = part.headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename", _extended(disposition))
        part.is_file = filename is not None
        if filename is not None:
            part.filename = _plain(filename.decode("utf-8", "replace"))
            if part.name != FILES and part.filename:
                raise Invalid(f"files come in a field named {FILES}")
            return
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise Invalid("the form has too many fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, data[start:end]
        part.size += len(piece)
        if not part.is_file:
            if part.size > FIELD_BYTES:
                raise Invalid(f"a field of the form is longer than {size(FIELD_BYTES)}")
            part.value += piece
        elif self._taken(part):
            assert part.writer is not None
            part.writer.write(piece)
            part.digest.update(piece)

    def _taken(self, part: _Part) -> bool:
        """Whether this file is written; from the first that isn't on, none is."""
        if not self.upload.problem:
            self.upload.problem = self._wrong(part)
        if self.upload.problem:
            return False
        if part.writer is None:
            if not self._room():
                raise Unavailable("disk: too little is left")
            part.writer = self._blobs.writer()
            self.written.append((part, part.writer))
        return True

    def _wrong(self, part: _Part) -> str:
        if part.size > EACH_BYTES:
            return f"a file may have at most {size(EACH_BYTES)}"
        if part.writer is None and len(self.written) >= MOST_FILES:
            return f"there may be at most {MOST_FILES} files at a time"
        if part.writer is None and not self._may_store(self.upload.fields):
            return "the files were not taken"
        return ""

    def _end(self) -> None:
        part = self._part
        if not part.is_file:
            name = part.name[:_NAME]
            if name in self.upload.fields:
                raise Invalid("a field of the form is there twice")
            self.upload.fields[name] = part.value.decode("utf-8", "replace")
        elif part.filename and not part.size:  # an empty file; a browser's empty field has no name either
            self._taken(part)

    def forget(self) -> None:
        """Remove what was written."""
        for _, writer in self.written:
            writer.abort()
        self.written.clear()

    async def commit(self) -> None:
        """Put the files on the disk for good. Raises `OSError`."""
        if self.upload.problem:
            self.forget()
        for part, writer in self.written:
            blob = await writer.commit()
            kind = part.headers.get(b"content-type", b"").decode("ascii", "replace")[:120]
            self.upload.files.append(
                File(
                    name=part.filename or "file",
                    content_type=kind or "application/octet-stream",
                    size=part.size,
                    blob=blob,
                    sha256=part.digest.digest(),
                )
            )


def _crowded() -> Invalid:
    return Invalid(f"the form has too many parts: it may have {MOST_FIELDS} fields and {MOST_FILES} files")


def _extended(disposition: bytes) -> bytes | None:
    """A file's name as RFC 5987 writes it, in UTF-8; None where there's none. RFC 7578 forbids that in forms, but
    clients that are much used (urllib3 before 2) write names so that aren't ASCII."""
    found = _EXTENDED.search(_QUOTED.sub(b'""', disposition))
    if found is None:
        return None
    name = unquote_to_bytes(found[2])
    return name.decode("latin-1").encode() if found[1].lower() == b"iso-8859-1" else name


def _plain(name: str) -> str:
    """A file's own name, without the folders that some clients send and what isn't printable."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable()).strip()[-_NAME:]


@asynccontextmanager
async def received(request: Request, blobs: Blobs, may_store: MayStore) -> AsyncIterator[Upload]:
    """Give what a multipart form brought. What it wrote is removed where nothing came of it: where it's refused, in
    here or by what is done with it. Raises `Invalid`, `TooLarge`, `TooSlow`, `Unavailable`."""
    config = parts_of(request).config

    def room() -> bool:  # as for mail: what is left is for what was taken already
        return free_bytes(config.service.data_dir) >= config.email.inbound.disk_left_bytes

    reader = _Reader(blobs, may_store, room)
    try:
        await _read(request, reader)
        yield reader.upload
    except (
        Refused,
        TooLarge,
        RequestValidationError,
    ):  # nothing was committed; after any other trouble a row may name the files
        reader.forget()
        raise
    if reader.upload.problem:
        reader.forget()


async def _read(request: Request, reader: _Reader) -> None:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary, lines = options.get(b"boundary", b""), 0
    if not boundary:
        raise Invalid("this is no form")
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        async for piece in request.stream():
            lines += piece.count(
                b"\r\n--" + boundary
            )  # where one goes on otherwise, the parser goes byte by byte
            if lines > MOST_PARTS:
                raise _crowded()
            parser.write(piece)
        parser.finalize()
        if not reader.ended:
            raise Invalid("the form is not whole")
        await reader.commit()
    except FormParserError:
        raise Invalid("this is no form") from None
    except OSError as exc:
        reader.forget()
        raise Unavailable(f"disk: {exc.strerror}") from exc
    except BaseException:
        reader.forget()
        raise
