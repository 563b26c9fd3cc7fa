"""`!commands` as people type them: what is one, what is none, and its words."""

from __future__ import annotations

from typing import Any

import pytest

from bot.bang import parse, rest_of
from bot.read import read_event
from core.shapes import NewMessage, Person, StaffCommand
from tests.bot.kit import HOME, TRIAGE

EMAILS = {"UADA": "ada@example.com"}
ADA = Person(kind="slack", address="T1/UADA", name="Ada Lovelace", email="ada@example.com", team="T1")


@pytest.mark.parametrize(
    ("text", "verb", "words"),
    [
        ("!take", "take", ()),
        ("  !Take  ", "take", ()),
        ("! take", "take", ()),
        ("！take", "take", ()),
        ("！　priority　high", "priority", ("high",)),
        ("! clsoe", "clsoe", ()),  # meant as one: its author is told which there is
        ("!important: css", "important", ("css",)),
        ("*!close*", "close", ()),
        ("`!status pending`", "status", ("pending",)),
        ("*!status* pending", "status", ("pending",)),
        ("!assign <@UADA>", "assign", ("ada@example.com",)),
        ("!assign <@UADA|ada>", "assign", ("ada@example.com",)),
        ("!assign <@UNEW>", "assign", ("UNEW",)),
        ("!cc <@UADA>", "cc", ("UADA",)),
        ("!ADMIT <@UADA>", "admit", ("UADA",)),
        ("!cc <mailto:joe@example.com|joe@example.com>", "cc", ("joe@example.com",)),
        ("!merge #12", "merge", ("12",)),
        ("!title A &amp; B", "title", ("A", "&", "B")),
        ("!note one\ntwo", "note", ("one", "two")),
    ],
)
def test_a_command(text: str, verb: str, words: tuple[str, ...]) -> None:
    found = parse(text, EMAILS)
    assert found is not None
    assert (found.verb, found.words) == (verb, words)


@pytest.mark.parametrize(
    "text",
    ["!", "!!!", "! ", "! wow", "！", "!1", "!?", "hm !close", "\\!close", "!\nclose", "¡hola!", "! (sic)"],
)
def test_an_ordinary_sentence(text: str) -> None:
    assert parse(text) is None


def test_what_follows_is_kept_as_it_was_written() -> None:
    assert rest_of("!note  one\n\n  two  ") == "one\n\n  two"
    assert rest_of("*!title New words*") == "New words"
    assert rest_of("*!title* New *words*") == "New *words*"
    assert rest_of("no command") == ""


def _typed(text: str, **more: Any) -> Any:
    ts = "1700000000.000100"
    event = {"type": "message", "channel": TRIAGE, "user": "UADA", "text": text, "ts": ts, "event_ts": ts}
    event |= {"thread_ts": "1699999999.000100"} | more
    return read_event({"type": "event_callback", "event": event}, HOME, {"UADA": ADA})


def test_the_text_of_a_note_names_people() -> None:
    command = _typed("!note ask <@UADA> &amp; wait\n• then tell")
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.text) == ("note", "ask @Ada Lovelace & wait\n• then tell")


def test_a_command_with_the_bot_named_before_it() -> None:
    command = _typed("<@UBOT> ! assign <@UADA>")
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words) == ("assign", ("ada@example.com",))


@pytest.mark.parametrize("text", ["!!! The fuse was it", "! wow", "!"])
def test_an_answer_that_begins_with_the_mark_goes_out(text: str) -> None:
    answer = _typed(text)
    assert isinstance(answer, NewMessage)
    assert answer.visible == text
