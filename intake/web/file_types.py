"""What a file is to those who get it from us: by its name, whatever its sender says it is."""

from __future__ import annotations

from typing import Final

# What a browser may show; anything else is saved, as what TYPES says or as plain bytes.
SHOWN: Final = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "text/plain": "text/plain; charset=utf-8",
}
# A file is what its name says, never what its sender says.
TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "txt": "text/plain",
    "json": "application/json",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "eml": "message/rfc822",
    "csv": "text/csv",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}


def type_of(name: str) -> str:
    """Return the type of a file by its name's ending, "" where our table has none. Pure."""
    _, dot, ending = name.strip().rpartition(".")
    return TYPES.get(ending.lower(), "") if dot else ""


def served_as(name: str) -> str:
    """Return the media type under which a file of this name is served. Pure."""
    return type_of(name) or "application/octet-stream"
