"""The page behind the link that confirms a stranger's report: opening it does nothing, its button does.

Mail scanners follow links, so a GET changes nothing and tells nothing. The token in the path is the key, good once; the
form counts only from the browser that was shown the page, as every form of ours. Nobody is signed in by it.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from intake.web.forms import fields_of
from intake.web.parts import House
from intake.web.sessions import cookies_of, csrf_of, is_csrf_of

router = APIRouter(include_in_schema=False)
Token = Annotated[str, Path(max_length=200)]

_STYLE: Final = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.2rem;color:#1c2733}"
    "button{font:inherit;padding:.6rem 1.6rem;border:0;border-radius:.4rem;background:#14532d;color:#fff}"
    "button:focus-visible{outline:3px solid #86efac}"
)
POLICY: Final = (
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)


def page(service: str, title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page for somebody who followed a link of a mail. `body`: HTML of ours."""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head>"
        f"<body><main><p>{escape(service)}</p><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY})


@router.get("/confirm/{token}")
async def ask(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Ask for the click."""
    cookies, new = cookies_of(request), dict[str, str]()
    nonce = cookies.form_nonce(request, new)
    field = f'<input type="hidden" name="token" value="{csrf_of(nonce)}">'
    body = f'<p>Did you report an issue to us?</p><form method="post">{field}<button>Yes, confirm it</button></form>'
    response = page(parts.config.service.name, "Confirm your report", body)
    cookies.put(response, new)
    return response


@router.post("/confirm/{token}")
async def confirm(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Confirm the report."""
    service, cookies = parts.config.service.name, cookies_of(request)
    fields = await fields_of(request)
    if not is_csrf_of(cookies.read(request, cookies.form), fields.get("token", "")):
        return page(service, "That didn't work", _FORGED, 403)
    ticket = await parts.manager.confirm(token)
    if ticket is None:
        body = "<p>It was used already, or has expired. If your report was confirmed, all is well.</p>"
        return page(service, "This link no longer works", body, 404)
    body = f"<p>Your report has the number <strong>{ticket.id}</strong>. We will write to you.</p>"
    return page(service, "Thank you", body)


_FORGED: Final = (
    "<p>The form was too old, or cookies are off in this browser. Please open the link of the mail again.</p>"
)
