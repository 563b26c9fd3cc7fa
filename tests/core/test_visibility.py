"""Who sees what: the whole matrix."""

from __future__ import annotations

from itertools import product

import pytest

from core import visibility
from core.failures import NotAllowed, NotFound
from core.shapes import Actor, Auth, Role, Visibility
from core.status import Status

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
