"""The forms: within Slack's limits whatever stands in them, and what they ask for."""

from __future__ import annotations

from typing import Any

import pytest

from bot import form_views
from bot.form_reading import About, first_field
from core.shapes import Priority
from sandbox.blocks import check_view
from tests.bot.kit import ticket
from tests.bot.posts import walk

Json = dict[str, Any]
NASTY = "<!here><@U1><#C1> *_`& é" * 300
QUEUES = ("support", "billing")
ABOUT = About(ticket=12, place="T1/C1#17.1")


def fields(view: Json) -> list[str]:
    """The fields of a form, in their order; optional ones in brackets."""
    found = [block for block in view["blocks"] if block["type"] == "input"]
    return [f"[{b['block_id']}]" if b["optional"] else b["block_id"] for b in found]


def every_form() -> list[Json]:
    others = [ticket(id=n, title=NASTY) for n in range(1, 150)]
    message = About(channel="C1", ts="17.1", author="U1")
    return [
        form_views.new_ticket(About(), QUEUES, title=NASTY, words=NASTY, queue="billing", staff=True),
        form_views.new_ticket(About(), ["support"]),
        form_views.make_ticket(message, [f"q{n}" for n in range(150)], NASTY, title=NASTY),
        form_views.make_ticket(About(own=True), QUEUES, NASTY, title=NASTY),
        form_views.make_ticket(message, QUEUES, ""),
        form_views.merge(ABOUT),
        form_views.merge(ABOUT, others),
        form_views.queue(ABOUT, QUEUES),
        form_views.snooze(ABOUT),
        form_views.title(ABOUT, NASTY),
        form_views.title(ABOUT, ""),
        form_views.note(ABOUT),
        form_views.spam(ABOUT),
        form_views.rate(ABOUT),
        form_views.rate(ABOUT, "4"),
        form_views.loading("title", "Edit title", ABOUT),
        form_views.told("Not now", NASTY),
    ]


@pytest.mark.parametrize("view", every_form(), ids=lambda view: str(view["callback_id"]))
def test_within_the_limits_and_nothing_live(view: Json) -> None:
    """PLATFORM 2.8, with the longest and worst that people write."""
    assert check_view(view) == []
    for text in walk(view):
        if text.get("type") == "mrkdwn":
            assert "<!" not in text["text"]
            assert "<@" not in text["text"]
        if text.get("type") == "plain_text":
            assert "<!" not in text["text"]


def test_a_new_ticket_asks_for_no_more_than_it_needs() -> None:
    """One queue is no choice; only staff open tickets for others; nothing but the title must be there."""
    one = form_views.new_ticket(About(), ["support"])
    assert fields(one) == ["title", "[description]", "[priority]", "[files]"]
    staff = form_views.new_ticket(About(), QUEUES, title="Printer", queue="billing", staff=True)
    assert fields(staff) == ["title", "[description]", "[priority]", "[queue]", "[files]", "[for]"]
    assert staff["blocks"][0]["element"]["initial_value"] == "Printer"
    assert staff["blocks"][3]["element"]["initial_option"]["value"] == "billing"
    assert staff["blocks"][2]["element"]["initial_option"]["value"] == Priority.NORMAL


def test_a_message_is_shown_or_handed_over() -> None:
    """A ticket of the message itself shows its words; the asker's own has them to change."""
    shown = form_views.make_ticket(About(channel="C1", ts="1.1"), QUEUES, "It *burns*", title="It burns")
    assert "description" not in str(fields(shown))
    assert shown["blocks"][1]["text"]["text"] == "It *burns*"
    own = form_views.make_ticket(About(own=True), QUEUES, "> It burns", title="It burns")
    assert fields(own)[:2] == ["title", "[description]"]
    assert own["blocks"][2]["element"]["initial_value"] == "> It burns"


def test_metadata_holds_what_it_is_about() -> None:
    """PLATFORM 2.4: ids only."""
    assert form_views.note(ABOUT)["private_metadata"] == '{"ticket":12,"place":"T1/C1#17.1"}'
    assert form_views.new_ticket(About(), QUEUES)["private_metadata"] == "{}"


def test_a_rating_keeps_what_was_pressed() -> None:
    """The star that was clicked is chosen already; what none has stays open."""
    score = form_views.rate(ABOUT, "4")["blocks"][0]["element"]
    assert score["initial_option"]["value"] == "4"
    assert "initial_option" not in form_views.rate(ABOUT, "9")["blocks"][0]["element"]


def test_where_a_word_to_the_whole_form_goes() -> None:
    """Below the first field; the question whether it is spam has none."""
    assert first_field(form_views.new_ticket(About(), QUEUES)) == "title"
    assert first_field(form_views.note(ABOUT)) == "note"
    assert first_field(form_views.spam(ABOUT)) == ""
