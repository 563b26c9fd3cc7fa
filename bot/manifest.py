"""The app's manifest: `manifest.json` is the one for Socket Mode, and the one for HTTP is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

FILE: Final = Path(__file__).with_name("manifest.json")
EVENTS_PATH: Final = "/slack/events"


def manifest(http: str = "") -> dict[str, Any]:
    """Return the app's manifest as an administrator installs it: for Socket Mode, or for signed HTTP requests to the
    desk whose pages are at `http`. Raises `ValueError` for what is no https URL."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    if not http:
        return found
    parts = urlsplit(http)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("Slack sends to https URLs only, like https://desk.example.com")
    url = http.rstrip("/").removesuffix(EVENTS_PATH) + EVENTS_PATH
    settings = found["settings"]
    settings["socket_mode_enabled"] = False
    settings["event_subscriptions"] = {"request_url": url} | settings["event_subscriptions"]
    settings["interactivity"]["request_url"] = url
    for command in found["features"]["slash_commands"]:
        command["url"] = url
    return found


@click.command("manifest")
@click.option("--http", metavar="URL", default="", help="For events over HTTP to this address of the desk.")
def command(http: str) -> None:
    """Print the manifest to create the Slack app from.

    Without --http the app uses Socket Mode, which needs no address that Slack can reach.
    """
    try:
        found = manifest(http)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--http") from None
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
