"""What `relaydesk sandbox` lays over a configuration, and what it tells."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from core.config import parse
from sandbox import TRIAGE, Sandbox
from sandbox.tryout import DEFAULTS, HTTP_PORT, MAIL_PORT, http_port_from, next_free, overlay, words


async def test_links_lead_to_the_port_that_was_set(box: Sandbox) -> None:
    """Set ports stay as they are, and the mails' links name them."""
    data = overlay(None, box, {HTTP_PORT: "18999", MAIL_PORT: "18998"})
    assert data["service"]["base_url"] == "http://127.0.0.1:18999"
    assert "http" not in data
    assert "port" not in data["email"]["inbound"]


async def test_free_ports_are_taken_where_none_is_set(box: Sandbox) -> None:
    data = overlay(None, box, {})
    port = data["http"]["port"]
    assert port >= DEFAULTS[HTTP_PORT]
    assert data["service"]["base_url"] == f"http://127.0.0.1:{port}"
    config = parse(data, source="sandbox")
    assert config.slack.api_url == box.api_url
    assert config.courier.channel_pause.total_seconds() == 5


async def test_a_file_keeps_what_is_its_own(box: Sandbox, tmp_path: Path) -> None:
    """Its queues and times stay; mail and Slack go to the sandbox."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[service]\nname = "Mine"\n[email.outbound]\nhost = "relay.example"\n[courier]\nchannel_pause = "9s"\n'
        '[[queue]]\nname = "help"\naddresses = ["help@example.com"]\n',
        "utf-8",
    )
    data = overlay(str(file), box, {})
    assert (data["service"]["name"], data["courier"]["channel_pause"]) == ("Mine", "9s")
    assert data["email"]["outbound"]["port"] == box.smtp_port
    assert data["queue"][0]["slack_channel"] == TRIAGE


def test_a_taken_port_gives_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert next_free(port) != port


def test_the_pages_port_is_none_of_the_desks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.tryout.next_free", lambda port, host="127.0.0.1": port)
    assert http_port_from({}) == 8090
    assert http_port_from({HTTP_PORT: "8090"}) == 8091


async def test_it_tells_one_address_to_open_and_a_mail_to_send(box: Sandbox) -> None:
    text = words(box, ("127.0.0.1", 8025), "http://127.0.0.1:8080")
    (line,) = [line for line in text.splitlines() if "open this" in line]
    assert box.url in line
    assert "curl -s smtp://127.0.0.1:8025" in text
