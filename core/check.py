"""What `relaydesk check` says about the database."""

from __future__ import annotations

from sqlalchemy import text

from core import schema
from core.config import Config
from core.database import Database, Tx
from core.failures import Unavailable
from core.shapes import Finding


async def probe_database(database: Database, config: Config) -> list[Finding]:
    """Return what was found: reachable, its schema, and how durable its commits are."""
    try:
        revision = await schema.revision(database)
    except Unavailable:
        problem = "can't be reached: check database.url, that the server runs, and the user's password"
        return [Finding(part="database", text="not reached", problem=problem)]
    found = [Finding(part="database", text="SQLite" if database.sqlite else "MySQL or MariaDB")]
    behind = revision != schema.HEAD
    found.append(
        Finding(
            part="schema",
            text=revision or "empty",
            problem=f"needs {schema.HEAD}; run: relaydesk migrate" if behind else None,
        )
    )
    if not database.sqlite:
        found += await database.read(_durability)
    return found


async def _durability(tx: Tx) -> list[Finding]:
    """A mail is said to be taken once it is committed: so a commit must be on the disk."""
    row = await tx.first(text("SELECT @@innodb_flush_log_at_trx_commit AS flush, @@sync_binlog AS binlog"))
    assert row is not None
    flush = Finding(
        part="durability",
        text=f"innodb_flush_log_at_trx_commit={row.flush}",
        problem=None if int(row.flush) == 1 else "set innodb_flush_log_at_trx_commit=1: mail could be lost",
    )
    warned = "" if int(row.binlog) == 1 else " (1 is safer where a replica takes over)"
    return [flush, Finding(part="durability", text=f"sync_binlog={row.binlog}{warned}")]
