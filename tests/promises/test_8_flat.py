"""Promise 8. Flat cost: what one mail, one list and one claim read doesn't grow with the number of tickets.

Counted in rows that the server handled (MariaDB's session counters), not in seconds.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core import outbox, views, work
from core.database import Tx
from core.evidence import look_up
from core.shapes import key_of
from core.views import TicketCriteria, list_tickets
from tests.core.desk import TestDesk, mail
from tests.stores import Store

pytestmark = pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
FEW, MANY = 100, 3000


def _fill(store: Store, already: int, wanted: int) -> None:
    """Put plain tickets beside the real ones, with their messages, links, events and sent deliveries."""
    now = datetime.now(UTC).replace(tzinfo=None)
    assert store.server is not None
    with closing(store.server.connect(store.database)) as connection, connection.cursor() as cursor:
        user = store.value("SELECT MIN(id) FROM users")
        statuses = ("new", "open", "pending", "resolved", "closed")
        times = {number: now - timedelta(minutes=number) for number in range(already, wanted)}
        cursor.executemany(
            "INSERT INTO tickets (queue, title, description, status, priority, channel, requester_id, "
            "requester_address, created_at, updated_at, public_updated_at) "
            "VALUES ('support', 't', 'd', %s, 'normal', 'email', %s, 'x@y.example', %s, %s, %s)",
            [(statuses[number % 5], user, at, at, at) for number, at in times.items()],
        )
        cursor.execute(
            "SELECT id FROM tickets WHERE title = 't' ORDER BY id DESC LIMIT %s", (wanted - already,)
        )
        tickets = [row["id"] for row in cursor.fetchall()][::-1]
        cursor.executemany(
            "INSERT INTO links (`key`, kind, ticket_id) VALUES (%s, 'received', %s)",
            [(key_of(f"filler {number}"), ticket) for number, ticket in zip(times, tickets, strict=True)],
        )
        cursor.executemany(
            "INSERT INTO deliveries (lane, channel, ticket_id, place, kind, desk, priority, seq, state, "
            "created_at, data) VALUES ('slack:filler', 'slack', %s, 'C1', 'card', 1, 5, %s, 'sent', %s, '{}')",
            [(ticket, number, at) for ticket, (number, at) in zip(tickets, times.items(), strict=True)],
        )
        connection.commit()
        cursor.execute("ANALYZE TABLE tickets, links, deliveries")


async def _handled(desk: TestDesk, unit: Any) -> int:
    """Rows that the server read for what `unit` does in one transaction."""

    async def counted(tx: Tx) -> int:
        await tx.run(text("FLUSH STATUS"))
        await unit(tx)
        rows = await tx.all(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(value) for name, value in rows if name != "Handler_read_rnd_deleted")

    return await desk.database.unit(counted)


async def test_reads_do_not_grow_with_the_tickets(desk: TestDesk, store: Store, store_name: str) -> None:
    """A list's page, a look-up of links, a lane's heads and a claim's candidates, at 100 and at 3,000 tickets."""
    await desk.write("one")
    ada = await desk.staff()

    async def page(tx: Tx) -> None:
        await list_tickets(tx, ada, TicketCriteria(limit=20))

    async def heads(tx: Tx) -> None:
        await outbox.heads(tx, desk.slack.spec.lane("C1", None))

    async def link(tx: Tx) -> None:
        await look_up(tx, desk.desk, mail("x"), known)

    known = await desk.people.known(mail("x").sender)
    found: dict[int, list[int]] = {}
    size = 0
    for wanted in (FEW, MANY):
        _fill(store, size, wanted)
        size = wanted
        found[wanted] = [await _handled(desk, unit) for unit in (page, heads, link)]
    few, many = found[FEW], found[MANY]
    for small, large in zip(few, many, strict=True):
        assert large <= small * 2 + 40, found


async def test_a_mail_costs_the_same_with_many_tickets(desk: TestDesk, store: Store, store_name: str) -> None:
    """The whole unit of a new mail: rows read at 100 and at 3,000 tickets."""
    counts = []
    size = 0
    assert store.server is not None
    for wanted in (FEW, MANY):
        _fill(store, size, wanted)
        size = wanted
        await desk.write("warm", sender=mail().sender)
        with closing(store.server.connect()) as connection, connection.cursor() as cursor:
            counts.append(await _global_reads(desk, cursor))
    few, many = counts
    assert many <= few * 2 + 60, counts


async def _global_reads(desk: TestDesk, cursor: Any) -> int:
    """The fewest rows that the server read while one mail was received (others share the server)."""

    def total() -> int:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
        return sum(int(row["Value"]) for row in cursor.fetchall())

    best = 10**9
    for _ in range(5):
        before = total()
        await desk.write("counted")
        best = min(best, total() - before)
    return best


async def test_the_threads_of_open_tickets(
    desk: TestDesk, store: Store, store_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, page by page, and what is closed costs nothing."""
    monkeypatch.setattr(views, "ROOTS", 7)
    user, at = store.value("SELECT MIN(id) FROM users"), "2026-11-01 12:00:00"
    rows = [
        f"({n}, 'support', 't', 'd', '{_status(n)}', 'normal', 'email', {user}, 'x', '{at}', '{at}', '{at}')"
        for n in range(1, 1001)
    ]
    store.execute(
        "INSERT INTO tickets (id, queue, title, description, status, priority, channel, requester_id, "
        f"requester_address, created_at, updated_at, public_updated_at) VALUES {', '.join(rows)}"
    )
    cards = [f"(UNHEX(SHA2('card {n}', 256)), 'card', {n}, 'T1/C1/{n}.1')" for n in range(1, 1001)]
    store.execute(f"INSERT INTO links (`key`, kind, ticket_id, remote) VALUES {', '.join(cards)}")
    store.execute("ANALYZE TABLE tickets, links")
    got: list[str] = []

    async def read(tx: Tx) -> None:
        got[:] = await views.open_roots(tx)

    handled = await _handled(desk, read)
    assert sorted(got) == sorted(f"T1/C1/{n}.1" for n in range(1, 1001) if _status(n) != "closed")
    assert len(got) == 50
    assert handled < 50 * 8, handled


def _status(number: int) -> str:
    """Of twenty tickets one is open."""
    return "closed" if number % 20 else ("new", "open", "pending", "resolved")[number // 20 % 4]


def test_work_is_claimed_by_its_index(store_name: str) -> None:
    """The candidates' query names the columns of its index first (`kind`, `due_at`)."""
    index = next(i for i in work.work.indexes if i.name == "ix_work_kind_due_at")
    assert [c.name for c in index.columns] == ["kind", "due_at"]
