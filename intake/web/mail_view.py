"""A mail as it came: its own HTML, sanitised, in a frame that can do nothing, with a policy that loads nothing.

The mail's own pictures stand in the page itself. Pictures from elsewhere are loaded only where the viewer asks for them
each time: then the viewer's browser asks the addresses that the mail names, and whoever sent it may see that it was
opened. The server itself never asks them.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from core.blobs import Blobs
from core.shapes import Attachment
from core.shown import Mail
from intake.web.api import TicketId
from intake.web.auth import Somebody
from intake.web.file_types import SHOWN, type_of
from intake.web.parts import House
from intake.web.render import NegotiatedRoute, head, page
from intake.web.schemas import LARGEST_ID

router = APIRouter(include_in_schema=False, route_class=NegotiatedRoute)
MessageId = Annotated[int, Path(ge=1, le=LARGEST_ID)]

PICTURE_BYTES: Final = 3 * 1024 * 1024  # of one
PICTURES_BYTES: Final = 8 * 1024 * 1024  # of all
LONGEST: Final = 2 * 1024 * 1024  # characters; a mail's HTML beyond it isn't shown
SANDBOX: Final = "sandbox allow-popups allow-popups-to-escape-sandbox"
POLICY: Final = (
    f"{SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:{{}}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STYLES: Final = _set(
    "background-color border border-bottom border-collapse border-color border-left border-radius border-right "
    "border-spacing border-style border-top border-width color direction display font font-family font-size "
    "font-style font-weight height letter-spacing line-height list-style-type margin margin-bottom margin-left "
    "margin-right margin-top max-width min-width padding padding-bottom padding-left padding-right padding-top "
    "text-align text-decoration text-indent text-transform vertical-align white-space width word-break"
)
_ATTRIBUTES: Final = _set(
    "align bgcolor border cellpadding cellspacing color dir face height lang size style title valign width"
)
_TAGS: Final = _set(
    "a abbr b bdi bdo big blockquote br center cite code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i "
    "img ins kbd li ol p pre q s small span strike strong sub sup table tbody td tfoot th thead tr tt u ul"
)
_GONE: Final = _set("iframe math noscript object script style svg template textarea title xmp")
Source = Callable[[str], str | None]


@router.get("/tickets/{id}/messages/{message_id}/mail")
async def framed(
    id: TicketId, message_id: MessageId, request: Request, actor: Somebody, parts: House
) -> Response:
    """Show a mail in its frame."""
    mail, html = await parts.manager.mail_of(actor, id, message_id)
    remote = request.query_params.get("pictures") == "remote"
    return page(
        request,
        "mail",
        frames=True,
        message=mail.message,
        path=f"/tickets/{id}/messages/{message_id}",
        ticket_id=id,
        remote=remote,
        elsewhere=await asyncio.to_thread(_names_pictures, html),
        **head(request, actor),
    )


@router.get("/tickets/{id}/messages/{message_id}/html")
async def html(
    id: TicketId, message_id: MessageId, request: Request, actor: Somebody, parts: House
) -> Response:
    """Return the mail's HTML, for the frame. Opened by itself it can do no more."""
    mail, raw = await parts.manager.mail_of(actor, id, message_id)
    remote = request.query_params.get("pictures") == "remote"
    source = sources(await _pictures(parts.blobs, mail), remote=remote)
    policy = POLICY.format(" https:" if remote else "")
    shown = await asyncio.to_thread(document, raw, source)
    return HTMLResponse(shown, 200, {"Content-Security-Policy": policy, **_HEADERS})


_HEADERS: Final = {"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}


def document(raw: str, source: Source) -> str:
    """Return a mail's HTML as a page of its own: harmless, with pictures where `source` has them. Pure."""
    cut = raw[:LONGEST]
    rest = "<p><i>The rest of this mail is too long to be shown.</i></p>" if len(raw) > LONGEST else ""
    return (
        '<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>'
        '<meta name="viewport" content="width=device-width"><base target="_blank">'
        "<style>html{color-scheme:light;background:#fff;color:#111}body{margin:1rem;font:1rem/1.5 system-ui,sans-serif;"
        "overflow-wrap:anywhere}img{max-width:100%;height:auto}</style></head>"
        f"<body>{sanitised(cut, source)}{rest}</body></html>"
    )


def sanitised(raw: str, source: Source) -> str:
    """Return HTML that does nothing: no script, form, frame, style sheet or address that isn't text. Pure."""
    import nh3  # a library of a few MB, for this alone

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return source(value)
        return value

    return nh3.clean(
        raw,
        tags=set(_TAGS),
        clean_content_tags=set(_GONE),
        attributes={"*": set(_ATTRIBUTES), "a": {"href"}, "img": {"src", "alt"}, **_spans()},
        attribute_filter=attribute,
        filter_style_properties=set(_STYLES),
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        url_relative="deny",
        link_rel="nofollow noopener noreferrer",
    )


@cache
def _spans() -> Mapping[str, set[str]]:
    return {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}, "ol": {"start", "type"}}


def sources(pictures: Mapping[str, str], *, remote: bool) -> Source:
    """Return what a picture's address in a mail becomes, None where it is left out. `pictures`: `data:` URLs by
    Content-ID; `remote`: the viewer asked for those from elsewhere. Pure."""

    def source(value: str) -> str | None:
        address = value.strip()
        scheme, _, rest = address.partition(":")
        if scheme.lower() == "cid":
            return pictures.get(_cid(unquote(rest)))
        if scheme.lower() == "https" and remote:
            return address
        return None

    return source


def _cid(value: str) -> str:
    return value.strip().strip("<>").lower()


async def _pictures(blobs: Blobs, mail: Mail) -> dict[str, str]:
    """The mail's own pictures as `data:` URLs, by Content-ID: the frame has no cookie to ask for them with."""
    found: dict[str, str] = {}
    left = PICTURES_BYTES
    for picture in mail.pictures:
        kind = type_of(picture.name) or _declared_picture(picture)
        if kind not in SHOWN or not kind.startswith("image/") or picture.size > min(PICTURE_BYTES, left):
            continue
        try:
            content = await blobs.get(picture.blob or "")
        except (OSError, ValueError):
            continue
        left -= len(content)
        found[_cid(picture.inline_cid or "")] = f"data:{kind};base64,{b64encode(content).decode()}"
    return found


def _declared_picture(picture: Attachment) -> str:
    """In a picture's place a browser takes nothing but a picture, whatever it is said to be."""
    return escape(picture.content_type.partition(";")[0].strip().lower())


def _names_pictures(raw: str) -> bool:
    """Whether a mail may have pictures from elsewhere. Pure."""
    found: list[str] = []

    def source(value: str) -> str | None:
        if value.strip().lower().startswith("https:"):
            found.append(value)
        return None

    sanitised(raw[:LONGEST], source)
    return bool(found)
