"""Home tabs at the door: what is answered there, one drawing at a time, hashes, slow and failing reads, real tabs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot import home_tab
from bot.api import Api
from bot.directory import Directory
from bot.front import Answer
from bot.home_reads import Reads
from bot.homes import Homes
from core.failures import Unavailable
from core.home_lists import Tab, Wanted
from core.parts import build
from core.status import Status
from sandbox import TRIAGE, Sandbox
from tests.bot.kit import config, until
from tests.core.desk import ANN, MAIL, SLACK, TestDesk, post
from tests.core.filling import fill
from tests.sandbox.conftest import contract_folder
from tests.sandbox.contract import Contract
from tests.stores import QUEUE, Store

Json = dict[str, Any]
ADA, GRACE, ANN_ID = "U0ADA00001", "U0GRACE001", "U0ANN00001"


class Scripted:
    """What is shown, in the test's hands: `gates` hold readings back, in the order in which they begin."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.gates: list[asyncio.Event] = []
        self.troubles: list[Exception] = []
        self.finished = asyncio.Event()

    async def view(self, user: str, wanted: Wanted) -> Json:
        self.asked.append(wanted)
        if self.gates:
            await self.gates.pop(0).wait()
        if self.troubles:
            raise self.troubles.pop(0)
        words = f"{wanted.tab} {wanted.page}"
        blocks = [{"type": "section", "text": {"type": "plain_text", "text": words}}]
        return {"type": "home", "private_metadata": home_tab.metadata_of(wanted), "blocks": blocks}

    async def done(self, name: str) -> bool:
        return self.finished.is_set()


@dataclass
class Room:
    """A counter before a workspace."""

    box: Sandbox
    api: Api
    shows: Scripted
    homes: Homes
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def give(self, body: Json) -> Answer | None:
        """Hand a payload in; what follows its acknowledgement runs beside."""
        answer = self.homes.look(body)
        if answer is not None and answer.after is not None:
            self.running.append(asyncio.ensure_future(answer.after()))
        return answer

    async def rest(self) -> None:
        await asyncio.gather(*self.running)

    @property
    def shown(self) -> str:
        view = self.box.workspace.user("ada").home
        return "" if view is None else str(view.body["blocks"][0])

    def click(self, action: str, value: str = "", *, block: str = "home:x", **more: Any) -> Json:
        """A click of Ada's in what she sees now."""
        view = self.box.workspace.user("ada").home
        assert view is not None
        seen = {"type": "home", "hash": view.hash, "private_metadata": view.body.get("private_metadata", "")}
        return {
            "type": "block_actions",
            "user": {"id": ADA},
            "trigger_id": "1.2",
            "view": seen | more,
            "actions": [{"action_id": action, "block_id": block, "value": value, "action_ts": "1.1"}],
        }


def opened(tab: str = "home", **more: Any) -> Json:
    return {"type": "event_callback", "event": {"type": "app_home_opened", "user": ADA, "tab": tab} | more}


@pytest.fixture
async def room(box: Sandbox) -> AsyncIterator[Room]:
    """Ada's Home, not yet opened; afterwards the contract knows all that was called."""
    api = Api(config(box.api_url, bot_token=box.bot_token))
    shows = Scripted()
    made = Room(box, api, shows, Homes(api, Directory(api), shows))
    yield made
    await made.rest()
    await api.close()
    if (folder := contract_folder()) is not None:
        assert Contract(folder).check(box) == []


# -- whose payloads -------------------------------------------------------------------------------------------------


async def test_what_is_answered_here(room: Room) -> None:
    """Opened tabs and clicks in them; not the messages tab, not forms, not other events, not clicks elsewhere."""
    room.give(opened())
    await room.rest()
    yes = [opened(), room.click("home_tab_all"), room.click("home_page_next", "2"), room.click("home_again")]
    no = [
        opened("messages"),
        room.click("home_new"),
        room.click("take", "1", block="other"),
        room.click("home_tab_all", type="modal"),
        {"type": "event_callback", "event": {"type": "message", "user": ADA}},
        {"type": "block_actions", "user": {"id": ADA}, "actions": [{"action_id": "home_tab_all"}]},
        {"type": "view_submission", "user": {"id": ADA}, "view": {"type": "modal"}},
        {},
    ]
    for body in yes:
        answer = room.homes.look(body)
        assert answer is not None, body
        assert not answer.store
    for body in no:
        assert room.homes.look(body) is None, body


