"""Forms as they come back: what makes no sense, and what the desk is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot import form_views
from bot.events import arrival_of, name_of
from bot.form_reading import (
    AGAIN,
    About,
    about,
    asks_staff,
    files_of,
    problems,
    queue_of,
    read_form,
    users_of,
)
from core.shapes import Auth, File, Ignored, NewMessage, Person, Priority, StaffCommand
from core.snoozing import wanted
from tests.bot.kit import HOME

Json = dict[str, Any]
AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
QUEUES = ("support", "billing")
ABOUT = About(ticket=12, place="T1/C1#17.1")
ANN = Person(kind="slack", address="T1/U1", name="Ann", email="ann@example.com", team="T1")
BOB = Person(kind="slack", address="T1/U2", name="Bob", team="T1")
PEOPLE = {"U1": ANN, "U2": BOB}
SELECTS = ("priority", "queue", "for_how_long", "which", "score")


def filled(view: Json, **values: Any) -> Json:
    """A form as Slack sends it back: each block's state below its name."""
    state: Json = {}
    for name, value in values.items():
        if name in SELECTS:
            inner: Json = {"type": "static_select", "selected_option": value and {"value": value}}
        elif name == "for":
            inner = {"type": "users_select", "selected_user": value}
        elif name == "files":
            inner = {"type": "file_input", "files": value}
        else:
            inner = {"type": "plain_text_input", "value": value}
        state[name] = {name: inner}
    return {**view, "id": "V1", "hash": "1.x", "state": {"values": state}}


def read(view: Json, user: str = "U1", files: tuple[File, ...] = ()) -> Any:
    return read_form(view, user, HOME, PEOPLE, files, AT)


# -- does it make sense? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "where"),
    [
        (filled(form_views.new_ticket(About(), QUEUES), title="  "), "title"),
        (filled(form_views.new_ticket(About(), QUEUES), title="x" * 151), "title"),
        (filled(form_views.new_ticket(About(), QUEUES), title="x" * 150, description=None), None),
        (filled(form_views.title(ABOUT, "Old"), title=""), "title"),
        (filled(form_views.title(ABOUT, "Old"), title="x" * 256), "title"),
        (filled(form_views.title(ABOUT, "Old"), title="x" * 255), None),
        (filled(form_views.note(ABOUT), note=" \n"), "note"),
        (filled(form_views.note(ABOUT), note="x"), None),
        (filled(form_views.queue(ABOUT, QUEUES), queue=None), "queue"),
        (filled(form_views.merge(ABOUT), number=""), "number"),
        (filled(form_views.merge(ABOUT), number="twelve"), "number"),
        (filled(form_views.merge(ABOUT), number="-1"), "number"),
        (filled(form_views.merge(ABOUT), number="#12"), "number"),
        (filled(form_views.merge(ABOUT), number=" #13 "), None),
        (filled(form_views.merge(ABOUT), number=None, which="14"), None),
        (filled(form_views.snooze(ABOUT), for_how_long=None, duration=None), "duration"),
        (filled(form_views.snooze(ABOUT), duration="soon"), "duration"),
        (filled(form_views.snooze(ABOUT), duration="0"), "duration"),
        (filled(form_views.snooze(ABOUT), duration="366d"), "duration"),
        (filled(form_views.snooze(ABOUT), duration="1h 30m"), None),
        (filled(form_views.snooze(ABOUT), for_how_long="2d"), None),
        (filled(form_views.rate(ABOUT), score=None), "score"),
        (filled(form_views.rate(ABOUT), score="3"), None),
        (filled(form_views.spam(ABOUT)), None),
    ],
)
def test_what_must_be_filled_in_otherwise(view: Json, where: str | None) -> None:
    """Said below the field, which is in the form; what is wrong does nothing if it comes all the same."""
    found = problems(view)
    assert list(found) == ([where] if where else [])
    if where:
        assert where in [block["block_id"] for block in view["blocks"]]
        assert isinstance(read(view), Ignored)


def test_every_choice_of_how_long_is_one_the_desk_knows() -> None:
    """The menu's values are words of the verb."""
    for value, _ in form_views.PUT_ASIDE:
        command = read(filled(form_views.snooze(ABOUT), for_how_long=value))
        assert command.words == (value,)
        if value != "off":
            wanted(command.words)


