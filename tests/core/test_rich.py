"""Words with their formatting: any HTML becomes the small one, and stays it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rich
from core.rich_blocks import BUDGET, Line, Run, Step, Style

_TOKEN = re.compile(
    r"</?(?:p|b|i|s|code|pre|blockquote|ul|ol|li)>|<br>|<ol start=\"\d{1,7}\">|<a href=\"(?:https?://|mailto:|tel:)[^\"<>\s]+\">"
    r"|</a>|&(?:amp|lt|gt|nbsp|quot|#x27);|[^<>&]+",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("one", "<p>one</p>"),
        ("a<br>b<br><br>c", "<p>a<br>b</p><p>c</p>"),
        ("<div>a</div><div>b</div>", "<p>a<br>b</p>"),
        (
            "<strong>a</strong> <em>b</em> <del>c</del> <tt>d</tt>",
            "<p><b>a</b> <i>b</i> <s>c</s> <code>d</code></p>",
        ),
        ("<span style='font-weight:700;font-style:italic'>a</span>", "<p><b><i>a</i></b></p>"),
        ("<b style='font-weight:normal'>a</b>", "<p>a</p>"),
        ("<h1>T</h1>x", "<p><b>T</b></p><p>x</p>"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("<ol start=4><li>a<p>b</ol>", '<ol start="4"><li>a<p>b</p></li></ol>'),
        ("<ol start=x><li>a</ol>", "<ol><li>a</li></ol>"),
        (
            "<blockquote>a<blockquote>b</blockquote></blockquote>",
            "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>",
        ),
        ("<pre>\n a\n\n  <b>b</b></pre>", "<pre> a\n\n  b</pre>"),
        (
            '<a href="https://x.example/?a=1&amp;b=2">x</a>',
            '<p><a href="https://x.example/?a=1&amp;b=2">x</a></p>',
        ),
        ('<a href="javascript:alert(1)">x</a>', "<p>x</p>"),
        ('<a href="data:text/html,x">x</a><a href="//x.example">y</a>', "<p>xy</p>"),
        ("<script>x</script><style>y</style><!-- z -->k<img src=x onerror=y alt=Logo>", "<p>k[Logo]</p>"),
        ("a &lt;b&gt; &amp;amp; c", "<p>a &lt;b&gt; &amp;amp; c</p>"),
        ("a&nbsp;&nbsp;b  \n c", "<p>a &nbsp;b c</p>"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "<p>a b<br>c</p>"),
        ("", ""),
        ("<p> </p><ul><li></li></ul><pre>\n</pre>", ""),
    ],
)
def test_any_html_becomes_the_small_one(given: str, kept: str) -> None:
    assert rich.clean(given) == kept
    assert rich.clean(kept) == kept


PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<i>",
        "</s>",
        "<s>",
        "<code>",
        "</code>",
        "<pre>",
        "</pre>",
        "<ul>",
        "</ul>",
        "<ol start=7>",
        "</ol>",
        "<li>",
        "</li>",
        "<blockquote>",
        "</blockquote>",
        "<a href='http://x.example/?a&b'>",
        '<a href="x:y">',
        "</a>",
        "<br>",
        "<table>",
        "<td>",
        "<script>",
        "<h2>",
        "<div style='font-weight:bold'>",
        "<div>",
        "</div>",
        "&nbsp;",
        "&lt;",
        "&",
        " ",
        "  ",
        "\n",
        "\t",
        "a",
        "b c",
        "💥",
        "ä",
        "\0",
        "\ud800",
        "\x0b",
        "<!--",
        "-->",
        "<",
        ">",
        '"',
        "</",
        "\r\n",
    ]
)


def in_subset(html: str) -> bool:
    return "".join(_TOKEN.findall(html)) == html


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=80))
def test_cleaning_never_raises_and_is_done_once(html: str) -> None:
    once = rich.clean(html)
    assert in_subset(once)
    assert rich.clean(once) == once
    text = rich.plain(html)
    assert text == rich.plain(once)
    assert "\0" not in text
    assert rich.is_plain(once) == rich.is_plain(html)


STYLES = st.builds(
    Style,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "http://x.example/", "bad:"]),
)
RUNS = st.lists(st.builds(Run, st.text(alphabet='ab \t\xa0<&>"\n`*é', max_size=12), STYLES), max_size=5)
STEPS = st.builds(
    Step,
    st.sampled_from(["quote", "list"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.none() | st.integers(-2, 2_000_000),
)
LINES = st.lists(
    st.builds(Line, RUNS.map(tuple), st.lists(STEPS, max_size=11).map(tuple), st.booleans(), st.booleans()),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(LINES)
def test_what_lines_make_is_clean(lines: list[Line]) -> None:
    html = rich.of_lines(lines)
    if html is not None:
        assert in_subset(html)
        assert rich.clean(html) == html
        assert not rich.is_plain(html)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<br>b</p><p>c</p>", "a\nb\n\nc"),
        ("<p>do:</p><ul><li>a<ol start=3><li>b</ol><li>c<p>d</ul>e", "do:\n• a\n  3. b\n• c\n  d\n\ne"),
        ("<blockquote>a<p>b<blockquote>c</blockquote></blockquote>", "> a\n>\n> b\n>\n> > c"),
        ("<pre>x\n  y</pre>", "x\n  y"),
        ('<a href="https://x.example">here</a>', "here (https://x.example)"),
        ('<a href="https://x.<b>example">x</a>', "x"),
        ('<a href="https://x.example"><b>x</b>.example</a>', "https://x.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="tel:+49123"> call </a>!', "call (+49123) !"),
    ],
)
def test_plain(html: str, text: str) -> None:
    assert rich.plain(html) == text


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("a<br>b<p>c", True),
        ("<a href='https://x.example'>https://x.example</a>", True),
        ("<a href='mailto:a@b.example'>a@b.example</a>", True),
        ("<a href='https://x.example'>x.example</a>", False),
        ("<b>a</b>", False),
        ("<ul><li>a</ul>", False),
        ("<pre>a</pre>", False),
        ("<blockquote>a</blockquote>", False),
        ("", True),
    ],
)
def test_what_needs_no_formatting(html: str, plain: bool) -> None:
    assert rich.is_plain(html) is plain


@pytest.mark.parametrize(
    ("html", "prefix", "left"),
    [
        ("<p>@desk <b>it burns</b></p>", "@desk", "<p><b>it burns</b></p>"),
        ("<p><b>note: it</b> burns</p>", "note:", "<p><b>it</b> burns</p>"),
        ("<p>🔒</p><ul><li>one</li></ul>", "🔒", "<ul><li>one</li></ul>"),
        ("<p>note: plain <b>@x</b></p>", "note: plain @x", None),
        ("<p>@desk <b>it</b></p>", "@other", None),
        ("<p><b>note:</b> it</p>", "note:", None),
        ("<p>a <b>b</b></p>", "", "<p>a <b>b</b></p>"),
        ("<ol><li>a</li><li><b>b</b></li></ol>", "1. a", None),  # nobody takes an item off
        ("<ul><li>a</li></ul>", "•", None),  # it would be a list still
    ],
)
def test_words_in_front_are_taken_off(html: str, prefix: str, left: str | None) -> None:
    assert rich.without_prefix(html, prefix) == left


def test_the_end_is_kept_where_it_says_just_the_words() -> None:
    html = "<p>reply: all <i>good</i></p><blockquote><p>x</p></blockquote>"
    assert rich.ending(html, "all good\n> x") == "<p>all <i>good</i></p><blockquote><p>x</p></blockquote>"
    assert rich.ending(html, "all bad") is None
    assert rich.ending(html, "") is None


@pytest.mark.parametrize(
    "piece",
    [
        "<b>",
        "<ul><li>x",
        "<blockquote>",
        "<a href='http://x.example'>x",
        "<pre>\n",
        "<p>x",
        "&",
        " ",
        "<",
        "x",
        "<br>",
        "</b>",
        "<b></b>",
        "<table><tr><td>",
        "<i><b>x",
    ],
)
def test_size_depth_and_time_are_bounded(piece: str) -> None:
    began = time.process_time()
    html = rich.clean(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 5  # quadratic time takes minutes
    assert len(html) <= BUDGET
    assert html.count("<blockquote>") <= 8
    assert rich.clean(html) == html
