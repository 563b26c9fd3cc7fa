"""The page behind the unsubscribe link of a digest, or of the mails with news that staff get: opening it does nothing,
its button does, and so does a mail program's own button, which posts to the same address (RFC 8058).

Mail scanners follow links, so a GET changes nothing; the token in the path is the only key.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from core import unsubscribing
from core.parts import Parts
from core.preferences import LIST
from intake.web.confirm import page
from intake.web.parts import House
from intake.web.preferences import PATH

log = structlog.get_logger(__name__)
router = APIRouter(include_in_schema=False)
Token = Annotated[str, Path(max_length=unsubscribing.LONGEST)]


@dataclass(frozen=True, slots=True)
class _Said:
    """What the pages say: the question, that it's done, that it's taken back. HTML."""

    question: str
    done: str
    again: str


NEWS: Final = _Said(
    question="<p>Do you want no more mails with news of your tickets?</p>",
    done="<p>News of your tickets are not mailed to you any more. What couldn't be delivered still is, and what "
    f'reaches you in Slack stays as it is. <a href="{PATH}">Choose what you are told of</a>.</p>',
    again="<p>News of your tickets are mailed to you again.</p>",
)


def _said(name: str) -> _Said:
    """Return the words for a digest, or for the news."""
    if name == LIST:
        return NEWS
    shown = f"<strong>{escape(name)}</strong>"
    return _Said(
        question=f"<p>Do you want no more mails of the digest {shown}?</p>",
        done=f"<p>The digest {shown} is not mailed to you any more.</p>",
        again=f"<p>The digest {shown} comes to you again.</p>",
    )


@router.get("/unsubscribe/{token}")
async def ask(token: Token, parts: House) -> HTMLResponse:
    """Ask for the click."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    name, key = found
    if await parts.database.read(lambda tx: unsubscribing.is_stopped(tx, key)):
        return _stopped(parts, name, token)
    body = f'{_said(name).question}<form method="post"><button>Unsubscribe</button></form>'
    return page(parts.config.service.name, "Unsubscribe", body)


@router.post("/unsubscribe/{token}")
async def unsubscribe(token: Token, parts: House) -> HTMLResponse:
    """Stop these mails for the address that the link was made for."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    name, key = found
    await parts.database.unit(lambda tx: unsubscribing.stop(tx, name, key))
    log.info("digest_unsubscribed", digest=name)
    return _stopped(parts, name, token)


@router.post("/unsubscribe/{token}/undo")
async def undo(token: Token, parts: House) -> HTMLResponse:
    """Send these mails to that address again."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(parts)
    name, key = found
    await parts.database.unit(lambda tx: unsubscribing.resume(tx, key))
    log.info("digest_subscribed", digest=name)
    return page(parts.config.service.name, "You get them again", _said(name).again)


def _stopped(parts: Parts, name: str, token: str) -> HTMLResponse:
    undo = f'<form method="post" action="{escape(token)}/undo"><button>Send them again</button></form>'
    body = f"{_said(name).done}{undo}"
    return page(parts.config.service.name, "You are unsubscribed", body)


def _unknown(parts: Parts) -> HTMLResponse:
    body = "<p>It isn't one of ours, or was cut off on its way.</p>"
    return page(parts.config.service.name, "This link doesn't work", body, 404)
