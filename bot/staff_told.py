"""What a member of the staff is told personally in Slack: their news, a line each, in the service's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks import NAME, Look, Post, section
from bot.markup import FALLBACK_LIMIT, brief, escape, fallback
from core import desk_texts, slack_texts
from core.shapes import Outgoing

REASON: Final = 160
ROOM: Final = 9_000  # characters of all lines
# What targets and somebody are called is among the desk's, as its lines say that too.
WORDS: Final = {
    language: {**desk_texts.TEXTS[language], **texts} for language, texts in slack_texts.TEXTS.items()
}
TARGETS: Final = ("first", "next", "resolve")
NEWS: Final = ("assigned", "reply", "near", "missed", "failed")


def news(outgoing: Outgoing, look: Look) -> Post:
    """Somebody's news: what others wrote in it isn't live."""
    data = outgoing.data
    texts = slack_texts.spoken(str(data.get("language") or ""), WORDS, look.texts)
    said, left = [escape(worded(line, texts)) for line in data.get("lines") or ()], int(data.get("more") or 0)
    while sum(map(len, said)) > ROOM:  # what is full of signs that Slack wants written out
        said.pop()
        left += 1
    if left:
        said.append(texts["more"].format(n=left))
    mark = "• " if len(said) > 1 else ""
    whole = "\n".join(mark + line for line in said)
    if len(whole.encode()) <= FALLBACK_LIMIT:
        return Post(whole)
    return Post(fallback(whole), tuple(section(mark + line) for line in said), whole)


def worded(line: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """Say a piece of news in one line."""
    times, target = int(line.get("times") or 1), line.get("target")
    return texts[str(line["news"])].format(
        id=line["ticket"],
        title=brief(str(line.get("title") or ""), NAME),
        by=brief(str(line.get("by") or ""), NAME) or texts["somebody"].format(),
        times=f" ({times}×)" if times > 1 else "",
        target=texts[target].format() if target in TARGETS else "",
        due=str(line.get("due") or ""),
        to=brief(str(line.get("to") or ""), NAME),
        reason=brief(str(line.get("reason") or ""), REASON),
    )
