"""What we sent proves what is quoted: without any separator, in whatever lines, and it shows answers inside."""

from __future__ import annotations

import time

from intake.email.history import Hints
from intake.email.visible import own_words, visible_text
from tests.mail.written import parsed

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}
PARENT = (
    "Hello Ada,\n\nplease restart the printer and wait for half a minute.\n"
    "Then tell us which number the display shows.\n\n"
    "Is there any paper in the second tray?\n\nYours, Support"
)
EARLIER = "The printer on the second floor prints nothing.\nIt has been so since this morning."


def shown(body: str, *parents: str) -> str:
    return visible_text(parsed(body, content_type="text/plain; charset=utf-8", **ANSWER), parents)


def test_history_that_nothing_marks() -> None:
    assert shown(f"It says 17.\n\n{PARENT}", PARENT) == "It says 17."
    assert shown(f"It says 17.\n\n{PARENT}") == f"It says 17.\n\n{PARENT}"


def test_lines_wrapped_anew() -> None:
    again = PARENT.replace("and wait", "and\nwait").replace("which number", "which\nnumber")
    assert shown(f"It says 17.\n\nSupport meinte am 4.5.:\n{again}", PARENT) == "It says 17."


def test_any_of_the_last_mails() -> None:
    assert shown(f"Still so.\n\n{EARLIER}", PARENT, EARLIER) == "Still so."


def test_an_answer_below_unmarked_history() -> None:
    assert shown(f"{PARENT}\n\nIt says 17.", PARENT) == "It says 17."


def test_answers_inside_unmarked_history_stay() -> None:
    inside = PARENT.replace("tray?\n", "tray?\nNo, there is none.\n")
    text = f"See my answer.\n\nOn 4 May 2026 10:00, S <support@example.com> wrote:\n\n{inside}"
    assert shown(text, PARENT) == text


def test_what_isnt_a_known_mail_is_pasted() -> None:
    text = (
        "It says:\n\nFrom: P <p@x.example>\nSent: 1 May 2026\nTo: A\nSubject: Printer\n\nPaper jam in tray 2"
    )
    assert shown(text, PARENT) == text


def test_one_sentence_taken_up_is_no_history() -> None:
    text = "You ask: Is there any paper in the second tray?\nYes, there is."
    assert shown(text, PARENT) == text


def test_the_same_greeting_is_no_history() -> None:
    text = f"Hello Ada,\n\nit says 17.\n\n{PARENT}"
    assert own_words(text, Hints(parents=(PARENT,))) == "Hello Ada,\n\nit says 17."


def test_many_lines_and_parents_take_linear_time() -> None:
    began = time.process_time()
    shown("a\n" * 200_000, *["a" * 60_000] * 5)
    assert time.process_time() - began < 2
