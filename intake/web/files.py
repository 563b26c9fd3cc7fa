"""Attachments. What strangers sent is never shown as part of our site: a type of our table or a download."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from core.failures import NotFound
from core.shapes import Attachment
from intake.web.auth import Somebody
from intake.web.parts import House
from intake.web.problems import documented
from intake.web.schemas import LARGEST_ID

router = APIRouter(tags=["tickets"])

# What a browser may show; anything else is saved, as one of SAVED's types or as plain bytes.
SHOWN: Final = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "text/plain": "text/plain; charset=utf-8",
}
SAVED: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/zip",
        "message/rfc822",
        "text/csv",
        "audio/mpeg",
        "video/mp4",
    }
)
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|%;]')


def how_to_serve(attachment: Attachment) -> tuple[str, str]:
    """Return the content type and the Content-Disposition of an attachment."""
    essence = attachment.content_type.partition(";")[0].strip().lower()
    if essence in SHOWN:
        return SHOWN[essence], f"inline; {_filename(attachment.name)}"
    content_type = essence if essence in SAVED else "application/octet-stream"
    return content_type, f"attachment; {_filename(attachment.name)}"


def _filename(name: str) -> str:
    """Write a file name twice (RFC 6266): in ASCII for old clients, and whole."""
    whole = _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .")[:200] or "file"
    ascii_only = whole.encode("ascii", "replace").decode().replace("?", "_")
    return f"filename=\"{ascii_only}\"; filename*=UTF-8''{quote(whole, safe='')}"


@router.get("/attachments/{id}", response_class=FileResponse, responses=documented(401, 403, 404, 503))
async def attachment(
    id: Annotated[int, InPath(ge=1, le=LARGEST_ID)], actor: Somebody, parts: House
) -> FileResponse:
    """Return a file of a message that the asker may see."""
    found = await parts.manager.attachment(actor, id)
    path = parts.blobs.path(found.blob) if found.blob else None
    if path is None or not Path(path).is_file():  # noqa: ASYNC240 - one stat
        raise NotFound("this file could not be had, or is no longer kept")
    content_type, disposition = how_to_serve(found)
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": disposition,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return FileResponse(path, headers=headers)
