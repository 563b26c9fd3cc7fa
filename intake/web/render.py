"""HTML pages: templates, the headers of every page, errors as pages, and which requests want one.

No page has a script or a style in it (what it uses comes from `static/`); everything that people wrote is escaped, or
formatted by `core.rich` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from core import rich
from core.blank import is_blank
from core.desk_view import version_of
from core.failures import NotAllowed, NotFound, TooMany, Unavailable
from core.shapes import Actor
from intake.web.nav import links
from intake.web.parts import parts_of
from intake.web.problems import NotSignedIn, TooLarge, TooSlow, in_words, problem_of
from intake.web.sessions import cookies_of, csrf_of
from intake.web.sizes import size

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SCRIPTED: Final = "; script-src 'self'; connect-src 'self'"
FRAMED: Final = "; frame-src 'self'"
HEADERS: Final = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"


def _named(stem: str, content: bytes, suffix: str) -> str:
    return f"/static/{stem}.{sha256(content).hexdigest()[:12]}{suffix}"


# All style sheets are one; each script is its own. A name changes with what is in it, so browsers may keep it.
CSS: Final = b"\n".join(path.read_bytes() for path in sorted(STATIC.glob("*.css")))
CSS_URL: Final = _named("pages", CSS, ".css")
SCRIPTS: Final = {
    p.name: (_named(p.stem, p.read_bytes(), ".js"), p.read_bytes()) for p in STATIC.glob("*.js")
}
ASSETS: Final = {
    CSS_URL: (CSS, "text/css"),
    **{url: (content, "text/javascript") for url, content in SCRIPTS.values()},
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size, formatted=formatted, version=version_of, named=named, titled=titled)
    environment.globals["css"] = CSS_URL
    return environment


def formatted(html: str) -> Markup:
    """Return a message's formatting as the page shows it: written anew by `core.rich`, whatever was kept."""
    written = rich.clean(html).replace("<a href=", '<a rel="nofollow noopener noreferrer" href=')
    return Markup(written)  # noqa: S704  # `rich.clean` escapes all text and knows no other attribute


def named(title: str) -> str:
    """Return a ticket's title, so that what shows nothing is still something to click on. Pure."""
    return "(no title)" if is_blank(title) else title


def titled(title: str, number: int) -> Markup:
    """Return number and title for a line; whichever way the title is written, the number stays before it. Pure."""
    return Markup("#{} <bdi>{}</bdi>").format(number, named(title))


def head(request: Request, actor: Actor | None) -> dict[str, Any]:
    """What a page shows of its viewer, for `page`. Who came with an API token has nothing to sign out of."""
    cookies = cookies_of(request)
    session = cookies.read(request, cookies.session)
    return {"viewer": actor, "csrf": csrf_of(session) if actor and session else ""}


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the page that a template makes. `viewer` and `csrf` (see `head`) put the links and *Sign out* into its
    head. `script`: the file in `static/` that it uses, if it's there. `frames`: it frames a page of ours."""
    config = parts_of(request).config
    zone = ZoneInfo(config.service.timezone)

    def when(at: datetime) -> Markup:
        there = at.astimezone(zone)
        return Markup('<time datetime="{}">{} {}</time>').format(
            at.isoformat(), f"{there:%Y-%m-%d %H:%M}", there.tzname() or ""
        )

    script = SCRIPTS.get(values.get("script", ""))
    url = script[0] if script else ""
    shown: dict[str, Any] = {
        "service": config.service.name,
        "viewer": None,
        "csrf": "",
        "when": when,
        **values,
    }
    shown |= {"script": url, "here": request.url.path, "nav": links(shown["viewer"])}
    html = _environment().get_template(f"{name}.html.j2").render(shown)
    policy = POLICY + (SCRIPTED if url else "") + (FRAMED if values.get("frames") else "")
    return HTMLResponse(html, status, {**HEADERS, "Content-Security-Policy": policy})


def see_other(path: str) -> RedirectResponse:
    """Lead to another page of ours, by GET."""
    return RedirectResponse(path, 303, HEADERS)


def to_sign_in(request: Request) -> RedirectResponse:
    """Lead to the sign-in page, and from there back to what was asked for."""
    if request.method not in ("GET", "HEAD"):  # what a form sent is not sent again
        return see_other("/sign-in")
    query = f"?{request.url.query}" if request.url.query else ""
    return see_other(f"/sign-in?next={quote(request.url.path + query, safe='/')}")


def message(
    request: Request, title: str, text: str, status: int, *, back: tuple[str, str] | None = None
) -> HTMLResponse:
    """Return a page that says one thing. `back`: where a link leads from it, and what that is called."""
    return page(request, "message", status, title=title, text=text, back=back)


SAME_PAGE: Final = ("", "Open the page again")  # by GET, whatever its address: that isn't repeated


def wants_html(scope: Scope) -> bool:
    """Whether a request's Accept prefers `text/html` over JSON; what takes anything gets JSON. Pure."""
    accept = ",".join(v.decode("latin-1") for k, v in scope.get("headers", ()) if k == b"accept")
    given: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = [piece.strip().lower() for piece in part.split(";")]
        given[name] = _quality(parameters)
    wild = given.get("*/*", 0.0)
    json = given.get("application/json", given.get("application/*", wild))
    html = given.get("text/html", given.get("text/*", wild))
    return html > json


def _quality(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


class PageRoute(APIRoute):
    """A route whose failures are pages, too. Missing and forbidden look alike."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn:
                return to_sign_in(request)
            except (NotFound, NotAllowed, RequestValidationError):
                return message(request, "Not found", "There is no such page, or it isn't yours to see.", 404)
            except (TooMany, Unavailable, TooLarge, TooSlow) as exc:
                problem = problem_of(exc)
                response = message(request, problem.title, in_words(problem, ""), problem.status)
                response.headers.update(problem.headers)
                return response

        return answer


class NegotiatedRoute(PageRoute):
    """A page at a path that is a JSON request's, too: for who prefers HTML."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        if scope.get("method") != "GET" or not wants_html(scope):
            return Match.NONE, {}
        return super().matches(scope)
