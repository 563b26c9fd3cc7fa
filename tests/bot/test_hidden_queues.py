"""Queues that aren't public: forms name them to staff alone, and nobody else's choice of one counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from sandbox import Sandbox
from tests.bot.forming import Json, Room, opened, two_queues
from tests.cases.slack_service import SUPPORT, SlackService, serving
from tests.stores import Store

PUBLIC = {"name": "desk", "slack_channel": SUPPORT["slack_channel"]}
HIDDEN = {"name": "secret", "public": False, "slack_channel": SUPPORT["slack_channel"]}


@asynccontextmanager
async def hiding(box: Sandbox, *public: str) -> AsyncIterator[Room]:
    """A door of a desk whose other queues aren't public."""
    async with opened(box, two_queues(box, public=public)) as room:
        yield room


def choices(view: Json) -> list[str]:
    """The queues that a form offers."""
    fields = [block["element"] for block in view["blocks"] if block.get("block_id") == "queue"]
    return [option["value"] for field in fields for option in field["options"]]


async def seen(room: Room, name: str) -> list[Json]:
    """Every state of somebody's form, once nothing comes any more."""
    await room.modal(name)
    await room.box.workspace.settled()
    sent = [*room.box.workspace.calls_of("views.open"), *room.box.workspace.calls_of("views.update")]
    return [json.loads(call.args["view"]) for call in sent]


async def ask(room: Room, name: str, how: str) -> None:
    """Somebody asks for the form of a new ticket."""
    person = room.box.workspace.user(name)
    match how:
        case "command":
            await person.command("/ticket", "Fire", channel="general")
        case "shortcut":
            await person.shortcut("new_ticket")
        case "message":
            ts = await room.box.workspace.user("bob").post("general", "It burns")
            await person.shortcut("make_ticket", "general", ts)
        case _:
            room.box.workspace.add_channel("away", members=(name, "bob"))
            ts = await room.box.workspace.user("bob").post("away", "It burns")
            await person.shortcut("make_ticket", "away", ts)


WAYS = ("command", "shortcut", "message", "message where the bot isn't")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("public", [("support",), ("billing",), ()])
async def test_requesters_learn_of_none(box: Sandbox, how: str, public: Sequence[str]) -> None:
    """Neither as a choice nor as what is chosen already, however they ask."""
    hidden = {"support", "billing"} - set(public)
    async with hiding(box, *public) as room:
        await ask(room, "ann", how)
        views = await seen(room, "ann")
        assert all(not choices(view) for view in views), "one is no choice"
        assert not any(name in str(views) for name in hidden)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("public", [("billing",), ()])
async def test_staff_may_choose_each(box: Sandbox, how: str, public: Sequence[str]) -> None:
    """Once the desk has said who they are; until then their form is everybody's."""
    async with hiding(box, *public) as room:
        await ask(room, "ada", how)
        await room.box.workspace.wait_for(
            lambda: (form := room.box.workspace.user("ada").modal) and choices(form.body)
        )
        first, *_, last = await seen(room, "ada")
        assert "support" not in str(first)
        assert choices(last) == ["support", "billing"]


@pytest.mark.parametrize("public", [("billing",), ()])
async def test_a_ticket_is_moved_to_any_by_staff(box: Sandbox, public: Sequence[str]) -> None:
    """Who isn't, and sits in the desk's channel all the same, sees no name in passing."""
    async with hiding(box, *public) as room:
        space = box.workspace
        menu = {
            "type": "static_select",
            "action_id": "menu",
            "placeholder": {"type": "plain_text", "text": "More"},
            "options": [{"text": {"type": "plain_text", "text": "Move"}, "value": "queue"}],
        }
        card = room.bot_says(
            "triage", "card", [{"type": "actions", "block_id": "ticket:12:3", "elements": [menu]}]
        )
        await space.user("ada").invite("triage", "ann")
        await space.user("ann").select("triage", card.ts, "menu", "queue")
        await room.modal("ann", "Only the help desk")
        assert "support" not in str(await seen(room, "ann"))
        await space.user("ada").select("triage", card.ts, "menu", "queue")
        await room.modal("ada", "support")
        assert choices((await seen(room, "ada"))[-1]) == ["support", "billing"]


async def in_queue(desk: SlackService, title: str) -> str:
    """The queue of the one ticket of that title."""
    await desk.sees(lambda: desk.cards(title))
    [row] = desk.store.rows("SELECT queue FROM tickets WHERE title = :t", t=title)
    return str(row["queue"])


async def submitted(desk: SlackService, name: str, title: str, queue: str) -> None:
    """Somebody's form comes back with that queue, which it may not have offered."""
    person = desk.user(name)
    await desk.sees(lambda: person.modal is not None)
    await desk.space.settled()
    view = person.modal
    assert view is not None
    menu = {"type": "static_select", "action_id": "queue", "placeholder": {"type": "plain_text", "text": "Q"}}
    options = [{"text": {"type": "plain_text", "text": one}, "value": one} for one in ("desk", "secret")]
    view.body["blocks"] = [block for block in view.body["blocks"] if block.get("block_id") != "queue"]
    view.body["blocks"].append(
        {
            "type": "input",
            "block_id": "queue",
            "label": {"type": "plain_text", "text": "Queue"},
            "element": {**menu, "options": options},
            "optional": True,
        }
    )
    await person.submit(view.id, {"title": title, "queue": queue})


async def test_only_staffs_choice_counts(store: Store, box: Sandbox) -> None:
    """A form that was sent off with such a queue all the same: of staff it's there, of others in the first public one,
    whether it makes a ticket of its own or of a message."""
    async with serving(store, box, queue=[HIDDEN, PUBLIC]) as desk:
        for name, queue in (("ann", "desk"), ("ada", "secret")):
            await desk.user(name).shortcut("new_ticket")
            await submitted(desk, name, f"A form of {name}", "secret")
            assert await in_queue(desk, f"A form of {name}") == queue
            ts = await desk.user("bob").post("general", "It burns")
            await desk.user(name).shortcut("make_ticket", "general", ts)
            await submitted(desk, name, f"A message by {name}", "secret")
            assert await in_queue(desk, f"A message by {name}") == queue
        await desk.user("ann").shortcut("new_ticket")
        await desk.sees(lambda: desk.user("ann").modal is not None)
        await desk.user("ann").submit(desk.user("ann").modal.id, {"title": "Nothing chosen"})  # type: ignore[union-attr]
        assert await in_queue(desk, "Nothing chosen") == "desk"


async def test_a_channel_of_its_own_leads_to_one(store: Store, box: Sandbox) -> None:
    """What is asked for in a queue's own channel goes there, by `/ticket` as by a mention; its name isn't shown."""
    general = box.workspace.channel("general").id
    async with serving(store, box, queue=[PUBLIC, {**HIDDEN, "request_channels": [general]}]) as desk:
        ann = desk.user("ann")
        await ann.command("/ticket", "The safe is open", channel="general")
        await desk.sees(lambda: ann.modal is not None)
        await desk.space.settled()
        assert ann.modal is not None
        assert "secret" not in str(ann.modal.body)
        await ann.submit(ann.modal.id, {"title": "The safe is open"})
        assert await in_queue(desk, "The safe is open") == "secret"