async def test_a_click_on_a_ticket_is_stored_first(room: Room) -> None:
    """The desk does it; the tab is drawn again when that is done, as it was."""
    room.give(opened())
    await room.rest()
    room.give(room.click("home_tab_waiting", "waiting"))
    await room.rest()
    answer = room.give(room.click("take", "1", block="ticket:1:home:3"))
    assert answer is not None
    assert (answer.store, answer.say) == (True, None)
    drawn = len(room.shows.asked)
    await asyncio.sleep(0.25)  # longer than it waits between looks
    assert len(room.shows.asked) == drawn
    room.shows.finished.set()
    await room.rest()
    assert room.shows.asked[-1] == Wanted(tab=Tab.WAITING)
    assert len(room.shows.asked) == drawn + 1


async def test_a_changed_profile_is_asked_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLATFORM case 30: the door hears of it, and keeps nothing of it."""
    heard: list[str] = []
    monkeypatch.setattr(Directory, "forget", lambda self, user: heard.append(user))
    body = {"type": "event_callback", "event": {"type": "user_change", "user": {"id": ADA}}}
    assert room.homes.look(body) is None
    assert heard == [ADA]


# -- one drawing at a time ------------------------------------------------------------------------------------------


async def test_where_somebody_is_survives_their_clicks(room: Room) -> None:
    """Each click continues from the view that it was made in; opening it again comes back to it."""
    room.give(opened())
    await room.rest()
    for action, value in (("home_tab_all", "all"), ("home_status", "pending"), ("home_page_next", "2")):
        room.give(room.click(action, value))
        await room.rest()
    room.give(opened())
    await room.rest()
    assert room.shows.asked[-1] == Wanted(tab=Tab.ALL, status=Status.PENDING, page=2)
    view = room.box.workspace.user("ada").home
    assert view is not None
    seen = {"type": "home", "hash": view.hash, "private_metadata": json.dumps({"tab": "waiting"})}
    room.give(opened(view=seen))
    await room.rest()
    assert "waiting" in room.shown


async def test_quick_clicks_in_one_view_add_up(room: Room) -> None:
    """Who chooses a list and a filter at once gets both, though the second click comes with the old metadata."""
    room.give(opened())
    await room.rest()
    for click in (room.click("home_tab_all", "all"), room.click("home_status", "pending")):
        room.give(click)
    await room.rest()
    assert room.shows.asked[-1] == Wanted(tab=Tab.ALL, status=Status.PENDING)
    room.give(room.click("home_tab_mine", "mine"))
    await room.rest()
    assert room.shows.asked[-1] == Wanted(tab=Tab.MINE, status=Status.PENDING)


async def test_of_many_clicks_the_last_is_drawn(room: Room) -> None:
    """While one reading goes on, all others but the last are left out, and the slow one never shows above it."""
    room.give(opened())
    await room.rest()
    gate = asyncio.Event()
    room.shows.gates = [gate]
    room.give(room.click("home_page_next", "2"))
    await until(lambda: len(room.shows.asked) == 2)
    for page in range(3, 20):
        room.give(room.click("home_page_next", str(page)))
    gate.set()
    await room.rest()
    assert [wanted.page for wanted in room.shows.asked] == [1, 2, 19]
    assert "mine 19" in room.shown
    assert len(room.box.workspace.calls_of("views.publish")) == 2


async def test_a_slow_read_says_so(room: Room) -> None:
    """After half a second a view that says "one moment", then the tab; a quick one shows nothing between."""
    room.give(opened())
    await room.rest()
    assert len(room.box.workspace.calls_of("views.publish")) == 1
    gate = asyncio.Event()
    room.shows.gates = [gate]
    room.give(room.click("home_tab_all", "all"))
    await until(lambda: "one moment" in room.shown)
    gate.set()
    await room.rest()
    assert "all 1" in room.shown


async def test_a_slow_drawing_never_overwrites_a_newer_one(room: Room) -> None:
    """Another instance published meanwhile: the hash says so, and it is left as it is, without noise."""
    room.give(opened())
    await room.rest()
    gate = asyncio.Event()
    room.shows.gates = [gate]
    room.give(room.click("home_tab_all", "all"))
    await until(lambda: len(room.shows.asked) == 2)
    other = {"type": "home", "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "newer"}}]}
    await room.api.call("views.publish", user_id=ADA, view=other)
    gate.set()
    await room.rest()
    assert "newer" in room.shown
    assert room.box.workspace.calls_of("views.publish")[-1].answer["error"] == "hash_conflict"
    room.give(room.click("home_tab_waiting", "waiting"))
    await room.rest()
    assert "waiting 1" in room.shown


@pytest.mark.parametrize("trouble", [Unavailable("database: away"), RuntimeError("a bug")])
async def test_trouble_is_shown(room: Room, trouble: Exception) -> None:
    """The view says so and has a button, which comes back to where somebody was."""
    room.shows.troubles = [trouble]
    room.give(opened(view={"type": "home", "hash": "", "private_metadata": '{"tab": "all", "page": 4}'}))
    await room.rest()
    assert "can't be shown" in room.shown
    room.give(room.click("home_again", "again"))
    await room.rest()
    assert "all 4" in room.shown


async def test_people_dont_wait_for_each_other(room: Room) -> None:
    """One's slow read holds up nobody else."""
    room.shows.gates = [gate := asyncio.Event()]
    room.give(opened())
    await until(lambda: room.shows.asked)
    room.give({"type": "event_callback", "event": {"type": "app_home_opened", "user": ANN_ID, "tab": "home"}})
    await until(lambda: room.box.workspace.user("ann").home is not None)
    gate.set()


