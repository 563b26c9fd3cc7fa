"""Signed addresses: what we sign we know again, whatever mail programs do to it; nobody else can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.email.addresses import Signed, Signer, plain_of, redact
from tests.mail.written import SIGNER


@given(st.integers(1, 2**63 - 1))
def test_a_signed_number_comes_back(number: int) -> None:
    assert SIGNER.check(SIGNER.reply_address("support@example.com", number)) == Signed(
        "ticket", number, "support@example.com"
    )


def test_the_form_is_the_one_of_the_interfaces() -> None:
    address = SIGNER.reply_address("Support@Example.com", 12)
    local, _, domain = address.partition("@")
    assert local.startswith("Support+t12-")
    assert len(local) == len("Support+t12-") + 16
    assert domain == "Example.com"
    assert set(local.rpartition("-")[2]) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_case_doesnt_matter() -> None:
    address = SIGNER.reply_address("support@example.com", 7)
    assert SIGNER.check(address.upper()) == Signed("ticket", 7, "support@example.com")
    assert SIGNER.check(f"<{address}>") == Signed("ticket", 7, "support@example.com")


def test_purposes_have_keys_of_their_own() -> None:
    reply = SIGNER.reply_address("support@example.com", 7)
    assert SIGNER.check(reply.replace("+t7-", "+b7-")) is None
    bounce = SIGNER.check(SIGNER.bounce_address("support@example.com", 7))
    assert bounce == Signed("delivery", 7, "support@example.com")


def test_another_number_or_key_is_refused() -> None:
    address = SIGNER.reply_address("support@example.com", 7)
    assert SIGNER.check(address.replace("+t7-", "+t8-")) is None
    assert Signer(["another"]).check(address) is None


def test_old_keys_verify_and_never_sign() -> None:
    old = Signer(["old key"]).reply_address("support@example.com", 7)
    assert SIGNER.check(old) is not None
    assert SIGNER.reply_address("support@example.com", 7) != old


@pytest.mark.parametrize(
    "address",
    [
        "support@example.com",
        "support+t7@example.com",
        "support+t07-aaaaaaaaaaaaaaaa@example.com",
        "support+t0-aaaaaaaaaaaaaaaa@example.com",
        "support+x7-aaaaaaaaaaaaaaaa@example.com",
        "support+t7-aaaaaaaaaaaaaaa1@example.com",
        "+t7-aaaaaaaaaaaaaaaa@example.com",
        "support+t7-\u212aaaaaaaaaaaaaaaa@example.com",
        "@",
        "",
        "x" * 10_000,
    ],
)
def test_what_isnt_ours_is_none(address: str) -> None:
    assert SIGNER.check(address) is None


def test_the_plain_address_is_found_with_any_signature() -> None:
    assert plain_of("Support+t7-aaaaaaaaaaaaaaaa@Example.com") == "support@example.com"
    assert plain_of("support+anything@example.com") == "support+anything@example.com"
    assert SIGNER.plain_of(SIGNER.bounce_address("help@example.com", 3)) == "help@example.com"


def test_a_dash_can_be_the_delimiter() -> None:
    signer = Signer(["k"], "-")
    address = signer.reply_address("help-desk@example.com", 12)
    assert address.startswith("help-desk-t12-")
    assert signer.check(address) == Signed("ticket", 12, "help-desk@example.com")
    assert signer.plain_of(address) == "help-desk@example.com"


@pytest.mark.parametrize("address", ["a" * 36 + "@example.com", "nobody", "@example.com", "a@"])
def test_what_cant_be_signed_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        SIGNER.reply_address(address, 1)


def test_the_longest_address_fits_smtp() -> None:
    address = SIGNER.reply_address("a" * 35 + "@example.com", 9_999_999_999)
    assert len(address.partition("@")[0]) == 64


def test_no_key_no_signer() -> None:
    with pytest.raises(ValueError):
        Signer([""])
    with pytest.raises(ValueError):
        Signer(["k"], "++")


def test_logs_get_no_signature() -> None:
    address = SIGNER.reply_address("support@example.com", 12)
    shown = redact(address)
    assert shown == "support+t12-…@example.com"
    assert redact(address.upper()).startswith("SUPPORT+T12-…")
    assert redact("ada@customer.example") == "ada@customer.example"