# -- what is asked for --------------------------------------------------------------------------------------------


def test_a_new_ticket() -> None:
    """Its words, named by its view, answered in direct messages."""
    view = form_views.new_ticket(About(), QUEUES, staff=True)
    made = filled(
        view, title="Printer", description=" It\r\nburns ", priority="high", queue="billing", **{"for": None}
    )
    file = File(name="a.txt", content_type="text/plain", size=1)
    new = read(made, files=(file,))
    assert isinstance(new, NewMessage)
    assert new.ref.name == "slack:T1/view/V1"
    assert (new.subject, new.text, new.visible) == ("Printer", "It\nburns", "It\nburns")
    assert (new.queue, new.priority, new.auth) == ("billing", Priority.HIGH, Auth.VERIFIED)
    assert (new.sender.address, new.sender.place, new.sender.email) == ("T1/U1", "T1/U1", "ann@example.com")
    assert (new.made_by, new.files, new.source_time) == (None, (file,), AT)


def test_a_title_alone_is_a_ticket() -> None:
    """What isn't said is the desk's default."""
    new = read(filled(form_views.new_ticket(About(), ["support"]), title="Printer", description=None))
    assert (new.text, new.queue, new.priority) == ("Printer", HOME.dm_queue, None)


@pytest.mark.parametrize(
    ("public", "chosen", "channel", "theirs", "staffs"),
    [
        (("support", "billing"), "billing", "", "billing", "billing"),
        (("support", "billing"), "secret", "", "support", "secret"),
        (("billing", "support"), "secret", "", "billing", "secret"),
        (("support", "billing"), None, "", "support", "support"),
        (("billing",), None, "", "billing", "support"),  # direct messages go to one that isn't public
        (("billing",), "support", "", "billing", "support"),
        (
            ("support", "billing"),
            None,
            "CHR",
            "hr",
            "hr",
        ),  # where one asks says it, as for what is posted there
        (("support", "billing"), "billing", "CHR", "billing", "billing"),
        (("support", "billing"), "hr", "CHR", "support", "hr"),
        ((), None, "", "support", "support"),
        ((), "secret", "", "support", "secret"),
        ((), None, "CHR", "hr", "hr"),
    ],
)
def test_the_queue_of_a_new_ticket(
    public: tuple[str, ...], chosen: str | None, channel: str, theirs: str, staffs: str
) -> None:
    """One that isn't public is staff's to choose, whatever the form says; who sent it off is asked only where that
    matters."""
    home = replace(HOME, public=public, requests={"CHR": "hr"})
    view = filled(form_views.new_ticket(About(channel=channel), QUEUES), title="Printer", queue=chosen)
    assert (queue_of(view, home, staff=False), queue_of(view, home, staff=True)) == (theirs, staffs)
    assert asks_staff(view, home) is (theirs != staffs)
    for staff, queue in ((False, theirs), (True, staffs)):
        new = read_form(view, "U1", home, PEOPLE, (), AT, staff=staff)
        assert isinstance(new, NewMessage)
        assert new.queue == queue


def test_the_queue_to_which_a_ticket_is_moved_is_no_new_tickets() -> None:
    """Who may do that is asked where it is done."""
    view = filled(form_views.queue(ABOUT, QUEUES), queue="secret")
    assert not asks_staff(view, HOME)


def test_for_somebody_else() -> None:
    """It is theirs, and they are answered; who made it is known. For oneself it is as if nobody was chosen."""
    view = form_views.new_ticket(About(), QUEUES, staff=True)
    given = filled(view, title="Printer", description="Burns", **{"for": "U2"})
    assert users_of(given) - {""} == {"U2"}
    new = read(given)
    assert (new.sender.address, new.sender.place) == ("T1/U2", "T1/U2")
    assert new.made_by is not None
    assert (new.made_by.address, new.made_by.place) == ("T1/U1", "T1/U1")
    assert read(filled(view, title="Printer", **{"for": "U1"})).made_by is None


