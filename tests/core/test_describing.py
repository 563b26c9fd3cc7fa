"""What a ticket shows as its own words: its opening message's, and once that was taken back the next that stands."""

from __future__ import annotations

from core.shapes import File, Receipt
from tests.core.commands import DAN, dans_ticket, root_of, ticket_of, typed
from tests.core.desk import TestDesk, post
from tests.core.received import ADA, deletion, edit
from tests.core.test_slack_editing import dms
from tests.stores import Store

FILE = File(name="scan.pdf", content_type="application/pdf", size=3, content=b"abc")


async def shows(desk: TestDesk, ticket: int) -> tuple[str, str]:
    """The title and the first words, as the card has them."""
    found = await ticket_of(desk, ticket)
    return found.title, found.description


async def further(desk: TestDesk, conversation: str, ts: str, text: str, **more: object) -> Receipt:
    """Another top-level message of Dan's."""
    return await desk.manager.receive(post(ts, text, sender=DAN, conversation=conversation, **more))


async def test_the_next_message_stands_for_a_deleted_one(desk: TestDesk, store: Store) -> None:
    """Whichever of the two came first: the deletion, or the next message; an edit of that is shown too."""
    for late in (False, True):
        ticket = await dans_ticket(desk, "Oops, wrong")
        dm = dms(store, ticket)
        if late:
            await desk.manager.receive(deletion("1.0", dm))
            assert await shows(desk, ticket) == ("(deleted)", "")
        assert (await further(desk, dm, "2.0", "My printer burns")).ticket_id == ticket
        assert (await further(desk, dm, "3.0", "It's the left one")).ticket_id == ticket
        if not late:
            assert await shows(desk, ticket) == ("Oops, wrong", "Oops, wrong")
            await desk.manager.receive(deletion("1.0", dm))
        assert await shows(desk, ticket) == ("My printer burns", "My printer burns")
        await desk.manager.receive(edit("2.0", "My printers burn", DAN, dm))
        assert await shows(desk, ticket) == ("My printers burn", "My printers burn")
        await desk.manager.receive(deletion("2.0", dm))
        assert await shows(desk, ticket) == ("It's the left one", "It's the left one")
        await desk.manager.receive(deletion("3.0", dm))
        assert await shows(desk, ticket) == ("(deleted)", "")


async def test_only_its_peoples_words_stand_for_it(desk: TestDesk, store: Store) -> None:
    """Neither staff's answers nor notes do."""
    ticket = await dans_ticket(desk, "Oops")
    dm = dms(store, ticket)
    for ts, text in (("7000.0", "Hello"), ("7001.0", "note: odd")):
        await desk.manager.receive(post(ts, text, sender=ADA, root=root_of(ticket), desk=True))
    await desk.manager.receive(deletion("1.0", dm))
    assert await shows(desk, ticket) == ("(deleted)", "")
    await desk.manager.receive(post("8.0", "Here it is", sender=DAN, conversation=dm, root="1.0"))
    assert await shows(desk, ticket) == ("Here it is", "Here it is")


async def test_a_title_of_staffs_stays(desk: TestDesk, store: Store) -> None:
    """Only the words below it are the next ones."""
    ticket = await dans_ticket(desk, "Oops")
    await typed(desk, ticket, "title", "Printer", "3")
    dm = dms(store, ticket)
    await desk.manager.receive(deletion("1.0", dm))
    assert await shows(desk, ticket) == ("Printer 3", "")
    await further(desk, dm, "2.0", "It burns")
    assert await shows(desk, ticket) == ("Printer 3", "It burns")


async def test_a_file_stands_for_it_by_its_name(desk: TestDesk, store: Store) -> None:
    """Where it came without words."""
    ticket = await dans_ticket(desk, "Oops")
    dm = dms(store, ticket)
    await further(desk, dm, "2.0", "", files=(FILE,))
    await desk.manager.receive(deletion("1.0", dm))
    assert await shows(desk, ticket) == ("scan.pdf", "")
