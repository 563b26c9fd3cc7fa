"""HTML to text, and HTML that is safe to show."""

from __future__ import annotations

import pytest

from intake.email.html import flattened, sanitised, to_marked_text, to_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<blockquote>q<blockquote>r</blockquote></blockquote>x", "> q\n>\n> > r\n\nx"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ('<a href="http://x.example/y">here</a>', "here <http://x.example/y>"),
        ('<a href="http://x.example/">x.example</a>', "x.example"),
        ('<a href="javascript:alert(1)">here</a>', "here"),
        ("<style>p{}</style><script>x</script><!-- no -->y", "y"),
        ("&lt;!channel&gt; &amp;amp;", "<!channel> &amp;"),
        ("a&nbsp;b  \n c", "a b c"),
        ('<img alt="Logo"> x', "[Logo] x"),
        ("<title>t</title>b", "b"),
        ("", ""),
        ("<", "<"),
    ],
)
def test_text(markup: str, text: str) -> None:
    assert to_text(markup) == text


def test_depth_loses_no_text() -> None:
    deep = "<div>" * 60_000 + "inside" + "</div>" * 60_000 + "<p>behind</p>"
    text = to_text(deep)
    assert "inside" in text
    assert "behind" in text


def test_stray_closing_tags_dont_hide_depth() -> None:
    assert "<wbr" in flattened("<x></y>" * 1_000)
    assert flattened("<div><b>x</b></div>" * 1_000) == "<div><b>x</b></div>" * 1_000


def test_many_links_and_much_white_space() -> None:
    text = to_text("<a href='http://x.example/1'>x</a> " * 20_000 + " " * 1_000_000 + "end")
    assert text.count("http://x.example/1") == 20_000
    assert text.endswith("end")


def test_programs_marks_become_plain() -> None:
    marked = to_marked_text('<p>Hi</p><div id="appendonsend"></div><div>old</div>')
    assert marked.split("\n") == ["Hi", "", "\ue000", "old"]
    assert to_marked_text("<p>Hi</p><div class=yahoo_quoted>old</div>") == "Hi\n\n> old"


@pytest.mark.parametrize(
    "bad",
    [
        "<script>x</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:x'>y</a>",
        "<style>@import x</style>",
        "<form action=x><input></form>",
        "<iframe src=x></iframe>",
        "<img src='http://tracker.example/x.gif'>",
        "<p style='background:url(http://x)'>y</p>",
        "<a href='cid:x'>y</a>",
        "<base href='http://x'>",
    ],
)
def test_what_could_harm_goes(bad: str) -> None:
    safe = sanitised(f"{bad}<p>kept</p>") or ""
    assert "kept" in safe
    for word in (
        "script",
        "onerror",
        "javascript",
        "http:",
        "import",
        "form",
        "iframe",
        "style",
        "cid:",
        "base",
    ):
        assert word not in safe


def test_pictures_of_the_mail_itself_stay() -> None:
    safe = sanitised('<img src="cid:logo@x" alt="l"><a href="https://x.example">y</a>') or ""
    assert 'src="cid:logo@x"' in safe
    assert 'rel="noopener noreferrer nofollow"' in safe


def test_too_much_isnt_sanitised() -> None:
    assert sanitised("<div>" * 1_000) is None
    assert sanitised("x" * 600_000) is None
