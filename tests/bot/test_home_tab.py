"""The Home tab's rendering: within Block Kit's limits, nobody's words live, where somebody is survives their clicks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import home_tab
from bot.home_reads import day_before, post_of
from bot.home_tab import Desk
from core.figures import Figures, Spread
from core.home_lists import MOST, PAGE, Request, Requests, Tab, TicketList, Wanted
from core.shapes import Priority
from core.status import Status
from core.views import Period
from sandbox.blocks import check_view
from tests.bot.kit import NOW, ticket

EVIL = "<!channel> & <@U0ADA00001> *bold* `code` <https://evil.example|click> :tada: " + "w" * 400
QUEUES = ("support", "billing")


def desk(
    count: int = 0, *, page: int = 1, yesterday: Any = None, wanted: Wanted | None = None, **more: Any
) -> Desk:
    start = (page - 1) * PAGE
    rows = tuple(
        ticket(**{"id": n + 1, "title": f"Ticket {n}", "waiting_since": NOW} | more)
        for n in range(start, min(count, start + PAGE))
    )
    return Desk(
        wanted=wanted or Wanted(tab=Tab.ALL, page=page),
        listed=TicketList(tickets=rows, page=page, count=count),
        queues=QUEUES,
        user_id=7,
        yesterday=yesterday,
    )


def figures(**more: Any) -> Figures:
    counts = {name: 1 for name in Figures.__slots__ if name not in ("period", "queue")}
    spread = Spread(n=3, median=5400.0, p90=9000.0)
    period = Period(NOW - timedelta(days=1), NOW)
    return Figures(
        **(counts | {"period": period, "queue": None, "first_response": spread, "resolution": spread} | more)
    )


def requests(opened: int = 0, resolved: int = 0, **more: Any) -> Requests:
    def one(number: int, status: Status) -> Request:
        given = {"answer": "Plug it in", "answered_by": "Ada", "place": "T1/D1#17.1"} | more
        return Request(ticket=ticket(id=number, status=status), **given)

    return Requests(
        open=tuple(one(n + 1, Status.OPEN) for n in range(opened)),
        resolved=tuple(one(n + 101, Status.RESOLVED) for n in range(resolved)),
    )


def texts(value: Any) -> Iterator[dict[str, Any]]:
    """All text objects of a view."""
    if isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "plain_text"):
            yield value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def controls(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Controls by block and action."""
    rows = [b for b in view["blocks"] if b["type"] == "actions"]
    return {f"{b['block_id']}/{e['action_id']}": e for b in rows for e in b["elements"]}


