"""Formatting between Slack and the desk: what is read agrees with the plain text, what is posted is never live."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.markup import from_mrkdwn, plain_text
from bot.pieces import FENCE, TEXT_LIMIT, messages, split
from bot.rich_in import html_for, html_of
from bot.rich_out import BORDER, mrkdwn_of
from core import rich

NAMES = {"U1": "Ann"}


def said(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"text": "", "blocks": [{"type": "rich_text", "elements": list(elements)}]}


def section(*elements: dict[str, Any], kind: str = "section", **more: Any) -> dict[str, Any]:
    return {"type": f"rich_text_{kind}", "elements": list(elements), **more}


def text(words: str, **style: bool) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"style": style} if style else {})}


BOT = {"type": "user", "user_id": "UBOT"}


def test_a_mention_in_front_is_taken_off() -> None:
    message = said(section(BOT, text(" it "), text("burns", bold=True)))
    assert html_for(message, {"UBOT": "desk"}, "it burns") == "<p>it <b>burns</b></p>"


def test_a_sign_in_front_is_taken_off_with_its_own_look() -> None:
    message = said(section(text("note:", bold=True), text(" all "), text("good", italic=True)))
    assert plain_text(message, {}) == "note: all good"
    assert html_for(message, {}, "all good") == "<p>all <i>good</i></p>"


def test_other_words_are_never_taken_for_the_messages() -> None:
    assert html_for(said(section(text("a", bold=True))), {}, "b") is None


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "rich_text", "elements": ["x"]}],
        [{"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [3]}]}],
        [{"type": "rich_text", "elements": [{"type": "rich_text_list", "indent": "x", "elements": []}]}],
    ],
)
def test_blocks_that_are_none_of_slacks_have_no_formatting(blocks: Any) -> None:
    assert html_for({"text": "x", "blocks": blocks}, {}, "x") is None


WORDS = st.text(alphabet="ab <>&*_~`.\n\tä👍:|@#!-", max_size=15)
STYLES = st.fixed_dictionaries({}, optional={k: st.booleans() for k in ("bold", "italic", "strike", "code")})
INLINE = st.one_of(
    st.builds(lambda w, s: {"type": "text", "text": w, "style": s}, WORDS, STYLES),
    st.builds(
        lambda w, u: {"type": "link", "url": u, "text": w},
        WORDS,
        st.sampled_from(
            ["https://x.example/?a=1&b=<|>", "https://x.example/a|b", "mailto:a@b.example", "slack:x", ""]
        ),
    ),
    st.sampled_from(
        [
            {"type": "user", "user_id": "U1"},
            {"type": "emoji", "name": "a", "unicode": "1f44d"},
            {"type": "broadcast", "range": "here"},
            {"type": "channel", "channel_id": "C1"},
        ]
    ),
)
INLINES = st.lists(INLINE, max_size=4)
PARTS = st.one_of(
    st.builds(
        lambda e, k, b: section(*e, kind=k, border=b),
        INLINES,
        st.sampled_from(["section", "quote", "preformatted"]),
        st.integers(0, 1),
    ),
    st.builds(
        lambda items, style, indent, offset: section(
            *(section(*i) for i in items), kind="list", style=style, indent=indent, offset=offset
        ),
        st.lists(INLINES, max_size=3),
        st.sampled_from(["ordered", "bullet"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
)
TOKEN = re.compile(r"<((?:https?://|mailto:|tel:)[^<>|\s]+)(?:\|[^<>\n]*)?>")


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS, max_size=4))
def test_what_is_read_agrees_with_the_plain_text_and_goes_out_dead(parts: list[dict[str, Any]]) -> None:
    message = said(*parts)
    html = html_of(message, NAMES)
    if html is None:
        return
    assert rich.clean(html) == html
    assert rich.squashed(rich.plain(html)) == rich.squashed(plain_text(message, NAMES))
    out = mrkdwn_of(html)
    left = TOKEN.sub("", out)
    assert "<" not in left
    assert all(">" not in line.lstrip("> ") for line in left.split("\n"))


@settings(max_examples=100, deadline=None)
@given(WORDS)
def test_text_without_blocks_agrees_too(words: str) -> None:
    message = {"text": words}
    html = html_of(message, NAMES)
    if html is not None:
        assert rich.squashed(rich.plain(html)) == rich.squashed(plain_text(message, NAMES))


LIVE = [
    "<!channel>",
    "<!here|x>",
    "<@U1>",
    "<!subteam^S1>",
    "<#C1>",
    "<https://x.example|y>",
    "&lt;!here&gt;",
    "```<!here>```",
    "`<@U1>`",
]


@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize(
    "frame",
    [
        "<p>{}</p>",
        "<p><b>{}</b></p>",
        "<p><a href='https://x.example'>{}</a></p>",
        "<pre>{}</pre>",
        "<p><code>{}</code></p>",
        "<ul><li>{}</li></ul>",
        "<blockquote>{}</blockquote>",
        "<p><a href='https://x.example/{}'>x</a></p>",
        "<p><a href='mailto:{}'>x</a></p>",
        "<blockquote><pre>{}</pre></blockquote>",
        "<p>&lt;<b>!channel</b>&gt; {}</p>",
    ],
)
def test_nothing_of_anybodys_is_live(live: str, frame: str) -> None:
    escaped = live.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    out = mrkdwn_of(frame.format(escaped))
    left = TOKEN.sub("", out)
    assert "<" not in left
    assert ">" not in left.removeprefix("> ")
    if "href" not in frame:
        assert live.replace(FENCE, "") in from_mrkdwn(out, {}).replace(BORDER, "").replace(FENCE, "")


@pytest.mark.parametrize(
    ("html", "mrkdwn"),
    [
        ("un<b>believ</b>able", f"un{BORDER}*believ*{BORDER}able"),
        ("(<b>x</b>), <i>y</i>.", "(*x*), _y_."),
        ("<b> x </b>y", "*x* y"),
        ("<b>a<br>b</b>", "*a*\n*b*"),
        ("<b>5 * 3</b>", "5 * 3"),
        ("<b>a</b><b>b</b><i>c</i>", f"*ab*{BORDER}_c_"),
        ("<code>a`b</code>", "a`b"),
        ("<pre>a```b</pre>", f"```\na``{BORDER}`b\n```"),
        ("<p>a ``` b</p><pre>c</pre>", f"a ``{BORDER}` b\n\n```\nc\n```"),
        ("<b><a href='https://x.example'>y</a></b>", "*<https://x.example|y>*"),
        ("<a href='https://x.example'>a<b>b</b></a>", "<https://x.example|ab>"),
        ("<a href='https://x.example/a|b'>y|z</a>", "<https://x.example/a%7Cb|y|z>"),
        ("<a href='https://evil.example'>bank.example</a>", "bank.example (<https://evil.example>)"),
        (
            "<a href='https://evil.example'>https://bank.example\u200b</a>",
            "https://bank.example\u200b (<https://evil.example>)",
        ),
        (
            "<a href='https://evil.example'>b\u2060ank.example</a>",
            "b\u2060ank.example (<https://evil.example>)",
        ),
        ("<a href='https://evil.example'>bank.example.</a>", "bank.example. (<https://evil.example>)"),
        ("<a href='https://evil.example'>(bank.example)</a>", "(bank.example) (<https://evil.example>)"),
        ("<a href='https://evil.example'>to bank.example!</a>", "to bank.example! (<https://evil.example>)"),
        ("<a href='https://evil.example'>me@bank.example</a>", "me@bank.example (<https://evil.example>)"),
        (
            "<a href='mailto:me@evil.example'>me@bank.example</a>",
            "me@bank.example (<mailto:me@evil.example>)",
        ),
        (
            "<a href='https://a.example/x'>see a.example, v1.2</a>",
            "<https://a.example/x|see a.example, v1.2>",
        ),
        (
            "<a href='mailto:me@a.example?subject=x'>at a.example</a>",
            "<mailto:me@a.example?subject=x|at a.example>",
        ),
        ("<ul><li>a<ol start='9'><li>b<li>c</ol></ul>", "• a\n    9. b\n    10. c"),
        ("<blockquote>a<p>b<ul><li>c</ul></blockquote>", "> a\n>\n> b\n> • c"),
        ("<blockquote><pre>a\n\n b</pre></blockquote>", "> `a`\n>\n>  `b`"),
    ],
)
def test_mrkdwn(html: str, mrkdwn: str) -> None:
    assert mrkdwn_of(html) == mrkdwn


def fenced(html: str) -> list[str]:
    return [piece for post in messages(mrkdwn_of(html)) for piece in post]


def test_a_long_fence_is_closed_and_opened_again() -> None:
    lines = [f"line {n} &lt;x&gt;" for n in range(900)]
    pieces = fenced(f"<p>before</p><pre>{chr(10).join(lines)}</pre><p>after</p>")
    assert len(pieces) > 3
    for piece in pieces:
        assert len(piece) <= TEXT_LIMIT
        assert piece.count(FENCE) % 2 == 0
    shown = "\n".join(piece.replace(FENCE, "") for piece in pieces)
    assert [line for line in shown.split("\n") if line.startswith("line")] == lines
    assert pieces[-1].endswith("after")


def test_a_cut_never_falls_into_a_link_or_an_entity() -> None:
    link = "<a href='https://x.example/{0}'>a label with words {0}</a> &amp;&amp; "
    pieces = fenced(f"<p>{''.join(link.format(n) for n in range(400))}</p>")
    assert len(pieces) > 5
    for piece in pieces:
        assert "<" not in TOKEN.sub("", piece)
        assert not re.search(r"&(?!(?:amp|lt|gt);)", piece)


def test_a_fence_that_begins_at_the_cut_goes_whole_into_the_next_piece() -> None:
    text = "x" * 2_980 + "\n\n```\n" + "code\n" * 20 + "```"
    pieces = split(text)
    assert pieces[0] == "x" * 2_980
    assert pieces[1].startswith("```\ncode")
    assert pieces[1].endswith("code\n```")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab &<>\n`|x"), max_size=300), st.integers(20, 60))
def test_splitting_ends_and_keeps_the_words(words: str, limit: int) -> None:
    pieces = split(words, limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    bare = re.compile(r"[\s`]")
    assert bare.sub("", "".join(pieces)) == bare.sub("", words)
