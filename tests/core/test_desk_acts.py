"""What staff do from a ticket's page: every act, and two who have the same page open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core import desk_view
from core.desk_acts import ACTS, Shown, act, number_of, overtaken
from core.failures import Conflict, Invalid, NotAllowed, NotFound
from core.people import actor_of
from core.shapes import Actor, Auth
from core.status import ForbiddenMove, Status, Ticket
from tests.core.desk import ANN, TestDesk


def parts_of(desk: TestDesk) -> Any:
    return SimpleNamespace(
        database=desk.database, desk=desk.desk, config=desk.config, operations=desk.operations
    )


async def ticket_of(desk: TestDesk, number: int) -> Ticket:
    return (await desk.manager.view_ticket(await desk.staff(), number)).ticket


async def do(
    desk: TestDesk, actor: Actor, number: int, name: str, word: str, shown: Shown | None = None
) -> None:
    now = shown or Shown(desk_view.version_of(await ticket_of(desk, number)))
    await act(parts_of(desk), actor, number, name, word, now)


async def test_every_act(desk: TestDesk) -> None:
    ada = await desk.staff()
    one, other = [(await desk.write(f"Help {n}")).ticket_id or 0 for n in range(2)]
    for name, word in (
        ("assignee", "grace"),
        ("priority", "high"),
        ("title", "The printer burns"),
        ("tag", "vip, #fire"),
        ("untag", "vip"),
        ("snooze", "2d"),
        ("admit", "eve@customer.example"),
        ("status", "pending"),
    ):
        await do(desk, ada, one, name, word)
    ticket = await ticket_of(desk, one)
    assert (ticket.assignee, ticket.priority, ticket.title) == ("grace", "high", "The printer burns")
    assert ticket.status is Status.PENDING
    assert ticket.snoozed_until is not None
    detail = await desk.manager.view_ticket(ada, one)
    seen = await desk_view.beside(parts_of(desk), ada, detail)
    assert seen.tags == ("fire",)
    assert seen.me == "ada"
    assert {(p.address, p.role) for p in seen.people} == {
        (ANN.address, "requester"),
        ("eve@customer.example", "cc"),
    }
    assert Status.NEW not in seen.statuses
    for name, word in (
        ("snooze", "off"),
        ("spam", "on"),
        ("spam", "off"),
        ("assignee", ""),
        ("merge", f"#{other}"),
    ):
        await do(desk, ada, one, name, word)
    ticket = await ticket_of(desk, one)
    assert (ticket.snoozed_until, ticket.assignee, ticket.spam, ticket.merged_into) == (
        None,
        None,
        False,
        other,
    )


async def test_refusals(desk: TestDesk) -> None:
    ada, number = await desk.staff(), (await desk.write("Help")).ticket_id or 0
    ann = actor_of(await desk.people.known(ANN), "web", Auth.VERIFIED)
    for name in ACTS:
        with pytest.raises(NotAllowed):
            await do(desk, ann, number, name, "x")
    with pytest.raises(NotFound):
        await do(desk, ada, number, "explode", "")
    with pytest.raises(NotFound):
        await act(parts_of(desk), ada, number + 100, "status", "open", Shown(1))
    for name, word in (
        ("status", "burning"),
        ("merge", "x"),
        ("tag", " "),
        ("snooze", "soon"),
        ("title", ""),
    ):
        with pytest.raises(Invalid):
            await do(desk, ada, number, name, word)
    await do(desk, ada, number, "status", "closed")
    with pytest.raises(ForbiddenMove):
        await do(desk, ada, number, "status", "pending")
    with pytest.raises(NotAllowed):
        await desk_view.version(parts_of(desk), ann, number)
    with pytest.raises(NotFound):
        await desk_view.version(parts_of(desk), ada, number + 100)


async def test_two_with_the_same_page(desk: TestDesk) -> None:
    """Whoever comes second is told what is now, unless it's what they wanted; what else changed is nobody's loss."""
    ada, grace = await desk.staff(), await desk.staff("grace")
    number = (await desk.write("Help")).ticket_id or 0
    version = desk_view.version_of(await ticket_of(desk, number))
    await do(desk, grace, number, "priority", "high", Shown(version, "normal"))
    with pytest.raises(Conflict, match="high now"):
        await do(desk, ada, number, "priority", "urgent", Shown(version, "normal"))
    await do(desk, ada, number, "priority", "high", Shown(version, "normal"))
    await do(desk, ada, number, "title", "Fire", Shown(version, "A question"))
    assert (await ticket_of(desk, number)).priority == "high"
    assert (await ticket_of(desk, number)).title == "Fire"


async def test_nobody_ends_what_they_havent_read(desk: TestDesk) -> None:
    ada, number = await desk.staff(), (await desk.write("Help")).ticket_id or 0
    before = desk_view.version_of(await ticket_of(desk, number))
    ann = actor_of(await desk.people.known(ANN), "web", Auth.VERIFIED)
    await desk.manager.exchange_messages(ann, number, "It burns again!")
    with pytest.raises(Conflict, match="Something was added"):
        await do(desk, ada, number, "status", "resolved", Shown(before, "new"))
    assert (await ticket_of(desk, number)).status is Status.NEW
    await do(desk, ada, number, "status", "pending", Shown(before, "new"))
    await do(
        desk,
        ada,
        number,
        "status",
        "resolved",
        Shown(desk_view.version_of(await ticket_of(desk, number)), "pending"),
    )
    assert (await ticket_of(desk, number)).status is Status.RESOLVED


async def test_what_overtakes_what(desk: TestDesk) -> None:
    ticket = await ticket_of(desk, (await desk.write("Help")).ticket_id or 0)
    assert overtaken(ticket, 7, "assignee", "ada", Shown(1, "")) == ""
    assert "is new now" in overtaken(ticket, 7, "status", "open", Shown(1, "pending"))
    assert overtaken(ticket, 7, "status", "new", Shown(1, "pending")) == ""
    assert overtaken(ticket, 7, "status", "closed", Shown(7, "new")) == ""
    assert overtaken(ticket, 7, "status", "closed", Shown(6, "new"))
    assert overtaken(ticket, 7, "tag", "x", Shown(6, "y")) == ""


@pytest.mark.parametrize(("word", "number"), [("12", 12), (" #12 ", 12)])
def test_numbers(word: str, number: int) -> None:
    assert number_of(word) == number


@pytest.mark.parametrize("word", ["", "#", "1.5", "-1", "٣", "9" * 19])
def test_no_numbers(word: str) -> None:
    with pytest.raises(Invalid):
        number_of(word)
