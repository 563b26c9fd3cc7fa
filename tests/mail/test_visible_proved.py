# ruff: noqa: E501  (a sample is as long as a program writes it)
"""Proof that text is quoted takes only what is quoted: whatever program wrote the answer, with the mail that it
answers known, no line of the sender's goes that stays without (unless that line itself stands in the known mail)."""

from __future__ import annotations

import re
import time

import pytest

from bench.mail_reading import TEXTS, crafted
from intake.email.html import to_text
from intake.email.parse import parse
from intake.email.visible import visible_text
from tests.mail import client_samples
from tests.mail.reply_samples import ATTRIBUTIONS, HEADS, ORIGINALS, heads
from tests.mail.written import mail, multipart, parsed

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}
UTF8 = "charset=utf-8"
THEIRS = (
    "Hello Ada,\n\nplease restart the printer.\nWhich number does the display show?\n\nBest regards\nSupport"
)
OWN = ["It says 17 now.", "Room 5 has another one."]
OURS = f"--=( please answer above this line )=--\n\n{THEIRS}\n\n-- \nHelp desk, request #17\nhttps://desk.example/17"


def quoted(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def shown(body: str, *parents: str) -> str:
    return visible_text(parsed(body, content_type=f"text/plain; {UTF8}", **ANSWER), parents)


def shown_html(page: str, *parents: str, text: str | None = None) -> str:
    if text is None:
        return visible_text(parse(mail(page, content_type=f"text/html; {UTF8}", **ANSWER)), parents)
    parts = (
        f"Content-Type: text/plain; {UTF8}\r\n\r\n{text}\r\n",
        f"Content-Type: text/html; {UTF8}\r\n\r\n{page}",
    )
    return visible_text(parse(multipart("alternative", *parts, **ANSWER)), parents)


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.split("\n")}


SEPARATORS = [
    *(line for each in ATTRIBUTIONS.values() for line in each if " by support@" not in line),
    *(head for language in HEADS for head in heads(language)),
    *(f"{line}\n{heads('en')[0]}" for line in ORIGINALS.values()),
]


@pytest.mark.parametrize("separator", SEPARATORS, ids=lambda text: text.split("\n")[0][:60])
@pytest.mark.parametrize("theirs", [THEIRS, OURS], ids=["bare", "as we send it"])
def test_every_separator_with_the_mail_known(separator: str, theirs: str) -> None:
    one, two = OWN
    for history in (f"{separator}\n\n{quoted(theirs)}", f"{separator}\n\n{theirs}"):
        assert shown(f"{one}\n\n{history}", THEIRS) == one
        for body in (f"{one}\n\n{history}\n\n{two}", f"Hi,\n\n{history}\n\n{one}\n{two}"):
            known = shown(body, THEIRS)
            assert "the display" not in known
            assert known.split("\n")[-1] == two
            assert known.split("\n")[0] == body.split("\n")[0]
        below = shown(f"{history}\n\n{one}\n{two}", THEIRS)
        assert lines(below) >= {one, two}
    asked = theirs.replace("show?", f"show?\n{one}")
    for history in (f"{separator}\n\n{quoted(asked)}", f"{separator}\n\n{asked}"):
        assert one in shown(f"Hi,\n\n{history}", THEIRS)


OLD = client_samples.OLD


@pytest.mark.parametrize("program", client_samples.HTML)
@pytest.mark.parametrize("place", ["above", "both", "below"])
def test_every_program_with_the_mail_known(program: str, place: str) -> None:
    one, two = OWN
    page = client_samples.HTML[program].replace("%s", two if place == "below" else one)
    if place != "above":
        page += f"<p>{one if place == 'below' else two}</p>"
    text = re.sub(r"(?m)^(> ?)+", "", to_text(page))
    for plain in (None, text):
        without, known = shown_html(page, text=plain), shown_html(page, OLD, text=plain)
        assert lines(known) >= {one, two} & lines(without)
        if place == "above":
            assert OLD not in known


@pytest.mark.parametrize("program", client_samples.TEXT)
def test_every_text_with_the_mail_known(program: str) -> None:
    one, two = OWN
    body = client_samples.TEXT[program].replace("%s", one)
    assert lines(shown(body, OLD)) >= {one} & lines(shown(body))
    for more in (f"{body}\n\n{two}", f"Hi,\n\n{body}\n\n{two}"):
        assert lines(shown(more, OLD)) >= {one, two} & lines(shown(more))


# --- what was lost once -------------------------------------------------------------------------------------------

