"""Who wants which form, from what Slack sends; and that nothing of the contract's surprises the door."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.form_reading import About
from bot.form_wishes import VALUE, Wish, again, form_of, wish_of
from bot.found import Found
from bot.sift import sift
from core.shapes import Ignored
from tests.bot.kit import HOME, TRIAGE

Json = dict[str, Any]
MESSAGE = About(channel="C9", ts="1.000001", author="UBOB")
SHORTCUT = {"type": "shortcut", "callback_id": "new_ticket", "user": {"id": "UANN"}, "trigger_id": "t"}


def click(action: Json, **more: Any) -> Json:
    container = {"type": "message", "channel_id": TRIAGE, "message_ts": "1.000001"}
    payload = {"type": "block_actions", "user": {"id": "UADA"}, "trigger_id": "t", "container": container}
    return payload | {"actions": [{"block_id": "ticket:12:3"} | action]} | more


def menu(value: str, **more: Any) -> Json:
    return click({"action_id": "menu", "selected_option": {"value": value}, **more})


def shortcut_on(message: Json, channel: str = "C9") -> Json:
    return {
        "type": "message_action",
        "callback_id": "make_ticket",
        "user": {"id": "UANN"},
        "trigger_id": "t",
        "channel": {"id": channel, "name": "x"},
        "message": {"ts": "1.000001", "user": "UBOB", "text": "<@UANN> the printer\nburns", **message},
        "response_url": "https://hooks.slack.com/x",
    }


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"command": "/ticket", "user_id": "UANN", "text": "x"}, "new_ticket"),
        (SHORTCUT, "new_ticket"),
        (SHORTCUT | {"callback_id": "other"}, ""),
        (shortcut_on({}), "make_ticket"),
        (shortcut_on({}) | {"callback_id": "other"}, ""),
        (menu("merge"), "merge"),
        (menu("spam"), "spam"),
        (menu("elsewhere"), ""),
        (click({"action_id": "home_new"}), "new_ticket"),
        (click({"action_id": "rate_comment"}), "rate"),
        (click({"action_id": "take"}), None),
        (click({"action_id": "rate:4"}), None),
        (click({"action_id": "open_form", "value": '{"form":"note"}'}), "note"),
        (click({"action_id": "open_form", "value": "no json"}), ""),
        ({"type": "event_callback", "event": {}}, None),
        ({"type": "view_submission"}, None),
    ],
)
def test_who_asks_for_a_form(payload: Json, wanted: str | None) -> None:
    assert form_of(payload) == wanted


def test_a_command_says_the_title() -> None:
    wish = wish_of({"command": "/ticket", "user_id": "UANN", "text": " Fire! ", "channel_id": "C9"}, HOME)
    assert (wish.form, wish.user, wish.title, wish.channel) == ("new_ticket", "UANN", "Fire!", "C9")


def test_a_menu_names_ticket_and_thread() -> None:
    assert wish_of(menu("note"), HOME).about == About(ticket=12, place=f"T1/{TRIAGE}#1.000001")
    assert wish_of(menu("note", block_id="x"), HOME).why_not


def test_a_rating_names_the_conversation_and_what_was_pressed() -> None:
    container = {"type": "message", "channel_id": "D1", "message_ts": "2.000001", "thread_ts": "1.000001"}
    wish = wish_of(click({"action_id": "rate_comment", "value": "4"}, container=container), HOME)
    assert (wish.about, wish.chosen) == (About(ticket=12, place="T1/D1#1.000001"), "4")
    assert wish_of(click({"action_id": "rate_comment", "value": "12"}), HOME).chosen == ""


def test_a_message_fills_its_form_in() -> None:
    """Who is called in it isn't known before the form must be open, so the title does without."""
    wish = wish_of(shortcut_on({}), HOME)
    assert (wish.title, wish.about) == ("the printer", MESSAGE)


def test_what_cannot_be_followed_is_the_askers_own() -> None:
    assert wish_of(shortcut_on({"bot_id": "BX", "user": "UX"}), HOME).about == About(
        channel="C9", ts="1.000001", own=True
    )
    assert wish_of(shortcut_on({"bot_id": "BBOT", "user": "UBOT"}), HOME).why_not
    assert wish_of(shortcut_on({}, TRIAGE), HOME).why_not


@pytest.mark.parametrize("words", ["", "short", "w" * 5_000, '"' * 3_000, "é" * 5_000])
def test_the_button_for_another_try_opens_the_same(words: str) -> None:
    """PLATFORM case 20; of long words as many as a button holds."""
    wish = Wish(form="make_ticket", user="UANN", trigger="old", about=MESSAGE, words=words, channel="C9")
    button = again(wish)["elements"][0]
    assert len(button["value"]) <= VALUE
    other = wish_of(click(button, trigger_id="new"), HOME)
    assert (other.form, other.about, other.trigger) == (wish.form, MESSAGE, "new")
    assert words.startswith(other.words)
    assert bool(other.words) == bool(words)


def test_nothing_of_the_contract_surprises_the_door(shared_folder: Path) -> None:
    """Every event and interaction of the contract, its values blank."""
    contract = shared_folder / "slack/contract"
    samples = [*contract.glob("events/*.json"), *contract.glob("interactions/*/*.json")]
    assert len(samples) > 80
    home = replace(HOME, ticket_emoji="ticket")
    for sample in samples:
        payload = json.loads(sample.read_text("utf-8"))
        if "event" in payload:
            payload["type"] = "event_callback"
        assert isinstance(sift(payload, home), Found | Ignored), sample.name
        assert form_of(payload) in (None, "", "new_ticket"), sample.name
