"""An operator's own words in Slack: checked when they are read, and said in place of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import aiohttp
import pytest

from bot import failures, staff_told, thread_posts, told
from bot.blocks import Look
from bot.sender import look_of, posts_of
from core import desk_texts, slack_texts
from core.config import parse
from core.config_section import ConfigError
from core.shapes import Kind
from core.slack_texts import GAPS, LONGEST, SHORT
from intake.email.texts import LANGUAGES
from tests.bot.kit import NOW, TRIAGE, message, outgoing
from tests.bot.posts import check, live

# Our texts, each by language.
OURS = (slack_texts.TEXTS, desk_texts.TEXTS)
SIGNS_ALONE = {"reason_detail"}  # nothing but gaps and signs: the same in all languages
PIECES = ("first", "next", "resolve", "somebody")  # of the desk's lines and of personal news
ROOT = Path(__file__).parents[2]
DOORS = [ROOT / "core", ROOT / "bot", ROOT / "intake"]
TEMPLATES = ROOT / "intake" / "email" / "templates"


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


@pytest.mark.parametrize("texts", OURS, ids=["slack", "desk"])
def test_every_language_has_every_text_with_the_same_gaps(texts: Mapping[str, Mapping[str, str]]) -> None:
    """And the languages are those of our mails."""

    def shape(language: str) -> dict[str, list[str]]:
        found = texts[language].items()
        return {key: sorted(n for _, n, _, _ in Formatter().parse(text) if n) for key, text in found}

    assert set(texts) == set(LANGUAGES)
    assert all(shape(language) == shape("en") for language in texts)
    for language in set(texts) - {"en"}:
        assert list(texts[language]) == list(texts["en"]), "in the same order"
        same = [key for key, text in texts[language].items() if text == texts["en"][key]]
        assert set(same) <= SIGNS_ALONE, f"{language} says these in English"


def test_targets_are_called_the_same_everywhere() -> None:
    """In Slack, where these stand once, and in mails."""
    for language in LANGUAGES:
        mail = (TEMPLATES / language / "staff_news.txt.j2").read_text("utf-8")
        for name in PIECES:
            assert staff_told.WORDS[language][name] == desk_texts.TEXTS[language][name]
            assert f'"{desk_texts.TEXTS[language][name]}"' in mail


def test_operators_can_read_which_texts_there_are() -> None:
    """Each stands in the documentation, those of reasons by how they begin."""
    page = (ROOT / "docs" / "operators" / "notices.md").read_text("utf-8")
    families = ("reason_", "forward_", "slack_", "relay_")
    assert all(f"`{family}…`" in page for family in families)
    assert [key for key in GAPS if not key.startswith(families) and f"`{key}`" not in page] == []


def test_no_text_is_left_that_nothing_says() -> None:
    """Each key stands in the code, or what it begins with does where one is chosen of several."""
    code = "".join(path.read_text("utf-8") for door in DOORS for path in sorted(door.rglob("*.py")))
    chosen, pieced = ("_one", "_other", "_shown"), {"line_tagged", "line_untagged"}
    for key in set(GAPS) - pieced:
        stem = next((key.removesuffix(end) for end in chosen if key.endswith(end)), key)
        assert re.search(rf"""["']({key}|{stem})["']""", code), key


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


def test_a_requester_is_spoken_to_in_the_queues_language_else_theirs_else_the_services() -> None:
    """As by mail: of each the first in which there are texts."""
    queues = [
        {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE},
        {
            "name": "ventes",
            "addresses": ["ventes@example.com"],
            "slack_channel": "C0VENTES",
            "language": "fr",
        },
    ]
    look = look_of(parse({"service": {"language": "de"}, "queue": queues}, environ={}))

    def language_of(theirs: str, queue: str = "support") -> str:
        made = outgoing(Kind.NOTICE, desk=False, language=theirs, data={"what": "reopened"}, queue=queue)
        (post,) = posts_of(made, look)
        return next(
            name for name, texts in slack_texts.TEXTS.items() if texts["reopened"].format(id=12) == post.text
        )

    assert language_of("") == "de", "nothing is known of them"
    assert language_of("tlh") == "de", "there are no texts in theirs"
    assert language_of("es-MX") == "es"
    assert language_of("", "ventes") == language_of("es", "ventes") == "fr"
    assert language_of("", "gone") == "de", "a queue that isn't configured is the first one"
    plain = look_of(parse({"service": {"language": "tlh"}}, environ={}))
    made = outgoing(Kind.NOTICE, desk=False, language="", data={"what": "reopened"})
    assert posts_of(made, plain)[0].text == slack_texts.TEXTS["en"]["reopened"].format(id=12)


def test_one_text_of_an_operators_own_language_does_not_capture_all_who_speak_it() -> None:
    """What they left out in it is said in the service's language; a section without any text counts for nothing."""
    own = {
        "nl": {"line_status": "x", "resolved": "Klaar: #{id}!"},
        "pl": {},
        "en": {"reopened": "Again: #{id}"},
    }
    service = {"service": {"language": "de"}, "slack": {"texts": own}}
    config = parse(service, environ={})
    look = look_of(config)
    german = slack_texts.TEXTS["de"]
    assert said(look, "nl", what="resolved") == "Klaar: #12!"
    for theirs in ("nl-BE", "pl", "tlh"):
        assert said(look, theirs, what="closed") == german["closed"].format(id=12)
        noted = desk_texts.heard(config, "noted", [None, theirs], score=4)
        assert noted == desk_texts.TEXTS["de"]["noted"].format(score=4)
    dutch = {"slack": {"texts": {"nl": {"noted": "Dank: {score}"}}}}
    assert desk_texts.heard(parse(service | dutch, environ={}), "noted", ["nl"], score=4) == "Dank: 4"
    polish = look_of(parse(service | {"service": {"language": "pl"}}, environ={}))
    assert said(polish, "pl", what="reopened") == "Again: #12"


def test_a_section_without_texts_leaves_the_desk_the_operators_english() -> None:
    own = {"pl": {}, "en": {"line_unsnoozed": "{who} is back"}}
    config = parse({"service": {"language": "pl"}, "slack": {"texts": own}}, environ={})
    assert desk_texts.said(config, "line_unsnoozed", who="Ada") == "Ada is back"


@pytest.mark.parametrize("desk", [True, False], ids=["staff", "requester"])
def test_what_is_said_of_a_message_is_in_its_readers_language(desk: bool) -> None:
    """Staff read the service's, requesters theirs: that it was edited, came late, goes on or is gone."""
    look = look_of(
        parse({"service": {"language": "de"}, "slack": {"texts": {"de": {"late": "spät!"}}}}, environ={})
    )
    changed = replace(message("word " * 9_000), edited_at=NOW)
    whole = outgoing(Kind.MESSAGE, message=changed, desk=desk, overtaken=True, language="fr")
    shown = str(posts_of(whole, look)).replace(r"\xa0", "\xa0")
    ours = slack_texts.TEXTS["de" if desk else "fr"]
    assert ours["edited"] in shown
    assert f":hourglass: {'spät!' if desk else ours['late']}" in shown
    assert ours["goes_on"].format(file="message.txt") in shown
    taken = outgoing(Kind.EDIT, data={"deleted": True}, desk=desk, language="fr")
    (gone,) = thread_posts.edited(taken, look)
    words = desk_texts.TEXTS["de"]["line_deleted"] if desk else ours["taken_back"]
    assert f"_{words}_" in gone.text


def test_a_threads_posts_are_in_the_services_language() -> None:
    """What failed, where a ticket went, who wrote without taking part, or as somebody else."""
    own = {"de": {"line_goes_on": "Weiter in {channel} <!here> & dort"}}
    look = look_of(parse({"service": {"language": "de"}, "slack": {"texts": own}}, environ={}))

    def post_of(kind: Kind, **data: Any) -> str:
        (post,) = posts_of(outgoing(kind, data=data), look)
        return post.text

    failed = {"what": "failed", "delivery_id": 9}
    assert "Nicht zugestellt an bob@example.com: voll" in post_of(
        Kind.ALERT, **failed, to="bob@example.com", reason="voll"
    )
    assert desk_texts.TEXTS["de"]["alert_unknown"] in post_of(Kind.ALERT, **failed)
    gone = post_of(Kind.NOTICE, what="moved", channel="T1/C0BILLING1")
    assert gone == ":arrow_right: Weiter in <#C0BILLING1> &lt;!here&gt; &amp; dort"
    stranger = outgoing(
        Kind.MESSAGE, message=replace(message("Hi"), outsider=True), data={"claims": "ada@example.com"}
    )
    shown = str(posts_of(stranger, look))
    assert "nichts beweist, dass dies von ada@example.com ist" in shown
    assert desk_texts.TEXTS["de"]["line_outsider"] in shown


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_what_slacks_refusals_mean_is_said_in_every_language(language: str) -> None:
    """English where nobody reads it but operators; what Slack adds of its own stays."""
    config = parse({"service": {"language": language}}, environ={})
    for error, words in {**failures.NEVER, **failures.TOKEN, **failures.DENIED, **failures.BUSY}.items():
        reason = failures.from_answer("chat.postMessage", 200, error, detail="").reason
        assert str(reason) == str(words)
        assert desk_texts.in_words(config, reason) == desk_texts.TEXTS[language][words.key]
    refused = failures.from_answer("chat.postMessage", 200, "something_new", detail="/blocks/1").reason
    assert refused == "Slack refuses chat.postMessage: something_new (/blocks/1)"
    ours = desk_texts.TEXTS[language]["slack_refuses"].format(
        method="chat.postMessage", error="something_new"
    )
    assert desk_texts.in_words(config, refused) == f"{ours} (/blocks/1)"
    assert desk_texts.in_words(config, "550 no such user") == "550 no such user"


ANSWERS: list[tuple[int, str | None]] = [
    (429, None),
    (500, None),
    (502, None),
    (200, None),
    *(
        (200, error)
        for error in ("ratelimited", "fatal_error", "request_timeout", "missing_scope", "no_permission")
    ),
]


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize("detail", ["", "needed: chat:write"])
def test_so_is_what_slack_answers_beside_them(language: str, detail: str) -> None:
    """Its method, its status and what it adds stay."""
    config = parse({"service": {"language": language}}, environ={})
    found = [
        failures.from_answer(method, status, error, detail=detail)
        for method in ("chat.postMessage", "chat.update")
        for status, error in ANSWERS
    ]
    refused = aiohttp.ClientConnectorError(connection_key=None, os_error=OSError("no route"))  # type: ignore[arg-type]
    found += [failures.from_exception("chat.postMessage", exc) for exc in (refused, TimeoutError())]
    for failure in found:
        assert isinstance(failure.reason, desk_texts.Phrase)
        said = desk_texts.in_words(config, failure.reason)
        assert said != failure.reason
        for kept in ("chat.postMessage", "chat.update", "chat:write", "502", "fatal_error"):
            assert (kept in said) is (kept in failure.reason)


# What these say in English alone the desk isn't told: a delivery ends that nobody wants any more, a bug, no delivery.
UNTOLD = {"core/outgoing.py", "bot/staff.py", "bot/sender.py"}


def test_why_something_fails_is_a_text_of_ours() -> None:
    """So that the desk is told in its language: no failure is raised with words that stand in the code."""
    kinds = {"TemporaryFailure", "PermanentFailure", "UnknownOutcome", "Ailing", "Suppressed"}
    found = set()
    for path in (path for door in DOORS for path in door.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            if node.func.id in kinds and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == UNTOLD


def test_their_words_come_before_ours() -> None:
    """By language; what they left out is ours; a language that we don't speak falls back to English."""
    look = look_with(
        de={"resolved": "Fertig: #{id}!", "reply": "{by} schrieb zu #{id}"}, nl={"resolved": "Klaar: #{id}!"}
    )
    assert said(look, "de-AT", what="resolved") == "Fertig: #12!"
    assert said(look, "nl", what="resolved") == "Klaar: #12!"
    assert said(look, "nl", what="reopened") == slack_texts.TEXTS["en"]["reopened"].format(id=12)
    assert said(look, "de", what="reopened") == slack_texts.TEXTS["de"]["reopened"].format(id=12)
    assert said(look, "fr", what="resolved") == slack_texts.TEXTS["fr"]["resolved"].format(id=12)
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
        ({"de": {"comment": "Noch\netwas"}}, "slack.texts.de.comment: it has more than one line"),
        ({"de": {"late": "spät\u2028!"}}, "it has more than one line"),
        ({"de": {"list_subject": "{queue}\n"}}, "it has more than one line"),
        ({"de": {"resolved": "Fertig\a"}}, "slack.texts.de.resolved: it has a control character, U+0007"),
        ({"de": {"line_merged": "\x1b[2J{who}"}}, "it has a control character, U+001B"),
        ({"de": {"unreadable": "a\rb"}}, "it has a control character, U+000D"),
        ({"de": {"resolved": 7}}, "slack.texts.de.resolved"),
    ],
)
def test_what_cannot_be_said_is_refused(texts: Any, why: str) -> None:
    """When the configuration is read, with the key and what it may have."""
    with pytest.raises(ConfigError) as refused:
        parse({"slack": {"texts": texts}}, environ={})
    assert why in str(refused.value)


