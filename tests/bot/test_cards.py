"""Posts: what they show, and that Slack takes them (Block Kit's limits)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bot import cards
from bot.cards import Look, Post
from core.shapes import Attachment, Author, Kind, Priority, Visibility
from core.status import Status
from tests.bot.kit import message, outgoing, ticket

LOOK = Look("https://desk.example/", "Acme Support")
LONG = "<&>" * 4_000 + "word " * 9_000


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from walk(inner)


def check(post: Post) -> None:
    """Assert the limits of PLATFORM 2.8."""
    assert 1 <= len(post.text.encode()) <= 4_000
    assert len(post.blocks) <= 50
    assert sum(len(str(x.get("text"))) for x in walk(post.blocks) if isinstance(x.get("text"), str)) <= 12_000
    for item in walk(post.blocks):
        words = item.get("text")
        if isinstance(words, str):
            assert 1 <= len(words) <= 3_000
        match item.get("type"):
            case "section":
                assert len(item.get("fields", ())) <= 10
                assert all(len(f["text"]) <= 2_000 for f in item.get("fields", ()))
            case "button":
                assert len(item["text"]["text"]) <= 75
                assert len(item["value"]) <= 2_000
            case "actions":
                assert len(item["elements"]) <= 25
                assert len(item["block_id"]) <= 255
            case "static_select":
                assert item["initial_option"] in item["options"]
                assert len(item["options"]) <= 100
            case "context":
                assert len(item["elements"]) <= 10


def shown(post: Post) -> str:
    return "\n".join(str(x["text"]) for x in walk(post.blocks) if isinstance(x.get("text"), str))


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("priority", list(Priority))
def test_a_card_shows_the_present_state(status: Status, priority: Priority) -> None:
    given = ticket(status=status, priority=priority, assignee="ada", assignee_id=2)
    post = cards.ticket_card(outgoing(Kind.CARD, ticket=given), LOOK)
    check(post)
    text = shown(post)
    for word in (
        "#12",
        "The printer burns",
        "Ann",
        "ann@example.com",
        "ada",
        "support",
        status.value,
        priority.value,
    ):
        assert word in text
    assert "It burns. Please help." in text
    assert "https://desk.example/tickets/12|" in text


def test_a_card_of_monsters_keeps_the_limits() -> None:
    given = ticket(
        title=LONG, description=LONG, requester_name=LONG, requester_email="x" * 300, unconfirmed=True
    )
    author = Author(name=LONG, email="x" * 300, staff=False)
    post = cards.ticket_card(outgoing(Kind.CARD, ticket=given, requester=author, assignee=LONG), LOOK)
    check(post)
    assert "hasn't confirmed" in shown(post)


def test_a_card_of_nothing_is_still_one() -> None:
    given = ticket(title="", description="", requester_name="", requester_email="")
    check(cards.ticket_card(outgoing(Kind.CARD, ticket=given, requester=None), LOOK))


def test_whatever_fits_is_on_the_card() -> None:
    words = " ".join(["word"] * 56)[:280]
    assert words in shown(cards.ticket_card(outgoing(Kind.CARD, ticket=ticket(description=words)), LOOK))


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.NEW, ["take", "status", "resolve"]),
        (Status.PENDING, ["take", "status", "resolve"]),
        (Status.RESOLVED, ["take", "status", "reopen"]),
        (Status.CLOSED, ["status", "reopen"]),
    ],
)
def test_controls_offer_what_the_state_allows(status: Status, actions: list[str]) -> None:
    post = cards.ticket_card(outgoing(Kind.CARD, ticket=ticket(status=status)), LOOK)
    assert [x["action_id"] for x in walk(post.blocks) if "action_id" in x] == actions


def test_controls_are_named_anew_with_each_state() -> None:
    """A select whose block keeps its name would go on showing what somebody chose."""
    blocks = [
        x["block_id"]
        for version in (3, 4)
        for x in cards.ticket_card(outgoing(Kind.CARD, ticket=ticket(version=version)), LOOK).blocks
        if x["type"] == "actions"
    ]
    assert blocks == ["ticket:12:3", "ticket:12:4"]


def test_a_thread_message_says_who_and_how() -> None:
    [post] = cards.thread_messages(outgoing(Kind.MESSAGE, message=message("It <burns>")), LOOK)
    check(post)
    assert "Ann" in shown(post)
    assert "by mail" in shown(post)
    assert post.text == "It &lt;burns&gt;"


def test_a_note_and_an_outsider_are_marked() -> None:
    note = message("psst", staff=True, visibility=Visibility.NOTE)
    assert ":lock:" in shown(cards.thread_messages(outgoing(Kind.MESSAGE, message=note), LOOK)[0])
    stranger = message("hi", outsider=True)
    assert "!admit" in shown(cards.thread_messages(outgoing(Kind.MESSAGE, message=stranger), LOOK)[0])


def test_empty_and_missing_files_are_named() -> None:
    files = [
        Attachment(id=1, name="empty.txt", content_type="text/plain", size=0, blob="k"),
        Attachment(
            id=2, name="lost.pdf", content_type="application/pdf", size=9, blob=None, state="unavailable"
        ),
        Attachment(id=3, name="here.png", content_type="image/png", size=9, blob="k"),
    ]
    [post] = cards.dm_messages(outgoing(Kind.MESSAGE, message=message("see", files=files)), LOOK)
    assert "empty.txt (an empty file)" in post.text
    assert "lost.pdf (not available)" in post.text
    assert "here.png" not in post.text
    [alone] = cards.dm_messages(outgoing(Kind.MESSAGE, message=message("", files=files[2:])), LOOK)
    assert "here.png" in alone.text


def test_long_texts_are_several_posts() -> None:
    posts = cards.thread_messages(outgoing(Kind.MESSAGE, message=message(LONG)), LOOK)
    assert len(posts) > 3
    for post in posts:
        check(post)
    whole = "".join(x["text"]["text"] for p in posts for x in p.blocks if x["type"] == "section")
    assert whole.count("&lt;&amp;&gt;") == 4_000
    assert whole.count("word") == 9_000


@pytest.mark.parametrize("what", [*cards.TOLD, "line", "unheard_of", ""])
@pytest.mark.parametrize("desk", [True, False])
def test_every_notice_has_words(what: str, desk: bool) -> None:
    check(cards.notice(outgoing(Kind.NOTICE, desk=desk, data={"what": what})))


def test_a_ready_text_is_escaped() -> None:
    assert cards.notice(outgoing(Kind.NOTICE, data={"text": "<!here> a"})).text == "&lt;!here&gt; a"


def test_an_alert() -> None:
    data = {"delivery_id": 9, "reason": LONG, "to": "bob@example.com"}
    post = cards.alert(outgoing(Kind.ALERT, data=data))
    check(post)
    [button] = [x for x in walk(post.blocks) if x.get("action_id") == "retry"]
    assert button["value"] == "9"
    assert [x["block_id"] for x in post.blocks if "block_id" in x] == ["ticket:12:delivery:9"]


def test_a_whisper_is_never_empty() -> None:
    assert cards.whisper(outgoing(Kind.WHISPER, data={})).text
