"""What `relaydesk check` says of links in mails that nobody else can open, and of what nobody would hear."""

from __future__ import annotations

from typing import Any

import pytest

from core.check import probe_links, unheard
from core.config import Config, parse

RELAY = "smtp.example.com"


def config(base_url: str = "http://127.0.0.1:8080", host: str = RELAY, **more: Any) -> Config:
    """A configuration whose mails go out by `host`."""
    outbound = {"host": host, **more.pop("outbound", {})}
    return parse({"service": {"base_url": base_url}, "email": {"outbound": outbound}, **more})


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://localhost:8080/",
        "http://LOCALHOST.",
        "http://[::1]:8080",
        "http://0.0.0.0:8080",
        "http://desk.localhost",
    ],
)
def test_links_to_this_machine_are_a_problem_once_mail_leaves_it(base_url: str) -> None:
    """It names both settings, so that whoever reads it knows what to change."""
    (found,) = probe_links(config(base_url))
    assert found.part == "links"
    assert found.problem is not None
    assert RELAY in found.problem
    assert base_url in found.problem
    assert "service.base_url" in found.problem


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_while_mail_stays_here_they_are_none(host: str) -> None:
    assert probe_links(config(host=host)) == []


def test_a_fallback_relay_elsewhere_counts() -> None:
    fallback = [{"host": "backup.example.net"}]
    (found,) = probe_links(config(host="127.0.0.1", outbound={"fallback": fallback}))
    assert "backup.example.net" in (found.problem or "")


@pytest.mark.parametrize(
    "base_url", ["https://desk.example.com", "http://10.0.0.7:8080", "https://localhost.example"]
)
def test_an_address_that_others_may_reach_is_none(base_url: str) -> None:
    assert probe_links(config(base_url)) == []


def test_without_the_http_door_there_are_no_links() -> None:
    assert probe_links(config(http={"enabled": False})) == []


def test_digests_by_mail_are_named() -> None:
    """Their link to end them is what a manager would miss first."""
    (found,) = probe_links(config(digest=[{"name": "daily", "email_to": ["boss@example.com"]}]))
    assert "digest" in (found.problem or "")


def test_what_nobody_would_hear_is_a_problem() -> None:
    """A name that isn't staff's, a digest to Slack without Slack; names of the database count as well."""
    queue = {"name": "support", "addresses": ["support@example.com"], "escalate_to": ["Ada", "grace", "bos"]}
    digest = {"name": "daily", "cron": "0 8 * * *", "slack_to": ["C0TRIAGE01"]}
    staff = [{"username": "ada", "email": "ada@example.com"}]
    given = parse({"queue": [queue], "digest": [digest], "staff": staff})
    name, slack = unheard(given, {"grace"})
    assert (name.part, name.text) == ("queue", "support")
    assert "'bos'" in (name.problem or "")
    assert (slack.part, slack.text) == ("digest", "daily")
    assert "slack.enabled" in (slack.problem or "")
    enabled = {"enabled": True, "bot_token": "xoxb-1", "app_token": "xapp-1"}
    fine = parse(
        {"queue": [{**queue, "escalate_to": ["ada"]}], "digest": [digest], "staff": staff, "slack": enabled}
    )
    assert unheard(fine, ()) == []
