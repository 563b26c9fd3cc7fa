"""What staff are told personally: a line for each piece of news, in the service's language, with nothing live in it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.blocks import Look
from bot.sender import posts_of
from bot.staff_told import NEWS
from core.hearing import News
from core.shapes import Kind
from tests.bot.kit import outgoing
from tests.bot.posts import check, live, transcript

LOOK = Look("", "Acme Support")


def shown(*lines: dict[str, Any], language: str = "en", more: int = 0) -> str:
    data = {"what": "staff_news", "language": language, "lines": list(lines), "more": more}
    (post,) = posts_of(outgoing(Kind.NOTICE, desk=False, data=data, ticket=None), LOOK)
    check(post)
    assert live([post]) == []
    return post.whole or post.text


def line(news: str, ticket: int = 12, **more: Any) -> dict[str, Any]:
    about = {"to": "zoe@example.net", "reason": "550 no such user", "target": "first", "due": "09:30 (UTC)"}
    return {"news": news, "ticket": ticket, "title": "The <!channel> lamp", "by": "Zoe", **about, **more}


def test_there_are_words_for_all_news() -> None:
    assert set(NEWS) == {str(news) for news in News} - {"new"}, "of a new one the desk's own mail tells"


@pytest.mark.parametrize("language", ["en", "de-AT", "fr", "es", "tlh", ""])
@pytest.mark.parametrize("news", NEWS)
def test_each_piece_has_words(news: str, language: str) -> None:
    said = shown(line(news), language=language)
    assert said.startswith("#12 The &lt;!channel&gt; lamp")
    assert "{" not in said


def test_several_are_a_list() -> None:
    said = shown(
        line("assigned"), line("reply", 13, times=3), line("missed", 14), line("reply", by=""), more=4
    )
    assert said.splitlines() == [
        "• #12 The &lt;!channel&gt; lamp: assigned to you by Zoe",
        "• #13 The &lt;!channel&gt; lamp: Zoe wrote (3\N{MULTIPLICATION SIGN})",
        "• #14 The &lt;!channel&gt; lamp: target missed, the first response was due 09:30 (UTC)",
        "• #12 The &lt;!channel&gt; lamp: somebody wrote",
        "• and 4 more",
    ]


@pytest.mark.parametrize(("letter", "left"), [("x", 9), ("&", 24)])
def test_twenty_long_ones_fit(letter: str, left: int) -> None:
    """Nothing is cut off; what has no room is counted."""
    long = {"title": letter * 300, "reason": letter * 300, "to": letter * 300}
    data = {"what": "staff_news", "lines": [line("failed", n, **long) for n in range(20)], "more": 9}
    (post,) = posts_of(outgoing(Kind.NOTICE, desk=False, data=data, ticket=None), LOOK)
    check(post)
    assert transcript(post).rstrip().endswith(f"and {left} more")
