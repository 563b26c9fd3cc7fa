"""Who is told what: the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.audience import Agent, Copy, Happened, Listener, Scene, Told, told, with_files
from core.shapes import Kind
from core.status import Status
from tests.core.test_status import ticket

ANN = Listener(user_id=1, role="requester", channel="email", place="ann@example.com", key=b"a" * 32)
BOB = Listener(user_id=2, role="cc", channel="email", place="bob@example.org", key=b"b" * 32)
DAN = Listener(user_id=3, role="cc", channel="slack", place="T1/D3#1.1", key=b"d" * 32)
ADA = Agent(user_id=11, email="ada@example.com", key=b"1" * 32)
GRACE = Agent(user_id=12, email="grace@example.com", key=b"2" * 32)
TRIAGE = ("slack", "C1")


def scene(status: Status = Status.OPEN, **more: Any) -> Scene:
    values = {
        "ticket": ticket(status, **more.pop("of", {})),
        "triage": TRIAGE,
        "agents": (),
        "listeners": [ANN],
        "actor_id": 11,
        "edits": frozenset({"slack"}),
    }
    return Scene(**{**values, **more})


def shown(happened: Happened, **more: Any) -> list[str]:
    """A short form: side, channel, kind and the notice's name."""
    found = []
    for one in told(happened, scene(**more)):
        side = "desk" if one.desk else "out"
        what = f":{one.data['what']}" if "what" in one.data else ""
        found.append(f"{side} {one.channel} {one.kind}{what}")
    return found


CARD, THREAD, LINE = "desk slack card", "desk slack message", "desk slack notice:line"


@pytest.mark.parametrize(
    ("happened", "more", "expected"),
    [
        (Happened.OPENED, {"actor_id": 1}, [CARD, "out email notice:ack"]),
        (Happened.OPENED, {"actor_id": 1, "long": True}, [CARD, THREAD, "out email notice:ack"]),
        (Happened.OPENED, {"automatic": True}, [CARD]),
        (Happened.OPENED, {"acknowledge": False}, [CARD]),
        (Happened.WROTE, {"actor_id": 1}, [CARD, THREAD]),
        (Happened.WROTE, {"actor_id": 1, "from_thread": True}, [CARD]),
        (Happened.OUTSIDER_WROTE, {"actor_id": 9}, [CARD, THREAD]),
        (Happened.STAFF_REPLIED, {"from_thread": True}, [CARD, "out email message"]),
        (Happened.STAFF_REPLIED, {}, [CARD, THREAD, "out email message"]),
        (Happened.NOTED, {}, [CARD, THREAD]),
        (Happened.NOTED, {"from_thread": True}, [CARD]),
        (Happened.CHANGED, {}, [CARD]),
        (Happened.CHANGED, {"data": {"text": "x"}}, [CARD, LINE]),
        (Happened.CHANGED, {"data": {"text": "x"}, "from_thread": True}, [CARD]),
        (Happened.TOLD, {"data": {"text": "x"}}, [CARD, LINE]),
    ],
)
def test_what_each_calls_for(happened: Happened, more: dict[str, Any], expected: list[str]) -> None:
    """The desk sees everything where it isn't already; the requester hears of answers."""
    assert shown(happened, **more) == expected


@pytest.mark.parametrize(
    ("was", "now", "timer", "what"),
    [
        (Status.OPEN, Status.RESOLVED, False, "resolved"),
        (Status.OPEN, Status.CLOSED, False, "closed"),
        (Status.PENDING, Status.CLOSED, True, "auto_closed"),
        (Status.RESOLVED, Status.CLOSED, False, None),
        (Status.RESOLVED, Status.CLOSED, True, None),
        (Status.RESOLVED, Status.OPEN, False, "reopened"),
        (Status.CLOSED, Status.OPEN, False, "reopened"),
        (Status.OPEN, Status.PENDING, False, "waiting"),
        (Status.NEW, Status.PENDING, False, "waiting"),
        (Status.RESOLVED, Status.PENDING, False, "reopened"),
        (Status.PENDING, Status.OPEN, False, None),
    ],
)
def test_decisions_that_the_requester_hears_of(
    was: Status, now: Status, timer: bool, what: str | None
) -> None:
    """Resolving, closing and reopening; a resolved one that is closed was told before."""
    out = [one for one in shown(Happened.STATUS_SET, status=now, was=was, timer=timer) if "out" in one]
    assert out == ([f"out email notice:{what}"] if what else [])
    mine = shown(Happened.STATUS_SET, status=now, was=was, timer=timer, actor_id=1)
    assert not [one for one in mine if "out" in one], "nobody is told of what they did themselves"


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"rate_url": "http://x/rate/1", "ask_rating": True}, {"url": "http://x/rate/1"}),
        ({"rate_url": "http://x/rate/1", "ask_rating": False}, {"url": "http://x/rate/1"}),
        ({"ask_rating": True}, {}),
        ({"listeners": [replace(DAN, role="requester")], "ask_rating": True}, {"rate": True}),
        ({"listeners": [replace(DAN, role="requester")], "rate_url": "http://x/rate/1"}, {}),
    ],
)
@pytest.mark.parametrize("now", [Status.RESOLVED, Status.CLOSED])
def test_who_is_asked_how_it_was(more: dict[str, Any], asked: dict[str, Any], now: Status) -> None:
    """Of a resolved one: by buttons where there are some, else by a link, the requester alone."""
    people = [*more.get("listeners", [ANN]), BOB]
    found = told(Happened.STATUS_SET, scene(status=now, was=Status.OPEN, **{**more, "listeners": people}))
    (notice,) = [one for one in found if not one.desk]
    kept = {key: value for key, value in notice.data.items() if key != "what"}
    assert kept == (asked if now is Status.RESOLVED else {})


