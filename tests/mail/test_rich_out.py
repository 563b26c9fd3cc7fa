"""Staff's formatting in our mails: safe, in styles of ours, beside the plain text."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.shapes import Kind
from intake.email.compose import compose_mail
from intake.email.html import to_text
from intake.email.rich_html import styled
from tests.mail.test_compose import CONTEXT, message, outgoing

RICH = (
    '<p>Please <b>restart</b> it, see <a href="https://example.org/?a=1&amp;b=2">how</a>:</p><ol start="3"><li>off</li>'
    "<li>wait<ul><li><i>long</i></li></ul></li></ol>"
    "<blockquote><p>it burns</p></blockquote><pre>lp -d &lt;x&gt;\n  y</pre>"
)
TEXT = (
    "Please restart it, see how (https://example.org/?a=1&b=2):\n"
    "3. off\n4. wait\n  • long\n> it burns\nlp -d <x>\n  y"
)


def parts(**more: Any) -> tuple[str, str]:
    """The text and the HTML of the mail that carries a message."""
    composed = compose_mail(outgoing(message=message(TEXT, **more)), CONTEXT)
    mail = cast(EmailMessage, email.message_from_bytes(composed.content, policy=email.policy.default))
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def test_the_html_has_the_formatting_and_the_text_its_words() -> None:
    text, html = parts(rich=RICH)
    assert TEXT in text
    assert "<b>restart</b>" in html
    assert '<a href="https://example.org/?a=1&amp;b=2" class="link"' in html
    assert '<ol start="3" style=' in html
    assert "lp -d &lt;x&gt;\n  y</pre>" in html
    shown = to_text(html)
    for words in ("Please restart it", "wait", "long", "> it burns", "lp -d <x>\n  y"):
        assert words in shown


def test_without_formatting_the_html_is_made_of_the_text() -> None:
    _, html = parts()
    assert "<ol" not in html
    assert "lp -d &lt;x&gt;<br>" in html


def test_a_correction_shows_its_own_words() -> None:
    gone = outgoing(
        kind=Kind.NOTICE, message=message(TEXT, rich=RICH), data={"what": "correction", "text": "It was 5"}
    )
    content = compose_mail(gone, CONTEXT).content
    assert b"It was 5" in content
    assert b"<b>restart</b>" not in content


@pytest.mark.parametrize(
    "bad",
    [
        "<script>x</script>",
        "<img src=x onerror=y>",
        "<a href='javascript:x'>y</a>",
        "<p style='x' onclick=y>z</p>",
        "<iframe src=x></iframe>",
        "<a href='https://x.example/\" onclick=\"y'>z</a>",
    ],
)
def test_what_is_stored_is_made_safe_again(bad: str) -> None:
    shown = str(styled(bad))
    assert not re.search(r"<(?:script|img|iframe)|javascript:|<[^>]*\son\w+=", shown)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>&\"'ab =:/pre", max_size=80))
def test_nothing_but_our_elements_comes_out(html: str) -> None:
    allowed = (
        r'</?(?:p|b|i|s|code|pre|blockquote|ul|ol|li|br|a)(?: (?:dir|style|class|href|start)="[^"<>]*")*>'
    )
    assert "<" not in re.sub(allowed, "", str(styled(html)))