VIEWS = {
    "nothing asked": home_tab.for_requester("Acme", Requests(), {}),
    "asked": home_tab.for_requester(
        "Acme", requests(10, 5), {1: "https://x.slack.com/archives/D1/p17?a=1&b=2"}
    ),
    "no tickets": home_tab.for_staff("Acme", desk(), Requests(), {}),
    "page 2 of 50": home_tab.for_staff("Acme", desk(500, page=2), Requests(), {}),
    "all at once": home_tab.for_staff(
        "Acme", desk(500, page=50, yesterday=(date(2026, 11, 23), figures())), requests(10, 5), {}
    ),
    "evil": home_tab.for_staff(
        EVIL,
        replace(
            desk(30, title=EVIL, requester_name=EVIL, assignee=EVIL, assignee_id=9, queue=EVIL),
            queues=("a",) * 120,
        ),
        requests(3, 1, answer=EVIL, answered_by=EVIL),
        {},
    ),
    "loading": home_tab.loading(Wanted()),
    "failed": home_tab.failed(Wanted(tab=Tab.WAITING)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_what_slack_takes(name: str) -> None:
    """By the sandbox's checker, which the contract's fixtures prove; and at most 100 blocks, as PLATFORM 2.8 has it."""
    view = VIEWS[name]
    assert check_view(view) == []
    assert len(view["blocks"]) <= 100
    assert len(view["private_metadata"]) <= 3000


def test_views_keep_the_contracts_limits(shared_folder: Path) -> None:
    """The lengths of the contract's own list of limits."""
    limits = json.loads((shared_folder / "slack/contract/blockkit/limits.json").read_text("utf-8"))
    assert limits
    for name, view in VIEWS.items():
        for text in texts(view):
            assert 1 <= len(text["text"]) <= 3000, name
        for key, element in controls(view).items():
            assert len(key.partition("/")[0]) <= 255
            assert len(element.get("text", element.get("placeholder", {}))["text"]) <= 75
            assert len(element.get("options", ())) <= 100


def test_nobodys_words_are_live() -> None:
    """Titles, names and answers stand in plain text, or escaped."""
    for text in texts(VIEWS["evil"]):
        if text["type"] == "mrkdwn":
            assert "<!channel>" not in text["text"]
            assert "<@U" not in text["text"]
            assert "evil.example|" not in text["text"]
        else:
            assert text.get("emoji") is False


def test_a_row_tells_what_matters() -> None:
    """Number and title, who asked, where, how it stands, and since when; controls of the ticket's version."""
    view = home_tab.for_staff("Acme", desk(1, status=Status.OPEN, priority=Priority.URGENT), Requests(), {})
    said = " ".join(text["text"] for text in texts(view))
    for words in (
        "#1 Ticket 0",
        "Ann",
        "support",
        "open",
        "unassigned",
        "came in",
        "waiting since",
        ":rotating_light:",
    ):
        assert words in said
    made = controls(view)
    assert made["ticket:1:home:3/take"]["value"] == "1"
    status = made["ticket:1:home:3/status"]
    assert status["initial_option"]["value"] == "open"
    assert "new" not in [option["value"] for option in status["options"]]


def test_mine_needs_no_taking() -> None:
    """Neither what is theirs already nor what is closed."""
    mine = controls(home_tab.for_staff("Acme", desk(1, assignee_id=7, assignee="ada"), Requests(), {}))
    closed = controls(home_tab.for_staff("Acme", desk(1, status=Status.CLOSED), Requests(), {}))
    assert "ticket:1:home:3/take" not in mine
    assert "ticket:1:home:3/take" not in closed
    assert "ticket:1:home:3/status" in mine


@pytest.mark.parametrize(
    ("page", "count", "words", "buttons"),
    [
        (1, 7, "1–7 of 7", set()),
        (1, 500, "1–10 of 500", {"home_page_next"}),
        (2, 500, "11–20 of 500", {"home_page_previous", "home_page_next"}),
        (50, 500, "491–500 of 500", {"home_page_previous"}),
        (3, MOST, "21–30 of 1,000 or more", {"home_page_previous", "home_page_next"}),
    ],
)
def test_pages(page: int, count: int, words: str, buttons: set[str]) -> None:
    """PLATFORM case 25: which ones of how many, and only the buttons that lead somewhere."""
    view = home_tab.for_staff("Acme", desk(count, page=page), Requests(), {})
    assert any(words in text["text"] for text in texts(view))
    assert {k.partition("/")[2] for k in controls(view) if k.startswith("home:pages/")} == buttons


def test_a_ticket_that_is_asked_for_and_listed() -> None:
    """Staff's own request may stand in their list too: no block's id is there twice."""
    view = home_tab.for_staff("Acme", desk(3), requests(3), {})
    assert check_view(view) == []


def test_requesters_see_plain_words() -> None:
    """How it stands, what was answered, the way to the conversation, and the one thing they can do."""
    view = home_tab.for_requester("Acme", requests(1, 1), {1: "https://x.slack.com/p1"})
    said = " ".join(text["text"] for text in texts(view))
    for words in ("we're working on it", "Plug it in", "<https://x.slack.com/p1|in our conversation>", "Ada"):
        assert words in said
    made = controls(view)
    assert {"ticket:1:home:3/resolve", "ticket:101:home:3/reopen", "home:new/home_new"} == set(made)
    assert "haven't asked" in str(VIEWS["nothing asked"])


def test_figures_of_yesterday() -> None:
    """In words; a spread of nothing is left out, so are deliveries that didn't fail."""
    none = Spread(n=0, median=None, p90=None)
    day = date(2026, 11, 23)
    full = str(home_tab.for_staff("Acme", desk(yesterday=(day, figures())), Requests(), {}))
    bare = home_tab.for_staff(
        "Acme",
        desk(yesterday=(day, figures(first_response=none, resolution=none, deliveries_failed=0))),
        Requests(),
        {},
    )
    assert "Mon 23 Nov" in full
    assert "first answer 1.5 h" in full
    assert "not delivered 1, open at its end 1" in full
    assert "Half of them" not in str(bare)
    assert "not delivered" not in str(bare)
    assert "Yesterday" not in str(VIEWS["no tickets"])


# -- where somebody is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(tab=Tab.WAITING, queue="billing", status=Status.PENDING, page=49),
        Wanted(tab=Tab.ALL, queue="x" * 40, page=99999),
    ],
)
def test_metadata_comes_back(wanted: Wanted) -> None:
    """As it was."""
    assert home_tab.wanted_of(home_tab.metadata_of(wanted)) == wanted


