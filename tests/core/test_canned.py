"""Canned answers, as pure functions: variables that are ours are filled in, anything else is left as it stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.canned import chosen, filled, listed, offered
from core.config import Canned
from core.failures import Invalid
from core.shapes import Priority
from core.status import Status, Ticket

NOW = datetime(2026, 11, 27, tzinfo=UTC)
HOURS = Canned(name="hours", text="Nine to five.\nAlways.")
VAT = Canned(name="vat", text="DE1", queues=("billing", "sales"))


def ticket(**more: str) -> Ticket:
    return Ticket(
        id=12,
        queue="support",
        title=more.get("title", "Printer"),
        description="",
        status=Status.NEW,
        priority=Priority.NORMAL,
        channel="email",
        requester_id=1,
        requester_name=more.get("name", "Ann"),
        requester_email="ann.b@example.com",
        assignee_id=None,
        assignee=None,
        version=1,
        created_at=NOW,
        updated_at=NOW,
        public_updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{requester} {ticket} {agent} {queue} {title}", "Ann 12 Ada support Printer"),
        ("{unknown} {requester.id} {0} {} {{requester}}", "{unknown} {requester.id} {0} {} {Ann}"),
        ("{requester!r} {title:>99999999} %s $title", "{requester!r} {title:>99999999} %s $title"),
        ("{ requester } {Requester} {", "{ requester } {Requester} {"),
        ("}{", "}{"),
    ],
)
def test_variables(text: str, shown: str) -> None:
    """No format language: nothing raises, nothing reaches into an object."""
    assert filled(text, ticket(), "Ada") == shown


def test_a_value_is_not_read_again() -> None:
    """A title that looks like a variable, or like a pattern, is only words."""
    assert filled("{title} {agent}", ticket(title=r"{agent} \1 \g<0>"), "Ada") == r"{agent} \1 \g<0> Ada"


def test_somebody_without_a_name() -> None:
    """Is called by what stands before the @ of their address."""
    assert filled("Hello {requester}", ticket(name=""), "Ada") == "Hello ann.b"


def test_which_are_offered() -> None:
    """Those of the queue and those of all; the list shows their first words."""
    assert offered((HOURS, VAT), "support") == [HOURS]
    assert offered((HOURS, VAT), "sales") == [HOURS, VAT]
    assert "hours  Nine to five. Always." in listed([HOURS, VAT], "sales")
    assert "no canned answers for support" in listed([], "support")
    assert "…" in listed([Canned(name="x", text="word " * 99)], "support")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("vat", "is for billing and sales, this ticket is in support"),
        ("hour", "did you mean !reply hours?"),
        ("qqq", "there is: hours"),
    ],
)
def test_which_is_meant(word: str, says: str) -> None:
    """The name in any case; else what is wrong with it."""
    assert chosen((HOURS, VAT), "Hours", "support") is HOURS
    with pytest.raises(Invalid, match=says.replace("?", r"\?")):
        chosen((HOURS, VAT), word, "support")
