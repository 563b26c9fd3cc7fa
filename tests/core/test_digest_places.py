"""Where a digest may be sent to is checked when the configuration is read."""

from __future__ import annotations

import pytest

from core.config import ConfigError, parse


def told(**digest: object) -> str:
    try:
        parse({"digest": [{"name": "daily", **digest}]}, environ={})
    except ConfigError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("place", ["C0123456789", "G9", "D1A", "U0123456789", "W012", "T1/C1", " C9 "])
def test_ids_of_slack_are_taken(place: str) -> None:
    assert told(slack_to=[place]) == ""


@pytest.mark.parametrize(
    "place", ["general", "#general", "boss", "@boss", "c0123456789", "T1", "T1/", "", "C9/T1"]
)
def test_names_are_none(place: str) -> None:
    """They would fail when it is sent, or be a channel that is public."""
    assert f"'{place}' is no id" in told(slack_to=[place])


@pytest.mark.parametrize(
    "address", ["boss@example.com", " Boss@Example.com ", "bo\u00df@b\u00fccher.example"]
)
def test_addresses_are_taken(address: str) -> None:
    assert told(email_to=[address]) == ""


@pytest.mark.parametrize(
    "address", ["boss", "@example.com", "boss@", "", "the boss@example.com", "U0123456789"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    assert f"'{address}' is no mail address" in told(email_to=[address])
