"""B1-B5: the body of an answer. What the desk shows are the sender's own words; all of the text is kept beside them."""

from __future__ import annotations

import pytest

from bench.mail_reading import milliseconds
from core.shapes import NewMessage
from intake.email.marker import MARKERS
from intake.email.read import read_mail
from tests.mail.client_samples import HTML, OLD, OWN, TEXT
from tests.mail.written import CONTEXT, mail

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}


def read(body: str, content_type: str = "text/plain; charset=utf-8", **fields: str) -> NewMessage:
    inbound = read_mail(mail(body, content_type=content_type, **{**ANSWER, **fields}), {}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    return inbound


def test_B1_an_answer_between_quoted_lines_is_kept() -> None:
    text = (
        "On Mon, May 4, 2026 at 10:00 AM Support <support@example.com> wrote:\n"
        "> How old is it?\n\nTwo years.\n\n> Which colour is it?\n\nRed.\n\n> Regards\n> Support"
    )
    shown = read(text).visible.split("\n")
    assert "Two years." in shown
    assert "Red." in shown
    assert "> How old is it?" in shown  # what it answers stays with it
    assert "> Regards" not in shown


def test_B2_what_follows_a_rule_or_a_signature_like_line_is_kept() -> None:
    for text in (
        "It broke.\n\n--\nPlease also look at the second printer, it smokes and smells.\n\nAda",
        "It broke.\n\n--\n- first floor\n- second floor",
        "It broke.\n\nThanks,\nAda\n\nAnd the second one smokes.",
        "It broke.\n\n____________________\n\nAnd the second one smokes.",
        "It broke.\n\n-- \nAda\n\nPS: the second one smokes.",
    ):
        assert read(text).visible == text


CLIENTS = ("thunderbird", "yahoo android", "proton", "outlook mobile", "new outlook for mac")


@pytest.mark.parametrize("client", CLIENTS)
def test_B3_clients_whose_quotes_others_miss(client: str) -> None:
    inbound = read(HTML[client].replace("%s", OWN), "text/html; charset=utf-8")
    assert inbound.visible == OWN
    assert OLD in inbound.text  # all of it is kept
    if client in TEXT:
        assert read(TEXT[client].replace("%s", OWN)).visible == OWN


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<p>Hello</p>" + "<a href='https://x.example/1'>link</a> " * 2_500 + "<p>end</p>", "end"),
        ("<p>Hello</p>" + "<a href='https://x.example/1'>link</a> " * 20_000 + "<p>end</p>", "end"),
        ("<p>Hello</p>" + " " * 3_000_000 + "<p>end</p>", "Hello"),
        ("<p>Hello</p>" + "<div>" * 50_000 + "inside" + "</div>" * 50_000 + "<p>end</p>", "end"),
        (
            "<p>Hello</p>" + "<table><tr><td>" * 300 + "inside" + "</td></tr></table>" * 300 + "<p>end</p>",
            "end",
        ),
    ],
    ids=["2,500 links", "20,000 links", "white space", "nested divs", "nested tables"],
)
def test_B4_huge_html_takes_less_than_two_seconds(body: str, kept: str) -> None:
    assert milliseconds(mail(body, content_type="text/html", **ANSWER)) < 2_000
    shown = read(body, "text/html")
    assert "Hello" in shown.text
    assert kept in shown.text
    assert "inside" not in body or "inside" in shown.text


@pytest.mark.parametrize("language", MARKERS)
def test_B5_our_line_in_each_language(language: str) -> None:
    line = MARKERS[language]
    for quoted in (
        f"{line}\n{OLD}",
        f"> {line}\n> {OLD}",
        f"On 4 May 2026 S <s@example.com> wrote:\n\n{line}\n\n{OLD}",
    ):
        shown = read(f"{OWN}\n\n{quoted}").visible
        assert shown == OWN
    broken = line.replace(" ", "\n", 2)  # a client that wraps it: then the separators that remain do
    assert OWN in read(f"{OWN}\n\n{broken}\n\n{OLD}").visible


def test_B5_without_our_line() -> None:
    text = f"{OWN}\n\nAm 04.05.2026 um 10:00 schrieb Support <support@example.com>:\n> {OLD}"
    assert read(text).visible == OWN
    assert read(f"{OWN}\n\nEverything else is gone").visible == f"{OWN}\n\nEverything else is gone"
