"""What nobody can see is no title and no text, whichever way it comes."""

from __future__ import annotations

import pytest

from core.blank import is_blank
from core.desk import title_of
from core.failures import Invalid
from core.prepared import NO_TEXT
from tests.core.desk import TestDesk
from tests.core.received import opened, texts
from tests.core.test_manager import as_person
from tests.stores import Store

UNSEEN = (
    "",
    " \t\n",
    "\u200b",
    "\u202e",
    "\u2060\ufeff",
    "\0",
    "\u00a0\u3000",
    "\u3164",
    "\u2800",
    "\ufe0f\u0301",
    "\u00ad",
)
SEEN = ("a", ".", "\u202eb", "❤\ufe0f", "👩\u200d🔧", "漢", "\u0645", "é", "e\u0301", "🫠", "-")


@pytest.mark.parametrize("text", UNSEEN)
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert title_of(text, "\u200b\n\u2060 \nfirst words") == "first words"
    assert title_of(f"Re: {text}", text) == "(no subject)"


@pytest.mark.parametrize("text", SEEN)
def test_what_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)
    assert not is_blank(title_of(text, ""))


def test_titles_begin_with_what_is_seen() -> None:
    """What is between words stays a gap; a title isn't made longer by what was replaced around it."""
    assert title_of("\u200bTwo\u200bwords\u202e", "x") == "Two words"


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060\ufeff", "\0"])
async def test_who_reports_or_answers_is_told(desk: TestDesk, store: Store, unseen: str) -> None:
    """As of an empty one; staff who change a title, too. Nothing is left behind."""
    ann = await as_person(desk, "ann@example.com")
    for title, description in ((unseen, "d"), ("t", unseen)):
        with pytest.raises(Invalid, match="is empty"):
            await desk.manager.create_ticket(ann, title, description)
    assert store.count("tickets") == 0
    ticket = await desk.manager.create_ticket(ann, "t", "d")
    with pytest.raises(Invalid, match="is empty"):
        await desk.manager.exchange_messages(ann, ticket.id, unseen)
    assert await texts(desk, ticket.id) == ["d"]


async def test_mail_falls_back_as_for_an_empty_one(desk: TestDesk) -> None:
    """A subject to the first words, an answer to saying that it has none."""
    number, mail_id = await opened(desk, text="\u200b\nIt burns.", subject="\u200b\u2060")
    shown = await desk.manager.view_ticket(await desk.staff(), number)
    assert shown.ticket.title == "It burns."
    await desk.write("\u200b", to=(mail_id,))
    assert (await texts(desk, number))[1:] == [NO_TEXT]
    silent = await desk.write("\ufeff", subject="\u202e")
    shown = await desk.manager.view_ticket(await desk.staff(), silent.ticket_id or 0)
    assert (shown.ticket.title, shown.messages[0].text) == ("(no subject)", NO_TEXT)
