"""Forms at the door: they open before the desk is asked, whatever happens to their trigger, person or store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.form_reading import AGAIN
from bot.forms import LATE, NOT_NOW, TROUBLE, UNSAVED
from core.shapes import Ref
from core.threads import LinkFact
from sandbox import Sandbox
from sandbox.shapes import SlackError
from tests.bot.forming import Json, Room, opened, two_queues
from tests.bot.kit import ticket

TEAM = "T0SANDBOX1"


@pytest.fixture
async def room(box: Sandbox) -> AsyncIterator[Room]:
    async with opened(box, two_queues(box)) as made:
        yield made


def card(room: Room) -> str:
    """A card with the menu, as the desk posts it."""
    options = [
        {"text": {"type": "plain_text", "text": name}, "value": name}
        for name in ("merge", "queue", "snooze", "title", "note", "spam", "unheard")
    ]
    words = {"type": "plain_text", "text": "More"}
    menu = {"type": "static_select", "action_id": "menu", "placeholder": words, "options": options}
    return room.bot_says(
        "triage", "card", [{"type": "actions", "block_id": "ticket:12:3", "elements": [menu]}]
    ).ts


def block_ids(room: Room, name: str) -> list[str]:
    view = room.box.workspace.user(name).modal
    return [] if view is None else [block["block_id"] for block in view.body["blocks"]]


def forms(room: Room) -> list[Json]:
    return [body["view"] for body in room.shelf.bodies if body.get("type") == "view_submission"]


# -- opening -----------------------------------------------------------------------------------------------------


async def test_a_form_opens_before_anything_else_is_asked(room: Room) -> None:
    """PLATFORM case 20: also where the desk can't be asked at all."""
    room.desk.away = True
    before = len(room.box.workspace.calls)
    assert (await room.box.workspace.user("ann").command("/ticket", "Fire")).payload == {}
    view = await room.modal("ann", "Fire")
    assert room.box.workspace.calls[before].method == "views.open"
    await room.box.workspace.user("ann").submit(view, {"queue": "billing"})
    values = forms(room)[0]["state"]["values"]
    assert values["title"]["title"]["value"] == "Fire"
    assert values["queue"]["queue"]["selected_option"]["value"] == "billing"


async def test_only_staff_may_open_one_for_others(room: Room) -> None:
    """Their form grows that field once the desk has said who they are; what they typed stays."""
    space = room.box.workspace
    await space.user("ada").shortcut("new_ticket")
    await space.wait_for(lambda: "for" in block_ids(room, "ada"))
    await space.user("ann").shortcut("new_ticket")
    await room.modal("ann", "New ticket")
    await space.settled()
    assert "for" not in block_ids(room, "ann")


async def test_two_queues_are_a_choice(room: Room) -> None:
    await room.box.workspace.user("ann").shortcut("new_ticket")
    await room.modal("ann", "billing")
    assert "queue" in block_ids(room, "ann")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("expired_trigger_id", LATE),
        ("exchanged_trigger_id", LATE),
        ("invalid_trigger_id", LATE),
        ("internal_error", TROUBLE),
    ],
)
async def test_a_form_that_did_not_open_can_be_tried_again(room: Room, error: str, text: str) -> None:
    """PLATFORM case 20: said where they asked, to them alone, and gone once it has opened."""
    space = room.box.workspace
    space.faults.fail("views.open", error)
    await space.user("ann").command("/ticket", "Fire", channel="general")
    await space.wait_for(lambda: room.whispers("general", "ann"))
    sorry = room.whispers("general", "ann")[0]
    assert sorry.text == text
    await space.user("ann").click("general", sorry.ts, "open_form")
    await room.modal("ann", "Fire")
    await space.wait_for(lambda: not room.whispers("general", "ann"))


async def test_a_trigger_that_really_expired(room: Room) -> None:
    space = room.box.workspace
    space.interactions.trigger_seconds = -1.0
    await space.user("ann").shortcut("new_ticket")
    await space.wait_for(lambda: [m for m in space.dm_channel("ann").messages if m.text == LATE])
    assert room.errors("views.open") == ["expired_trigger_id"]
    space.interactions.trigger_seconds = 3.0
    asked = space.dm_channel("ann").messages[-1]
    await space.user("ann").click("dm", asked.ts, "open_form")
    await room.modal("ann", "New ticket")


async def test_a_trigger_that_expired_in_its_older_shape(room: Room, monkeypatch: Any) -> None:
    """`invalid_arguments` whose message names the trigger (dispatch#833)."""
    space, said = room.box.workspace, "[ERROR] `trigger_id` expired [json-pointer:/trigger_id]"

    def spend(trigger_id: str) -> str:
        raise SlackError("invalid_arguments", response_metadata={"messages": [said]})

    monkeypatch.setattr(space.interactions, "spend", spend)
    await space.user("ann").command("/ticket", "Fire", channel="general")
    await space.wait_for(lambda: room.whispers("general", "ann"))
    assert room.whispers("general", "ann")[0].text == LATE


async def test_whoever_closes_the_form_is_done_with_it(room: Room, monkeypatch: Any) -> None:
    """PLATFORM case 21: the update finds nothing, quietly."""
    space = room.box.workspace
    ada = space.user("ada")
    known = room.desk.ticket

    async def while_it_closes(ticket_id: int) -> Any:
        assert ada.modal is not None
        await ada.close_modal(ada.modal.id)
        return await known(ticket_id)

    monkeypatch.setattr(room.desk, "ticket", while_it_closes)
    await ada.select("triage", card(room), "menu", "title")
    await space.wait_for(lambda: room.errors("views.update"))
    await space.settled()
    assert room.errors("views.update") == ["not_found"]
    assert room.whispers("triage", "ada") == []
    assert ada.modal is None


