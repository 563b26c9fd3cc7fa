"""The triage card: what it shows in each state, what it offers, and that Slack takes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.blocks import Look
from bot.cards import gone_to, settable, ticket_card
from bot.sender import look_of
from core.config import parse
from core.shapes import Author, Kind, Outgoing, Priority
from core.status import Status
from tests.bot.kit import NOW, TRIAGE, outgoing, ticket
from tests.bot.posts import check, live, shown, transcript, walk

GOLDEN = Path(__file__).parent / "golden"
LOOK = Look("", "Acme Support", team="T1", triage={"support": TRIAGE, "billing": "C0BILLING1", "quiet": ""})
LONG = "<&>" * 4_000 + "word " * 9_000


def card(assignee_slack: str = "", answering: tuple[str, ...] = (), **more: Any) -> Outgoing:
    who = more.get("assignee")
    return outgoing(
        Kind.CARD,
        ticket=ticket(**more),
        assignee=who and who.title(),
        assignee_slack=assignee_slack,
        answering=answering,
    )


STATES: dict[str, tuple[Outgoing, Look]] = {
    "new": (card(), LOOK),
    "assigned_urgent": (
        card(
            "T1/U1ADA", status=Status.OPEN, priority=Priority.URGENT, assignee="ada", assignee_id=2, version=4
        ),
        LOOK,
    ),
    "answering": (card(answering=("Ada", "Ben <b>"), status=Status.OPEN), LOOK),
    "snoozed_spam": (
        card(
            snoozed_until=NOW + timedelta(days=2),
            spam=True,
            unconfirmed=True,
            status=Status.PENDING,
            priority=Priority.LOW,
        ),
        LOOK,
    ),
    "target_near": (
        card(
            status=Status.OPEN,
            next_due_at=NOW + timedelta(minutes=20),
            resolve_due_at=NOW + timedelta(days=2),
            targets_told="next:75 on",
        ),
        LOOK,
    ),
    "target_missed": (card(first_due_at=NOW - timedelta(minutes=1), targets_told="first:100 on"), LOOK),
    "resolved_with_page": (
        card(status=Status.RESOLVED, channel="slack"),
        Look("https://desk.example/", "Acme"),
    ),
    "closed": (card(status=Status.CLOSED, channel="web"), LOOK),
    "merged": (card(status=Status.CLOSED, merged_into=9), LOOK),
    "moved": (card(queue="billing"), LOOK),
    "moved_out_of_slack": (card(queue="quiet"), LOOK),
    "of_nothing": (card(title="", description="", requester_name="", requester_email=""), LOOK),
}


@pytest.mark.parametrize("state", list(STATES))
def test_a_card_looks_as_it_was_agreed(state: str) -> None:
    given, look = STATES[state]
    if state == "of_nothing":
        given = outgoing(Kind.CARD, ticket=given.ticket, requester=None)
    post = ticket_card(replace(given, delivery_id=7), look)
    check(post)
    assert f"{post.text}\n{transcript(post)}\n" == (GOLDEN / f"card_{state}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("priority", list(Priority))
def test_a_card_shows_the_present_state(status: Status, priority: Priority) -> None:
    post = ticket_card(card(status=status, priority=priority, assignee="ada", assignee_id=2), LOOK)
    check(post)
    text = shown(post)
    for word in ("#12", "The printer burns", "Ann", "ann@example.com", "Ada", "support", status, priority):
        assert word in text
    assert "It burns. Please help." in text


def test_a_card_of_monsters_keeps_the_limits() -> None:
    given = ticket(
        title=LONG,
        description=LONG,
        requester_name=LONG,
        requester_email="x" * 300,
        unconfirmed=True,
        queue=LONG,
        channel=LONG,
    )
    author = Author(name=LONG, email="x" * 300, staff=False)
    post = ticket_card(
        outgoing(Kind.CARD, ticket=given, requester=author, assignee=LONG, answering=(LONG,) * 30),
        Look("", "Acme"),
    )
    check(post)
    assert "hasn't confirmed" in shown(post)
    assert live([post]) == []


def test_whatever_fits_is_on_the_card() -> None:
    words = " ".join(["word"] * 56)[:280]
    assert words in shown(ticket_card(card(description=words), LOOK))


def test_controls_are_named_anew_each_time() -> None:
    """A select whose block keeps its name would go on showing what somebody chose: also where the ticket stands as it
    stood, and only the menu is to be let go."""
    shown = [card(version=3), replace(card(version=3), delivery_id=8), card(version=4)]
    blocks = [x["block_id"] for one in shown for x in ticket_card(one, LOOK).blocks if x["type"] == "actions"]
    assert blocks[0].startswith("ticket:12:")
    assert len(set(blocks)) == 3


@pytest.mark.parametrize(
    ("slack", "shown_as"),
    [("T1/U1ADA", "U1ADA"), ("T2/U1ADA", None), ("", None), ("T1/B1", None), ("W1ADA", "W1ADA")],
)
def test_the_menu_of_people_shows_somebody_of_our_team_only(slack: str, shown_as: str | None) -> None:
    post = ticket_card(card(slack, assignee="ada", assignee_id=2), LOOK)
    [menu] = [x for x in walk(post.blocks) if x.get("type") == "users_select"]
    assert menu.get("initial_user") == shown_as


def test_the_age_is_counted_by_each_readers_client() -> None:
    assert f"<!date^{int(NOW.timestamp())}^{{ago}}|2026-11-24 12:00 UTC>" in shown(ticket_card(card(), LOOK))


@pytest.mark.parametrize("more", [{"merged_into": 9}, {"queue": "billing"}, {"queue": "quiet"}])
def test_a_card_that_is_only_a_pointer_offers_nothing(more: dict[str, Any]) -> None:
    post = ticket_card(card(**more), LOOK)
    assert not [x for x in post.blocks if x["type"] == "actions"]
    assert "It burns" not in shown(post)


def test_a_queue_that_is_gone_from_the_configuration_is_the_first_ones() -> None:
    assert gone_to(card(queue="unheard of"), LOOK) is None
    assert gone_to(card(queue="unheard of"), Look("", "x", triage={"a": "C0OTHER01"})) is not None
    assert gone_to(card(), Look("", "x")) is None


@pytest.mark.parametrize("status", list(Status))
def test_what_can_be_set_has_the_present_status(status: Status) -> None:
    assert status in settable(status)


def test_tags() -> None:
    """In one line, as letters; none, and there is no such line; many are cut."""
    tagged = ticket_card(outgoing(Kind.CARD, ticket=ticket(), tags=("hardware", "vpn")), LOOK)
    many = tuple(f"{n:02}{'x' * 38}" for n in range(20))
    crowded = ticket_card(outgoing(Kind.CARD, ticket=ticket(), tags=many), LOOK)
    for post in (tagged, crowded):
        check(post)
    assert {"type": "plain_text", "text": "hardware, vpn", "emoji": False} in list(walk(tagged.blocks))
    assert ":label:" not in shown(ticket_card(card(), LOOK))
    assert len(shown(crowded)) < len(shown(tagged)) + 200


@pytest.mark.parametrize(("enabled", "leads_to"), [(True, "https://desk.example.com"), (False, "")])
def test_pages_are_offered_where_there_is_a_site(enabled: bool, leads_to: str) -> None:
    config = parse({"service": {"base_url": "https://desk.example.com"}, "http": {"enabled": enabled}})
    assert look_of(config).base_url == leads_to