@pytest.mark.parametrize(
    "happened", [Happened.NOTED, Happened.OUTSIDER_WROTE, Happened.TOLD, Happened.DELETED]
)
@pytest.mark.parametrize("status", list(Status))
def test_notes_and_outsiders_words_never_leave_the_desk(happened: Happened, status: Status) -> None:
    """Whatever else is so: of a note or an outsider's mail nothing goes out."""
    for automatic in (False, True):
        found = told(
            happened,
            scene(
                status=status,
                automatic=automatic,
                listeners=[ANN, BOB, DAN],
                data={"text": "x"},
                copies=[Copy("slack", "T1/D3#1.1", "T1/D3/2.2", False), Copy("email", ANN.place, "", False)],
            ),
        )
        assert all(one.desk for one in found)


def test_an_answer_is_one_mail_and_a_post_to_each_place() -> None:
    """To the requester with the participants copied by that mail; nobody twice, not the one who wrote it."""
    out = [one for one in told(Happened.STAFF_REPLIED, scene(listeners=[BOB, DAN, ANN, DAN])) if not one.desk]
    assert [(one.channel, one.place, one.to_key) for one in out] == [
        ("email", ANN.place, ANN.key),
        ("slack", DAN.place, DAN.key),
    ]
    own = told(Happened.STAFF_REPLIED, scene(listeners=[ANN, DAN], actor_id=1))
    assert [one.channel for one in own if not one.desk] == ["slack"]


def test_who_had_the_mail_itself_gets_no_copy() -> None:
    """Nobody gets our copy of a mail that already had them in To or Cc; the others do."""
    found = told(Happened.STAFF_REPLIED, scene(listeners=[ANN, BOB, DAN], had=frozenset({ANN.key})))
    out = [one for one in found if not one.desk]
    assert [one.place for one in out] == [BOB.place, DAN.place]
    assert out[0].data["had"] == [ANN.key.hex()]
    everybody = frozenset({ANN.key, BOB.key, DAN.key})
    assert all(
        one.desk for one in told(Happened.STAFF_REPLIED, scene(listeners=[ANN, BOB, DAN], had=everybody))
    )


def test_a_hold_delays_only_what_goes_out() -> None:
    """`reply_hold` gives time to take an answer back; the desk's side sees it at once."""
    found = told(Happened.STAFF_REPLIED, scene(data={"hold": timedelta(seconds=30)}))
    assert {(one.desk, one.delay) for one in found} == {
        (True, timedelta()),
        (False, timedelta(seconds=30)),
    }


@pytest.mark.parametrize(
    ("happened", "assignee", "actor", "told_to"),
    [
        (Happened.OPENED, None, 1, {"ada@example.com", "grace@example.com"}),
        (Happened.WROTE, None, 1, {"ada@example.com", "grace@example.com"}),
        (Happened.WROTE, 12, 1, {"grace@example.com"}),
        (Happened.WROTE, 12, 12, set()),
        (Happened.OUTSIDER_WROTE, None, 9, {"ada@example.com", "grace@example.com"}),
        (Happened.OPENED, 12, 11, {"grace@example.com"}),
        (Happened.STAFF_REPLIED, None, 11, set()),
        (Happened.NOTED, None, 11, set()),
    ],
)
def test_agents_by_mail(happened: Happened, assignee: int | None, actor: int, told_to: set[str]) -> None:
    """Where the queue tells by mail: all of new tickets, the assignee of answers; automatic, and for the desk."""
    found = told(
        happened,
        scene(triage=None, agents=[ADA, GRACE], actor_id=actor, of={"assignee_id": assignee}),
    )
    mails = [one for one in found if one.desk]
    assert {one.place for one in mails} == told_to
    assert all(one.automatic and one.kind is Kind.NOTICE for one in mails)


