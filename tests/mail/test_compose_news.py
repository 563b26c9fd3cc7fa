"""A mail with somebody's news: no ticket's, in the service's language, with what ends such mails."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from core.shapes import Kind, Outgoing
from intake.email.compose import compose_mail
from intake.email.texts import LANGUAGES
from tests.mail.test_compose import CONTEXT, outgoing

URL = "https://desk.example.com/unsubscribe/token"


def news(*lines: dict[str, Any], more: int = 0, url: str = URL) -> Outgoing:
    data = {"what": "staff_news", "lines": list(lines), "more": more, "unsubscribe": url, "automatic": True}
    made = outgoing(Kind.NOTICE, desk=True, data=data, message=None)
    return replace(made, ticket=None, requester=None, place="ben@example.com", mail_ids=())


def line(kind: str, ticket: int = 12, **more: Any) -> dict[str, Any]:
    return {"news": kind, "ticket": ticket, "title": "The printer", "by": "Zoe", **more}


def read(made: Outgoing, language: str = "en") -> tuple[Any, str]:
    mail = compose_mail(made, replace(CONTEXT, language=language, base_url="https://desk.example.com"))
    parsed: Any = message_from_bytes(mail.content, policy=default)
    return parsed, parsed.get_body(("plain",)).get_content()


def test_one_piece() -> None:
    """The subject names the ticket; an answer goes nowhere near it."""
    parsed, text = read(news(line("assigned")))
    assert parsed["Subject"] == "#12 The printer"
    assert "#12 The printer: assigned to you by Zoe" in text
    assert "https://desk.example.com/tickets/12" in text
    assert parsed["Reply-To"] is None
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["List-Unsubscribe"] == f"<{URL}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Your answer to this mail goes to the requester" not in text


def test_several() -> None:
    due = {"target": "resolve", "due": "2026-03-18 09:30 (UTC)"}
    failed = {"to": "zoe@example.net", "reason": "550 no\r\nsuch user"}
    parsed, text = read(
        news(line("reply", by="", times=2), line("near", 13, **due), line("failed", **failed), more=3)
    )
    assert parsed["Subject"] == "News about your tickets"
    assert "#12 The printer: somebody wrote (2\N{MULTIPLICATION SIGN})" in text
    assert "#13 The printer: target near, the resolution is due 2026-03-18 09:30 (UTC)" in text
    assert "not delivered to zoe@example.net: 550 no such user" in text
    assert "And 3 more." in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["assigned", "reply", "near", "missed", "failed"])
def test_each_language(kind: str, language: str) -> None:
    about = {"target": "first", "due": "09:30", "to": "zoe@example.net", "reason": "550"}
    _, text = read(news(line(kind, **about), line(kind, 13, **about), url=""), language)
    assert text.count("The printer") == 2
    english = read(news(line(kind, **about), line(kind, 13, **about), url=""))[1]
    assert (text == english) is (language == "en")


def test_no_link_no_header() -> None:
    for url in ("", "https://x.example/\r\nBcc: eve@example.net", "mailto:x@example.com"):
        assert read(news(line("reply"), url=url))[0]["List-Unsubscribe"] is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_words_say_how_to_end_them(language: str) -> None:
    """In every language, and only where there is a link."""
    assert URL in read(news(line("assigned")), language)[1]
    assert "unsubscribe" not in read(news(line("assigned"), url=""), language)[1]
