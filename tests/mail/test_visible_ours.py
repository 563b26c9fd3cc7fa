"""Answers to mails that we really compose: what came from us goes, wherever the sender wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.shapes import Outgoing
from intake.email.compose import compose_mail
from intake.email.html import to_text
from intake.email.parse import parse
from intake.email.visible import visible_text
from tests.mail.test_compose import CONTEXT, message, notice, outgoing, texts
from tests.mail.written import mail

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}
WORDS = "Hello Zoe,\n\nplease pour water on it.\nWhich colour has the smoke?\n\nBest regards\nAda"
HEAD = "From: Acme Support <support@example.com>\nSent: Monday, May 4, 2026 10:00 AM\nTo: Zoe\nSubject: Re: Printer"
PAGE = "<b>From:</b> Acme Support<br><b>Sent:</b> Monday, May 4, 2026 10:00 AM<br><b>To:</b> Z<br><b>Subject:</b> Re"
ONE, TWO = "It is black.", "And it smells."


def sent(said: str, language: str) -> tuple[str, str]:
    """Text and HTML of what we send. `said`: to whom."""
    going: Outgoing
    if said == "requester":
        going = outgoing(message=message(WORDS))
    else:
        going = notice(
            "staff_new", desk=True, message=message(WORDS), place="ada@example.com", data={"text": WORDS}
        )
    return texts(compose_mail(going, replace(CONTEXT, language=language)))


def shown(body: str, kind: str = "plain") -> str:
    read = parse(mail(body, content_type=f"text/{kind}; charset=utf-8", **ANSWER))
    return visible_text(read, ["Thanks, we look.", WORDS])


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("said", ["requester", "staff"])
def test_answers_to_our_own_mails(said: str, language: str) -> None:
    plain, page = sent(said, language)
    assert "#12" in plain
    assert "water" in page
    quoted = "\n".join(f"> {line}" for line in plain.split("\n"))
    on = "On Mon, May 4, 2026 at 10:00 AM Acme Support <support@example.com> wrote:"
    spaced = plain.replace("\n", "\n\n")  # Outlook's paragraphs
    for history in (f"{on}\n{quoted}", f"{on}\n\n{plain}", f"{HEAD}\n\n{plain}", f"{HEAD}\n\n{to_text(page)}",
                    f"{HEAD}\n\n{spaced}"):  # fmt: skip
        assert shown(f"{ONE}\n\n{history}") == ONE
        assert shown(f"{ONE}\n\n{history}\n\n{TWO}") == f"{ONE}\n\n{TWO}"
        assert shown(f"Hi,\n\n{history}\n\n{ONE}\n{TWO}") == f"Hi,\n\n{ONE}\n{TWO}"
        inside = history.replace("smoke?", f"smoke?\n{ONE}")
        assert ONE in shown(f"Hi,\n\n{inside}")
    outlook = f"<p>{ONE}</p>%s<div id=appendonsend></div><hr><div id=divRplyFwdMsg>{PAGE}</div>{page}"
    gmail = f'<div>{ONE}</div>%s<div class="gmail_quote"><div class="gmail_attr">{on.replace("<", "&lt;")}</div><blockquote class="gmail_quote">{page}</blockquote></div>'  # noqa: E501
    for client in (outlook, gmail):
        assert shown(client.replace("%s", ""), "html") == ONE
        assert shown(client.replace("%s", "") + f"<p>{TWO}</p>", "html") == f"{ONE}\n\n{TWO}"
