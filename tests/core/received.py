"""What tests of what comes in share: people, a ticket, what the desk and its store say afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from core.shapes import (
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Person,
    Ref,
    key_of,
)
from core.status import Status
from core.tables import links
from tests.core.desk import TRIAGE, TestDesk, slack_person
from tests.stores import Store

ADA = slack_person("ada", "ada@example.com", place=f"T1/{TRIAGE}")
ADA_MAIL = Person(kind="email", address="ada@example.com", name="Ada", place="ada@example.com")
DAN = slack_person("dan", place="T1/D1#1.0")


def noted(store: Store) -> list[str]:
    """What is noted to go out, in order: side, channel, kind, notice."""
    found = []
    for row in store.rows("SELECT * FROM deliveries ORDER BY id"):
        what = json.loads(row["data"]).get("what")
        side = "desk" if row["desk"] else "out"
        found.append(f"{side} {row['channel']} {row['kind']}" + (f":{what}" if what else ""))
    return found


def parts(store: Store, ticket: int | None) -> dict[str, str]:
    """Who has which role in a ticket."""
    sql = (
        "SELECT i.address, p.role FROM participants p JOIN identities i ON i.key = p.identity_key"
        " WHERE p.ticket_id = :t"
    )
    sql = sql.replace("i.key", "i.`key`") if not store.sqlite else sql
    return {row["address"]: row["role"] for row in store.rows(sql, t=ticket)}


async def status(desk: TestDesk, ticket: int | None) -> Status:
    assert ticket is not None
    return (await desk.manager.view_ticket(await desk.staff(), ticket)).ticket.status


async def texts(desk: TestDesk, ticket: int | None) -> list[str]:
    assert ticket is not None
    return [m.text for m in (await desk.manager.view_ticket(await desk.staff(), ticket)).messages]


async def event_kinds(desk: TestDesk, ticket: int | None) -> list[str]:
    assert ticket is not None
    return [e.kind for e in (await desk.manager.view_ticket(await desk.staff(), ticket)).events]


async def opened(desk: TestDesk, **more: Any) -> tuple[int, str]:
    """A ticket by mail, and the Message-ID of that mail."""
    receipt = await desk.write(mail_id="first@client.example", **more)
    assert receipt.outcome == "opened"
    assert receipt.ticket_id is not None
    return receipt.ticket_id, "first@client.example"


async def answered(desk: TestDesk, ticket: int) -> str:
    """Ada answers; the Message-ID under which that goes out."""
    message = await desk.manager.exchange_messages(await desk.staff(), ticket, "Try again.")
    assert message.mail_id is not None
    return message.mail_id


async def carded(desk: TestDesk, **more: Any) -> tuple[int, str]:
    """A mail's ticket whose card hangs; its ts."""
    ticket, _ = await opened(desk, **more)
    card = {"kind": "card", "ticket_id": ticket, "remote": f"T1/{TRIAGE}/100.1"}
    key = key_of(f"slack:T1/{TRIAGE}/100.1")
    await desk.database.unit(lambda tx: tx.run(links.insert().values(key=key, **card)))
    return ticket, "100.1"


def edit(
    ts: str, text: str, sender: Person, conversation: str = TRIAGE, as_new: NewMessage | None = None
) -> MessageEdited:
    return MessageEdited(
        ref=Ref(f"slack:T1/{conversation}/{ts}", f"slack:T1/{conversation}/{ts}"),
        channel="slack",
        sender=sender,
        source_time=datetime.now(UTC),
        text=text,
        as_new=as_new,
    )


def deletion(ts: str, conversation: str = TRIAGE) -> MessageDeleted:
    ref = Ref(f"slack:T1/{conversation}/{ts}", f"slack:T1/{conversation}/{ts}")
    return MessageDeleted(ref=ref, channel="slack", source_time=datetime.now(UTC))
