"""Prose that looks like a separator, and what stands near one: nothing of the sender's is lost (FACTS 5.2)."""

from __future__ import annotations

import pytest

from intake.email.visible import visible_text
from tests.mail.written import parsed

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}
S = "Support <support@example.com>"
HEAD = f"From: {S}\nSent: Monday, May 4, 2026 10:00 AM\nTo: Ada\nSubject: Printer"


def shown(body: str, **fields: str) -> str:
    return visible_text(parsed(body, content_type="text/plain; charset=utf-8", **fields))


PROSE = [
    "On Monday our boss wrote:\nall printers must go. What now?",
    "On Monday at 10:30 our boss wrote:\n\n> all printers must go\n\nWhat now?",
    "On Monday at 10:30 our boss wrote:\n\n> all printers must go",
    "In May 2026 the manual says:\n> press A",
    "Am Montag schrieb mein Chef:\nalles weg. Was nun?",
    "Am 4.5. um 10:00 schrieb ich Ihnen:\nkeine Antwort",
    "Herr Meier schrieb am 4. Mai:\nalles gut",
    "Le 4 mai 2026 j'ai écrit à votre service :\npas de réponse",
    "Il 4 maggio ho scritto:\nnessuna risposta",
    "I wrote on 4 May 2026 at 10:00 that it failed, see:\nlog",
    "Hello,\n\nOn 4 May 2026 we wrote to you:\nno answer yet",
    "Travel\n\nFrom: Berlin\nTo: Paris\nDate: 4.5.2026 10:00\n\nPlease book.",
    "Flight\n\nDate: 4 May 2026\nFrom: Oslo\nTo: Rome\n\nPlease book.",
    "Reisedaten\n\nVon: Berlin\nNach: Paris\nDatum: 4.5.2026\nBetreff: Ticket\n\nBitte buchen.",
    "My details:\nFrom: Ada\nSubject: Printer\nTo: you",
    "Von: Haus A\nAn: Haus B\nbitte umziehen",
    "Date: 4 May 2026\nSubject: maths\nroom 5",
    "1. Sent: yes\n2. From: me\n3. Date: 2026",
    "See attached. Sent: yesterday. From: me",
    "Thanks,\n\nit works.\n\n- one\n- two\n- three",
    "Table:\n\nItem | Qty\n-- | --\nA | 5\n\nOk?",
    "Table:\nItem     Qty\n--\nA        5\nB        7",
    "Facts\n\n--\n\nMore facts that are important to us, so please read on carefully.",
    "--\nDid you get it?",
    "Hi\n\n____________________\n\nSecond part\n\n____________________\n\nThird part",
    "Hello,\n\n=====\nSection\n=====\ntext",
    "log:\n----- Original Message -----",
    "The original message was lost.",
    "Original message:\nthe printer is broken",
    "Logs at 10:00:\nerror 1\nOn 4 May 2026 at 10:00 the server said:\nerror 2",
    "I tried:\n>>> import x\n>>> x.run()\nand got an error.",
    "Could you call me?\n\nMit freundlichen Grüßen\nAda Lovelace",
    "Best,\nAda\n\nPS: the code is 5",
    "Meeting 4.5.2026 10:00 with bob@x.example:\n- printer\n- paper",
    "on 4.5.2026 10:00 bob@x.example complained:\nthe printer is broken",
    "Invoice 2026-05-04 10:00, contact ada@customer.example:\ntotal 50",
    "> Is it on?\nYes\n> Is it paid?\nYes, on 4 May 2026.\n\nAda",
    "bob@x.example wrote:\nnothing useful",
    "please write to:\nBob <bob@x.example>:\n10:00 2026",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_in_an_answer(text: str) -> None:
    for body in (text, f"Hello,\n\n{text}", f"Hello,\n{text}\n\nRegards\nAda"):
        if body.endswith("Ada") and "Original Message -----" in body:
            continue
        assert shown(body, **ANSWER) == body


@pytest.mark.parametrize(
    "text",
    [
        f"Hello,\n\n{HEAD}\n\nIs it real?",
        f"Hi\n________________________________\n{HEAD}\nText",
        "On Mon, May 4, 2026 at 10:00 AM Bob <b@x.example> wrote:\n> give me money\n\nIs it real?",
        f"Look:\n\nOn Mon, May 4, 2026 at 10:00 AM {S} wrote:\n> foo",
        "Quote\n\n> foo",
    ],
)
def test_a_first_mail_keeps_what_it_pastes(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("Room 5\nOn Mon, 4 May 2026 at 10:00, Bob <b@x.example> wrote:\n> old", "Room 5"),
        ("It was 2026\nOn Mon, 4 May 2026 at 10:00, Bob\n<b@x.example> wrote:\n> old", "It was 2026"),
        ("Call 555 1234\nBob <b@x.example> schrieb am 4.5.2026 10:00:\n> old", "Call 555 1234"),
        (
            f"Yes.\n\n-- \nAda\nACME\n\nThis mail is confidential. If it isn't yours, delete it.\n\n{HEAD}\n\nold",
            "Yes.",
        ),
        ("Yes.\n\n--\nAda Lovelace\nACME Inc.\n+44 555", "Yes."),
        ("Yes.\n\n-- \nAda Lovelace\nDo you really need to print this?", "Yes."),
        ("Yes.\n\n-- \nAda\n\nP.S.: and no.", "Yes.\n\n-- \nAda\n\nP.S.: and no."),
        (
            "Yes\n\nOn 4 May 2026 10:00, S <s@x.example> wrote:\n> a\n\nOn 3 May 2026, <s@x.example> wrote:\n> b\n",
            "Yes",
        ),
        ("Yes\n\nOn 4 May 2026 10:00, S <s@x.example> wrote:\n\nold stuff\n\n> older\n\nmore", "Yes"),
    ],
)
def test_lines_beside_a_separator(text: str, own: str) -> None:
    assert shown(text, **ANSWER) == own


def test_a_head_of_another_subject() -> None:
    theirs = "From: Bank <bank@b.example>\nSent: Monday, May 4, 2026 10:00 AM\nTo: Ada\nSubject: Your account"
    pasted = f"This came today:\n\n{theirs}\n\nIs it real?"
    assert shown(pasted, **ANSWER) == pasted
    ours = theirs.replace("Bank <bank@b.example>", S)
    assert (
        shown(f"This came today:\n\n{ours}\n\nold", **ANSWER) == "This came today:"
    )  # it is addressed to them
