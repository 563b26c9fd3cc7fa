"""Who hears that their mail came: by policy, and within the brakes on address, source and all."""

from __future__ import annotations

from typing import Any

import pytest

from core.acknowledging import mailbox_of
from core.shapes import Auth, Person
from core.status import Status
from tests.core.desk import ANN, BOB, EVE, TestDesk
from tests.core.received import noted
from tests.stores import Store


def somebody(address: str) -> Person:
    return Person(kind="email", address=address, place=address)


def acks(store: Store) -> int:
    return noted(store).count("out email notice:ack")


async def desk_with(store: Store, policy: str = "all", **brakes: Any) -> TestDesk:
    return await TestDesk.open(store, email={"outbound": {"acknowledge": policy}}, brakes=brakes)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann@example.com", "Ann+shop@Example.com", True),
        ("a.n.n@gmail.com", "ann+x@googlemail.com", True),
        ("a.n.n@example.com", "ann@example.com", False),
        ("ann@example.com", "ann@example.org", False),
        ("+x@example.com", "+y@example.com", False),
        ("...@gmail.com", "....@gmail.com", False),
    ],
)
def test_variants_of_one_mailbox(one: str, other: str, same: bool) -> None:
    """They share a brake where they lead to the same mailbox, as far as that can be told."""
    assert (mailbox_of(one) == mailbox_of(other)) is same


async def test_none_and_authenticated(store: Store) -> None:
    """Nobody; or those only whose mail proves who they are."""
    for policy, expected in (("none", 0), ("authenticated", 1)):
        desk = await desk_with(store, policy)
        try:
            before = acks(store)
            await desk.write(sender=ANN)
            await desk.write(sender=BOB, auth=Auth.VERIFIED)
            await desk.write(sender=BOB, auth=Auth.LINKED)
            assert acks(store) - before == expected
        finally:
            await desk.close()


async def test_known_are_those_who_take_part_elsewhere(store: Store) -> None:
    """Who wrote before, was copied or admitted; not a stranger, and not who was only seen as an outsider."""
    desk = await desk_with(store, "known")
    try:
        first = await desk.write(sender=ANN, to_others=(BOB,))
        assert acks(store) == 0
        await desk.write("Again", sender=ANN)
        await desk.write("Me too", sender=BOB)
        assert acks(store) == 2
        await desk.write("Hm", sender=EVE, signed=(first.ticket_id,))
        await desk.write("New", sender=EVE)
        assert acks(store) == 2
        await desk.manager.create_ticket(
            await desk.staff(), "Call", "They rang.", requester=somebody("zoe@example.net")
        )
        before = acks(store)
        await desk.write("Hello", sender=somebody("zoe@example.net"))
        assert acks(store) == before + 1
    finally:
        await desk.close()


async def test_one_mailbox_is_filled_by_no_variant(store: Store) -> None:
    """Forged senders, each another `+detail` of the victim's: the brake is one."""
    desk = await desk_with(store, acknowledgements_per_address=3)
    try:
        for number in range(6):
            await desk.write(sender=somebody(f"victim+{number}@example.net"))
        assert acks(store) == 3
        assert store.count("tickets") == 6, "the tickets are made all the same"
    finally:
        await desk.close()


async def test_one_source_fills_no_mailboxes(store: Store) -> None:
    """Distinct senders from one network: counted together, by the /64 of IPv6; what has no source isn't counted."""
    desk = await desk_with(store, acknowledgements_per_source=2)
    try:
        for number, source in enumerate(["192.0.2.1"] * 4 + ["2001:db8::1", "2001:db8::2", "2001:db8::3"]):
            await desk.write(sender=somebody(f"u{number}@example.net"), source=source)
        assert acks(store) == 4
        for number in range(3):
            await desk.write(
                sender=somebody(f"v{number}@example.net"), source=("", "127.0.0.1", "::1")[number]
            )
        assert acks(store) == 7
    finally:
        await desk.close()


async def test_all_together(store: Store) -> None:
    """The last brake."""
    desk = await desk_with(store, acknowledgements_in_all=2)
    try:
        for number in range(4):
            await desk.write(sender=somebody(f"u{number}@example.net"), source=f"192.0.2.{number}")
        assert acks(store) == 2
    finally:
        await desk.close()


async def test_a_signed_address_answers_nobody(desk: TestDesk, store: Store) -> None:
    """Mail to another's ticket, from whoever, is acknowledged to nobody."""
    first = await desk.write(sender=ANN)
    await desk.manager.assign_status(await desk.staff(), first.ticket_id or 0, Status.RESOLVED)
    for _ in range(3):
        await desk.write("Hi", sender=EVE, signed=(first.ticket_id,), to_others=(BOB,))
    assert {row["place"] for row in store.rows("SELECT place FROM deliveries WHERE channel = 'email'")} == {
        "ann@example.com"
    }
