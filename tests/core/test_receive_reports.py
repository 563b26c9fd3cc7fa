"""Bounces and other reports, what is nothing to do, and bytes of any kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.receive import Claim
from core.shapes import (
    DeliveryReport,
    File,
    Ignored,
    Receipt,
    Ref,
)
from tests.core.desk import TestDesk
from tests.core.received import (
    answered,
    noted,
    opened,
)
from tests.stores import Store


def bounce(**more: Any) -> DeliveryReport:
    values: dict[str, Any] = {
        "channel": "email",
        "source_time": datetime.now(UTC),
        "delivery_id": None,
        "ref": None,
        "recipient": "ann@example.com",
        "status": "5.1.1",
        "action": "failed",
        "permanent": True,
        "text": "no such user",
    }
    return DeliveryReport(**{**values, **more})


@pytest.mark.parametrize("by", ["delivery", "id"])
async def test_a_bounce_marks_its_delivery(desk: TestDesk, store: Store, by: str) -> None:
    """By the envelope's address or by our Message-ID; staff are told, once, and the ticket stays as it is."""
    ticket, _ = await opened(desk)
    mail_id = await answered(desk, ticket)
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
    more = (
        {"delivery_id": delivery}
        if by == "delivery"
        else {"ref": Ref(f"mail:support:{mail_id}", f"mail:{mail_id}")}
    )
    assert (await desk.manager.receive(bounce(**more))).outcome == "reported"
    assert store.value("SELECT state FROM deliveries WHERE id = :i", i=delivery) == "bounced"
    assert noted(store)[-1] == "desk slack alert:failed"
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    event = next(e for e in detail.events if e.kind == "delivery_bounced")
    assert event.data["reason"] == "5.1.1 no such user"
    count = store.count("deliveries")
    assert (await desk.manager.receive(bounce(**more))).outcome == "ignored"
    assert store.count("deliveries") == count


async def test_reports_of_nothing(desk: TestDesk, store: Store) -> None:
    """A delay, and a bounce of what we never sent, change nothing."""
    ticket, _ = await opened(desk)
    await answered(desk, ticket)
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    count = store.count("deliveries")
    delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
    for report in (bounce(delivery_id=999_999), bounce(), bounce(delivery_id=delivery, action="delayed")):
        assert (await desk.manager.receive(report)).outcome == "ignored"
    assert store.count("deliveries", "state = 'sent'") == count == store.count("deliveries")


async def test_a_bounced_alert_ends_there(store: Store) -> None:
    """An agent whose address is dead gets no alert about the alert."""
    desk = await TestDesk.open(store, slack={"enabled": False})
    try:
        ticket, _ = await opened(desk)
        await answered(desk, ticket)
        store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
        delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
        await desk.manager.receive(bounce(delivery_id=delivery))
        alerts = store.rows("SELECT id FROM deliveries WHERE kind = 'alert'")
        assert len(alerts) == 2, "both agents"
        store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
        count = store.count("deliveries")
        assert (await desk.manager.receive(bounce(delivery_id=alerts[0]["id"]))).outcome == "reported"
        assert store.count("deliveries") == count
    finally:
        await desk.close()


async def test_others_talk_is_not_kept(desk: TestDesk, store: Store) -> None:
    """Of what is ignored only that goes: what came in of the rest can be looked at."""
    for private in (True, False):
        ignored = Ignored(reason="talk", private=private)
        await desk.take_in(ignored)
        row = (await desk.operations.inbox())[0]
        await desk.manager.receive(ignored, Claim(item_id=row.id))
        assert await desk.operations.inbox_raw(row.id) == (b"" if private else b"raw")
        assert (await desk.operations.inbox_item(row.id)).state == "ignored"


async def test_nothing_to_do_is_noted_with_its_row(desk: TestDesk) -> None:
    """The reason stays with the raw."""
    await desk.take_in(Ignored(reason="our own echo"))
    row = (await desk.operations.inbox())[0]
    receipt = await desk.manager.receive(Ignored(reason="our own echo"), Claim(item_id=row.id))
    assert receipt == Receipt(outcome="ignored", because="our own echo")
    after = await desk.operations.inbox_item(row.id)
    assert (after.state, after.reason) == ("ignored", "our own echo")


async def test_files_and_whatever_letters(desk: TestDesk, store: Store) -> None:
    """Bytes are stored, what could not be had is named; half a surrogate pair or a zero breaks nothing."""
    files = (
        File(name="a\ud800.txt", content_type="text/plain; x=é", size=3, content=b"abc"),
        File(name="gone", content_type="", size=9, unavailable="too large"),
    )
    receipt = await desk.write("x\ud800\x00😀", subject="s\udfff", files=files)
    (message,) = (await desk.manager.view_ticket(await desk.staff(), receipt.ticket_id or 0)).messages
    assert message.text == "x?\x00😀"
    assert [(a.state, a.size) for a in message.attachments] == [("stored", 3), ("unavailable", 9)]
    assert await desk.blobs.get(message.attachments[0].blob or "") == b"abc"
