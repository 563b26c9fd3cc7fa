"""The page behind the link that confirms a stranger's report: opening it does nothing, its button does.

Mail scanners follow links, so a GET changes nothing and tells nothing. The token in the path is the key, good once; the
form counts only from the browser that was shown the page, as every form of ours. Nobody is signed in by it.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from core.shapes import Actor
from core.status import Ticket
from intake.web.forms import fields_of
from intake.web.parts import House
from intake.web.render import head
from intake.web.render import page as rendered
from intake.web.sessions import cookies_of, csrf_of, is_csrf_of, session_actor

router = APIRouter(include_in_schema=False)
Token = Annotated[str, Path(max_length=200)]


def page(
    request: Request, title: str, body: Markup, status: int = 200, *, viewer: Actor | None = None
) -> HTMLResponse:
    """Return a page for somebody who followed a link of a mail."""
    return rendered(request, "mailed", status, title=title, body=body, **head(request, viewer))


@router.get("/confirm/{token}")
async def ask(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Ask for the click."""
    cookies, new = cookies_of(request), dict[str, str]()
    nonce = cookies.form_nonce(request, new)
    form = Markup(
        '<form method="post"><input type="hidden" name="token" value="{}"><button>{}</button></form>'
    )
    body = Markup("<p>Did you report an issue to us?</p>") + form.format(csrf_of(nonce), "Yes, confirm it")
    response = page(request, "Confirm your report", body)
    cookies.put(response, new)
    return response


@router.post("/confirm/{token}")
async def confirm(token: Token, request: Request, parts: House) -> HTMLResponse:
    """Confirm the report."""
    cookies = cookies_of(request)
    fields = await fields_of(request)
    if not is_csrf_of(cookies.read(request, cookies.form), fields.get("token", "")):
        return page(request, "That didn't work", _FORGED, 403)
    ticket = await parts.manager.confirm(token)
    if ticket is None:
        return page(request, "This link no longer works", _GONE, 404)
    viewer = await session_actor(request)
    return page(request, "Thank you", _thanks(ticket, viewer), viewer=viewer)


def _thanks(ticket: Ticket, viewer: Actor | None) -> Markup:
    """Name the report and lead to it; over the sign-in page where it isn't the viewer's to see yet."""
    path = f"/tickets/{ticket.id}"
    if viewer is None or viewer.user_id != ticket.requester_id:
        path = f"/sign-in?next={path}"
    return Markup(
        '<p>Your report has the number <strong><a href="{}">{}</a></strong>. We will write to you.</p>'
    ).format(path, ticket.id)


_FORGED: Final = Markup(
    "<p>The form was too old, or cookies are off in this browser. Please open the link of the mail again.</p>"
    '<p><a href="">Open the page again</a></p>'
)
_GONE: Final = Markup(
    "<p>It was used already, or has expired. If your report was confirmed, all is well: "
    '<a href="/">see your requests</a>.</p>'
)
