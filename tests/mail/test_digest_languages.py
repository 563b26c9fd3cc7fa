"""The digest's mail in other languages than English, and in an operator's own words."""

from __future__ import annotations

import pytest

from core.report_words import Speech, speech
from intake.email.digest_mail import compose_digest, values
from tests.core.long_words import longest
from tests.mail.test_compose import CONTEXT
from tests.mail.test_digest_mail import PNG, Elements, content, digest, read, report


def test_it_is_in_the_report_s_language() -> None:
    mail = read(
        compose_digest(
            digest(report(told_in=speech("de"), late=True), unsubscribe="https://desk.example.com/u"), CONTEXT
        )
    )
    assert mail["Subject"] == "Acme Support: daily, 27. Nov. (verspätet)"
    html = content(mail, "html")
    assert [attrs["lang"] for attrs in Elements(html).all("html")] == ["de"]
    words = "".join(Elements(html).words)
    for one in (
        "Hier wird jemand gebraucht",
        "Diese E-Mails nicht mehr erhalten",
        "Was geschehen ist",
        "niemand",
    ):
        assert one in words
    text = content(mail, "plain")
    for one in (
        "HIER WIRD JEMAND GEBRAUCHT",
        "IN ZAHLEN",
        "nicht mehr zu erhalten: https://desk.example.com/u",
    ):
        assert one in text
    assert "the " not in text.replace("the wrong", "").replace("the update", "").replace("the keyboard", "")


@pytest.mark.parametrize("words", [longest(), longest("<"), longest("字")], ids=["and", "less", "wide"])
def test_an_operator_s_longest_words_are_a_mail(words: Speech) -> None:
    """In which they are words and nothing else."""
    told = report(told_in=words, late=True)
    mail = read(compose_digest(digest(told, unsubscribe="https://desk.example.com/u"), CONTEXT, (PNG,) * 3))
    shown = Elements(content(mail, "html"))
    assert shown.open == []
    assert [attrs["lang"] for attrs in shown.all("html")] == ["nl"]
    assert told.headline[0] in "".join(shown.words)


def test_a_narrow_screen_may_break_long_durations_and_no_label_of_ours_has_a_line_of_its_own() -> None:
    """Those that are no longer than English ones stay in one piece."""
    tables = {table["title"]: table for table in values(report(told_in=speech("de")), CONTEXT)["tables"]}
    cell = tables["Wie lange es gedauert hat"]["rows"][0]["cells"][2]
    assert (cell["text"], cell["then"]) == ("1\u00a0Std. 20\u00a0Min.", "(1\u00a0Std. 5\u00a0Min.)")
    assert not tables["Was geschehen ist"]["wide"]
    assert tables["Warten am längsten auf uns"]["wide"]
    english = {table["title"]: table for table in values(report(), CONTEXT)["tables"]}
    assert english["How long it took"]["rows"][0]["cells"][2]["text"] == "1\u00a0h\u00a020\u00a0min"
