"""Small hints in channels: "Open a ticket?" where it is on, and what a mention alone lacks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.nudges import is_asking
from sandbox import Sandbox
from tests.bot.forming import Json, Room, opened, two_queues

WORDS = "My printer is on fire again"


@pytest.fixture
async def room(box: Sandbox) -> AsyncIterator[Room]:
    """A request channel with nudges on."""
    async with opened(box, two_queues(box, await _help(box), nudge=True)) as made:
        yield made


async def _help(box: Sandbox) -> str:
    made = box.workspace.add_channel("help", members=("ann", "ada", "bob"))
    await box.workspace.user("ann").invite("help")
    return made.id


@pytest.mark.parametrize(
    ("event", "asks"),
    [
        ({"text": WORDS}, True),
        ({"text": WORDS, "subtype": "file_share"}, True),
        ({"text": "Thank you all"}, False),
        ({"text": f"<@UBOB> {WORDS}"}, False),
        ({"text": f"<!here> {WORDS}"}, False),
        ({"text": WORDS, "subtype": "channel_join"}, False),
        ({"text": WORDS, "subtype": "message_changed"}, False),
        ({"text": WORDS, "user": "USLACKBOT"}, False),
        ({"text": WORDS, "user": ""}, False),
        ({"text": WORDS, "type": "app_mention"}, False),
    ],
)
def test_what_may_be_a_request(event: dict[str, str], asks: bool) -> None:
    """More than three of a person's words, calling nobody."""
    assert is_asking({"type": "message", "user": "U1", **event}) is asks


async def test_once_a_day_and_not_to_staff(room: Room) -> None:
    """Only its author sees it; replies, staff and other channels get none."""
    space = room.box.workspace
    ts = await space.user("ann").post("help", WORDS)
    await space.wait_for(lambda: room.whispers("help", "ann"))
    await space.user("ann").post("help", WORDS)
    await space.user("ada").post("help", WORDS)
    await space.user("bob").post("help", WORDS, thread_ts=ts)
    await space.settled()
    assert len(space.channel("help").ephemerals) == 1


async def test_yes_is_stored_and_the_question_goes(room: Room) -> None:
    """The message that is meant is named; no answer is needed of anybody else."""
    space = room.box.workspace
    ts = await space.user("ann").post("help", WORDS)
    await space.wait_for(lambda: room.whispers("help", "ann"))
    question = room.whispers("help", "ann")[0]
    await space.user("ann").click("help", question.ts, "nudge_yes")
    await space.wait_for(lambda: not room.whispers("help", "ann"))
    assert [body["actions"][0]["value"] for body in clicks(room)] == [ts]


async def test_no_is_no(room: Room) -> None:
    """The question goes, and nothing comes of it."""
    space = room.box.workspace
    await space.user("ann").post("help", WORDS)
    await space.wait_for(lambda: room.whispers("help", "ann"))
    await space.user("ann").click("help", room.whispers("help", "ann")[0].ts, "nudge_no")
    await space.wait_for(lambda: not room.whispers("help", "ann"))
    assert clicks(room) == []


async def test_off_by_default(box: Sandbox) -> None:
    """Nobody is asked; a mention without words gets a hint all the same, once, with a form."""
    async with opened(box, two_queues(box, await _help(box))) as room:
        space = room.box.workspace
        await space.user("ann").post("help", WORDS)
        await space.settled()
        assert space.channel("help").ephemerals == []
        await space.user("ann").post("help", f"<@{box.bot_user_id}> !")
        await space.wait_for(lambda: room.whispers("help", "ann"))
        hint = room.whispers("help", "ann")[0]
        assert "after the mention" in hint.text
        await space.user("ann").click("help", hint.ts, "open_form")
        await room.modal("ann", "New ticket")
        await space.settled()
        assert room.whispers("help", "ann") == []


async def test_a_mention_with_words_gets_no_hint(room: Room) -> None:
    """It is a ticket; one with a file is too."""
    space = room.box.workspace
    await space.user("ann").post("help", f"<@{box_user(room)}> help")
    await space.user("bob").post("help", f"<@{box_user(room)}>", files=[("a.txt", b"x")])
    await space.settled()
    assert space.channel("help").ephemerals == []


def clicks(room: Room) -> list[Json]:
    return [body for body in room.shelf.bodies if body.get("type") == "block_actions"]


def box_user(room: Room) -> str:
    return room.box.bot_user_id