def test_an_edit_follows_its_copies() -> None:
    """Changed where that can be, corrected once where it can't; of a deletion only the desk hears."""
    copies = [
        Copy("slack", "C1", "T1/C1/5.5", True),
        Copy("slack", DAN.place, "T1/D3/6.6", False),
        Copy("email", ANN.place, "", False),
        Copy("email", BOB.place, "", False),
    ]
    edited = told(Happened.EDITED, scene(copies=copies, listeners=[ANN, BOB, DAN]))
    assert [(one.kind, one.channel, one.desk) for one in edited if one.kind is not Kind.CARD] == [
        (Kind.EDIT, "slack", True),
        (Kind.EDIT, "slack", False),
        (Kind.NOTICE, "email", False),
    ]
    correction = edited[-1]
    assert (correction.data["what"], correction.to_key) == ("correction", ANN.key)
    assert correction.delay == timedelta(seconds=60)
    deleted = told(Happened.DELETED, scene(copies=copies, listeners=[ANN, BOB, DAN]))
    assert [(one.kind, one.desk) for one in deleted] == [(Kind.CARD, True), (Kind.EDIT, True)]
    assert deleted[-1].data["deleted"]


def test_files_follow_where_the_channel_cannot_carry_them() -> None:
    """One delivery a file, right after its message, for the same eyes."""
    both = [
        Told(channel="email", place="a@b", kind=Kind.MESSAGE, desk=False),
        Told(channel="slack", place="D1", kind=Kind.MESSAGE, desk=False),
        Told(channel="slack", place="C1", kind=Kind.CARD, desk=True),
    ]
    found = with_files(both, [5, 6], frozenset({"email"}))
    assert [(one.kind, one.place, one.data.get("attachment_id")) for one in found] == [
        (Kind.MESSAGE, "a@b", None),
        (Kind.MESSAGE, "D1", None),
        (Kind.FILE, "D1", 5),
        (Kind.FILE, "D1", 6),
        (Kind.CARD, "C1", None),
    ]


def test_a_participants_words_are_passed_on() -> None:
    """Bob wrote: Ann and Dan, who weren't on his mail, have it by their channels; automatic mail goes no further."""
    found = [t for t in told(Happened.WROTE, scene(actor_id=2, listeners=[ANN, BOB, DAN])) if not t.desk]
    assert [(t.channel, t.place, t.kind) for t in found] == [
        ("email", "ann@example.com", Kind.MESSAGE),
        ("slack", "T1/D3#1.1", Kind.MESSAGE),
    ]
    assert all(t.data["passed_on"] and not t.automatic for t in found)
    had = scene(actor_id=2, listeners=[ANN, BOB, DAN], had=frozenset({ANN.key, BOB.key}))
    (left,) = [t for t in told(Happened.WROTE, had) if not t.desk]
    assert left.place == "T1/D3#1.1"
    silent = scene(actor_id=2, listeners=[ANN, BOB, DAN], automatic=True)
    assert [t for t in told(Happened.WROTE, silent) if not t.desk] == []


def test_who_bounced_is_left_out_and_missed() -> None:
    """A dead copy goes nowhere; a dead requester gets a delivery of the answer, which fails and is told, but no
    notices, and the others in turn."""
    dead_ann, dead_bob = replace(ANN, suppressed=True), replace(BOB, suppressed=True)

    def places(happened: Happened, **more: Any) -> list[str]:
        return [t.place for t in told(happened, scene(**more)) if not t.desk]

    assert places(Happened.STAFF_REPLIED, listeners=[ANN, dead_bob]) == ["ann@example.com"]
    assert places(Happened.STAFF_REPLIED, listeners=[dead_ann, BOB]) == ["ann@example.com", "bob@example.org"]
    assert places(Happened.OPENED, listeners=[dead_ann]) == []
    assert places(Happened.STATUS_SET, status=Status.RESOLVED, was=Status.OPEN, listeners=[dead_ann]) == []
    assert places(Happened.WROTE, actor_id=2, listeners=[dead_ann, BOB]) == []