# -- what is read ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def desk(store: Store, box: Sandbox) -> AsyncIterator[tuple[TestDesk, Reads]]:
    """A desk with parts and the reads of its Home tabs, before a workspace."""
    slack = {"enabled": True, "bot_token": box.bot_token, "app_token": box.app_token, "api_url": box.api_url}
    queue = [{**QUEUE, "slack_channel": TRIAGE}]
    opened_desk = await TestDesk.open(store, slack=slack, queue=queue, service={"timezone": "Europe/Berlin"})
    parts = build(opened_desk.config, {"email": MAIL, "slack": SLACK}, opened_desk.clock)
    api = Api(opened_desk.config)
    yield opened_desk, Reads(parts, api, Directory(api))
    await api.close()
    await parts.database.close()
    await opened_desk.close()


async def test_who_sees_what(desk: tuple[TestDesk, Reads], box: Sandbox) -> None:
    """A requester what they asked for, staff their lists, a manager yesterday's figures too."""
    made, reads = desk
    person = await Directory(reads._api).person(ANN_ID)
    ticket = (
        await made.manager.receive(post("1.1", "Printer", sender=person, conversation="D1"))
    ).ticket_id or 0
    await made.manager.assign(await made.staff(), ticket, "grace")
    ann = str(await reads.view(ANN_ID, Wanted()))
    assert f"#{ticket} Printer" in ann
    assert "Unassigned" not in ann
    grace, ada = str(await reads.view(GRACE, Wanted())), str(await reads.view(ADA, Wanted()))
    assert f"#{ticket} Printer" in grace
    assert "Nothing is assigned to you" in ada
    assert ("Yesterday" in ada, "Yesterday" in grace) == (True, False)
    gil = str(await reads.view("U0GIL00001", Wanted(tab=Tab.ALL)))
    assert "haven't asked for anything" in gil
    assert "Printer" not in gil


async def test_the_link_to_the_conversation(desk: tuple[TestDesk, Reads], box: Sandbox) -> None:
    """Slack is asked for it once; where it gives none the tab does without."""
    made, reads = desk
    space = box.workspace
    root = await space.user("ann").dm("Printer")
    person = await Directory(reads._api).person(ANN_ID)
    for ts in (root, "1.1"):  # of the second Slack knows nothing
        place = f"T1/{space.dm_channel('ann').id}#{ts}"
        await made.manager.receive(post(ts, ts, sender=replace(person, place=place), conversation=f"D{ts}"))
    for _ in range(2):
        view = str(await reads.view(ANN_ID, Wanted()))
        assert view.count("|in our conversation>") == 1
        assert view.count("in our conversation") == 2
    asked = [call.answer["ok"] for call in space.calls_of("chat.getPermalink")]
    assert asked.count(True) == 1


async def test_figures_are_those_of_the_last_local_day(desk: tuple[TestDesk, Reads]) -> None:
    """What came in yesterday in Berlin is counted today; read once in a while."""
    made, reads = desk
    here = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    noon = here.replace(hour=12, minute=0, second=0, microsecond=0)
    made.clock.offset = noon - here - timedelta(days=1)
    for _ in range(3):
        await made.write()
    made.clock.offset = noon - here
    await made.write()
    view = str(await reads.view(ADA, Wanted()))
    assert "came in 3," in view
    assert f"{noon - timedelta(days=1):%d %b}" in view


