"""A participant's words that are passed on say whose they are: nobody can pass for the desk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.shapes import Author
from intake.email.compose import compose_mail
from tests.mail.test_compose import CONTEXT, message, outgoing, parsed, texts

LEADS = {
    "en": "is not a member of our team, wrote:",
    "de": "nicht Teil unseres Teams, schrieb:",
    "fr": "sans faire partie de notre équipe, a écrit\u00a0:",
    "es": "no forma parte de nuestro equipo, escribió:",
}


@pytest.mark.parametrize("language", LEADS)
@pytest.mark.parametrize("name", ["Eve", "", "eve@evil.example"])
def test_it_says_who_wrote_and_that_they_are_not_ours(language: str, name: str) -> None:
    words = message(
        "Please pay to this account.", author=Author(name=name, email="eve@evil.example", staff=False)
    )
    mail = compose_mail(outgoing(message=words, data={"passed_on": True}, language=language), CONTEXT)
    plain, html = texts(mail)
    assert LEADS[language] in plain
    assert LEADS[language] in html
    assert plain.index(LEADS[language]) < plain.index("Please pay")
    shown = parsed(mail)["From"].addresses[0]
    assert shown.display_name != CONTEXT.service  # never as if the desk itself wrote
    assert shown.display_name.endswith(f" via {CONTEXT.service}")
    assert ("Eve" in shown.display_name) == (name == "Eve")
    assert b"evil.example" not in mail.content  # a participant's address is theirs


def test_an_answer_of_staffs_has_no_such_line() -> None:
    plain, _ = texts(compose_mail(replace(outgoing(), language="en"), CONTEXT))
    assert LEADS["en"] not in plain
