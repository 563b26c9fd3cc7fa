"""How our texts are written, and shown: sentences that hold others, signs, braces."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import intake.email
from bot import thread_posts
from bot.sender import posts_of
from bot.staff_told import WORDS
from core import desk_texts
from core.config import parse
from core.shapes import Kind
from core.texts import load
from tests.bot.kit import NOW, message, outgoing
from tests.bot.test_texts import look_with

# What has no gaps and stands beside others of ours.
SAID_BESIDE = {
    *("late", "edited", "taken_back", "line_deleted", "line_outsider", "alert_unknown"),
    *("ask", "comment", "offer", "first", "somebody"),
}


@pytest.mark.parametrize(
    ("language", "shut", "waits", "nobody"),
    [
        (
            "en",
            "Nothing can be posted in #a, the triage channel of b: c. ",
            (
                "1 ticket waits in b for somebody to take it:",
                "2 tickets wait in b for somebody to take them:",
            ),
            "Ada assigned this to nobody.",
        ),
        (
            "de",
            "#a (Triage-Kanal von b) nimmt nichts an: c. ",
            (
                "1 Ticket wartet in b darauf, dass jemand es übernimmt:",
                "2 Tickets warten in b darauf, dass jemand sie übernimmt:",
            ),
            "Ada hat dies niemandem zugewiesen.",
        ),
        (
            "fr",
            "Rien ne peut être publié dans #a, le canal de triage de b\u00a0: c. ",
            (
                "1 ticket attend dans b que quelqu'un le prenne\u00a0:",
                "2 tickets attendent dans b que quelqu'un les prenne\u00a0:",
            ),
            "Ada a retiré l'attribution.",
        ),
        (
            "es",
            "No se puede publicar nada en #a, el canal de triaje de b: c. ",
            ("1 ticket espera en b a que alguien lo tome:", "2 tickets esperan en b a que alguien los tome:"),
            "Ada ha dejado esto sin asignar.",
        ),
    ],
)
def test_sentences_that_hold_others_read_well(
    language: str, shut: str, waits: tuple[str, str], nobody: str
) -> None:
    config = parse({"service": {"language": language}}, environ={})
    named = desk_texts.phrase("exposed_triage_named", channel="#a", queue="b")
    assert desk_texts.said(config, "exposed_shut", channel=named, why="c").startswith(shut)
    assert tuple(desk_texts.counted(config, "list_head", n, queue="b") for n in (1, 2)) == waits
    assert desk_texts.said(config, "line_unassigned", who="Ada") == nobody


@pytest.mark.parametrize("kind", ["desk", "report"])
def test_french_signs_stay_with_their_words(kind: str) -> None:
    """A line doesn't break before a colon; a command (`!close`) stands by itself."""
    loose = re.compile(r" (?:[:;?»]|!(?![\w{]))|« ")
    assert [key for key, text in load(kind)["fr"].items() if loose.search(text)] == []
    assert any("\u00a0:" in text for text in load(kind)["fr"].values())


def test_a_deadline_isn_t_called_a_goal_in_german() -> None:
    """ "Ziel erreicht" is what one is glad of."""
    ours_in_german = [*load("desk")["de"].values(), *load("report")["de"].values(), *WORDS["de"].values()]
    mail = Path(intake.email.__file__).parent / "templates" / "de" / "staff_news.txt.j2"
    assert [text for text in (*ours_in_german, mail.read_text("utf-8")) if "Ziel" in text] == []


def test_a_brace_that_is_written_twice_is_one_wherever_it_is_shown() -> None:
    """Also in texts that have no gaps: beside messages, in their place, on buttons, in personal news."""
    own = {key: f"{{{{{key}}}}}" for key in SAID_BESIDE}
    look = look_with(en=own)
    changed = replace(message("Hi", outsider=True), edited_at=NOW)
    shown = [
        posts_of(outgoing(Kind.MESSAGE, message=changed, desk=desk, overtaken=True), look)
        for desk in (True, False)
    ]
    shown += [
        thread_posts.edited(outgoing(Kind.EDIT, data={"deleted": True}, desk=desk), look)
        for desk in (True, False)
    ]
    shown += [
        posts_of(outgoing(Kind.NOTICE, desk=False, data=data), look)
        for data in (
            {"what": "ack", "offer": {"id": 11, "title": "The lamp"}},
            {"what": "resolved", "rate": True},
        )
    ]
    lines = [{"news": news, "ticket": 12, "target": "first"} for news in ("missed", "reply")]
    personal = {"what": "staff_news", "language": "en", "lines": lines}
    shown.append(posts_of(outgoing(Kind.NOTICE, desk=False, ticket=None, data=personal), look))
    shown.append(posts_of(outgoing(Kind.ALERT, data={"what": "failed"}), look))
    words = str(shown)
    assert [key for key in sorted(own) if f"{{{key}}}" not in words or f"{{{{{key}}}}}" in words] == []