def test_a_message_that_cannot_be_followed_is_quoted() -> None:
    """PLATFORM case 32, where the bot isn't: the asker's own ticket, which says who wrote it."""
    subject = About(channel="C9", ts="17.1", author="U2")
    new = read(filled(form_views.make_ticket(subject, QUEUES, "It burns\n\nhere"), title="Printer"))
    assert users_of({"private_metadata": subject.packed()}) - {""} == {"U2"}
    assert new.text == "Bob wrote:\n> It burns\n>\n> here"
    assert (new.sender.address, new.sender.place, new.ref.name) == ("T1/U1", "T1/U1", "slack:T1/view/V1")
    changed = filled(
        form_views.make_ticket(About(own=True, author="U2"), QUEUES, "x"), title="P", description="Mine"
    )
    assert read(changed).text == "Mine"


@pytest.mark.parametrize(
    ("view", "verb", "words", "text"),
    [
        (filled(form_views.merge(ABOUT), number="#13"), "merge", ("13",), ""),
        (filled(form_views.merge(ABOUT), number="", which="14"), "merge", ("14",), ""),
        (filled(form_views.queue(ABOUT, QUEUES), queue="billing"), "queue", ("billing",), ""),
        (filled(form_views.snooze(ABOUT), for_how_long="2d", duration="1h 30m"), "snooze", ("1h30m",), ""),
        (filled(form_views.title(ABOUT, "Old"), title=" New  words "), "title", (), "New  words"),
        (filled(form_views.note(ABOUT), note="!close\nno command"), "note", (), "!close\nno command"),
        (filled(form_views.rate(ABOUT), score="4", comment="Well done"), "rate", ("4",), "Well done"),
        (filled(form_views.rate(ABOUT), score="4", comment=None), "rate", ("4",), ""),
        (filled(form_views.spam(ABOUT)), "spam", (), ""),
    ],
)
def test_verbs(view: Json, verb: str, words: tuple[str, ...], text: str) -> None:
    """Each form is one verb, on its ticket, answered where it was asked for."""
    command = read(view)
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words, command.text) == (verb, words, text)
    assert (command.ticket_id, command.place, command.ref) == (12, "T1/C1#17.1", None)
    assert (command.sender.address, command.sender.place) == ("T1/U1", "T1/C1#17.1")


def test_without_a_place_it_is_answered_in_direct_messages() -> None:
    """A form that was opened in the Home tab."""
    command = read(filled(form_views.note(About(ticket=12)), note="x"))
    assert (command.place, command.sender.place) == ("T1/U1", "T1/U1")


@pytest.mark.parametrize(
    "metadata", ["", "no json", "[1]", '{"ticket":"x"}', '{"place":5}', '{"ticket":true}', None]
)
def test_metadata_that_is_not_ours(metadata: str | None) -> None:
    """It says nothing, and breaks nothing."""
    assert about({"private_metadata": metadata}).ticket in (0, True)
    assert problems({"callback_id": "note", "private_metadata": metadata}) == {"note": "Write the note."}


def test_files_as_slack_describes_them() -> None:
    """Of a form without any there are none."""
    view = form_views.new_ticket(About(), QUEUES)
    assert files_of(filled(view, files=[{"id": "F1"}, "?"])) == ({"id": "F1"},)
    assert files_of(filled(view, files=None)) == files_of({}) == ()


# -- stored ----------------------------------------------------------------------------------------------------------


def test_what_is_stored_of_a_form(shared_folder: Path) -> None:
    """By the contract's shape: what was filled in is kept, secrets aren't; sent off twice it is one."""
    sample = shared_folder / "slack/contract/interactions/views/ViewSubmissionPayload.json"
    body: Json = json.loads(sample.read_text("utf-8"))
    body |= {"user": {"id": "U1"}, "trigger_id": "1.2.secret", "token": "secret"}
    view = filled(form_views.note(ABOUT), note="The customer's words")
    body["view"] = {**body["view"], **view}
    arrival = arrival_of(body, HOME, via="socket")
    kept = json.loads(arrival.raw)
    assert "secret" not in arrival.raw.decode()
    assert read(kept["view"]).text == "The customer's words"
    assert arrival.shard_by == "T1/C1"
    assert name_of(body) == name_of({**body, "trigger_id": "3.4.other"})
    assert name_of(body) != name_of({**body, "view": {**body["view"], "id": "V2"}})


def test_trouble_is_said_in_a_field() -> None:
    """Short enough for one line below it."""
    assert len(AGAIN) < 100
