"""Each mail program's way to mark history: own words stay, the history goes; from HTML, from text, from both."""

from __future__ import annotations

import re

import pytest

from intake.email.html import to_text
from intake.email.parse import ParsedMail, parse
from intake.email.visible import visible_text
from tests.mail.client_samples import HTML, OLD, OWN, TEXT
from tests.mail.written import mail, multipart, parsed

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}
UTF8 = "charset=utf-8"


def check(read: ParsedMail, lead: str = "") -> None:
    shown = visible_text(read)
    assert shown.startswith(OWN)
    assert OLD not in shown
    assert shown == OWN + lead


def both(text: str, page: str) -> ParsedMail:
    parts = (
        f"Content-Type: text/plain; {UTF8}\r\n\r\n{text}\r\n",
        f"Content-Type: text/html; {UTF8}\r\n\r\n{page}",
    )
    return parse(multipart("alternative", *parts, **ANSWER))


LEADS = {"our own line": "\nSomeone said at some time"}  # above our line, and so the sender's


@pytest.mark.parametrize("program", HTML)
def test_html_alone(program: str) -> None:
    page = HTML[program].replace("%s", OWN)
    check(parse(mail(page, content_type=f"text/html; {UTF8}", **ANSWER)), LEADS.get(program, ""))


@pytest.mark.parametrize("program", HTML)
def test_html_with_the_text_that_was_made_of_it(program: str) -> None:
    page = HTML[program].replace("%s", OWN)
    text = re.sub(r"(?m)^(> ?)+", "", to_text(page))  # web mailers don't mark quotes in it
    check(both(text, page), LEADS.get(program, ""))


@pytest.mark.parametrize("program", [name for name in HTML if name not in LEADS])
def test_html_tells_what_bare_text_does_not(program: str) -> None:
    page = HTML[program].replace("%s", OWN)
    check(both(f"{OWN}\r\n\r\n{OLD}", page))


@pytest.mark.parametrize("program", TEXT)
def test_text_alone(program: str) -> None:
    lead = "\n\nSupport said a while ago" if program == "our marker" else ""
    check(parsed(TEXT[program].replace("%s", OWN), content_type=f"text/plain; {UTF8}", **ANSWER), lead)


def test_html_that_says_something_else_does_not_replace_the_text() -> None:
    page = f"<p>Get the app to read this.</p><blockquote>{OLD}</blockquote>"
    read = both("The text has words of its own.\r\nTwo lines of them.", page)
    assert visible_text(read) == read.text


def test_an_indented_paragraph_is_no_quote() -> None:
    page = '<p>Look</p><blockquote style="margin:0 0 0 40px;border:none;padding:0px"><p>error 17</p></blockquote>'
    shown = visible_text(parse(mail(page, content_type=f"text/html; {UTF8}", **ANSWER)))
    assert shown == "Look\n\nerror 17"


def test_answers_between_quotes_in_html() -> None:
    page = (
        '<div class="moz-cite-prefix">Am 04.05.26 um 10:00 schrieb Support:<br></div>'
        '<blockquote type="cite"><p>Is it on?</p></blockquote><p>Yes.</p>'
        '<blockquote type="cite"><p>Which colour?</p></blockquote><p>Red.</p>'
    )
    shown = visible_text(parse(mail(page, content_type=f"text/html; {UTF8}", **ANSWER)))
    for own in ("Yes.", "Red."):
        assert own in shown.split("\n")
