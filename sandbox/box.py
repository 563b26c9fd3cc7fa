"""The sandbox as a whole: a Slack workspace and a mailbox on loopback, one HTTP and one SMTP port."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from sandbox import files_api, oauth, oidc, pages
from sandbox.chaos import Chaos, Rates
from sandbox.clock import Clock
from sandbox.driver import Driver
from sandbox.events import Delivery
from sandbox.faults import Faults
from sandbox.http_events import HttpCarrier
from sandbox.install import Installed, from_manifest
from sandbox.interactions import Interactions
from sandbox.mailbox import Mailbox
from sandbox.outgoing import Desk
from sandbox.page_way import Provider, Way
from sandbox.shapes import BOT, BOT_USER, TEAM, Json, SlackError
from sandbox.socket_mode import SocketHub
from sandbox.trouble import Trouble
from sandbox.views import Views
from sandbox.web_api import WebApi
from sandbox.workspace import Workspace

MOST_BODY = 64 * 1024 * 1024


class Sandbox:
    """Start it, point the desk at `api_url`, `smtp_host` and `smtp_port`, and look at `url`."""

    bot_token = "xoxb-sandbox-bot"
    app_token = "xapp-sandbox-app"
    signing_secret = "sandbox-signing-secret"
    team_id = TEAM
    bot_user_id = BOT_USER
    bot_id = BOT
    client_id = "1000000000.2000000000"
    client_secret = "sandbox-client-secret"

    def __init__(
        self,
        host: str = "127.0.0.1",
        http_port: int = 0,
        smtp_port: int = 0,
        *,
        manifest: Json | None = None,
        scopes: Iterable[str] | None = None,
        events: Iterable[str] | None = None,
        seed: int | str = 0,
    ) -> None:
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("the sandbox has no passwords: it listens on loopback only")
        self._host, self._http_port = host, http_port
        self._tokens = {self.bot_token: "bot", self.app_token: "app"}
        self._runner: web.AppRunner | None = None
        self._http: HttpCarrier | None = None
        space = Workspace(_installed(manifest, scopes, events))
        faults = Faults()
        self.sockets = SocketHub(faults, space.pulse, seed)
        delivery = Delivery(space, faults)
        delivery.carrier = self.sockets
        space.emit = delivery.emit
        interactions = Interactions(space)
        views = Views(space)
        self.oauth = oauth.Grants(space, self._tokens, self.client_id, self.client_secret)
        self.api = WebApi(space, interactions, views, self.sockets, faults, self._tokens)
        self.api.oauth = self.oauth
        self.workspace = Driver(space, delivery, interactions, views, faults, self._busy)
        self.mailbox = Mailbox(host, smtp_port)
        self.desk = Desk(self.mailbox)
        self.way = Way()
        self.trouble = Trouble(faults, self.mailbox)

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on both ports."""
        await self.mailbox.start()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._http_port)
        await site.start()
        port = self._runner.addresses[0][1]
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.workspace.state.base_url = f"http://{shown}:{port}"

    async def stop(self) -> None:
        """Close everything; what was under way is dropped."""
        await self.workspace.delivery.close()
        self.workspace.state.timers.close()
        await self.sockets.close()
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.mailbox.down()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=MOST_BODY)
        self.oidc = oidc.mount(app, self)
        app.router.add_route("*", "/api/{method}", self.api.serve)
        app.router.add_get("/link", self.sockets.serve)
        app.router.add_post("/upload/v1/{ticket}", self._upload)
        app.router.add_get("/files-pri/{name}/{rest:.+}", self._download)
        app.router.add_post("/response/{key}", self._respond)
        app.router.add_get("/oauth/v2/authorize", self.oauth.ask)
        app.router.add_get("/oauth/v2/allow", self.oauth.allow)
        pages.mount(app, self)
        return app

    # -- time and trouble ------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The workspace's time; see `clock.py` for what goes by it."""
        return self.workspace.state.clock

    def chaos(
        self, seed: int | str = 0, *, spare: tuple[str, ...] = (), lose: bool = False, **rates: float
    ) -> Chaos:
        """Let things go wrong, by this seed and as often as `chaos.Rates` says, until `stop()`.

        Methods that start with one of `spare` are left alone. Without `lose` each event arrives in the end.
        """
        made = Chaos(seed, Rates(**rates), self.clock.now, spare=spare, lose=lose)
        delivery = self.workspace.delivery
        delivery.chaos = self.api.chaos = made
        made.on_stop = delivery.calm
        delivery.redeliver_after_reconnect = not lose
        return made

    # -- where things are ------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The page."""
        return f"{self.workspace.state.base_url}/"

    @property
    def api_url(self) -> str:
        return f"{self.workspace.state.base_url}/api/"

    @property
    def smtp_host(self) -> str:
        return self.mailbox.host

    @property
    def smtp_port(self) -> int:
        return self.mailbox.port

    @property
    def events_url(self) -> str | None:
        """Where events go by HTTP; None means Socket Mode."""
        return self._http.url if self._http else None

    @events_url.setter
    def events_url(self, url: str | None) -> None:
        self._http = HttpCarrier(url, self.signing_secret) if url else None
        self.workspace.delivery.carrier = self._http or self.sockets

    def connect_desk(
        self, smtp: tuple[str, int], http_url: str | None = None, address: str = "support@example.com"
    ) -> None:
        """Say where the desk takes mail (and for whom), so that the page's mails go there, and where its pages are."""
        self.desk.smtp, self.desk.http_url, self.desk.address = smtp, http_url, address

    def watch(self, provider: Provider) -> None:
        """Let the page show tickets' ways: `provider(ticket)` reads one, `provider(None)` the newest one's."""
        self.way.provider = provider

    def _busy(self) -> bool:
        delivery = self.workspace.delivery
        return bool(self.api.in_flight or delivery.busy or self.workspace.state.files.scanning)

    # -- the smaller doors -----------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        async def upload() -> web.Response:
            return await files_api.upload(self.workspace.state, request)

        return await self.api.behind_faults("upload", request, upload)

    async def _download(self, request: web.Request) -> web.Response:
        async def download() -> web.Response:
            return files_api.download(self.workspace.state, request, self._tokens)

        return await self.api.behind_faults("download", request, download)

    async def _respond(self, request: web.Request) -> web.Response:
        async def respond() -> web.Response:
            try:
                self.workspace.interactions.respond(request.match_info["key"], await request.json())
            except SlackError as refused:
                gone = refused.error in ("used_url", "expired_url")
                return web.Response(status=404 if gone else 400, text=refused.error)
            return web.Response(text="ok")

        return await self.api.behind_faults("response_url", request, respond)


def _installed(
    manifest: Json | None, scopes: Iterable[str] | None, events: Iterable[str] | None
) -> Installed:
    """What the app has: by its manifest, else all that there is; `scopes` and `events` replace either's."""
    app = from_manifest(manifest) if manifest is not None else Installed()
    if scopes is not None:
        app.scopes = set(scopes)
    if events is not None:
        app.events = set(events)
    return app
