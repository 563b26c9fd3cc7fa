"""What `relaydesk check` says about the database, about room for more mail, and about the links that mails carry."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from urllib.parse import urlsplit

from sqlalchemy import text

from core import schema, skew
from core.blobs import free_bytes
from core.config import Config
from core.config_url import only_here
from core.database import Database, Tx
from core.failures import Unavailable
from core.inbox import oldest_waiting
from core.schema import SchemaProblem
from core.shapes import Finding
from core.staffing import staff_members

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
        found += unheard(config, {one.username for one in await database.read(staff_members)})
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


def unheard(config: Config, staff: Collection[str]) -> list[Finding]:
    """Return what the configuration says to nobody: names in `escalate_to` that aren't staff's (`staff`: usernames that
    the database has, beside those of the configuration), digests to Slack without Slack. Pure."""
    known = {name.lower() for name in (*staff, *(one.username for one in config.staff))}
    found = [
        Finding(
            part="queue",
            text=queue.name,
            problem=f"escalate_to names '{name}', who isn't on the staff, so nobody is told",
        )
        for queue in config.queue
        for name in queue.escalate_to
        if name.lower() not in known
    ]
    if not config.slack.enabled:
        found += [
            Finding(
                part="digest",
                text=one.name,
                problem="it has slack_to, but slack.enabled is false: it isn't sent there",
            )
            for one in config.digest
            if one.slack_to
        ]
    return found


def probe_links(config: Config) -> list[Finding]:
    """Return the problem of links that nobody else can open while mail goes to other machines; nothing where there is
    none. Without the HTTP door there are no links."""
    url, outbound = config.service.base_url, config.email.outbound
    relays = [one.host for one in (outbound, *outbound.fallback)]
    if not config.http.enabled or not only_here(urlsplit(url).hostname or "") or all(map(only_here, relays)):
        return []
    digests = ", to end a digest" if any(one.email_to for one in config.digest) else ""
    problem = (
        f"mail goes out by {next(host for host in relays if not only_here(host))}, but its links (to sign in, to "
        f"confirm, to large files{digests}) lead to {url}, which opens on this machine alone: set service.base_url to "
        "the address by which people reach the HTTP door (docs/operators/pages.md), or http.enabled = false"
    )
    return [Finding(part="links", text=url, problem=problem)]


def probe_reach(config: Config) -> list[Finding]:
    """Return what to know of an HTTP door that others reach; none of it stops anything. Pure."""
    url = config.service.base_url
    if not config.http.enabled or only_here(urlsplit(url).hostname or ""):
        return []
    found = [
        Finding(
            part="metrics",
            text="/metrics and /readyz answer whoever reaches the HTTP door (numbers only); where the proxy serves the "
            "world, let it keep both inside (docs/operators/pages.md)",
        )
    ]
    if urlsplit(url).scheme == "http":
        text = (
            f"warning: {url} is http, so sign-in links, codes and cookies can be read on their way: use https"
        )
        found.append(Finding(part="links", text=text))
    return found
