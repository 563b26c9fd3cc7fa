"""An operator's own words in languages that we don't have: which form is for how many."""

from __future__ import annotations

import pytest

from core.report_texts import ours
from core.report_words import spoken_by


@pytest.mark.parametrize("language", ["ru", "pt", "ja", "nl"])
def test_one_is_one_alone_in_a_language_of_the_operators_own(language: str) -> None:
    """What they left out is English: "1 was resolved", which Russian's own plural says of 21 too."""
    words = spoken_by(language, {language: {"nobody": "x"}})
    assert [n for n in range(200) if words.plural(n) == "one"] == [1]
    assert words.counted("resolved", 21, compared="x") == "21 were resolved, x"
    first = words.counted("first_answer", 21, duration="1 h")
    assert first == ours()["en"]["first_answer_other"].format(n=21, duration="1 h")