def test_a_text_that_has_room_may_have_two_lines() -> None:
    assert said(look_with(de={"resolved": "Fertig: #{id}!\nDanke."}), "de", what="resolved").endswith(
        "!\nDanke."
    )


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
        stranger = replace(message("Hi"), outsider=True)
        for post in posts_of(outgoing(Kind.MESSAGE, message=stranger, data={"claims": "&" * 300}), look):
            check(post)
        if key not in PIECES:
            return
    if key in (*staff_told.NEWS, "more", *PIECES):
        news = key if key in staff_told.NEWS else "missed"
        item = {"news": news, "ticket": 12, "title": "&" * 300, "target": key}
        item |= {"by": "" if key == "somebody" else "&" * 300, "to": "&" * 300, "reason": "&" * 300}
        said(look, "en", what="staff_news", language="en", lines=[item] * 3, more=2)
        return
    for desk in (True, False):
        changed = replace(message("word " * 9_000), edited_at=NOW)
        for post in posts_of(outgoing(Kind.MESSAGE, message=changed, desk=desk, overtaken=True), look):
            check(post)
        gone = outgoing(Kind.EDIT, data={"deleted": True}, desk=desk)
        check(*thread_posts.edited(gone, look))
    what = key if key in told.KNOWN else {"reminder_only": "reminder", "ask": "resolved"}.get(key, "ack")
    offer = {"id": 11, "title": "The lamp"}
    said(look, "en", what=what, rate=True, score=4, closes=False, offer=offer, into=13, shown=True)
    said(look, "en", what="resolved", rate=True)
