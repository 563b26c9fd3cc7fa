"""What JSON is taken, and what isn't."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from core.status import Status
from intake.web.schemas import AssigneeIn, MessageIn, PeriodQuery, ReportIn, StatusIn, TicketsQuery

REPORT: dict[str, Any] = {"title": "Printer", "description": "It is on fire."}


def test_a_report_is_taken() -> None:
    """With what INTERFACES.md names, and no more."""
    report = ReportIn(**REPORT, email=" Ann@Example.COM ", name="Ann", priority="high", queue="support")
    person = report.person()
    assert person is not None
    assert (person.kind, person.address, person.name) == ("email", "ann@example.com", "Ann")


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"title": ""},
        {"title": " \t "},
        {"title": 5},
        {"title": None},
        {"title": "x" * 256},
        {"title": "a\r\nBcc: b@example.com"},
        {"title": "a\x00b"},
        {"title": "a\u2028b"},
        {"title": "\x1b[31m"},
        {"description": ["x"]},
        {"description": "half \ud83d"},
        {"description": "nul \x00"},
        {"email": "nobody"},
        {"email": "a@b\r\nRCPT TO:<c@d>"},
        {"email": "a b@example.com"},
        {"email": "a@b@c"},
        {"email": "<a@example.com>"},
        {"email": "a@example.com,b@example.com"},
        {"email": "a" * 250 + "@example.com"},
        {"email": "", "name": "x"},
        {"name": "A\nB"},
        {"name": "x" * 201},
        {"priority": "extreme"},
        {"queue": "a\nb"},
    ],
)
def test_a_report_is_refused(change: dict[str, Any]) -> None:
    """Unknown keys, wrong types, what would end a header line, half characters."""
    with pytest.raises(ValidationError):
        ReportIn(**{**REPORT, **change})


@pytest.mark.parametrize("message", ["", " \n ", None, 5, "nul \x00", "half \ud83d"])
def test_a_message_needs_words(message: Any) -> None:
    """An empty message is none."""
    with pytest.raises(ValidationError):
        MessageIn(message=message)


def test_small_bodies_are_strict() -> None:
    """Status, assignee, visibility: known values, no further keys."""
    for make in (
        lambda: StatusIn(status="done"),
        lambda: StatusIn(status="open", note="x"),
        lambda: AssigneeIn(),
        lambda: AssigneeIn(username=""),
        lambda: MessageIn(message="x", visibility="secret"),
    ):
        with pytest.raises(ValidationError):
            make()
    assert AssigneeIn(username=None).username is None


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([], []),
        ([""], []),
        (["new"], [Status.NEW]),
        (["new,open"], [Status.NEW, Status.OPEN]),
        (["new", "closed"], [Status.NEW, Status.CLOSED]),
    ],
)
def test_statuses_may_be_repeated_or_listed(given: list[str], taken: list[Status]) -> None:
    """`status=new&status=open`, `status=new,open`; an empty one is absent."""
    assert TicketsQuery(status=given).status == taken


def test_empty_criteria_are_absent() -> None:
    """A form sends all its fields."""
    query = TicketsQuery(status=[""], queue="", assignee="", requester="", q="", cursor="")
    assert (query.queue, query.assignee, query.requester, query.q, query.cursor) == (None,) * 5


@pytest.mark.parametrize("change", [{"limit": 0}, {"limit": 201}, {"status": ["gone"]}, {"colour": "red"}])
def test_criteria_are_checked(change: dict[str, Any]) -> None:
    """A misspelt criterion must not list everything."""
    with pytest.raises(ValidationError):
        TicketsQuery(**change)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00 02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),  # a `+` that nobody escaped
        ("2026-03-01T10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_utc(given: str, taken: datetime | None) -> None:
    """Whatever offset they were written with."""
    assert PeriodQuery(since=given).since == taken


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_times_that_are_none(given: str) -> None:
    """Refused, also at the end of the calendar."""
    with pytest.raises(ValidationError):
        PeriodQuery(since=given)
