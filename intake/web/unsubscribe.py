"""The page behind the unsubscribe link of a digest, or of the mails with news that staff get: opening it does nothing,
its button does, and so does a mail program's own button, which posts to the same address (RFC 8058).

Mail scanners follow links, so a GET changes nothing; the token in the path is the only key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from core import unsubscribing
from core.preferences import LIST
from intake.web.confirm import page
from intake.web.parts import House
from intake.web.preferences import PATH

log = structlog.get_logger(__name__)
router = APIRouter(include_in_schema=False)
Token = Annotated[str, Path(max_length=unsubscribing.LONGEST)]


@dataclass(frozen=True, slots=True)
class _Said:
    """What the pages say: the question, that it's done, that it's taken back."""

    question: Markup
    done: Markup
    again: Markup


NEWS: Final = _Said(
    question=Markup("<p>Do you want no more mails with news of your tickets?</p>"),
    done=Markup(
        "<p>News of your tickets are not mailed to you any more. What couldn't be delivered still is, and what "
        'reaches you in Slack stays as it is. <a href="{}">Choose what you are told of</a>.</p>'
    ).format(PATH),
    again=Markup("<p>News of your tickets are mailed to you again.</p>"),
)


def _said(name: str) -> _Said:
    """Return the words for a digest, or for the news."""
    if name == LIST:
        return NEWS
    shown = Markup('<strong dir="auto">{}</strong>').format(name)
    return _Said(
        question=Markup("<p>Do you want no more mails of the digest {}?</p>").format(shown),
        done=Markup("<p>The digest {} is not mailed to you any more.</p>").format(shown),
        again=Markup("<p>The digest {} comes to you again.</p>").format(shown),
    )


@router.get("/unsubscribe/{token}")
async def ask(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Ask for the click."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(request)
    name, key = found
    if await parts.database.read(lambda tx: unsubscribing.is_stopped(tx, key)):
        return _stopped(request, name, token)
    body = _said(name).question + Markup('<form method="post"><button>Unsubscribe</button></form>')
    return page(request, "Unsubscribe", body)


@router.post("/unsubscribe/{token}")
async def unsubscribe(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Stop these mails for the address that the link was made for."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(request)
    name, key = found
    await parts.database.unit(lambda tx: unsubscribing.stop(tx, name, key))
    log.info("digest_unsubscribed", digest=name)
    return _stopped(request, name, token)


@router.post("/unsubscribe/{token}/undo")
async def undo(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Send these mails to that address again."""
    found = unsubscribing.links_of(parts.config).read(token)
    if found is None:
        return _unknown(request)
    name, key = found
    await parts.database.unit(lambda tx: unsubscribing.resume(tx, key))
    log.info("digest_subscribed", digest=name)
    return page(request, "You get them again", _said(name).again)


def _stopped(request: Request, name: str, token: str) -> HTMLResponse:
    undo = Markup('<form method="post" action="{}/undo"><button>Send them again</button></form>').format(
        token
    )
    return page(request, "You are unsubscribed", _said(name).done + undo)


def _unknown(request: Request) -> HTMLResponse:
    body = Markup("<p>It isn't one of ours, or was cut off on its way.</p>")
    return page(request, "This link doesn't work", body, 404)
