"""Words that are edited or deleted: before they went, after, and by whom."""

from __future__ import annotations

import pytest

from tests.core.desk import TestDesk, post
from tests.core.received import (
    ADA,
    DAN,
    carded,
    deletion,
    edit,
    noted,
    texts,
)
from tests.stores import Store


async def test_an_answer_edited_before_it_went(desk: TestDesk, store: Store) -> None:
    """Goes as it now is; no correction follows."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    before = store.count("deliveries")
    receipt = await desk.manager.receive(edit("101.0", "Try again", ADA))
    assert receipt.outcome == "edited"
    assert await texts(desk, ticket) == ["Help!", "Try again"]
    assert "correction" not in " ".join(noted(store)[before:])


async def test_an_answer_edited_after_it_went(desk: TestDesk, store: Store) -> None:
    """One correction a minute later; a second edit meanwhile replaces it; deleting it takes that back too."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    for text in ("Try again", "Try again."):
        await desk.manager.receive(edit("101.0", text, ADA))
    waiting = [line for line in noted(store) if line.endswith("correction")]
    assert waiting == ["out email notice:correction"] * 2
    assert (
        store.count("deliveries", "state = 'queued' AND data LIKE '%correction%' AND wait_until IS NOT NULL")
        == 1
    )
    assert store.count("deliveries", "state = 'cancelled' AND data LIKE '%correction%'") == 1
    assert (await desk.manager.receive(deletion("101.0"))).outcome == "deleted"
    assert store.count("deliveries", "state = 'queued' AND data LIKE '%correction%'") == 0
    assert await texts(desk, ticket) == ["Help!", ""]


@pytest.mark.parametrize("kept", ["rendered", "rendered_raw"])
async def test_what_was_rendered_once_is_corrected(desk: TestDesk, store: Store, kept: str) -> None:
    """A mail that waits for its next try goes byte for byte as at the first; so the new text follows it."""
    _, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    store.execute(f"UPDATE deliveries SET {kept} = 'x' WHERE kind = 'message'")
    await desk.manager.receive(edit("101.0", "Try again", ADA))
    assert noted(store)[-1] == "out email notice:correction"


async def test_an_answer_deleted_before_it_went(desk: TestDesk, store: Store) -> None:
    """Doesn't go."""
    _, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Oops", sender=ADA, root=root, desk=True))
    await desk.manager.receive(deletion("101.0"))
    assert store.count("deliveries", "kind = 'message' AND state = 'cancelled'") == 1
    assert store.count("deliveries", "kind = 'message' AND state = 'queued'") == 0


async def test_only_the_author_edits(desk: TestDesk) -> None:
    """Somebody else's edit of a message changes nothing."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try again", sender=ADA, root=root, desk=True))
    receipt = await desk.manager.receive(edit("101.0", "Never mind", DAN))
    assert receipt.outcome == "ignored"
    assert await texts(desk, ticket) == ["Help!", "Try again"]


async def test_the_opening_message_edited(desk: TestDesk) -> None:
    """The ticket and its card show the new text."""
    first = await desk.manager.receive(post("1.0", "My scren", sender=DAN, conversation="D1"))
    await desk.manager.receive(edit("1.0", "My screen", DAN, "D1"))
    detail = await desk.manager.view_ticket(await desk.staff(), first.ticket_id or 0)
    assert detail.ticket.description == detail.messages[0].text == "My screen"


async def test_an_edit_of_something_unknown_creates_it_once(desk: TestDesk, store: Store) -> None:
    """Catching up may see the edit before the message; the message that comes after is known already."""
    new = post("1.0", "My screen", sender=DAN, conversation="D1")
    receipt = await desk.manager.receive(edit("1.0", "My screen", DAN, "D1", as_new=new))
    assert receipt.outcome == "opened"
    assert (await desk.manager.receive(new)).outcome == "duplicate"
    assert (await desk.manager.receive(edit("9.9", "?", DAN, "D1"))).outcome == "ignored"
    assert store.count("tickets") == 1


async def test_a_deletion_that_comes_first(desk: TestDesk, store: Store) -> None:
    """Leaves a stone: the message that comes after it, edited or not, isn't taken."""
    assert (await desk.manager.receive(deletion("1.0", "D1"))).outcome == "ignored"
    await desk.manager.receive(deletion("1.0", "D1"))
    new = post("1.0", "Oops", sender=DAN, conversation="D1")
    assert (await desk.manager.receive(new)).outcome == "ignored"
    assert (await desk.manager.receive(edit("1.0", "Oops!", DAN, "D1", as_new=new))).outcome == "ignored"
    assert store.count("tickets") == 0
