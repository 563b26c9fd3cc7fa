"""Who is called first: staff's words for staff stay at the desk whoever's name stands in front of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.calls import behind
from bot.read import read_event
from core.shapes import Inbound, NewMessage, Person, StaffCommand, Visibility
from tests.bot.kit import HOME, TRIAGE

PEOPLE = {
    "UADA": Person(kind="slack", address="T1/UADA", name="Ada Lovelace", email="ada@example.com", team="T1"),
    "UKIM": Person(kind="slack", address="T1/UKIM", name="Kim", team="T1"),
}


def said(text: str, *elements: dict[str, Any], people: dict[str, Person] = PEOPLE) -> Inbound:
    inner = {
        "type": "message",
        "channel": TRIAGE,
        "user": "UADA",
        "ts": "2.0",
        "thread_ts": "1.0",
        "text": text,
    }
    if elements:
        section = {"type": "rich_text_section", "elements": list(elements)}
        inner["blocks"] = [{"type": "rich_text", "elements": [section]}]
    return read_event({"type": "event_callback", "event": inner}, HOME, people)


def visibility(inbound: Inbound) -> Visibility | None:
    assert isinstance(inbound, NewMessage)
    return inbound.visibility


@pytest.mark.parametrize(
    "text",
    [
        "<@UKIM> note: a pest",
        "<@UKIM|kim> note: a pest",
        "<@UNEW> note: a pest",
        "<!subteam^S1|@oncall> note: a pest",
        "<!subteam^S1> note: a pest",
        "<!here> note: a pest",
        "<!channel> 🔒 a pest",
        "<!channel> :lock: a pest",
        "<#C1|ops> note: a pest",
        "👀 note: a pest",
        ":eyes: note: a pest",
        ":wave::skin-tone-2: :eyes: note: a pest",
        "👩\u200d💻👍🏽 note: a pest",
        "<@UKIM> and <@UADA> note: a pest",
        "<@UKIM>, <@UADA>: [note] a pest",
        "(cc <@UKIM> <@UADA>) Interne Notiz: a pest",
        "<@UKIM>\nnote: a pest",
        "*<@UKIM>* *note:* a pest",
        "<@UKIM>! note: a pest",
        "hey <@UBOT> note: a pest",
        "Hi there, <@UKIM>: note: a pest",
        "<@UBOT> <@UKIM> 👀 note: a pest",
        "@kim note: a pest",
        "@Kim Note: a pest",
        "@Grace Hopper note: a pest",
        "@Ada Mary Lovelace, note: a pest",
        "@Grace Hopper @Kim Lee 👀 note: a pest",
    ],
)
def test_a_note_after_calls(text: str) -> None:
    assert visibility(said(text)) is Visibility.NOTE


@pytest.mark.parametrize(
    "text",
    [
        "Hello, please note: the server is down",
        "Hello, note: the server is down",
        "Hello 👋 note: the server is down",
        "<@UKIM> please note: the server is down",
        "@Grace Hopper has the note: it works",
        "Ask <@UKIM>; she has a note: it says so",
        "Ticket #12 note: see there",
        "#12 note: see there",
        "As you saw in the mail of <@UKIM>, note: it works",
        "<@UKIM> noted: ok",
        "Hi <@UKIM>! Take care",
        "<@UKIM>! Close the door",
        "<@UKIM> !important: the server is down",
        "Thanks! !take that",
    ],
)
def test_answers_that_call_somebody_still_go_out(text: str) -> None:
    assert visibility(said(text)) is None


def test_a_note_in_rich_text_keeps_whom_it_calls() -> None:
    calls = {"type": "usergroup", "usergroup_id": "S1"}
    note = said("<!subteam^S1|@oncall> note: a pest", calls, {"type": "text", "text": " note: a pest"})
    assert visibility(note) is Visibility.NOTE
    assert isinstance(note, NewMessage)
    assert note.text == "@oncall note: a pest"


def test_a_note_in_rich_text_without_a_text_beside_it() -> None:
    calls = ({"type": "user", "user_id": "UADA"}, {"type": "emoji", "name": "eyes", "unicode": "1f440"})
    assert visibility(said("", *calls, {"type": "text", "text": " note: a pest"})) is Visibility.NOTE


@pytest.mark.parametrize(
    ("text", "verb", "words", "rest"),
    [
        ("<@UKIM> !take", "take", (), ""),
        ("<@UKIM> and <@UADA>: !note a pest", "note", ("a", "pest"), "a pest"),
        ("<@UADA> !note a pest", "note", ("a", "pest"), "a pest"),
        ("<@UKIM> `!note a pest`", "note", ("a", "pest"), "a pest"),
        ("<!here> :eyes: !close", "close", (), ""),
        ("hey <@UBOT> !assign <@UADA>", "assign", ("ada@example.com",), "@Ada Lovelace"),
        ("<@UKIM> ! take", "take", (), ""),
        ("<@UKIM> !tke", "tke", (), ""),
        ("<@UBOT> !wow", "wow", (), ""),
    ],
)
def test_a_command_after_calls(text: str, verb: str, words: tuple[str, ...], rest: str) -> None:
    command = said(text)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words, command.text) == (verb, words, rest)


@pytest.mark.parametrize("piece", ["@a ", "👀", ":eyes:", " ", "a ", "<@U1> and ", "@", "<", "@a."])
def test_it_takes_no_longer_for_much_of_it(piece: str) -> None:
    began = time.perf_counter()
    for _ in behind(piece * (40_000 // len(piece)), ["Ada Lovelace"]):
        pass
    assert time.perf_counter() - began < 0.5
