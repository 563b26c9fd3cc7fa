"""An operator's own words in Slack: checked when they are read, and said in place of ours."""

from __future__ import annotations

from string import Formatter
from typing import Any

import pytest

from bot import staff_told, told
from bot.blocks import Look
from bot.sender import look_of, posts_of
from core import desk_texts
from core.config import parse
from core.config_section import ConfigError
from core.shapes import Kind
from core.slack_texts import GAPS, LONGEST, SHORT
from intake.email.texts import LANGUAGES
from tests.bot.kit import outgoing
from tests.bot.posts import check, live

# Our texts, each by language.
OURS = (told.TEXTS, staff_told.TEXTS, desk_texts.TEXTS)


def look_with(**texts: dict[str, str]) -> Look:
    """What posts share where the configuration has these texts."""
    return look_of(parse({"slack": {"texts": texts}}, environ={}))


def said(look: Look, speaks: str, /, **data: Any) -> str:
    ticketless = {"ticket": None} if data["what"] == "staff_news" else {}
    made = outgoing(Kind.NOTICE, desk=False, language=speaks, data=data, **ticketless)
    (post,) = posts_of(made, look)
    check(post)
    return post.text


def test_each_of_ours_can_be_replaced_and_nothing_else() -> None:
    """The table of gaps is that of our own texts."""
    ours = {key: text for texts in OURS for key, text in texts["en"].items()}
    assert len(ours) == sum(len(texts["en"]) for texts in OURS), "no name means two things"
    gaps = {key: {name for _, name, _, _ in Formatter().parse(text) if name} for key, text in ours.items()}
    assert gaps == {key: set(names) for key, names in GAPS.items()}


@pytest.mark.parametrize("texts", OURS, ids=["told", "staff_told", "desk_texts"])
def test_every_language_has_every_text_with_the_same_gaps(texts: dict[str, dict[str, str]]) -> None:
    """And the languages are those of our mails."""

    def shape(language: str) -> dict[str, list[str]]:
        found = texts[language].items()
        return {key: sorted(n for _, n, _, _ in Formatter().parse(text) if n) for key, text in found}

    assert set(texts) == set(LANGUAGES)
    assert all(shape(language) == shape("en") for language in texts)
    for language in set(texts) - {"en"}:
        same = [key for key, text in texts[language].items() if text == texts["en"][key]]
        assert same == [], f"{language} says these in English"


def test_targets_are_called_the_same_everywhere() -> None:
    for language, names in desk_texts.TARGETS.items():
        assert names == {name: staff_told.TEXTS[language][name] for name in names}


def test_the_desks_lines_are_in_the_services_language() -> None:
    """The operator's words before ours, what was typed as it is; no gap is left, whatever the language."""
    own = {"de": {"line_title": "{who}: {title}", "first": "Erstantwort"}}
    german = parse({"service": {"language": "de"}, "slack": {"texts": own}}, environ={})
    assert desk_texts.said(german, "line_title", who="Ada", title="{who} {0} %s") == "Ada: {who} {0} %s"
    assert desk_texts.said(german, "line_unsnoozed", who="Ada") == "Ada hat die Zurückstellung beendet."
    assert desk_texts.target(german, "first") == "Erstantwort"
    assert desk_texts.target(german, "resolve") == "Lösung"
    for language in (*LANGUAGES, "ja"):
        config = parse({"service": {"language": language}}, environ={})
        for key in desk_texts.TEXTS["en"]:
            line = desk_texts.said(config, key, **dict.fromkeys(GAPS[key], "x"))
            assert not set("{}") & set(line)


def test_their_words_come_before_ours() -> None:
    """By language; what they left out is ours; a language that we don't speak falls back to English."""
    look = look_with(
        de={"resolved": "Fertig: #{id}!", "reply": "{by} schrieb zu #{id}"}, nl={"resolved": "Klaar: #{id}!"}
    )
    assert said(look, "de-AT", what="resolved") == "Fertig: #12!"
    assert said(look, "nl", what="resolved") == "Klaar: #12!"
    assert said(look, "nl", what="reopened") == told.TEXTS["en"]["reopened"].format(id=12)
    assert said(look, "de", what="reopened") == told.TEXTS["de"]["reopened"].format(id=12)
    assert said(look, "fr", what="resolved") == told.TEXTS["fr"]["resolved"].format(id=12)
    assert said(look_with(en={"resolved": "Done: #{id}"}), "tlh", what="resolved") == "Done: #12"


