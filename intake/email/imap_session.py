"""One connection to a mailbox: log in, look, fetch, mark, wait. Every call blocks; `intake.email.imap` runs them in a
thread of their own and decides.

Nothing here changes a mail but `mark` and `set_aside`, and nothing expunges a mail that isn't ours.
"""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from imapclient import DELETED, FLAGGED, SEEN

from core.config import Imap
from intake.email.imap_rules import Step
from intake.email.imap_wire import Client, Line
from intake.email.oauth import tls_context, xoauth2

GOOD_BYE: Final = 2.0  # seconds for LOGOUT
_ROOM: Final = 65_536  # what an answer may be longer than the mails in it
_MANY: Final = 500  # uids in one command


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server can do (its capabilities after the login)."""

    idle: bool
    move: bool
    uidplus: bool


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mailbox as it was opened. `uid_next`: every mail that comes later has this UID or a higher one."""

    validity: int
    uid_next: int
    offers: Offers


@dataclass(frozen=True, slots=True)
class Fetched:
    """A mail. `size`: in bytes, of all of it. `arrived`: when the mail server took it, aware UTC; None where it says
    nothing that makes sense."""

    raw: bytes = field(repr=False)
    size: int
    arrived: datetime | None


class Session:
    """Its calls raise `OSError` and imaplib's `abort` where the connection is gone, imaplib's `error` where the
    server says no, and `ValueError` where its answer makes no sense. `step` says how far it has come."""

    def __init__(self, box: Imap, limit: int) -> None:
        self._box, self._limit = box, limit
        self._line = Line()
        self._wake_end, self._wait_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._client: Any = None
        self._offers = Offers(False, False, False)
        self._expunged: set[int] = set()  # mails flagged \Deleted by us that may still be there
        self.step = Step.CONNECT

    # -- from any thread --

    def cut(self) -> None:
        """End the connection; a call that waits raises."""
        self._line.cut()
        self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        with suppress(OSError):
            self._wake_end.send(b"!")

    # -- from its own thread --

    def open(self, token: str | None) -> Mailbox:
        """Connect, log in (with an OAuth 2 access token where one is given) and open the mailbox."""
        box = self._box
        self._drop()
        self.step = Step.CONNECT
        tls = tls_context(box.tls_ca_file) if box.tls != "none" else None
        silence = box.timeout.total_seconds()
        client = Client(self._line, box.host, box.port, tls if box.tls == "tls" else None, silence)
        self._client = client
        client.wire.longest = self._limit + _ROOM
        if box.tls == "starttls":
            self.step = Step.TLS
            client.wire.allow()
            client.starttls(tls)
        self.step = Step.LOGIN
        client.wire.allow()
        self._login(token)
        self.step = Step.MAILBOX
        client.wire.allow()
        told = client.select_folder(box.mailbox)
        offered = set(client.capabilities())
        self._offers = Offers(b"IDLE" in offered, b"MOVE" in offered, b"UIDPLUS" in offered)
        validity = int(told.get(b"UIDVALIDITY") or 0)
        uid_next = int(told.get(b"UIDNEXT") or 0) or self._highest() + 1
        self.step = Step.FETCH
        return Mailbox(validity, uid_next, self._offers)

    def _login(self, token: str | None) -> None:
        client, box = self._client, self._box
        if client.wire.state == "AUTH":  # it knows us already (PREAUTH)
            return
        if token is not None:
            words = iter((xoauth2(box.username, token),))
            # A refusal comes as a challenge, which wants an empty answer before the server says no.
            client.sasl_login("XOAUTH2", lambda _: next(words, ""))
            return
        if client.has_capability("LOGINDISABLED"):
            raise imaplib.IMAP4.error("LOGINDISABLED")
        if client.has_capability("AUTH=PLAIN"):
            client.sasl_login("PLAIN", lambda _: f"\0{box.username}\0{box.password}")
            return
        if not (box.username + box.password).isascii() or not (box.username + box.password).isprintable():
            raise imaplib.IMAP4.error("it takes only ASCII in user names and passwords")
        # imaplib quotes the password alone.
        quoted = box.username.replace("\\", "\\\\").replace('"', '\\"')
        client.login(f'"{quoted}"', box.password)

    def _highest(self) -> int:
        return max(self._client.search(["UID", "*"]), default=0)

    def look(self, above: int) -> tuple[list[int], list[int]]:
        """Return the unread mails, and what a search for mails above this UID finds."""
        client = self._client
        client.wire.allow()
        client.noop()
        client.wire.untagged_responses.clear()  # imaplib keeps what nobody asks for
        client.wire.allow()
        unread = list(client.search(["UNDELETED", "UNSEEN"]))
        newer = list(client.search(["UNDELETED", "UID", f"{above + 1}:*"]))
        return unread, newer

    def fetch(self, uid: int) -> Fetched | None:
        """Return a mail, up to one byte beyond the limit, without changing its flags; None where it's gone.

        The size that a server tells isn't asked before: some only guess it.
        """
        self._client.wire.allow()
        items = [f"BODY.PEEK[]<0.{self._limit + 1}>", "RFC822.SIZE", "INTERNALDATE"]
        fields = self._client.fetch([uid], items).get(uid)
        if fields is None:
            return None
        raw = next((value for key, value in fields.items() if key.startswith(b"BODY[]")), None)
        if not isinstance(raw, bytes):
            raise ValueError("an answer without the mail")
        told = fields.get(b"RFC822.SIZE")
        size = max(told, len(raw)) if isinstance(told, int) else len(raw)
        return Fetched(raw, size, _aware(fields.get(b"INTERNALDATE")))

    def mark(self, uids: Collection[int]) -> None:
        """Do with stored mails what `after` says. Mails that are gone meanwhile are no error."""
        for some in _pieces(uids):
            self._client.wire.allow()
            if self._box.after == "seen":
                self._client.add_flags(some, [SEEN], silent=True)
            elif self._box.after == "delete":
                self._remove(some)
            else:
                self._move(some, self._box.after.removeprefix("move:"))

    def _move(self, uids: list[int], folder: str) -> None:
        if self._offers.move:  # RFC 6851
            self._client.move(uids, folder)
        else:
            self._client.copy(uids, folder)
            self._remove(uids)

    def _remove(self, uids: list[int]) -> None:
        client = self._client
        client.add_flags(uids, [DELETED], silent=True)
        if self._offers.uidplus:  # RFC 4315
            client.uid_expunge(uids)
            return
        # A plain EXPUNGE takes whatever is flagged: only where all of that is ours.
        self._expunged.update(uids)
        if self._expunged.issuperset(client.search(["DELETED"])):
            client.expunge()
            self._expunged.clear()

    def set_aside(self, uid: int) -> None:
        """Mark a mail that isn't fetched, so that a person finds it and no later look takes it for new."""
        self._client.wire.allow()
        self._client.add_flags([uid], [SEEN, FLAGGED], silent=True)

    def has_folder(self, folder: str) -> bool:
        """Say whether there is such a folder."""
        self._client.wire.allow()
        return bool(self._client.folder_exists(folder))

    def wait(self, longest: timedelta) -> bool:
        """Wait with IDLE until something has come (True), for so long, or until `wake`."""
        return bool(self._client.wire.idle(self._wait_end, longest.total_seconds()))

    def close(self) -> None:
        """Say good-bye, briefly, and close. Raises nothing."""
        self._drop()
        self._wake_end.close()
        self._wait_end.close()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.wire.until_good_bye(GOOD_BYE)
                client.logout()
            with suppress(Exception):
                client.shutdown()


def _pieces(uids: Iterable[int]) -> list[list[int]]:
    ordered = sorted(uids)
    return [ordered[start : start + _MANY] for start in range(0, len(ordered), _MANY)]


def _aware(moment: object) -> datetime | None:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return None
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
