"""The page: a mailbox beside a workspace, to try the desk by hand. Its JSON lives under `/sandbox/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from sandbox import files_api, page_acts, page_mail, page_slack, page_way
from sandbox.shapes import Json, SlackError

if TYPE_CHECKING:
    from sandbox.box import Sandbox

STATIC = Path(__file__).with_name("static")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def mount(app: web.Application, box: Sandbox) -> None:
    """Add the page's routes."""
    pages = Pages(box)
    app.middlewares.append(only_from_here)
    app.router.add_get("/", pages.index)
    app.router.add_get("/static/{name}", pages.static)
    app.router.add_get("/sandbox/state", pages.state)
    app.router.add_get("/sandbox/files/{id}", pages.file)
    app.router.add_get("/archives/{channel}/{ts}", pages.permalink)
    page_mail.mount(app, box)
    page_acts.mount(app, box)
    page_way.mount(app, box)


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The page has no sign-in: other sites' pages, also under a borrowed name, get nothing."""
    ours = request.path == "/" or request.path.startswith("/sandbox/")
    if ours and not _from_here(request):
        return web.Response(status=403, text="only from this machine")
    try:
        answer = await handler(request)
    except SlackError as refused:
        return web.json_response({"error": refused.error}, status=400)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _from_here(request: web.Request) -> bool:
    if urlsplit(f"//{request.host}").hostname not in _LOOPBACK:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin == f"{request.scheme}://{request.host}"


class Pages:
    """What the browser loads, and the state that it asks for each second."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    async def index(self, request: web.Request) -> web.Response:
        return self._read("index.html")

    async def static(self, request: web.Request) -> web.Response:
        return self._read(request.match_info["name"])

    def _read(self, name: str) -> web.Response:
        path = STATIC / name
        if path.suffix not in _TYPES or not path.is_file() or path.parent != STATIC:
            return web.Response(status=404, text="no such file")
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return web.Response(
            text=path.read_text("utf-8"), content_type=_TYPES[path.suffix], charset="utf-8", headers=headers
        )

    async def state(self, request: web.Request) -> web.Response:
        """All that the page shows, for one person, channel and customer."""
        asked = request.query
        names = ("as", "channel", "thread", "tab")
        slack = page_slack.shown(self._box.workspace, *(asked.get(name, "") for name in names))
        mail = page_mail.shown(self._box, asked.get("customer", ""))
        desk: Json = {"url": self._box.desk.http_url, "connected": self._box.desk.smtp is not None}
        desk["address"] = self._box.desk.address
        trouble = self._box.trouble.shown()
        return web.json_response({"slack": slack, "mail": mail, "desk": desk, "trouble": trouble})

    async def file(self, request: web.Request) -> web.Response:
        """A file of the workspace; images may show in place, nothing else may."""
        space = self._box.workspace.state
        file = space.files.all.get(request.match_info["id"])
        image = file is not None and file.mimetype in ("image/png", "image/jpeg", "image/gif", "image/webp")
        return files_api.content_of(
            space, request.match_info["id"], disposition="inline" if image else "attachment"
        )

    async def permalink(self, request: web.Request) -> web.Response:
        """A message's permanent link: the page, at that message."""
        channel, ts = request.match_info["channel"], request.match_info["ts"].removeprefix("p")
        if not (channel.isalnum() and ts.isdigit()):
            return web.Response(status=404, text="no such message")
        thread = request.query.get("thread_ts", f"{ts[:-6]}.{ts[-6:]}")
        if not thread.replace(".", "").isdigit():
            return web.Response(status=404, text="no such message")
        return web.Response(status=302, headers={"Location": f"/#channel={channel}&thread={thread}"})
