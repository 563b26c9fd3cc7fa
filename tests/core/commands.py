"""Commands on a desk's tickets, as staff type them in threads and requesters press them, and what came of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

from core.shapes import Evidence, Person, Receipt, Ref, StaffCommand, key_of
from core.status import Ticket
from core.tables import links
from tests.core.desk import TRIAGE, TestDesk, post, slack_person
from tests.stores import Store

ADA = slack_person("ada", "ada@example.com", place=f"T1/{TRIAGE}")
DAN = slack_person("dan", place="T1/D1#1.0")  # a requester
KIM = slack_person("kim", place="T1/D2#1.0")  # takes part in Dan's ticket
EVE = slack_person("eve", place="T1/D3#1.0")  # a stranger
_numbers = count(1)


async def dans_ticket(desk: TestDesk, text: str = "My screen is dark", *, sender: Person = DAN) -> int:
    """Somebody's ticket by a direct message, with a card that hangs in the triage channel."""
    number = next(_numbers)
    person = Person(
        kind="slack",
        address=sender.address,
        name=sender.name,
        email=sender.email,
        team="T1",
        place=f"T1/D{number}#1.0",
    )
    receipt = await desk.manager.receive(
        post("1.0", text, sender=person, conversation=f"D{number}", evidence=Evidence())
    )
    assert receipt.outcome == "opened"
    assert receipt.ticket_id is not None
    await hang_card(desk, receipt.ticket_id)
    return receipt.ticket_id


async def hang_card(desk: TestDesk, ticket: int, channel: str = TRIAGE) -> None:
    """The ticket's card hangs in this channel; its ts is made of the ticket's number."""
    remote = f"T1/{channel}/{root_of(ticket)}"
    row = {"key": key_of(f"slack:{remote}"), "kind": "card", "ticket_id": ticket, "remote": remote}
    await desk.database.unit(lambda tx: tx.run(links.insert().values(**row)))


def root_of(ticket: int) -> str:
    """The ts of a ticket's card."""
    return f"{1000 + ticket}.1"


async def typed(
    desk: TestDesk, ticket: int, verb: str, *words: str, sender: Person = ADA, text: str = "", ts: str = ""
) -> Receipt:
    """`!verb words` in the ticket's thread."""
    channel = TRIAGE
    ts = ts or f"{5000 + next(_numbers)}.0"
    return await desk.manager.receive(
        StaffCommand(
            channel="slack",
            sender=sender,
            source_time=datetime.now(UTC),
            verb=verb,
            words=words,
            text=text,
            evidence=Evidence(references=(Ref(f"slack:T1/{channel}/{root_of(ticket)}"),)),
            ref=Ref(f"slack:T1/{channel}/{ts}", f"slack:T1/{channel}/{ts}"),
            place=f"T1/{channel}#{root_of(ticket)}",
        )
    )


async def pressed(
    desk: TestDesk, ticket: int, verb: str, *words: str, sender: Person = ADA, text: str = "", place: str = ""
) -> Receipt:
    """A click, or a form: it names its ticket, and has no name of its own."""
    return await desk.manager.receive(
        StaffCommand(
            channel="slack",
            sender=sender,
            source_time=datetime.now(UTC),
            verb=verb,
            words=words,
            text=text,
            ticket_id=ticket,
            place=place or sender.address,
        )
    )


async def ticket_of(desk: TestDesk, ticket: int) -> Ticket:
    """The ticket as it stands."""
    return (await desk.manager.view_ticket(await desk.staff(), ticket)).ticket


def whispers(store: Store) -> list[str]:
    """What single people were told, in order."""
    rows = store.rows("SELECT data FROM deliveries WHERE kind = 'whisper' ORDER BY id")
    return [json.loads(row["data"])["text"] for row in rows]


def lines(store: Store, ticket: int, place: str = TRIAGE) -> list[str]:
    """The lines in a ticket's thread, in order."""
    sql = (
        "SELECT data FROM deliveries WHERE kind = 'notice' AND ticket_id = :t AND place = :p ORDER BY seq, id"
    )
    found = [json.loads(row["data"]) for row in store.rows(sql, t=ticket, p=place)]
    return [str(data.get("text") or data["what"]) for data in found]


def to_requesters(store: Store, ticket: int, state: str = "queued") -> list[str]:
    """What goes to the requester's side: kinds, and the notices' names."""
    sql = "SELECT kind, data FROM deliveries WHERE ticket_id = :t AND desk = 0 AND state = :s ORDER BY id"
    rows: list[dict[str, Any]] = store.rows(sql, t=ticket, s=state)
    whats = [(row["kind"], json.loads(row["data"]).get("what")) for row in rows]
    return [f"{kind}:{what}" if what else kind for kind, what in whats]


async def events_of(desk: TestDesk, ticket: int) -> list[tuple[str, dict[str, Any]]]:
    """A ticket's history: kinds with their data."""
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    return [(event.kind, dict(event.data)) for event in detail.events]
