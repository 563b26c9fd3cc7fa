"""What it costs to search a million tickets by their words, as the list of tickets is asked for: on SQLite and MariaDB.

`python -m bench search`; `TICKETS=100000` for fewer. Every entry has forty words: one that all have, some that a part
has, and a rare one. Entries are written as the job leaves them; MariaDB's index is made at the end.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from sqlalchemy import insert, text

from bench.figures import Figure
from core.config import Config
from core.database import Database, Tx
from core.folding import entry
from core.people import People
from core.shapes import Actor, Role
from core.tables import search, tickets, users
from core.views import TicketCriteria, list_tickets
from tests.mariadb import Run
from tests.stores import MariaDbStores, SqliteStores, Store

TICKETS: Final = int(os.environ.get("TICKETS", "1000000"))
AT_ONCE: Final = 5_000
TIMES: Final = 7
ASKED: Final = {
    "a word that all have": "common",
    "two words that all have": "common always",
    "a word that one in a hundred has": "hundredth",
    "a word that one in a thousand has": "thousandth",
    "a word that one ticket has": f"needle{TICKETS // 2 + 3}",
    "a word that none has": "nothinglikeit",
    "a word that only old tickets have": "bygone",
    "the beginning of many words": "w",
}


def _ticket(number: int, at: datetime, who: int) -> dict[str, Any]:
    status = "open" if number % 50 == 0 else "closed"
    return {
        "id": number,
        "queue": "support",
        "title": "A ticket",
        "description": "d " * 50,
        "status": status,
        "priority": "normal",
        "channel": "email",
        "requester_id": who,
        "requester_address": "ann@example.com",
        "created_at": at,
        "updated_at": at,
        "public_updated_at": at,
    }


def ordinary_words(dice: random.Random) -> str:
    """Thirty-eight words as tickets have them: few that are everywhere, many that are rare."""
    said = ["common", "always", *(f"w{int(dice.paretovariate(0.7)) % 50_000}" for _ in range(36))]
    return entry([" ".join(said)], ["ann@example.com"])


def own_words(number: int, count: int) -> str:
    """The words that are looked for."""
    said = ["hundredth"] * (number % 100 == 0) + ["thousandth"] * (number % 1000 == 0)
    return entry([" ".join([*said, *(["bygone"] * (number < count // 2)), f"needle{number}"])], [])


async def _fill(database: Database, count: int) -> None:
    who = int(await database.read(lambda tx: tx.scalar(users.select().limit(1))))
    dice, since = random.Random(1), datetime(2025, 1, 1, tzinfo=UTC)
    pool = [ordinary_words(dice) for _ in range(3_000)]
    for first in range(1, count + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count + 1))
        rows = [_ticket(n, since + timedelta(seconds=30 * n), who) for n in numbers]
        said = [{"ticket_id": n, "words": pool[n % len(pool)] + own_words(n, count)} for n in numbers]

        async def unit(tx: Tx, rows: Any = rows, said: Any = said) -> None:
            await tx.run(insert(tickets), rows)
            await tx.run(insert(search), said)

        await database.unit(unit)


async def without_index(tx: Tx) -> None:
    """MariaDB: leave the full-text index out. Made at the end it is made much sooner; dropped and added again it would
    be empty."""
    await tx.run(text("CREATE TABLE plain AS SELECT * FROM search WHERE FALSE"))
    await tx.run(text("ALTER TABLE plain ADD PRIMARY KEY (ticket_id)"))
    await tx.run(text("DROP TABLE search"))
    await tx.run(text("RENAME TABLE plain TO search"))


async def with_index(tx: Tx) -> None:
    """MariaDB: make the full-text index of what is there."""
    await tx.run(text("ALTER TABLE search ADD FULLTEXT INDEX ft_search_words (words)"))


async def _timed(database: Database, actor: Actor, q: str) -> tuple[float, int]:
    """Milliseconds of a list, the median, and how many it has."""
    took, found = [], 0
    for _ in range(TIMES):
        begun = time.perf_counter()
        page = await database.read(lambda tx: list_tickets(tx, actor, TicketCriteria(q=q)))
        took.append((time.perf_counter() - begun) * 1000)
        found = len(page.tickets)
    return median(took), found


async def _on(store: Store, count: int, index: bool) -> list[Figure]:
    config: Config = store.config(database={"timeout": "600s"})
    database = Database(config.database)
    try:
        people = People(database, config)
        await people.create_token("ann@example.com", timedelta(days=1))
        if index:
            await database.unit(without_index)
        await _fill(database, count)
        if index:
            await database.unit(with_index)
        staff = Actor(user_id=1, role=Role.AGENT, channel="web")
        found = []
        for name, q in ASKED.items():
            took, hits = await _timed(database, staff, q)
            beside = f"{count:,} tickets; {hits} shown"
            found.append(Figure(f"{store.name}: {name}", took, "ms", most=200, beside=beside))
        return found
    finally:
        await database.close()


async def measure(run: Run) -> list[Figure]:
    """Measure on both stores."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="relaydesk-bench-") as folder:
        root = Path(folder)
        home = root / "var"
        home.mkdir()
        found += await _on(SqliteStores(root / "template").migrated(home), TICKETS, index=False)
        server = run.private_server("search", "--innodb-buffer-pool-size=256M")
        await asyncio.to_thread(server.start)
        try:
            store, _ = await asyncio.to_thread(MariaDbStores(server).take, home)
            return found + await _on(store, TICKETS, index=True)
        finally:
            await asyncio.to_thread(server.stop)