ON = "On Mon, May 4, 2026 at 10:00 AM Support <support@example.com> wrote:"
SENT = (
    "From: Support <support@example.com>\nSent: Monday, May 4, 2026 10:00 AM\nTo: Ada\nSubject: Re: Printer"
)
QUESTION = "Could you tell me your full order number?"
FORM = "Please fill in the following form\nYour full order number:\nYour delivery address:"


@pytest.mark.parametrize(
    ("body", "own"),
    [
        (f"Hi,\n\n{ON}\n{quoted(THEIRS)}\n\nIt says 17.", "Hi,\n\nIt says 17."),
        (f"Dear team,\n{quoted(THEIRS)}\nIt says 17.", "Dear team,\n\nIt says 17."),
        (
            f"Hi,\n\n{quoted(ON)}\n>\n{quoted(THEIRS)}\n\nIt says 17.\n\nSent from my iPhone",
            "Hi,\n\nIt says 17.",
        ),
        (f"Yes.\n\n{ON}\n{quoted(THEIRS)}\n\nPS: it hums", "Yes.\n\nPS: it hums"),
        (f"See the end.\n\n{SENT}\n\n{THEIRS}\n\nIt says 17.", "See the end.\n\nIt says 17."),
        (f"Hi,\n\n{SENT}\n\n{OURS}\n\nIt says 17.", "Hi,\n\nIt says 17."),
        (f"Hi,\n\n{SENT}\n\n{OURS.replace('-- ', '')}\n\nIt says 17.", "Hi,\n\nIt says 17."),
        (f"It says 17.\n\n{SENT}\n\n{OURS.replace('-- ', '')}", "It says 17."),
        (f"It says 17.\n\n{SENT}\n\n{THEIRS}\n\n{SENT}\n\nIt hums.\n\nAda\n+44 555", "It says 17."),
        (f"It says 17.\n\n{SENT}\n\n{THEIRS.replace('please restart', '• Please  restart')}", "It says 17."),
        (
            f"It says 17.\n\n{SENT}\n\n{THEIRS.replace('Best regards', 'Best <image001.png> regards')}",
            "It says 17.",
        ),
    ],
)
def test_what_stands_below_a_known_mail(body: str, own: str) -> None:
    assert shown(body, THEIRS) == own


@pytest.mark.parametrize(
    ("body", "parents"),
    [
        (f"Hello,\n\n{QUESTION} It is 4711.", (QUESTION,)),
        (f"Hello,\n\n{QUESTION}\nIt is 4711.", (QUESTION,)),
        (f"Hi,\n\nyou asked: {QUESTION.lower()}\nIt is 4711.", (QUESTION,)),
        (f"Hi,\n\n{FORM}\nMain street 5", (FORM,)),
        ("Hi,\n\nMy order is 4711 and it still fails.\nThe lamp is red.", ("We look.", "My order is 4711 and it still fails.")),
        ("My lamp is red.\nIt hums, too.\n\nAny news?", ("My lamp is red.\nIt hums, too.",)),
        (f"Hi,\n\n{SENT}\n\n{THEIRS.replace('show?', 'show?' + chr(10) + 'https://own.example/17')}", (THEIRS,)),
        (f"Hi,\n\n{SENT}\n\n{THEIRS.replace('show?', 'show?' + chr(10) + '[Ada] 17')}", (THEIRS,)),
        (f"Hi,\n\n{SENT}\n\n{THEIRS.replace('show?', 'show?' + chr(10) + '7')}", (THEIRS,)),
        ("Dear Bob,\n\nI accept your offer of 500 EUR.", ("I accept your offer of 500 EUR.",)),
        (f"Hello again,\n\n{THEIRS}", (THEIRS,)),
        (f"I wrote to you:\n\n{THEIRS}", (THEIRS,)),
        (f"Hi,\n\n{SENT}\n\n{THEIRS.replace('show?', 'show? It says 17.')}", (THEIRS,)),
        (f"Hi,\n\n{SENT}\n\n{QUESTION} It is 4711.", (QUESTION,)),
        ("I typed it:\n\n> show version\n> 1.2.3", (THEIRS,)),
        ("I ran it and this is all I get\n\n> app@1.0.0 start\n> node index.js\n> Error 77", (THEIRS,)),
        ("I disagree with your terms, which say\n\n> Returns within 14 days", (THEIRS,)),
        ("My program prints\n-----Original Message-----\nand then stops", (THEIRS,)),
        ("Why is there\n--=( please answer above this line )=--\nin each of your mails?", (THEIRS,)),
        ("The photo you asked for was\n\nSent from my other mail account yesterday evening", ()),
        ("Please change my address to\n\n----\nada.new@customer.example", ()),
        ("Please sign here\n_______________________________________________\nmy name", ()),
    ],
)  # fmt: skip
def test_nothing_is_taken_for_a_known_mail(body: str, parents: tuple[str, ...]) -> None:
    assert shown(body, *parents) == body


