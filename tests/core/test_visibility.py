"""Who sees what: the whole matrix."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import pytest

from core import visibility
from core.failures import NotAllowed, NotFound
from core.shapes import Actor, Auth, Role, Visibility
from core.status import Status
from core.visibility import asked_visibility, intent
from tests.core.desk import mail

PUBLIC, NOTE = Visibility.PUBLIC, Visibility.NOTE


def actor(role: Role, auth: Auth = Auth.VERIFIED) -> Actor:
    return Actor(user_id=1, role=role, channel="web", auth=auth)


STAFF = [actor(Role.AGENT), actor(Role.MANAGER), actor(Role.SYSTEM)]
OTHERS = [
    actor(Role.REQUESTER),
    actor(Role.AGENT, Auth.CLAIMED),
    actor(Role.MANAGER, Auth.LINKED),
    actor(Role.SYSTEM, Auth.CLAIMED),
]


@pytest.mark.parametrize("who", STAFF)
def test_staff_see_everything(who: Actor) -> None:
    """Every ticket, note, outsider's word, event and address."""
    for shown, outsider in product(Visibility, (False, True)):
        assert visibility.sees_message(who, visibility=shown, outsider=outsider)
    assert visibility.sees_ticket(who, takes_part=False)
    assert visibility.sees_event(who, public=False)
    assert visibility.shown_email(who, own=False, email="a@b") == "a@b"
    assert visibility.shown_name(who, own=False, name="a@b") == "a@b"
    visibility.check_writes(who, NOTE)
    visibility.check_staff(who, "do this")
    for status in Status:
        visibility.check_sets(who, status)


@pytest.mark.parametrize("who", OTHERS)
def test_others_see_what_is_public_where_they_take_part(who: Actor) -> None:
    """A staff member who isn't authenticated is nobody's staff."""
    assert visibility.sees_message(who, visibility=PUBLIC, outsider=False)
    assert not visibility.sees_message(who, visibility=PUBLIC, outsider=True)
    assert not visibility.sees_message(who, visibility=NOTE, outsider=False)
    assert visibility.sees_ticket(who, takes_part=True)
    assert not visibility.sees_ticket(who, takes_part=False)
    assert visibility.sees_event(who, public=True)
    assert not visibility.sees_event(who, public=False)
    assert visibility.shown_email(who, own=False, email="a@b") == ""
    assert visibility.shown_email(who, own=True, email="a@b") == "a@b"
    for name in ("leaky@other.example", "Ann (ann@other.example)", "<a@b>"):
        assert visibility.shown_name(who, own=False, name=name) == ""
        assert visibility.shown_name(who, own=True, name=name) == name
    assert visibility.shown_name(who, own=False, name="Ann @ Acme, Dr.") == "Ann @ Acme, Dr."
    with pytest.raises(NotAllowed):
        visibility.check_writes(who, NOTE)
    visibility.check_writes(who, PUBLIC)
    with pytest.raises(NotAllowed):
        visibility.check_staff(who, "do this")
    with pytest.raises(NotFound):
        visibility.check_sees(who, 7, takes_part=False)
    for status in Status:
        if status in (Status.OPEN, Status.RESOLVED):
            visibility.check_sets(who, status)
        else:
            with pytest.raises(NotAllowed):
                visibility.check_sets(who, status)


@pytest.mark.parametrize(
    ("desk", "shown", "outsider"), list(product((False, True), Visibility, (False, True)))
)
def test_what_leaves_the_desk(desk: bool, shown: Visibility, outsider: bool) -> None:
    """Towards requesters only what is public and no outsider's; the desk's side gets all."""
    assert visibility.goes_out(desk=desk, visibility=shown, outsider=outsider) == (
        desk or (shown is PUBLIC and not outsider)
    )


# -- the sign in front ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "asked", "words"),
    [
        ("note: x", Visibility.NOTE, "x"),
        ("NOTE : x", Visibility.NOTE, "x"),
        ("  \n *Note:* x", Visibility.NOTE, "x"),
        ("[note] x", Visibility.NOTE, "x"),
        ("(private) x", Visibility.NOTE, "x"),
        ("internal note: x", Visibility.NOTE, "x"),
        ("Private：x", Visibility.NOTE, "x"),
        ("\N{LOCK}x", Visibility.NOTE, "x"),
        ("\N{LOCK}\ufe0f x", Visibility.NOTE, "x"),
        (":lock: x", Visibility.NOTE, "x"),
        (":Closed_Lock_With_Key: x", Visibility.NOTE, "x"),
        ("reply: x", Visibility.PUBLIC, "x"),
        ("Public reply: x", Visibility.PUBLIC, "x"),
        ("note that x", None, "note that x"),
        ("notes: x", None, "notes: x"),
        ("replying: x", None, "replying: x"),
        ("A note: x", None, "A note: x"),
        (":unlock: x", None, ":unlock: x"),
        ("", None, ""),
    ],
)
def test_the_sign_in_front(text: str, asked: Visibility | None, words: str) -> None:
    """One rule for every door: case, spaces, bold and the emoji's names don't matter; prose isn't taken for it."""
    found, rest = intent(text)
    assert (found, rest.strip() if found else rest) == (asked, words)


@pytest.mark.parametrize("piece", [" ", "*", "\n", "[ ", "private ", "note", ":lock"])
def test_the_sign_takes_no_time(piece: str) -> None:
    """A megabyte of what might begin it."""
    started = time.process_time()
    intent(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (Visibility.PUBLIC, "x")),
        ({"visible": "Note: x"}, (Visibility.NOTE, "x")),
        ({"visible": "reply: x"}, (Visibility.PUBLIC, "x")),
        ({"visible": "> note: theirs\n\nmine"}, (Visibility.PUBLIC, "> note: theirs\n\nmine")),
        ({"visibility": Visibility.NOTE}, (Visibility.NOTE, "x")),
        ({"visibility": Visibility.NOTE, "visible": "reply: x"}, (Visibility.NOTE, "x")),
        ({"automatic": "auto-reply", "visible": "reply: x"}, (Visibility.NOTE, "reply: x")),
    ],
)
@pytest.mark.parametrize("default", ["public", "note"])
def test_a_mail_of_staffs(more: dict[str, Any], expected: tuple[Visibility, str], default: str) -> None:
    """An answer, whatever the queue's threads do by default, unless its first line or its address says it's a note."""
    assert asked_visibility(mail("x", **more), default) == expected


@pytest.mark.parametrize(
    ("visibility", "default", "expected"),
    [(None, "public", "public"), (None, "note", "note"), (Visibility.PUBLIC, "note", "public")],
)
def test_a_thread_has_a_default(visibility: Visibility | None, default: str, expected: str) -> None:
    """The door read the sign."""
    assert asked_visibility(mail("x", desk=True, visibility=visibility), default) == (expected, "x")
