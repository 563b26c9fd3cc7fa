"""What requesters are told: in their language, with what they can do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.blocks import Look
from bot.told import KNOWN, told
from core.shapes import Kind
from core.slack_texts import TEXTS
from tests.bot.kit import outgoing
from tests.bot.posts import check, live, transcript

GOLDEN = Path(__file__).parent / "golden"
LOOK = Look("", "Acme Support")
OFFER = {"offer": {"id": 11, "title": "The <!channel> lamp"}}


@pytest.mark.parametrize("language", ["", "en", "de-AT", "fr_CH", "es", "tlh"])
@pytest.mark.parametrize("what", KNOWN)
def test_every_notice_has_words(what: str, language: str) -> None:
    data = {"what": what, "rate": True, "score": 4, "shown": True, **OFFER}
    post = told(outgoing(Kind.NOTICE, desk=False, language=language, data=data), LOOK)
    check(post)
    assert "#12" in post.text
    assert "{" not in post.text
    assert live([post]) == []
    assert post.text.startswith(TEXTS.get(language[:2], TEXTS["en"])[what][:8])


CASES: dict[str, dict[str, Any]] = {
    "ack": {"what": "ack"},
    "ack_with_an_offer": {"what": "ack", **OFFER},
    "ack_of_a_form": {"what": "ack", "shown": True},
    "resolved": {"what": "resolved"},
    "resolved_to_be_rated": {"what": "resolved", "rate": True},
    "rated": {"what": "rated", "score": 4},
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_notice_looks_as_it_was_agreed(case: str) -> None:
    post = told(outgoing(Kind.NOTICE, desk=False, data=CASES[case]), LOOK)
    assert f"{post.text}\n{transcript(post)}\n" == (GOLDEN / f"told_{case}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["line", "unheard_of", "correction", ""])
def test_what_is_no_template_has_words_all_the_same(what: str) -> None:
    check(told(outgoing(Kind.NOTICE, desk=False, data={"what": what}), LOOK))
    check(told(outgoing(Kind.DIGEST, desk=False, ticket=None, data={"what": what}), LOOK))


def test_a_ready_text_comes_whole_and_escaped() -> None:
    data = {"text": "<!here> " + "word " * 1_500}
    post = told(outgoing(Kind.NOTICE, desk=False, ticket=None, data=data), LOOK)
    check(post)
    assert live([post]) == []
    assert transcript(post).count("word") == 1_500


@pytest.mark.parametrize("offer", [None, {}, {"id": "11"}, "11"])
def test_an_offer_that_is_none_has_no_button(offer: Any) -> None:
    post = told(outgoing(Kind.NOTICE, desk=False, data={"what": "ack", "offer": offer}), LOOK)
    assert post.blocks == ()
