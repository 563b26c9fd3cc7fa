"""What filters before us say, who is believed, and what is held."""

from __future__ import annotations

from typing import Any

import pytest

from core.config_mail import SPAM_FIELDS
from core.shapes import DeliveryReport, Held, Inbound, NewMessage
from intake.email.read import ReadContext, read_mail
from tests.mail.written import CONTEXT, KEYS, QUEUES, SIGNER, mail

FILTERED = ReadContext(keys=KEYS, queues=QUEUES, spam_fields=SPAM_FIELDS)
ENVELOPE: dict[str, Any] = {
    "sender": "ada@customer.example",
    "recipients": ["support@example.com"],
    "queue": "support",
    "trusted": True,
}


def read(envelope: dict[str, Any] | None = None, **fields: Any) -> Inbound:
    return read_mail(mail(**fields), ENVELOPE if envelope is None else envelope, FILTERED)


@pytest.mark.parametrize(
    ("name", "value", "spam"),
    [
        ("x_spam_flag", "YES", True),
        ("x_spam_flag", "NO", False),
        ("x_spam_status", "Yes, score=12.1 required=5.0 tests=BAYES_99 autolearn=no", True),
        ("x_spam_status", "No, score=4.9 required=5.0", False),
        ("x_spam_level", "*****", True),
        ("x_spam_level", "****", False),
        ("x_spam_level", "", False),
        ("x_spam", "Yes", True),
        ("x_rspamd_action", "reject", True),
        ("x_rspamd_action", "add header", True),
        ("x_rspamd_action", "rewrite subject", True),
        ("x_rspamd_action", "greylist", False),
        ("x_rspamd_action", "no action", False),
        ("x_ses_spam_verdict", "FAIL", True),
        ("x_ses_spam_verdict", "PASS", False),
        ("x_ses_spam_verdict", "GRAY", False),
        ("x_ses_virus_verdict", "FAIL", True),
        ("x_ms_exchange_organization_scl", "5", True),
        ("x_ms_exchange_organization_scl", "9", True),
        ("x_ms_exchange_organization_scl", "1", False),
        ("x_ms_exchange_organization_scl", "-1", False),
        ("x_ms_exchange_organization_scl", "junk", False),
    ],
)
def test_the_usual_filters(name: str, value: str, spam: bool) -> None:
    """SpamAssassin, rspamd, Amazon SES, Exchange; the row says which of them, from where and what about."""
    inbound = read(**{name: value})
    assert isinstance(inbound, Held) is spam
    if isinstance(inbound, Held):
        assert inbound.reason == f"spam ({name.replace('_', '-')})"
        assert inbound.about == "customer.example, 'Printer'"


def test_only_the_topmost_field_counts() -> None:
    """Ours wrote that one last; what stands below may be the sender's."""
    assert isinstance(read(x_spam_flag=["NO", "YES"]), NewMessage)
    assert isinstance(read(x_spam_flag=["YES", "NO"]), Held)


@pytest.mark.parametrize("trusted", [False, None, "yes", 1])
def test_a_stranger_is_no_filter(trusted: object) -> None:
    """Only a hop that the door calls trusted is believed, else anybody could hide anybody's mail."""
    assert isinstance(read({**ENVELOPE, "trusted": trusted}, x_spam_flag="YES"), NewMessage)


def test_staff_know_better() -> None:
    """Once somebody said that it is none, it's read as it would have been."""
    inbound = read({**ENVELOPE, "not_spam": True}, x_spam_flag="YES")
    assert isinstance(inbound, NewMessage)
    assert inbound.remarks == ()


def test_a_talk_that_goes_on_is_not_held() -> None:
    """A valid signed address was given to somebody by us: that mail goes its way, with a remark. A virus is held."""
    signed = SIGNER.reply_address("support@example.com", 7)
    inbound = read(to=signed, x_spam_flag="YES")
    assert isinstance(inbound, NewMessage)
    assert "spam" in inbound.remarks[-1]
    assert isinstance(read(to=signed, x_ses_virus_verdict="FAIL"), Held)
    forged = signed.replace("-", "-a")[: len(signed)]
    assert isinstance(read(to=forged, x_spam_flag="YES"), Held)


def test_a_bounce_of_ours_is_never_held() -> None:
    """Filters like to call bounces spam."""
    address = SIGNER.bounce_address("support@example.com", 7)
    envelope = {**ENVELOPE, "sender": "", "recipients": [address]}
    raw = mail(
        "<bob@x.example>: 550 5.1.1 no such user\n",
        from_="MAILER-DAEMON@mx.x.example",
        subject="Undelivered Mail Returned to Sender",
        x_spam_flag="YES",
    )
    assert isinstance(read_mail(raw, envelope, FILTERED), DeliveryReport)


def test_fields_are_the_operators_choice() -> None:
    """A field of an own filter says yes or true; one that isn't named says nothing."""
    context = ReadContext(keys=KEYS, queues=QUEUES, spam_fields=("x-our-filter",))
    assert isinstance(read_mail(mail(x_our_filter="True"), ENVELOPE, context), Held)
    assert isinstance(read_mail(mail(x_spam="yes"), ENVELOPE, context), NewMessage)
    assert isinstance(read_mail(mail(x_spam_flag="YES"), ENVELOPE, CONTEXT), Held)
