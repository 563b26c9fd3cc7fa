"""The page behind a digest's unsubscribe link: opening it does nothing, its button does, and so does a mail program's
own button, which posts to the same address (RFC 8058).

Mail scanners follow links, so a GET changes nothing; the token in the path is the only key.
"""

from __future__ import annotations

from html import escape
from typing import Annotated

import structlog
from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from core import unsubscribing
from core.parts import Parts
from intake.web.confirm import page
from intake.web.parts import House

log = structlog.get_logger(__name__)
router = APIRouter(include_in_schema=False)
Token = Annotated[str, Path(max_length=unsubscribing.LONGEST)]


@router.get("/unsubscribe/{token}")
async def ask(token: Token, parts: House) -> HTMLResponse:
    """Ask for the click."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    digest, key = found
    if await parts.database.read(lambda tx: unsubscribing.is_stopped(tx, key)):
        return _stopped(parts, digest, token)
    body = (
        f"<p>Do you want no more mails of the digest <strong>{escape(digest)}</strong>?</p>"
        '<form method="post"><button>Unsubscribe</button></form>'
    )
    return page(parts.config.service.name, "Unsubscribe", body)


@router.post("/unsubscribe/{token}")
async def unsubscribe(token: Token, parts: House) -> HTMLResponse:
    """Stop the digest for the address that the link was made for."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    digest, key = found
    await parts.database.unit(lambda tx: unsubscribing.stop(tx, digest, key))
    log.info("digest_unsubscribed", digest=digest)
    return _stopped(parts, digest, token)


@router.post("/unsubscribe/{token}/undo")
async def undo(token: Token, parts: House) -> HTMLResponse:
    """Send the digest to that address again."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    digest, key = found
    await parts.database.unit(lambda tx: unsubscribing.resume(tx, key))
    log.info("digest_subscribed", digest=digest)
    body = f"<p>The digest <strong>{escape(digest)}</strong> comes to you again.</p>"
    return page(parts.config.service.name, "Welcome back", body)


def _stopped(parts: Parts, digest: str, token: str) -> HTMLResponse:
    body = (
        f"<p>The digest <strong>{escape(digest)}</strong> is not mailed to you any more.</p>"
        f'<form method="post" action="{escape(token)}/undo"><button>Send it again</button></form>'
    )
    return page(parts.config.service.name, "You are unsubscribed", body)


def _unknown(parts: Parts) -> HTMLResponse:
    body = "<p>It isn't one of ours, or was cut off on its way.</p>"
    return page(parts.config.service.name, "This link doesn't work", body, 404)
