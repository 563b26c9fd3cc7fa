"""Attachments. What strangers sent is never shown as part of our site: a type of our table or a download."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from core.config import secret_keys
from core.failures import NotFound
from core.file_links import FileLinks
from core.parts import Parts
from core.shapes import Attachment
from intake.web.auth import Somebody
from intake.web.file_types import SHOWN, served_as
from intake.web.parts import House
from intake.web.problems import documented
from intake.web.schemas import LARGEST_ID

router = APIRouter(tags=["tickets"])

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|%;]')


def how_to_serve(attachment: Attachment) -> tuple[str, str]:
    """Return the content type and the Content-Disposition of an attachment."""
    kind = served_as(attachment.name)
    if kind in SHOWN:
        return SHOWN[kind], f"inline; {_filename(attachment.name)}"
    return kind, f"attachment; {_filename(attachment.name)}"


def how_to_save(attachment: Attachment) -> tuple[str, str]:
    """As `how_to_serve`, but never shown: whoever follows a link in a mail wants the file."""
    content_type, _ = how_to_serve(attachment)
    return content_type, f"attachment; {_filename(attachment.name)}"


def _filename(name: str) -> str:
    """Write a file name twice (RFC 6266): in ASCII for old clients, and whole."""
    whole = _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .")[:200] or "file"
    ascii_only = whole.encode("ascii", "replace").decode().replace("?", "_")
    return f"filename=\"{ascii_only}\"; filename*=UTF-8''{quote(whole, safe='')}"


@router.get("/attachments/{id}", response_class=FileResponse, responses=documented(401, 403, 404, 422, 503))
async def attachment(
    id: Annotated[int, InPath(ge=1, le=LARGEST_ID)], actor: Somebody, parts: House
) -> FileResponse:
    """Return a file of a message that the asker may see."""
    return _served(parts, await parts.manager.attachment(actor, id), how_to_serve)


@router.get("/files/{token}", include_in_schema=False)
async def linked(token: str, request: Request, parts: House) -> FileResponse:
    """Return the file that a link in a mail stands for. The link is the only key, and names no ticket; forged, expired
    and no longer public look alike."""
    missing = NotFound("there is no such file, or the link has expired")
    attachment_id = FileLinks(secret_keys(parts.config)).read(token, parts.clock.now())
    if attachment_id is None:
        raise missing
    found = await parts.manager.linked_file(attachment_id, request.client.host if request.client else "")
    if found is None:
        raise missing
    try:
        return _served(parts, found, how_to_save)
    except NotFound:
        raise missing from None


def _served(parts: Parts, found: Attachment, how: Callable[[Attachment], tuple[str, str]]) -> FileResponse:
    """The file, streamed from its blob. Raises `NotFound`."""
    path = parts.blobs.path(found.blob) if found.blob else None
    if path is None or not Path(path).is_file():
        raise NotFound("this file could not be had, or is no longer kept")
    content_type, disposition = how(found)
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": disposition,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return FileResponse(path, headers=headers)
