"""The address that all our links begin with."""

from __future__ import annotations

import pytest

from core.check import probe_reach
from core.config import ConfigError, parse


@pytest.mark.parametrize(
    "url",
    [
        "https://desk.example.com",
        "https://desk.example.com/",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "HTTPS://Desk.example.com:8443",
        "",
    ],
)
def test_a_host_is_enough(url: str) -> None:
    assert parse({"service": {"base_url": url}}).service.base_url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://x.example/desk", "nothing may follow the host"),
        ("https://x.example/desk/", "write https://x.example"),
        ("https://x.example:8443/a", "write https://x.example:8443"),
        ("https://x.example/?a=1", "no '\\?'"),
        ("https://x.example/?", "no '\\?'"),
        ("https://x.example/#", "no '#'"),
        (" https://x.example", "no ' '"),
        ("https://x example", "no ' '"),
        ("https://x.example\tb", "it may have no"),
        ("https://x.example\\b", "it may have no"),
        ("https://ann:secret@x.example:port", "no user name"),
        ("https://ann:secret@x.example", "no user name"),
        ("desk.example.com", "write http:// or https://"),
        ("ftp://x.example", "write http:// or https://"),
        ("https://", "write http:// or https://"),
        ("https://x.example:port", "write http:// or https://"),
        ("https://[::1", "write http:// or https://"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        parse({"service": {"base_url": url}})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://10.0.0.7:8080", "http://desk.example.com"])
def test_what_others_can_read_on_its_way_is_warned_of(url: str) -> None:
    found = probe_reach(parse({"service": {"base_url": url}}))
    assert [one.part for one in found] == ["metrics", "links"]
    assert all(one.problem is None for one in found), "it stops nothing"
    assert "use https" in found[1].text
    assert url in found[1].text


def test_an_open_door_tells_what_it_shows() -> None:
    (found,) = probe_reach(parse({"service": {"base_url": "https://desk.example.com"}}))
    assert "/metrics" in found.text
    assert probe_reach(parse({})) == []
    closed = {"service": {"base_url": "http://desk.example.com"}, "http": {"enabled": False}}
    assert probe_reach(parse(closed)) == []
