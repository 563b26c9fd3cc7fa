"""What requesters are told in Slack, in their language: texts, and the buttons that go with some. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks import Json, Look, Post, actions, button, first_words, plain, section, texts_only, titled
from bot.markup import brief, escape
from bot.staff_told import news
from core import slack_texts
from core.bundling import WHAT
from core.shapes import Outgoing
from core.status import Ticket

WORDS: Final = 600  # characters of the words that a receipt repeats
SCORES: Final = (1, 2, 3, 4, 5)

KNOWN: Final = (
    "ack",
    "resolved",
    "closed",
    "auto_closed",
    "reopened",
    "waiting",
    "merged",
    "reminder",
    "rated",
)


def told(outgoing: Outgoing, look: Look) -> Post:
    """A fixed text to a requester, in plain words; what is nobody's template comes as it is."""
    data, what = outgoing.data, str(outgoing.data.get("what") or "")
    if what == WHAT:
        return news(outgoing, look)
    if ready := data.get("text"):
        return texts_only(escape(str(ready)))
    if what not in KNOWN or outgoing.ticket is None:
        about = f": {titled(outgoing.ticket)}" if outgoing.ticket else ""
        text = f"{what.replace('_', ' ') or 'news'}{about}"
        return texts_only(escape(text[:1].upper() + text[1:]))
    texts = theirs(outgoing, look)
    ticket: Ticket = outgoing.ticket
    named = "reminder_only" if what == "reminder" and data.get("closes") is False else what
    text = texts[named].format(id=ticket.id, score=_number(data.get("score")), into=_number(data.get("into")))
    more = [*_shown(ticket, what, data), *_controls(ticket, what, data, texts)]
    return Post(text, (section(text), *more)) if more else Post(text)


def theirs(outgoing: Outgoing, look: Look) -> Mapping[str, str]:
    """Return the texts for a requester, each in the language that their queue has, else in theirs, else in the
    service's, whichever first has it."""
    return slack_texts.heard(
        look.languages_for(outgoing.queue, outgoing.language), slack_texts.TEXTS, look.texts
    )


def _shown(ticket: Ticket, what: str, data: Any) -> list[Json]:
    """What was asked, where the thread would make no sense without: a form's ticket, or one of another's message."""
    if what != "ack" or not data.get("shown"):
        return []
    blocks: list[Json] = [{"type": "section", "text": plain(titled(ticket))}]
    if words := first_words(ticket, WORDS):
        blocks.append(section(f">{words}"))
    return blocks


def _controls(ticket: Ticket, what: str, data: Any, texts: Mapping[str, str]) -> list[Json]:
    if what == "ack" and (other := _offered(data)):
        label = f"{texts['belongs'].format(other=other)}: {brief(str(data['offer'].get('title') or ''), 40)}"
        merge = button(label.removesuffix(": "), "belongs", str(other))
        return [section(texts["offer"].format()), actions(f"ticket:{ticket.id}:ack", [merge])]
    given = str(_number(data.get("score")) or "-")  # what the form chooses beforehand, where there is a score
    comment = button(texts["comment"].format(), "rate_comment", given)
    if what == "resolved" and data.get("rate"):
        stars = [button("★" * score, f"rate:{score}", str(score)) for score in SCORES]
        return [section(texts["ask"].format()), actions(f"ticket:{ticket.id}:rate", [*stars, comment])]
    if what == "rated":
        return [actions(f"ticket:{ticket.id}:rated", [comment])]
    return []


def _offered(data: Any) -> int:
    offer = data.get("offer")
    return _number(offer.get("id")) if isinstance(offer, dict) else 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
