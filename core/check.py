"""What `relaydesk check` says about the database, and about room for more mail."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import text

from core import schema, skew
from core.blobs import free_bytes
from core.config import Config
from core.database import Database, Tx
from core.failures import Unavailable
from core.inbox import oldest_waiting
from core.schema import SchemaProblem
from core.shapes import Finding

_MEGABYTE = 1_000_000


async def probe_database(database: Database, config: Config) -> list[Finding]:
    """Return what was found: reachable, its schema, how durable its commits are, and whether mail is put off. SQLite is
    brought up to date first, as a start would."""
    if database.sqlite and config.database.auto_migrate is not False:
        with suppress(SchemaProblem, Unavailable):  # told below
            await schema.migrate(database)
    try:
        revision = await schema.revision(database)
    except Unavailable:
        problem = "can't be reached: check database.url, that the server runs, and the user's password"
        return [Finding(part="database", text="not reached", problem=problem)]
    found = [Finding(part="database", text="SQLite" if database.sqlite else "MySQL or MariaDB")]
    state = await _schema(database, revision)
    found.append(state)
    if not database.sqlite:
        found += await database.read(_durability)
        found.append(await skew.probe(database, config.scheduler.max_skew))
    found.append(_disk(config))
    if state.problem is None:
        found.append(await _backlog(database, config))
    return found


async def _schema(database: Database, revision: str | None) -> Finding:
    told = revision or "empty"
    try:
        await schema.check(database)
    except SchemaProblem as exc:
        return Finding(part="schema", text=told, problem=str(exc))
    newer = revision is not None and revision > schema.HEAD
    return Finding(
        part="schema", text=f"{told}, of a newer relaydesk; this one may run on it" if newer else told
    )


def _disk(config: Config) -> Finding:
    """Too little room stops all mail, with an answer that makes senders try again."""
    folder, wanted = config.service.data_dir, config.email.inbound.disk_left_bytes
    free = free_bytes(folder)
    problem = None
    if free < wanted:
        problem = (
            f"{free // _MEGABYTE} MB are free in {folder}, email.inbound.disk_left_bytes wants "
            f"{wanted // _MEGABYTE} MB: mail is put off (452) until there is room"
        )
    return Finding(part="disk", text=f"{free // _MEGABYTE} MB free", problem=problem)


async def _backlog(database: Database, config: Config) -> Finding:
    """What waits too long to be read stops all mail likewise."""
    age = await database.read(lambda tx: oldest_waiting(tx, "email"))
    limit = config.email.inbound.backlog_age
    if age is None:
        return Finding(part="backlog", text="no mail waits to be read")
    waited = f"{max(age.total_seconds(), 0):.0f} s"
    problem = None
    if limit and age > limit:
        problem = (
            f"a mail has waited {waited} to be read, email.inbound.backlog_age is {limit.total_seconds():.0f} s: mail "
            "is put off (452); does a worker run? see: relaydesk inbox list"
        )
    return Finding(part="backlog", text=f"the oldest mail waits for {waited}", problem=problem)


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
