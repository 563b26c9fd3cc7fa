"""The one form of a mail address: two mailboxes with two owners never have the same."""

from __future__ import annotations

import pytest

from core.shapes import canonical_address
from intake.email.wire_headers import on_the_wire


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("Ann@Example.COM ", "ann@example.com"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("jörg@straße.example", "jörg@xn--strae-oqa.example"),
        ("jörg@strasse.example", "jörg@strasse.example"),
        ("a@ς.example", "a@xn--3xa.example"),
        ("a@σ.example", "a@xn--4xa.example"),
        ("a@☕.example", "a@xn--53h.example"),
        ("a@☕ß.example", "a@☕ß.example"),
        ("a@x\u200d.example", "a@x\u200d.example"),
        ("a@。.example", "a@。.example"),
    ],
)
def test_one_form(written: str, one: str) -> None:
    """By IDNA 2008; what that has no place for by IDNA 2003, unless that made others of its letters."""
    assert canonical_address(written) == one
    assert canonical_address(one) == one


def test_mail_goes_to_that_domain() -> None:
    assert on_the_wire("ann@straße.example") == "ann@xn--strae-oqa.example"
    assert on_the_wire("jörg@straße.example") == "jörg@straße.example"
    assert on_the_wire("ann@x\u200d.example") == "ann@x\u200d.example"