@pytest.mark.parametrize("name", ["merge", "title", "spam"])
async def test_the_menu_can_be_used_again(room: Room, name: str) -> None:
    """A select keeps what was chosen, and tells of no second choice of the same: once the form is there the card is
    shown anew, also where it couldn't be opened."""
    space = room.box.workspace
    ada, ts = space.user("ada"), card(room)
    await ada.select("triage", ts, "menu", name)
    await space.wait_for(lambda: room.desk.cards == [12])
    space.faults.fail("views.open", "internal_error")
    await ada.select("triage", ts, "menu", name)
    await space.wait_for(lambda: room.desk.cards == [12, 12])
    await ada.shortcut("new_ticket")
    await room.modal("ada", "New ticket")
    await space.settled()
    assert room.desk.cards == [12, 12]


async def test_a_desk_that_is_away_lets_the_form_be(room: Room) -> None:
    """The menu stays as it is then."""
    room.desk.away = True
    await room.box.workspace.user("ada").select("triage", card(room), "menu", "spam")
    await room.modal("ada")


# -- staff's -----------------------------------------------------------------------------------------------------


async def test_each_of_the_menus_forms_opens_and_nothing_is_stored(room: Room) -> None:
    space = room.box.workspace
    ts = card(room)
    room.desk.others = [ticket(id=7, title="Smoke")]
    shows = {
        "merge": "#7 Smoke",
        "queue": "billing",
        "snooze": "For how long",
        "title": "The *printer* burns",
        "note": "Only staff see it",
        "spam": "Ticket #12 is closed",
    }
    for name, words in shows.items():
        await space.user("ada").select("triage", ts, "menu", name)
        view = await room.modal("ada", words)
        await space.user("ada").close_modal(view)
    await space.user("ada").select("triage", ts, "menu", "unheard")
    await space.settled()
    assert space.user("ada").modal is None
    assert {body["type"] for body in room.shelf.bodies} == {"event_callback"}


async def test_who_isnt_staff_is_told_so(room: Room) -> None:
    """They sit in the channel, but may not act: the form turns into a word."""
    space = room.box.workspace
    await space.user("ada").invite("triage", "ann")
    await space.user("ann").select("triage", card(room), "menu", "title")
    await room.modal("ann", "Only the help desk")
    assert space.user("ann").modal.body.get("submit") is None  # type: ignore[union-attr]


async def test_a_title_that_cannot_be_read_now(room: Room) -> None:
    room.desk.away = True
    await room.box.workspace.user("ada").select("triage", card(room), "menu", "title")
    await room.modal("ada", NOT_NOW)


# -- a message's -------------------------------------------------------------------------------------------------


async def test_a_message_that_is_a_ticket_already(room: Room) -> None:
    """PLATFORM case 32: the form says which."""
    space = room.box.workspace
    ts = await space.user("bob").post("general", "It burns")
    ref = Ref(f"slack:{TEAM}/{space.channel('general').id}/{ts}")
    room.desk.facts[ref.name] = LinkFact("received", 34, 5)
    await space.user("ann").shortcut("make_ticket", "general", ts)
    await room.modal("ann", "#34")


async def test_where_the_bot_is_not_the_words_are_handed_over(room: Room) -> None:
    """Who wrote them is named, and what it comes to is said before anything is sent off."""
    space = room.box.workspace
    space.add_channel("secret", members=("ann", "bob"))
    ts = await space.user("bob").post("secret", "It burns, @ann")
    await space.user("ann").shortcut("make_ticket", "secret", ts)
    view = await room.modal("ann", "your own ticket")
    await space.user("ann").submit(view, {})
    state = forms(room)[0]["state"]["values"]
    assert state["description"]["description"]["value"].startswith("Bob Requester wrote:\n> It burns")


# -- sent off ----------------------------------------------------------------------------------------------------


async def test_what_is_wrong_is_said_below_its_field_and_not_stored(room: Room) -> None:
    space = room.box.workspace
    await space.user("ann").shortcut("new_ticket")
    view = await room.modal("ann", "New ticket")
    answer = await space.user("ann").submit(view, {"title": "  "})
    assert list(answer.payload["errors"]) == ["title"]
    assert not forms(room)
    await space.user("ann").submit(view, {"title": "Fire"})
    assert space.user("ann").modal is None
    assert len(forms(room)) == 1


async def test_nothing_that_was_typed_is_lost_where_it_cannot_be_stored(room: Room) -> None:
    space = room.box.workspace
    await space.user("ann").shortcut("new_ticket")
    view = await room.modal("ann", "New ticket")
    room.shelf.broken = True
    answer = await space.user("ann").submit(view, {"title": "Fire"})
    assert answer.payload == {"response_action": "errors", "errors": {"title": AGAIN}}
    assert space.user("ann").modal is not None
    room.shelf.broken = False
    await space.user("ann").submit(view, {"title": "Fire"})
    assert len(forms(room)) == 1


async def test_a_question_without_fields_says_so_too(room: Room) -> None:
    space = room.box.workspace
    await space.user("ada").select("triage", card(room), "menu", "spam")
    view = await room.modal("ada", "Is it spam?")
    room.shelf.broken = True
    await space.user("ada").submit(view, {})
    await room.modal("ada", UNSAVED)


async def test_a_form_that_is_closed_is_nobodys_business(room: Room) -> None:
    payload = {"type": "view_closed", "user": {"id": "U0ANN00001"}, "view": {"id": "V1", "type": "modal"}}
    answer = await room.box.workspace.delivery.interact("interactive", payload)
    assert answer.acked
    assert not room.shelf.arrivals
