"""Files of Slack messages: down into blobs, and up from them.

docs.slack.dev/messaging/working-with-files. A download without the right scope is no error but a 200 with a sign-in
page, and that must not become somebody's PDF. The token goes to slack.com and the API's own host only, checked
again at each redirect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp
import structlog

from bot.api import Api
from core.blobs import Blobs
from core.desk_texts import phrase
from core.failures import PermanentFailure, TemporaryFailure, Unavailable, UnknownOutcome
from core.shapes import File

log = structlog.get_logger(__name__)

REDIRECTS: Final = 3
CHUNK: Final = 65_536
TRANSFER: Final = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=20)
Json = Mapping[str, Any]


class _Refused(Exception):
    """A file can't be had, now or later; the text says why."""


def why_not(file: Json, most: int) -> str | None:
    """Say why a file can't be fetched at all; None where it may be tried. `most`: bytes. Pure."""
    link = str(file.get("permalink") or file.get("external_url") or "")
    mode = file.get("mode")
    if mode == "tombstone":
        return "it was deleted in Slack"
    if mode == "hidden_by_limit":
        return "the workspace's plan hides it"
    if file.get("is_external") or mode == "external":
        return f"it lies outside Slack: {link}"
    if mode in ("space", "canvas", "list"):
        return f"it is a document that lives in Slack: {link}"
    if int(file.get("size") or 0) > most:
        return f"it is larger than {most} bytes: {link}"
    if not (file.get("url_private_download") or file.get("url_private")):
        return f"Slack names no address for it: {link}"
    return None


def is_sign_in_page(file: Json, content_type: str, length: int | None) -> bool:
    """Whether what came is Slack's sign-in page instead of the file. `length`: of what came, if known. Pure."""
    if content_type.partition(";")[0].strip().lower() != "text/html":
        return False
    expected, size = str(file.get("mimetype") or "").lower(), file.get("size")
    if expected not in ("", "text/html"):
        return True
    if size is None:
        return not expected
    return length is not None and length != int(size)  # before its scan is done, a file has no type


def is_bare(file: Json) -> bool:
    """Whether a file came with little more than its id, as forms may bring them. Pure."""
    known = ("mode", "is_external", "url_private", "url_private_download")
    return bool(file.get("id")) and not any(file.get(key) for key in known)


def name_of(file: Json) -> str:
    """Return a file's name without a path. Pure."""
    name = str(file.get("name") or file.get("title") or file.get("id") or "file")
    return name.replace("\\", "/").rpartition("/")[2] or "file"


async def fetch(api: Api, blobs: Blobs, file: Json) -> File:
    """Bring one file of a message into a blob; what can't be had says why (`unavailable`).

    Raises `Unavailable` where the network or the disk is in the way.
    """
    if file.get("file_access") == "check_file_info" or is_bare(file):
        file = await _asked(api, file)
    most = api.config.slack.max_file_bytes
    reason = why_not(file, most)
    if reason is None:
        try:
            return await _download(api, blobs, file, most)
        except _Refused as exc:
            reason = str(exc)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Unavailable(f"Slack's files can't be reached: {type(exc).__name__}") from exc
        except OSError as exc:
            raise Unavailable(f"a file can't be stored: {exc.strerror}") from exc
    log.info("fetch", file=file.get("id"), unavailable=reason)
    return unavailable(file, reason)


def unavailable(file: Json, reason: str) -> File:
    """A file that can't be had, with the reason. Pure."""
    return File(
        name=name_of(file),
        content_type=str(file.get("mimetype") or "application/octet-stream"),
        size=int(file.get("size") or 0),
        unavailable=reason,
    )


async def _asked(api: Api, file: Json) -> Json:
    """Files of Slack Connect come without their data; `files.info` has it."""
    try:
        return (await api.call("files.info", file=file.get("id"))).get("file") or file
    except TemporaryFailure as exc:
        raise Unavailable(exc.reason) from exc
    except (PermanentFailure, UnknownOutcome):
        return file


async def _download(api: Api, blobs: Blobs, file: Json, most: int) -> File:
    url = str(file.get("url_private_download") or file.get("url_private"))
    for _ in range(REDIRECTS + 1):
        if not api.token_may_go_to(url):
            raise _Refused("its address isn't Slack's")
        async with api.session.get(
            url, headers=api.bearer, proxy=api.proxy_for(url), allow_redirects=False, timeout=TRANSFER
        ) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.headers.get("Location", ""))
                continue
            return await _take(answer, blobs, file, most)
    raise _Refused("it is redirected in circles")


async def _take(answer: aiohttp.ClientResponse, blobs: Blobs, file: Json, most: int) -> File:
    if answer.status == 429 or answer.status >= 500:
        raise Unavailable(f"Slack's files answered {answer.status}")
    if answer.status != 200:
        raise _Refused(f"Slack answered {answer.status}")
    if is_sign_in_page(file, answer.headers.get("Content-Type", ""), answer.content_length):
        raise _Refused("Slack sent a sign-in page instead; the app needs the scope files:read")
    writer, digest = blobs.writer(), sha256()
    try:
        async for chunk in answer.content.iter_chunked(CHUNK):
            if writer.size + len(chunk) > most:
                raise _Refused(f"it is larger than {most} bytes")
            writer.write(chunk)
            digest.update(chunk)
        if is_sign_in_page(file, answer.headers.get("Content-Type", ""), writer.size):
            raise _Refused("Slack sent a sign-in page instead; the app needs the scope files:read")
        key = await writer.commit()
    except BaseException:
        writer.abort()
        raise
    return File(
        name=name_of(file),
        content_type=str(file.get("mimetype") or answer.content_type or "application/octet-stream"),
        size=writer.size,
        blob=key,
        sha256=digest.digest(),
    )


async def push(api: Api, url: str, path: Path, size: int) -> None:
    """Send a blob's bytes (`size` of them) to an `upload_url`: no token, no reading it whole.

    Raises `TemporaryFailure`: bytes that were sent there are nowhere to be seen until the upload is completed.
    """

    async def chunks() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    try:
        async with api.session.post(
            url, data=chunks(), headers=headers, proxy=api.proxy_for(url), timeout=TRANSFER
        ) as answer:
            if answer.status != 200:
                raise TemporaryFailure(phrase("slack_answered_upload", status=answer.status))
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise TemporaryFailure(phrase("slack_lost_upload")) from exc
