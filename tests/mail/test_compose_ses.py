"""Under which Message-IDs answers come to a mail that Amazon SES took."""

from __future__ import annotations

import pytest

from intake.email.ses import aliases

ID = "0102018f3c5a1b2c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000"


@pytest.mark.parametrize(
    ("host", "domains"),
    [
        ("email-smtp.eu-west-1.amazonaws.com", ["eu-west-1", "email"]),
        ("Email-SMTP.us-east-1.amazonaws.com.", ["us-east-1", "email"]),
        ("email-smtp-fips.us-gov-west-1.amazonaws.com", ["us-gov-west-1", "email"]),
        ("vpce-1-2.email-smtp.ap-south-1.vpce.amazonaws.com", ["ap-south-1", "email"]),
        ("feedback-smtp.eu-west-1.amazonses.com", ["eu-west-1", "email"]),
        ("smtp.email.amazonses.com", ["email"]),
        ("amazonses.com.example.net", []),
        ("evilamazonses.com", []),
        ("email-smtp.eu-west-1.amazonaws.com.example.net", []),
        ("smtp.example.com", []),
        ("", []),
    ],
)
def test_by_the_region_and_by_the_general_name(host: str, domains: list[str]) -> None:
    assert aliases(host, f"Ok {ID}") == tuple(f"{ID}@{domain}.amazonses.com" for domain in domains)


@pytest.mark.parametrize(
    "answer",
    ["", "Ok", "2.0.0 queued as ABC", "Ok <script>", f"Ok {ID[:16]}", "Ok " + "a" * 500, f"no {ID}"],
)
def test_other_answers_name_nothing(answer: str) -> None:
    assert aliases("email-smtp.eu-west-1.amazonaws.com", answer) == ()


def test_an_enhanced_code_before_it() -> None:
    assert len(aliases("email-smtp.eu-west-1.amazonaws.com", f"2.0.0 Ok {ID}")) == 2
