"""Everybody who may knock at the door, each with an API token and with a browser that is signed in."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import insert, select

from core.database import Tx
from core.people import token_hash
from core.shapes import File, Visibility
from core.tables import identities, tokens
from intake.web.sessions import CSRF_HEADER, csrf_of
from tests.interfaces.counter import ANN, BEN, Counter
from tests.web.stage import client

CARL, DORA = "carl@elsewhere.example", "dora@nowhere.example"
NOTE = "words-that-stay-with-the-staff"
STAFF = {"agent": "grace@example.com", "manager": "ada@example.com"}
EMAILS = {"own": ANN, "part": CARL, "other": BEN, **STAFF}
# `own` reported the ticket, `part` takes part in it, `other` has nothing to do with it.
ROLES = ("nobody", *EMAILS)


@dataclass
class Crowd:
    """`desk` with a ticket of ann's on which all happened that may be seen or must not be."""

    desk: Counter
    ticket: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    programs: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    browsers: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)


async def session_of(desk: Counter, email: str) -> str:
    """Begin a session for somebody known, without the mail."""
    session = secrets.token_urlsafe(32)

    async def begin(tx: Tx) -> None:
        user = await tx.scalar(select(identities.c.user_id).where(identities.c.address == email))
        now = await tx.now()
        values = {"hash": token_hash(session), "user_id": user, "purpose": "session", "scopes": {"next": "/"}}
        await tx.run(insert(tokens).values(**values, created_at=now, expires_at=now + timedelta(days=1)))

    await desk.parts.database.unit(begin)
    return session


def browser_of(desk: Counter, session: str) -> httpx.AsyncClient:
    """A browser with that session whose script sends what a page of ours told it."""
    http = client(desk.url)
    http.cookies.set("relaydesk_session", session, domain="127.0.0.1")
    http.headers[CSRF_HEADER] = csrf_of(session)
    return http


@asynccontextmanager
async def crowd_on(desk: Counter) -> AsyncIterator[Crowd]:
    """Bring them all."""
    crowd = Crowd(desk)
    await _happen(crowd)
    for role, email in EMAILS.items():
        token = await desk.parts.people.create_token(email, timedelta(days=1))
        session = await session_of(desk, email)
        crowd.programs[role], crowd.browsers[role] = client(desk.url, token), browser_of(desk, session)
        crowd.forms[role] = csrf_of(session)
    crowd.programs["nobody"] = crowd.browsers["nobody"] = client(desk.url)
    crowd.forms["nobody"] = csrf_of("made up")
    try:
        yield crowd
    finally:
        for one in {*crowd.programs.values(), *crowd.browsers.values()}:
            await one.aclose()


async def _happen(crowd: Crowd) -> None:
    desk, manager = crowd.desk, crowd.desk.parts.manager
    for email, name in ((CARL, "Carl"), (BEN, "Ben")):
        await desk.opened(desk.ada, title="Of their own", email=email, name=name)
    crowd.ticket = (await desk.opened(title="The safe won't open"))["id"]
    ada = await desk.staff()
    await manager.admit(ada, crowd.ticket, CARL)

    def files(name: str) -> list[File]:
        return [File(name=name, content_type="text/plain", size=1, content=b"x")]

    said = await manager.exchange_messages(ada, crowd.ticket, "We look.", files=files("plan.txt"))
    noted = await manager.exchange_messages(
        ada, crowd.ticket, NOTE, visibility=Visibility.NOTE, files=files("secret-plan.txt")
    )
    shown = await manager.view_ticket(ada, crowd.ticket)
    crowd.ids = {
        "message": shown.messages[0].id,
        "note": noted.id,
        "file": said.attachments[0].id,
        "note file": noted.attachments[0].id,
        "inbox": await _unread(desk),
    }
    blob = await desk.parts.blobs.put(b"<p>It won't open.</p>")
    desk.store.execute(
        "UPDATE messages SET html_blob = :blob, channel = 'email' WHERE id = :id",
        blob=blob,
        id=crowd.ids["message"],
    )


async def _unread(desk: Counter) -> int:
    sql = (
        "INSERT INTO inbox (id, `key`, channel, shard, state, received_at, source_order, envelope, raw, bytes) "
        "VALUES (7, :key, 'email', 0, 'unreadable', '2026-01-01 00:00:00', '', '{}', :raw, 4)"
    )
    desk.store.execute(sql, key=b"k" * 32, raw=NOTE.encode())
    return 7


def state_of(desk: Counter) -> list[Any]:
    """What there is, so that a test can say that nothing was written."""
    tables = ("tickets", "messages", "events", "deliveries", "tokens")
    versions = desk.store.rows("SELECT id, status, priority, assignee_id FROM tickets ORDER BY id")
    return [*(desk.store.count(table) for table in tables), versions]
