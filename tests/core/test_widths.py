"""Text is as wide as it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.widths import cut, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("字幕", 4), ("e\N{COMBINING ACUTE ACCENT}", 1), ("ｗ", 2)],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "widest", "shown"),
    [
        ("printer", 7, "printer"),
        ("printers", 7, "printe…"),
        (" on \n two  lines ", 20, "on two lines"),
        ("paper jam", 7, "paper…"),
        ("字幕字幕", 6, "字幕…"),
        ("字幕字幕", 8, "字幕字幕"),
        ("caffe\N{COMBINING ACUTE ACCENT}", 5, "caffe\N{COMBINING ACUTE ACCENT}"),
    ],
)
def test_cut(text: str, widest: int, shown: str) -> None:
    assert cut(text, widest) == shown


@given(st.text(max_size=40), st.integers(1, 20))
def test_it_fits_and_is_cut_only_where_it_must(text: str, widest: int) -> None:
    shown, line = cut(text, widest), " ".join(text.split())
    assert width(shown) <= widest
    assert shown == line or width(line) > widest
