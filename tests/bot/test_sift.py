"""The first look: clicks wherever they are made, reactions, news of channels and people; the rest is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.events import NOBODYS
from bot.found import Found, Side, What
from bot.home import Home
from bot.read import read_event
from bot.sift import sift
from core.shapes import Ignored, Person, StaffCommand
from tests.bot.kit import TRIAGE

HOME = Home(
    team="T1",
    bot_user="UBOT",
    bot_id="BBOT",
    triage={TRIAGE: "support"},
    ticket_emoji="ticket",
    dm_queue="support",
)
ADA = Person(kind="slack", address="T1/UADA", name="Ada", email="ada@example.com", team="T1")


def happened(kind: str, **event: Any) -> dict[str, Any]:
    inner = {"type": kind, "event_ts": "1700000009.000100"} | event
    return {"type": "event_callback", "api_app_id": "A1", "event": inner}


def found(payload: dict[str, Any]) -> Found:
    made = sift(payload, HOME)
    assert isinstance(made, Found)
    return made


def why(payload: dict[str, Any]) -> str:
    made = sift(payload, HOME)
    assert isinstance(made, Ignored)
    return made.reason


# -- reactions -----------------------------------------------------------------------------------------------------


def reacted(name: str = "ticket", *, channel: str = "C9", **more: Any) -> dict[str, Any]:
    item = {"type": "message", "channel": channel, "ts": "1700000000.000100"}
    return happened(
        "reaction_added", **({"reaction": name, "user": "UADA", "item": item, "item_user": "UANN"} | more)
    )


@pytest.mark.parametrize("name", ["ticket", "ticket::skin-tone-2", ":ticket:"])
def test_the_emoji_points_at_a_message(name: str) -> None:
    made = found(reacted(name))
    assert (made.what, made.channel, made.ts, made.user) == (What.POINTED, "C9", "1700000000.000100", "UADA")


@pytest.mark.parametrize(
    "payload",
    [
        reacted("thumbsup"),
        reacted(channel=TRIAGE),
        reacted(channel="D1"),
        reacted(item_user="UBOT"),
        reacted(user="UBOT"),
        reacted(item={"type": "file", "file": "F1"}),
        reacted(item={"type": "message"}),
        happened("reaction_added"),
    ],
)
def test_other_reactions_are_not_even_stored(payload: dict[str, Any]) -> None:
    assert why(payload) in NOBODYS


def test_no_emoji_is_configured() -> None:
    made = sift(reacted(""), Home(team="T1", bot_user="UBOT", bot_id="BBOT"))
    assert isinstance(made, Ignored)


# -- news ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "what", "user"),
    [
        (happened("member_joined_channel", channel=TRIAGE, user="U1"), What.MEMBERS, "U1"),
        (happened("member_left_channel", channel=TRIAGE, user="U1"), What.MEMBERS, "U1"),
        (happened("channel_shared", channel=TRIAGE), What.EXPOSURE, ""),
        (happened("channel_unshared", channel=TRIAGE), What.EXPOSURE, ""),
        (happened("message", subtype="channel_convert_to_public", channel=TRIAGE), What.EXPOSURE, ""),
    ],
)
def test_news_of_the_desk(payload: dict[str, Any], what: What, user: str) -> None:
    made = found(payload)
    assert (made.what, made.user, made.users, made.files) == (what, user, frozenset(), ())
    assert isinstance(read_event(payload, HOME), Ignored)


@pytest.mark.parametrize("kind", ["user_change", "team_join"])
def test_news_of_a_person_are_not_even_stored(kind: str) -> None:
    assert why(happened(kind, user={"id": "U1", "profile": {"email": "ann@example.com"}})) in NOBODYS


@pytest.mark.parametrize("kind", ["member_joined_channel", "member_left_channel", "channel_shared"])
def test_news_of_other_channels_are_not_even_stored(kind: str) -> None:
    assert why(happened(kind, channel="C9", user="U1")) in NOBODYS


@pytest.mark.parametrize(
    "kind", ["reaction_removed", "pin_added", "file_shared", "star_added", "of_tomorrow"]
)
def test_what_nobody_asked_for(kind: str) -> None:
    assert kind in why(happened(kind, channel=TRIAGE))


# -- clicks --------------------------------------------------------------------------------------------------------


def clicked(action_id: str, *, home: bool = False, **action: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"type": "message", "channel_id": TRIAGE, "message_ts": "1699999999.000100"}
    if home:
        container = {"type": "view", "view_id": "V1"}
    block = "ticket:12:home:3:own" if home else "ticket:12:card"
    shown = {"action_id": action_id, "action_ts": "1700000005.000100", "block_id": block} | action
    return {"type": "block_actions", "user": {"id": "UADA"}, "container": container, "actions": [shown]}


PEOPLE_PICKED = {"type": "users_select", "selected_user": "UADA"}


@pytest.mark.parametrize(
    ("action_id", "action", "verb", "words"),
    [
        ("take", {"value": "12"}, "take", ()),
        ("resolve", {"value": "12"}, "resolve", ()),
        ("reopen", {}, "reopen", ()),
        ("status", {"selected_option": {"value": "pending"}}, "status", ("pending",)),
        ("priority", {"selected_option": {"value": "high"}}, "priority", ("high",)),
        ("assign", PEOPLE_PICKED, "assign", ("ada@example.com",)),
        ("assign", {"type": "users_select", "selected_user": "UNEW"}, "assign", ("UNEW",)),
        ("assign", {"type": "users_select", "selected_user": None}, "assign", ("nobody",)),
        ("belongs", {"value": "7"}, "belongs", ("7",)),
        ("retry", {"value": "99"}, "retry", ("99",)),
        ("rate:4", {"value": "4"}, "rate", ("4",)),
        ("rate:4", {}, "rate", ("4",)),
        ("rate", {"value": "5"}, "rate", ("5",)),
    ],
)
@pytest.mark.parametrize("home", [False, True], ids=["message", "home"])
def test_a_control(
    home: bool, action_id: str, action: dict[str, Any], verb: str, words: tuple[str, ...]
) -> None:
    command = read_event(clicked(action_id, home=home, **action), HOME, {"UADA": ADA})
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words, command.ticket_id, command.ref) == (verb, words, 12, None)
    assert command.place == ("T1/UADA" if home else f"T1/{TRIAGE}")
    assert bool(command.evidence.references) is not home


def test_whom_a_click_names_is_looked_up() -> None:
    assert found(clicked("assign", type="users_select", selected_user="UBOB")).users == {"UADA", "UBOB"}


@pytest.mark.parametrize(
    "action_id", ["menu", "rate_comment", "home_new", "home_page_next", "page", "of_tomorrow"]
)
@pytest.mark.parametrize("home", [False, True], ids=["message", "home"])
def test_what_the_door_answers_changes_nothing(home: bool, action_id: str) -> None:
    assert isinstance(read_event(clicked(action_id, home=home, value="1"), HOME), Ignored)


@pytest.mark.parametrize(
    "payload",
    [
        clicked("take", home=True, block_id="home:filters"),
        clicked("take", home=True, block_id="ticket:x"),
        clicked("status"),
        clicked("belongs"),
        {"type": "block_actions", "user": {"id": "UADA"}, "actions": []},
        {"type": "block_actions", "user": {"id": "UADA"}, "actions": [{"action_id": "take"}]},
        {"type": "block_actions", "actions": [{"action_id": "take"}]},
    ],
)
def test_clicks_that_say_too_little(payload: dict[str, Any]) -> None:
    assert isinstance(read_event(payload, HOME), Ignored)


# -- forms ---------------------------------------------------------------------------------------------------------


def sent_off(form: str, about: str = "{}") -> dict[str, Any]:
    view = {"id": "V1", "callback_id": form, "private_metadata": about, "state": {"values": {}}}
    return {"type": "view_submission", "user": {"id": "UADA"}, "view": view}


def test_a_form_is_read_in_the_place_where_it_was_asked_for() -> None:
    made = found(sent_off("merge", '{"ticket":12,"place":"T1/C1#17.1"}'))
    assert (made.what, made.side, made.channel, made.root) == (What.SUBMITTED, Side.DM, "C1", "17.1")


def test_a_form_about_a_message_points_at_it() -> None:
    made = found(sent_off("make_ticket", '{"channel":"C9","ts":"17.1","author":"UANN"}'))
    assert (made.what, made.channel, made.ts, made.user) == (What.POINTED, "C9", "17.1", "UADA")


@pytest.mark.parametrize("form", ["", "somebody_elses"])
def test_other_forms_are_nothing(form: str) -> None:
    assert isinstance(sift(sent_off(form), HOME), Ignored)