def test_an_arrow_shows_an_answer_where_no_mail_is_known() -> None:
    body = f"Hi,\n\n{SENT}\n\n{THEIRS.replace('show?', 'show?' + chr(10) + '--> 17')}"
    assert shown(body) == body
    assert shown(body.replace("--> ", "")) == "Hi,"


def test_an_own_bordered_box_is_no_quoted_head() -> None:
    page = '<p>Hi</p><div style="border-top:solid #E1E1E1 1.0pt"><p class=MsoNormal><b>From:</b> stock<br><b>Date:</b> 4.5.2026<br>500 pieces</p></div>'
    assert shown_html(page).endswith("500 pieces")


def test_an_own_block_below_a_quote_of_the_known_mail() -> None:
    body = f"{ON}\n{quoted(THEIRS)}\n\nI typed this in the console.\n\n> show version\n> 1.2.3"
    assert shown(body, THEIRS) == "I typed this in the console.\n\n> show version\n> 1.2.3"


@pytest.mark.parametrize(
    "container",
    [
        f'<div id="ydp1yahoo_quoted_123" class="yahoo_quoted"><div>{ON.replace("<", "&lt;")}</div>%s</div>',
        f'<div class="gmail_quote"><div class="gmail_attr">{ON.replace("<", "&lt;")}</div><blockquote>%s</blockquote></div>',
        f'<div class="protonmail_quote">{ON.replace("<", "&lt;")}<br><blockquote type="cite">%s</blockquote></div>',
        '<div name="quote"><div><b>Gesendet:</b> 4. Mai 2026 um 10:00<br><b>Von:</b> S</div>%s</div>',
        '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> S</div>%s',
        '<div id="mail-editor-reference-message-container"><div><b>From: </b>S</div>%s</div>',
        '<div name="messageReplySection"><blockquote type="cite">%s</blockquote></div>',
    ],
)
def test_red_answers_inside_a_programs_container(container: str) -> None:
    asked = "<div>please restart the printer.</div>%s<div>Which number does the display show?</div>"
    page = "<div>Hi</div>" + container
    red = shown_html(page.replace("%s", asked.replace("%s", '<div style="color:red">I did.</div>')), THEIRS)
    assert "I did." in red
    assert shown_html(page.replace("%s", asked.replace("%s", "")), THEIRS) == "Hi"


@pytest.mark.parametrize("name", [f"text: {name}" for name in TEXTS])
def test_crafted_answers_to_known_mails_take_linear_time(name: str) -> None:
    mails = [THEIRS, "On " * 20_000, "x\n" * 30_000, "> x\ny\n" * 9_000, "a" * 65_536]
    read = parse(crafted(name, 300_000))
    began = time.process_time()
    visible_text(read, mails)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "unit", ["ab", "a\nb\n", "aaaaaaaa\n", "aaaaaaab\n", "a" * 40 + "\n", "aaaa bbbb\n> cccc\n"]
)
def test_answers_crafted_against_our_own_mail_take_linear_time(unit: str) -> None:
    read = parsed("Hi\n\n" + unit * (300_000 // len(unit)), content_type=f"text/plain; {UTF8}", **ANSWER)
    mails = ["a" * 65_000 + "b", "a" * 30_000 + "c" + "a" * 30_000, "ab" * 32_000, "a\n" * 30_000, "b"]
    began = time.process_time()
    visible_text(read, mails)
    assert time.process_time() - began < 2


def test_a_mail_from_us_that_is_not_known() -> None:
    unknown = "We have got your mail.\nWe answer tomorrow."
    ours = SENT.replace("Ada", "Ada <ada@customer.example>")
    assert shown(f"It says 17.\n\n{ours}\n\n{unknown}", THEIRS) == "It says 17."
    pasted = ours.replace("Support <support@example.com>", "Bob <bob@elsewhere.example>")
    assert "We answer tomorrow." in shown(f"It says 17.\n\n{pasted}\n\n{unknown}", THEIRS)
    other = ours.replace("Re: Printer", "Invoice 5")
    assert "We answer tomorrow." in shown(f"It says 17.\n\n{other}\n\n{unknown}", THEIRS)
