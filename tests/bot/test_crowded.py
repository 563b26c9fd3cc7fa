"""Messages with more formatting than is worth the wait: the words come, the formatting doesn't, nobody waits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from bot import rich_in
from bot.markup import plain_text
from bot.read import read_event
from core.shapes import NewMessage
from tests.bot.kit import HOME

LENGTH = 40_000  # characters of Slack's longest message
CALLS = 100_000  # of functions and generators: about 30 ms

Json = dict[str, Any]


def of_text(text: str) -> Json:
    return {"text": text}


def of_elements(*elements: Json) -> Json:
    return {"text": "", "blocks": [{"type": "rich_text", "elements": list(elements)}]}


def section(*elements: Json) -> Json:
    return {"type": "rich_text_section", "elements": list(elements)}


def word(number: int = 0) -> Json:
    return {"type": "text", "text": "word", "style": {"bold": number % 2 == 0}}


CROWDED = {
    "numbers": of_text("1. a\n" * (LENGTH // 5)),
    "items": of_text("• a\n" * (LENGTH // 4)),
    "quotes": of_text("&gt; a\n" * (LENGTH // 7)),
    "fences": of_text("```a" * (LENGTH // 4)),
    "an odd fence": of_text("```" + "a\n" * (LENGTH // 2)),
    "marks in marks": of_text("*_~" * (LENGTH // 6) + "a" + "~_*" * (LENGTH // 6)),
    "many in marks": of_text("*_~a~_* " * (LENGTH // 8)),
    "lines": of_text("\n" * LENGTH + "a"),
    "runs": of_elements(section(*(word(n) for n in range(8_000)))),
    "sections": of_elements(*(section(word(n)) for n in range(2_000))),
    "quoted": of_elements(
        *(
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "a\n" * 10}]}
            for _ in range(2_000)
        )
    ),
    "lists": of_elements(
        *(
            {"type": "rich_text_list", "style": "bullet", "indent": n % 9, "elements": [section(word())]}
            for n in range(2_000)
        )
    ),
}


def calls_of(work: Callable[[], object]) -> int:
    """How many calls a piece of work makes: what it costs, without a clock."""
    made = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal made
        made += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return made


@pytest.mark.parametrize("message", CROWDED.values(), ids=CROWDED)
def test_nobody_waits_for_it(message: Json) -> None:
    inner = {"type": "message", "channel": "D1", "user": "UANN", "ts": "2.0"} | message
    payload = {"type": "event_callback", "event": inner}
    assert calls_of(lambda: read_event(payload, HOME, {})) < CALLS
    read = read_event(payload, HOME, {})
    assert isinstance(read, NewMessage)
    assert read.rich is None
    wanted = "word" if message.get("blocks") and "word" in str(message) else "a"
    assert read.text.count(wanted) == plain_text(message, {}).count(wanted) > 0


def test_what_people_write_keeps_its_look() -> None:
    item = {"type": "rich_text_list", "style": "ordered", "elements": [section(word()) for _ in range(200)]}
    code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1\n" * 600}]}
    shown = rich_in.html_of(of_elements(section(word(), word(1)), item, code), {})
    assert shown is not None
    assert (shown.count("<li>"), shown.count("x = 1")) == (200, 600)
    assert rich_in.html_of(of_text("*bold* and `code`\n" * 300), {}) is not None
