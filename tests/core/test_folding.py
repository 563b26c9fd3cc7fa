"""Words as they are searched."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.folding import LONGEST, MOST_WORDS, asked, entry, matches, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The printer, THE Printer!", ["the", "printer"]),
        ("Straße Éclair naïve", ["strasse", "eclair", "naive"]),
        ("snake_case a-b c.d@example.com", ["snake", "case", "a", "b", "c", "d", "example", "com"]),
        ("ＶＰＮ ２", ["vpn", "2"]),
        ("プリンター", ["フリ", "リン", "ンタ", "ター"]),
        ("東京VPN", ["東京", "vpn"]),
        ("京", ["京"]),
        ("принтер Не", ["принтер", "не"]),
        ("\ud800 'or' 1=1 -- %_*\"+", ["or", "1"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_in(text) == words


@given(st.text(max_size=60))
def test_nothing_that_a_store_reads_as_a_sign_is_in_a_word(text: str) -> None:
    """What is written into a query of LIKE, FULLTEXT or FTS5 is letters and digits, and not too long."""
    for word in words_in(text):
        assert re.fullmatch(r"[^\W_]+", word)
        assert len(word) <= LONGEST
    assert len(asked(text)) <= MOST_WORDS


@given(st.lists(st.text(min_size=1, max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_everybody_finds_what_everybody_sees(everybody: list[str], staff: list[str]) -> None:
    kept = entry(everybody, staff)
    for text in everybody:
        assert matches(kept, asked(text), staff=False)
        assert matches(kept, asked(text), staff=True)
    for text in staff:
        assert matches(kept, asked(text), staff=True)


def test_who_finds_what() -> None:
    kept = entry(["The printer burns"], ["third time", "ann@example.com"])
    assert matches(kept, asked("prin BURNS"), staff=False)
    assert not matches(kept, asked("rinter"), staff=True)  # the beginning of a word
    assert not matches(kept, asked("third"), staff=False)
    assert matches(kept, asked("third printer ann"), staff=True)
