"""Text in both directions: what people read, and nothing live of theirs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import bang
from bot.markup import brief, escape, fallback, from_mrkdwn, mentioned, messages, plain_text, split, unescape

NAMES = {"U1": "Ann"}


@pytest.mark.parametrize(
    ("mrkdwn", "plain"),
    [
        ("<@U1> hi", "@Ann hi"),
        ("<@U1|ann>", "@Ann"),
        ("<@U2|bob>", "@bob"),
        ("<@U2>", "@U2"),
        ("<#C1|general>", "#general"),
        ("<#C1>", "#C1"),
        ("<!subteam^S1|@ops>", "@ops"),
        ("<!subteam^S1>", "@S1"),
        ("<!here>", "@here"),
        ("<!channel|channel>", "@channel"),
        ("<!date^1700000000^{date}|14 Nov>", "14 Nov"),
        ("<https://a.example/?a=1&amp;b=2>", "https://a.example/?a=1&b=2"),
        ("<https://a.example|the page>", "the page (https://a.example)"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<tel:+491|+491>", "+491"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
    ],
)
def test_tokens_and_entities(mrkdwn: str, plain: str) -> None:
    assert from_mrkdwn(mrkdwn, NAMES) == plain


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"text": "", "blocks": [{"type": "rich_text", "elements": list(elements)}]}


def section(*elements: dict[str, Any], kind: str = "rich_text_section", **more: Any) -> dict[str, Any]:
    return {"type": kind, "elements": list(elements), **more}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_rich_text_is_read_where_the_text_is_empty() -> None:
    message = rich(
        section(text("Hello "), {"type": "user", "user_id": "U1"}, text(" & co\n")),
        section(section(text("one")), section(text("two")), kind="rich_text_list", style="ordered"),
        section(section(text("sub")), kind="rich_text_list", style="bullet", indent=1),
        section(text("said\nso"), kind="rich_text_quote"),
        section(text("x = 1"), kind="rich_text_preformatted"),
        section(
            {"type": "link", "url": "https://a.example", "text": "page"},
            {"type": "emoji", "name": "wave", "unicode": "1f44b"},
            {"type": "emoji", "name": "party_parrot"},
            {"type": "broadcast", "range": "here"},
            {"type": "channel", "channel_id": "C1"},
        ),
    )
    assert plain_text(message, NAMES).split("\n") == [
        "Hello @Ann & co",
        "1. one",
        "2. two",
        "  • sub",
        "> said",
        "> so",
        "x = 1",
        "page (https://a.example)👋:party_parrot:@here#C1",
    ]


def test_labels_of_the_text_name_what_rich_text_has_by_id() -> None:
    message = rich(section({"type": "channel", "channel_id": "C1"})) | {"text": "<#C1|general>"}
    assert plain_text(message, {}) == "#general"


def test_a_forwarded_message_is_quoted_and_a_preview_is_not() -> None:
    shared = {"is_share": True, "author_name": "Bob", "text": "it &lt;burns&gt;"}
    preview = {"from_url": "https://x.example", "text": "a page"}
    assert (
        plain_text({"text": "look", "attachments": [shared, preview]}, {}) == "look\n\n> Bob:\n> it <burns>"
    )


def test_mentions_are_found_in_text_and_blocks() -> None:
    message = rich(section({"type": "user", "user_id": "U1"})) | {"text": "<@U2|bob>"}
    assert mentioned(message) == {"U1", "U2"}


@pytest.mark.parametrize(
    "live", ["<!channel>", "<!here|x>", "<@U1>", "<!subteam^S1>", "<#C1>", "<https://x|y>", "&lt;!here&gt;"]
)
def test_what_goes_out_is_not_live_and_reads_the_same(live: str) -> None:
    out = escape(live)
    assert "<" not in out
    assert from_mrkdwn(out, {}) == live


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab &<>\n;x"), max_size=300), st.integers(12, 40))
def test_splitting_loses_nothing_and_cuts_no_entity(words: str, limit: int) -> None:
    pieces = split(escape(words), limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join(unescape(piece) for piece in pieces).split() == words.split() or "".join(
        "".join(unescape(piece) for piece in pieces).split()
    ) == "".join(words.split())


def test_splitting_prefers_paragraphs() -> None:
    assert split("a" * 30 + "\n\n" + "b" * 30, 40) == ["a" * 30, "b" * 30]


def test_messages_hold_a_few_pieces_each() -> None:
    parts = messages("\n\n".join("x" * 2_900 for _ in range(7)))
    assert [len(p) for p in parts] == [3, 3, 1]
    assert all(sum(map(len, p)) < 11_000 for p in parts)


def test_bounds() -> None:
    assert brief("one two three", 8) == "one two…"
    assert len(brief("x" * 500, 120)) == 120
    assert len(fallback("ü" * 4_000).encode()) <= 3_900
    assert fallback("&amp;" * 1_000).endswith(("&amp;…", "…"))
    assert "&am…" not in fallback("&amp;" * 1_000)


@pytest.mark.parametrize(
    ("typed", "verb", "words"),
    [
        ("!close", "close", ()),
        ("  !Close  ", "close", ()),
        ("! close", "close", ()),
        ("!assign <@U1>", "assign", ("ann@example.com",)),
        ("!assign <@U2|bob>", "assign", ("U2",)),
        ("!assign @ada", "assign", ("@ada",)),
        ("!merge #12", "merge", ("12",)),
        ("!admit <mailto:x@y.example|x@y.example>", "admit", ("x@y.example",)),
        ("!go <https://x.example|x>", "go", ("https://x.example",)),
        ("!priority\nhigh", "priority", ("high",)),
        ("!asign a&amp;b", "asign", ("a&b",)),
    ],
)
def test_commands(typed: str, verb: str, words: tuple[str, ...]) -> None:
    found = bang.parse(typed, {"U1": "ann@example.com"})
    assert found is not None
    assert (found.verb, found.words) == (verb, words)


@pytest.mark.parametrize("typed", ["", "!", "!!!", "!!! now", "close", "a !close", "!1"])
def test_no_commands(typed: str) -> None:
    assert bang.parse(typed) is None