@pytest.mark.parametrize(
    "metadata", [None, "", "{", "[]", '"x"', '{"tab": "no"}', '{"status": 5}', "7", '{"page": "x"}']
)
def test_strange_metadata_is_the_default(metadata: str | None) -> None:
    """Of an older version, or none."""
    assert home_tab.wanted_of(metadata) == Wanted()


HERE = Wanted(tab=Tab.ALL, queue="billing", status=Status.OPEN, page=3)


@pytest.mark.parametrize(
    ("action", "then"),
    [
        ({"action_id": "home_tab_waiting", "value": "waiting"}, replace(HERE, tab=Tab.WAITING, page=1)),
        (
            {"action_id": "home_queue", "selected_option": {"value": "support"}},
            replace(HERE, queue="support", page=1),
        ),
        ({"action_id": "home_queue", "selected_option": {"value": "*"}}, replace(HERE, queue=None, page=1)),
        (
            {"action_id": "home_status", "selected_option": {"value": "new"}},
            replace(HERE, status=Status.NEW, page=1),
        ),
        ({"action_id": "home_status", "selected_option": {"value": "*"}}, replace(HERE, status=None, page=1)),
        ({"action_id": "home_page_next", "value": "4"}, replace(HERE, page=4)),
        ({"action_id": "home_page_next", "value": "-4"}, replace(HERE, page=1)),
        ({"action_id": "home_again", "value": "again"}, HERE),
        ({"action_id": "home_tab_nowhere"}, HERE),
        ({"action_id": "home_status", "selected_option": {"value": "burnt"}}, HERE),
        ({}, HERE),
    ],
)
def test_clicks(action: dict[str, Any], then: Wanted) -> None:
    """Filters stay with another tab, each begins at its first page; nonsense changes nothing."""
    assert home_tab.clicked(HERE, action) == then


def test_where_a_conversation_is() -> None:
    """A thread's root, or the first post of ours; a mail address is no place in Slack."""
    assert post_of("T1/D1#17.1", "") == ("D1", "17.1")
    assert post_of("T1/U1", "T1/D1/18.5") == ("D1", "18.5")
    assert post_of("T1/U1", "") is None


@pytest.mark.parametrize(
    ("now", "zone", "day", "hours"),
    [
        ("2026-11-24T12:00", "UTC", date(2026, 11, 23), 24),
        ("2026-11-24T23:30", "Europe/Berlin", date(2026, 11, 24), 24),
        ("2026-10-26T08:00", "Europe/Berlin", date(2026, 10, 25), 25),
        ("2026-03-30T08:00", "Europe/Berlin", date(2026, 3, 29), 23),
        ("2026-01-01T03:00", "America/New_York", date(2025, 12, 30), 24),
    ],
)
def test_the_last_local_day(now: str, zone: str, day: date, hours: int) -> None:
    """Whole days as the service's zone has them, also when clocks change."""
    found, period = day_before(datetime.fromisoformat(now).replace(tzinfo=UTC), zone)
    assert found == day
    assert period.until - period.since == timedelta(hours=hours)
    assert period.until.tzinfo is UTC