async def test_what_is_now_is_read_anew(desk: tuple[TestDesk, Reads]) -> None:
    """Yesterday's figures are kept for a while, not those of this moment."""
    made, reads = desk
    await made.write()
    assert "unassigned 1," in str(await reads.view(ADA, Wanted()))
    ticket = (await made.write()).ticket_id or 0
    made.clock.offset += timedelta(seconds=3)
    assert "unassigned 2," in str(await reads.view(ADA, Wanted()))
    await made.manager.assign(await made.staff(), ticket, "grace")
    made.clock.offset += timedelta(seconds=3)
    view = str(await reads.view(ADA, Wanted()))
    assert "unassigned 1," in view
    assert "waiting for us 2," in view


# -- through the service --------------------------------------------------------------------------------------------


def _said(box: Sandbox, name: str) -> str:
    view = box.workspace.user(name).home
    return "" if view is None else json.dumps(view.body["blocks"], ensure_ascii=False)


async def _sees(box: Sandbox, name: str, true: Callable[[str], bool]) -> None:
    await box.workspace.wait_for(lambda: true(_said(box, name)), timeout=10)


async def test_five_hundred_tickets(house: Any, box: Sandbox, store: Store) -> None:
    """PLATFORM case 25, through Slack: pages forward and back, a filter, a ticket taken from the list."""
    desk = await TestDesk.open(store)
    try:
        user = (await desk.people.known(ANN)).user_id
        status = ("new", "open", "pending")
        await fill(desk, 500, user, lambda n: {"title": f"Ticket {n:03}", "status": status[n % 3]})
    finally:
        await desk.close()
    ada = box.workspace.user("ada")
    await ada.open_home()
    await _sees(box, "ada", lambda said: "Nothing is assigned to you" in said)
    assert ada.home is not None
    await ada.click_in_view(ada.home.id, "home_tab_unassigned")
    await _sees(box, "ada", lambda said: "1–10 of 500" in said)
    for page in range(2, 6):
        await ada.click_in_view(ada.home.id, "home_page_next")
        await _sees(box, "ada", lambda said, p=page: f"{p * 10 - 9}–{p * 10} of 500" in said)
    await ada.click_in_view(ada.home.id, "home_page_previous")
    await _sees(
        box, "ada", lambda said: "31–40 of 500" in said and "Ticket 030" in said and "Ticket 039" in said
    )
    await ada.click_in_view(ada.home.id, "home_status", "pending")
    await _sees(box, "ada", lambda said: "1–10 of 166" in said)
    assert len(ada.home.body["blocks"]) <= 100
    await ada.open_home()
    await box.workspace.settled()
    assert "1–10 of 166" in _said(box, "ada")
    assert [c.answer["error"] for c in box.workspace.calls_of("views.publish") if not c.answer["ok"]] == []


async def test_taken_and_resolved_from_home(house: Any, box: Sandbox) -> None:
    """Ada takes Ann's ticket in her Home and resolves it; Ann sees that in hers, and opens it again there."""
    space = box.workspace
    ann, ada = space.user("ann"), space.user("ada")
    await ann.open_home()
    await _sees(box, "ann", lambda said: "haven't asked for anything" in said)
    await ann.dm("My printer burns")
    await space.wait_for(lambda: space.dm_channel("ann").messages[1:], timeout=10)
    await ada.open_home()
    await _sees(box, "ada", lambda said: "Nothing is assigned" in said)
    assert ada.home is not None
    await ada.click_in_view(ada.home.id, "home_tab_unassigned")
    await _sees(box, "ada", lambda said: "My printer burns" in said)
    await ada.click_in_view(ada.home.id, "take")
    await _sees(box, "ada", lambda said: "looks after it" in said)
    await ada.click_in_view(ada.home.id, "home_tab_mine")
    await _sees(box, "ada", lambda said: "My printer burns" in said and "yours" in said)
    await ada.click_in_view(ada.home.id, "status", "resolved")
    await _sees(box, "ada", lambda said: "Nothing is assigned" in said)
    await ann.open_home()
    await _sees(box, "ann", lambda said: "Resolved lately" in said and "in our conversation" in said)
    assert ann.home is not None
    await ann.click_in_view(ann.home.id, "reopen")
    await _sees(box, "ann", lambda said: "we're working on it" in said)
    await ann.click_in_view(ann.home.id, "resolve")
    await _sees(box, "ann", lambda said: "Resolved lately" in said)
