"""What counts as news in a conversation's history. (Over the wire: `test_connect.py`.)"""

from __future__ import annotations

from typing import Any

import pytest

from bot.catchup import news
from bot.events import arrival_of, name_of
from bot.read import read_event
from core.shapes import Ignored, MessageDeleted, MessageEdited, NewMessage
from tests.bot.kit import HOME, TRIAGE

SINCE = "1700000000.000000"


def said(ts: str = "1700000001.000100", **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": "UANN", "text": "help", "ts": ts} | more


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (said(), NewMessage),
        (said(thread_ts="1600000000.000100"), NewMessage),
        (said("1600000000.000100", edited={"user": "UANN", "ts": "1700000002.000000"}), MessageEdited),
        (said(edited={"user": "UANN", "ts": "1700000002.000000"}), MessageEdited),
        (said("1600000000.000100", subtype="tombstone", user="USLACKBOT"), MessageDeleted),
    ],
)
def test_news_reads_like_the_event_that_was_missed(message: dict[str, Any], kind: type) -> None:
    [(name, body)] = news(HOME, "D1", message, SINCE)
    inbound = read_event(body, HOME)
    assert isinstance(inbound, kind)
    assert name.startswith(f"slack:caught:T1/D1/{message['ts']}")
    arrival = arrival_of(body, HOME, via="caught", name=name)
    assert (arrival.shard_by, bool(arrival.source_order)) == ("T1/D1", True)


def test_an_edit_of_what_was_missed_makes_it() -> None:
    message = said(edited={"user": "UANN", "ts": "1700000002.000000"})
    [(_, body)] = news(HOME, "D1", message, SINCE)
    edited = read_event(body, HOME)
    assert isinstance(edited, MessageEdited)
    assert edited.as_new is not None


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("D1", said("1600000000.000100")),
        ("D1", said("1600000000.000100", edited={"user": "UANN", "ts": "1600000002.000000"})),
        ("D1", said(user="UBOT", bot_id="BBOT")),
        ("D1", said(subtype="channel_join")),
        (TRIAGE, said()),
        (TRIAGE, said("1600000000.000100", subtype="tombstone", user="USLACKBOT")),
    ],
)
def test_what_is_no_news(channel: str, message: dict[str, Any]) -> None:
    assert news(HOME, channel, message, SINCE) == []


def test_things_without_an_event_id_have_names_of_their_own() -> None:
    def click(**more: Any) -> dict[str, Any]:
        return {
            "type": "block_actions",
            "user": {"id": "U1"},
            "actions": [{"action_ts": "1.1", "action_id": "take"}],
        } | more

    names = [
        name_of(click()),
        name_of(click(user={"id": "U2"})),
        name_of(click(trigger_id="1")),
        name_of(click(trigger_id="2")),
        name_of({"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1}),
        name_of({"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 2}),
        name_of({"type": "event_callback", "event_id": "Ev1"}),
    ]
    assert len(set(names)) == len(names)
    assert name_of(click()) == name_of(click(response_url="x"))


def test_other_payloads_are_nothing() -> None:
    assert isinstance(read_event({"type": "event_callback", "event": {"type": "team_join"}}, HOME), Ignored)
