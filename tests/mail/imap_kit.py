"""What the tests of the IMAP door share: mailboxes, and a door that fetches from one into a real inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from core.config import Config
from core.parts import Parts, build
from intake.email.imap import ImapDoor
from intake.email.spec import SPEC
from tests.dovecot import PASSWORD, Dovecot, new_user
from tests.stores import Store
from tests.waiting import until

SEEN, DELETED, FLAGGED = b"\\Seen", b"\\Deleted", b"\\Flagged"


def letter(number: int | str, *, text: str = "It broke.", more: str = "") -> bytes:
    """A mail with a name of its own."""
    return (
        f"Return-Path: <zoe@example.net>\r\nDelivered-To: support@example.com\r\n{more}"
        f"From: Zoe <zoe@example.net>\r\nTo: support@example.com\r\nSubject: Mail {number}\r\n"
        f"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@example.net>\r\n\r\n{text}\r\n"
    ).encode()


@dataclass
class Post:
    """A mailbox at a Dovecot, and the store into which it's fetched."""

    server: Dovecot
    store: Store
    user: str

    def settings(self, **box: Any) -> dict[str, Any]:
        """Return the account's configuration."""
        return {
            "queue": "support",
            "host": "localhost" if box.get("tls", "none") != "none" else "127.0.0.1",
            "port": self.server.tls_port if box.get("tls") == "tls" else self.server.port,
            "tls": "none",
            "username": self.user,
            "password": PASSWORD,
            "timeout": "5s",
        } | box

    def config(self, inbound: dict[str, Any] | None = None, **box: Any) -> Config:
        """Return a configuration that fetches from it."""
        return self.store.config(email={"imap": [self.settings(**box)], "inbound": inbound or {}})

    def put(self, *mails: bytes, flags: tuple[bytes, ...] = (), mailbox: str = "INBOX") -> None:
        """Put mails into the mailbox."""
        self.server.put(self.user, *mails, flags=flags, mailbox=mailbox)

    def flags(self, mailbox: str = "INBOX") -> list[set[bytes]]:
        """Return the flags of the mails that are there, in the order of their UIDs."""
        return [flags for _, flags in sorted(self.server.flags(self.user, mailbox).items())]

    def unread(self) -> int:
        """Count the unread mails in the mailbox."""
        with self.server.client(self.user) as client:
            return len(client.search(["UNSEEN"]))

    def inbox(self) -> list[str]:
        """Return the subjects of what was stored, in order."""
        rows = self.store.rows("SELECT raw FROM inbox ORDER BY id")
        return [subject(bytes(row["raw"])) for row in rows]

    async def stored(self, count: int, timeout: float = 10) -> None:
        """Return once so many mails are stored."""
        await until(lambda: self.store.count("inbox") >= count, timeout, what=f"{count} mails are stored")

    async def marked(self, flag: bytes = SEEN, timeout: float = 10) -> None:
        """Return once every mail in the mailbox has the flag."""
        await until(lambda: all(flag in flags for flags in self.flags()), timeout, what=f"all are {flag!r}")

    @asynccontextmanager
    async def fetching(
        self, config: Config | None = None, parts: Callable[[Parts], Parts] | None = None, **box: Any
    ) -> AsyncIterator[ImapDoor]:
        """A door that fetches."""
        config = config or self.config(**box)
        made = build(config, {SPEC.name: SPEC})
        made = parts(made) if parts else made
        door = ImapDoor(
            config, config.email.imap[0], made.database, made.intake, made.clock, dice=lambda: 0.5
        )
        await door.start()
        try:
            yield door
        finally:
            await door.stop()
            await made.database.close()


def subject(raw: bytes) -> str:
    """Return a mail's subject."""
    return raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()


async def connected(door: ImapDoor, timeout: float = 10) -> None:
    """Return once the door has the mailbox open."""
    await until(lambda: door.state == "connected", timeout, what="the mailbox is open")


__all__ = ["DELETED", "FLAGGED", "SEEN", "Post", "connected", "letter", "new_user", "subject"]
