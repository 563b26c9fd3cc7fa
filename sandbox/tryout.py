"""Trying the desk out: which ports, what configuration points it at the sandbox, what to tell whoever started it."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sandbox.box import Sandbox
from sandbox.outgoing import AUTHSERV
from sandbox.shapes import TRIAGE

HTTP_PORT: Final = "RELAYDESK_HTTP__PORT"
MAIL_PORT: Final = "RELAYDESK_EMAIL__INBOUND__PORT"
DEFAULTS: Final = {HTTP_PORT: 8080, MAIL_PORT: 8025}
PAGE_PORT: Final = 8090


def next_free(port: int, host: str = "127.0.0.1") -> int:
    """Return the port, or the next one that nobody listens on."""
    for candidate in range(port, min(port + 200, 65_536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return 0


def ports(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the desk's ports: those that were set stay, a default that is taken is replaced by the next free one."""
    return {name: next_free(port) for name, port in DEFAULTS.items() if name not in environ}


def http_port_from(environ: Mapping[str, str]) -> int:
    """Return the port of the sandbox's own page: none that the desk was told to take."""
    taken = {environ.get(HTTP_PORT), environ.get(MAIL_PORT)}
    port = next_free(PAGE_PORT)
    return port if str(port) not in taken else next_free(port + 1)


def overlay(config_file: str | None, box: Sandbox, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return configuration data: the file's, or the embedded default, pointed at the sandbox, on free ports where the
    environment sets none. Links lead to where the desk's pages are."""
    data: dict[str, Any] = tomllib.loads(Path(config_file).read_text("utf-8")) if config_file else _default()
    email = data.setdefault("email", {})
    email["outbound"] = {"host": box.smtp_host, "port": box.smtp_port, "tls": "none"}
    inbound = email.setdefault("inbound", {})
    inbound["trusted_authserv_ids"] = [*inbound.get("trusted_authserv_ids", []), AUTHSERV]
    free = ports(environ)
    if MAIL_PORT in free:
        inbound["port"] = free[MAIL_PORT]
    if HTTP_PORT in free:
        data.setdefault("http", {})["port"] = free[HTTP_PORT]
    pages = f"http://127.0.0.1:{free.get(HTTP_PORT) or environ[HTTP_PORT]}"
    data.setdefault("service", {})["base_url"] = pages
    data["slack"] = {
        **data.get("slack", {}),
        "enabled": True,
        "bot_token": box.bot_token,
        "app_token": box.app_token,
        "signing_secret": box.signing_secret,
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "api_url": box.api_url,
    }
    for queue in data["queue"][:1]:
        queue["slack_channel"] = queue.get("slack_channel") or TRIAGE
    return data


def _default() -> dict[str, Any]:
    return {
        "service": {"name": "Acme Support"},
        # Whoever breaks something wants to see it mended before they look away.
        "courier": {"retry_after": ["5s", "10s", "20s", "60s"], "channel_pause": "5s"},
        "queue": [{"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE}],
        "staff": [
            {"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace", "role": "manager"},
            {"username": "grace", "email": "grace@example.com", "name": "Grace Hopper"},
        ],
    }


def words(box: Sandbox, mail: tuple[str, int], web: str) -> str:
    """Return what `make run` prints: the addresses, and a mail to send."""
    host, port = mail
    return (
        "\n"
        "relaydesk is running. Ctrl-C stops it.\n"
        f"  open this       {box.url}   a mailbox, a Slack workspace, the ticket's way between them\n"
        f"  the desk        {web}   its pages; {web}/openapi.json describes the API\n"
        f"  mail is taken   {host}:{port}   for support@example.com\n"
        "\n"
        "Send a first mail:\n"
        f"  printf 'From: Ann <ann@example.com>\\nSubject: My printer is on fire\\n\\nPlease help.\\n' | "
        f"curl -s smtp://{host}:{port} --mail-from ann@example.com --mail-rcpt support@example.com -T -\n"
        "\n"
    )