def test_staff_too_and_nothing_becomes_live() -> None:
    """What others wrote stays text in a text of the operator's; braces in it are braces."""
    look = look_with(en={"reply": "{by} wrote in {title} (#{id}){times} {{}}"})
    line = {"news": "reply", "ticket": 12, "title": "<!channel> {by}", "by": "Zoe {id}"}
    made = said(look, "en", what="staff_news", language="en", lines=[line])
    assert made == "Zoe {id} wrote in &lt;!channel&gt; {by} (#12) {}"
    data = {"what": "staff_news", "language": "en", "lines": [line]}
    assert live(posts_of(outgoing(Kind.NOTICE, desk=False, ticket=None, data=data), look)) == []


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"de": {"resolvd": "x"}}, "no text 'resolvd'; did you mean resolved"),
        ({"de": {"resolved": "Fertig {into}"}}, r"a gap {into}; it may have {id}"),
        ({"de": {"ask": "{id}?"}}, "it has no gaps"),
        ({"de": {"resolved": "{id.__class__}"}}, "a gap {id.__class__}"),
        ({"de": {"resolved": "{id!r}"}}, "a gap {id}"),
        ({"de": {"resolved": "{id:>99999999}"}}, "a gap {id}"),
        ({"de": {"resolved": "{}"}}, "a gap {}"),
        ({"de": {"reply": "{title} {title}"}}, "the gap {title} twice"),
        ({"de": {"resolved": "100 } of it"}}, "a brace stands alone"),
        ({"de": {"resolved": "  "}}, "it is empty"),
        ({"de": {"resolved": "x" * 1_001}}, "longer than 1,000"),
        ({"de": {"comment": "x" * 76}}, "longer than 75"),
        ({"German": {"resolved": "x"}}, "'German' is no language"),
        ({"de": {"resolved": 7}}, "slack.texts.de.resolved"),
    ],
)
def test_what_cannot_be_said_is_refused(texts: Any, why: str) -> None:
    """When the configuration is read, with the key and what it may have."""
    with pytest.raises(ConfigError) as refused:
        parse({"slack": {"texts": texts}}, environ={})
    assert why in str(refused.value)


@pytest.mark.parametrize("key", sorted(GAPS))
def test_the_longest_texts_fit(key: str) -> None:
    """Whatever is as long as it may be makes a post that Slack takes."""
    filled = "".join(f"{{{gap}}}" for gap in sorted(GAPS[key]))
    look = look_with(en={key: "&" * (SHORT.get(key, LONGEST) - len(filled)) + filled})
    if key in desk_texts.TEXTS["en"]:
        longest = parse({"slack": {"texts": dict(look.texts)}}, environ={})
        line = desk_texts.said(longest, key, **dict.fromkeys(GAPS[key], "&" * 300))
        for post in posts_of(outgoing(Kind.NOTICE, data={"what": "line", "text": line}), look):
            check(post)
        return
    if key in staff_told.TEXTS["en"]:
        news = key if key in staff_told.NEWS else "missed"
        line = {"news": news, "ticket": 12, "title": "&" * 300, "target": key}
        line |= {"by": "" if key == "somebody" else "&" * 300, "to": "&" * 300, "reason": "&" * 300}
        said(look, "en", what="staff_news", language="en", lines=[line] * 3, more=2)
        return
    what = key if key in told.KNOWN else {"reminder_only": "reminder", "ask": "resolved"}.get(key, "ack")
    offer = {"id": 11, "title": "The lamp"}
    said(look, "en", what=what, rate=True, score=4, closes=False, offer=offer, into=13, shown=True)
    said(look, "en", what="resolved", rate=True)
