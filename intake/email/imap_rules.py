"""What fetching decides: which mails, whose they are, what is kept between connections, what trouble means. Pure."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from core.config import Imap
from core.failures import TemporaryFailure
from intake.email.arrival import HEADER_BYTES, Envelope, split_head
from intake.email.deliver import envelope_fields
from intake.email.oauth import TokenRefused
from intake.email.routing import Routes

KIND: Final = "imap"  # of the accounts' rows in `work`
BATCH: Final = 50  # mails that are marked and noted together
BATCH_BYTES: Final = 33_554_432
REMEMBERED: Final = 20_000  # uids of stored mails, in memory
MOST_LEFT: Final = 500  # uids of mails that can't be fetched, as they're kept

# After a connection that broke, and after a "no" that a person must mend.
RETRY: Final = tuple(timedelta(seconds=n) for n in (1, 3, 10, 30, 60, 120))
RETRY_REFUSED: Final = tuple(timedelta(minutes=n) for n in (1, 5, 15, 30))
LEFT_AGAIN: Final = timedelta(hours=1)  # until a mail that couldn't be fetched is tried again

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_FAILED = re.compile(r"^[A-Za-z ]{1,20} failed: ")  # the library's words before the server's
_TO_US: Final = (b"x-original-to", b"delivered-to", b"envelope-to")
# RFC 5530: not now, though nothing is wrong with the login.
_PASSING: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "[CONTACTADMIN]", "[OVERQUOTA]")


def account_name(box: Imap) -> str:
    """Return the name of the account's row in `work`: no address in it, the same in every instance."""
    parts = "\0".join((box.host.lower(), str(box.port), box.username, box.mailbox))
    return f"{KIND}:{sha256(parts.encode()).hexdigest()[:32]}"


def shown_names(boxes: Sequence[Imap]) -> list[str]:
    """Name the accounts for `/readyz`: public, so by their queues, numbered where a queue has several."""
    names: list[str] = []
    for number, box in enumerate(boxes):
        before = sum(other.queue == box.queue for other in boxes[:number])
        names.append(f"{KIND}:{box.queue}" + (f"-{before + 1}" if before else ""))
    return names


# -- which mails --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a mailbox has been fetched.

    `validity`: its UIDVALIDITY (RFC 9051 2.3.1.1). `above`: up to this UID only unread mails are looked at, above
    it all. `left`: mails that couldn't be fetched, tried again now and then whether read or not.
    """

    validity: int = 0
    above: int = 0
    left: tuple[int, ...] = ()

    def pack(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"validity": self.validity, "above": self.above, "left": list(self.left)}

    @classmethod
    def unpack(cls, data: Mapping[str, Any]) -> Cursor | None:
        """Read what `pack` made; None where there is nothing of the kind."""
        try:
            return cls(int(data["validity"]), int(data["above"]), tuple(map(int, data["left"])))
        except (KeyError, TypeError, ValueError):
            return None

    def after(self, done: Collection[int], failed: Collection[int]) -> Cursor:
        """Return it after a batch: `done` were stored or are gone, `failed` couldn't be fetched."""
        left = [uid for uid in self.left if uid not in done and uid not in failed] + sorted(failed)
        return replace(self, above=max(self.above, *done, *failed, 0), left=tuple(left[-MOST_LEFT:]))


def begin(kept: Cursor | None, validity: int, uid_next: int) -> tuple[Cursor, bool]:
    """Return where to begin in a mailbox as it was opened, and whether it's from the start.

    A mailbox that is new to us, or whose UIDs were given anew, is begun with its unread mails alone: those that were
    read long ago are no new tickets. From then on, whatever comes is fetched, also what somebody read before us.
    """
    if kept is not None and kept.validity == validity:
        return kept, False
    return Cursor(validity, max(uid_next - 1, 0)), True


def wanted(unread: Iterable[int], newer: Iterable[int], cursor: Cursor, skip: Collection[int]) -> list[int]:
    """Return the mails to fetch, the oldest first. `newer`: what a search for `above + 1:*` found; it always finds
    the newest mail, also where its UID is below (RFC 9051 6.4.8)."""
    found = {*unread, *(uid for uid in newer if uid > cursor.above), *cursor.left}
    return sorted(found.difference(skip))


# -- whose they are -----------------------------------------------------------------------------------------------


def envelope_of(raw: bytes, box: Imap, routes: Routes, queue_address: str) -> Envelope:
    """Return the envelope of a fetched mail: the queue is the account's; fields that mail servers add on delivery
    tell the recipients, where they are that queue's, and the sender."""
    fields = envelope_fields(raw)
    named = dict.fromkeys(address for name in _TO_US for address in fields.get(name, ()))
    ours = tuple(address for address in named if routes.queue_of(address) == box.queue)
    sender = next(iter(fields.get(b"return-path", ())), None)
    return Envelope(
        sender=None if sender is None else sender.strip().strip("<>"),
        queues={box.queue: ours[:20] or (queue_address,)},
        protocol="imap",
        trusted=True,
    )


def stand_in(head: bytes, size: int, limit: int, mailbox: str) -> bytes:
    """Return a mail in place of one that is too large to be fetched: its header, and where to find it.

    So somebody hears of it: over SMTP its sender would have been told, here their server has long said yes.
    """
    kept: list[bytes] = []
    keep = False
    block, _ = split_head(head[:HEADER_BYTES])
    for line in bytes(block).replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] not in (b" ", b"\t"):
            name = line.partition(b":")[0].strip().lower()
            keep = b":" in line and not name.startswith(b"content-") and name != b"mime-version"
        if keep:
            kept.append(line)
    text = (
        f"This mail has {size} bytes, more than the {limit} that are taken (email.inbound.max_message_bytes), "
        f"so it was not fetched. It is in the mailbox {one_line(mailbox)}, flagged and marked as read."
    )
    more = [
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: 8bit",
    ]
    return b"\r\n".join([*kept, *more, b"", text.encode("utf-8", "replace"), b""])


# -- what goes wrong ----------------------------------------------------------------------------------------------


class Step(StrEnum):
    """How far a connection had come."""

    CONNECT = "connect"
    TLS = "tls"
    TOKEN = "token"  # noqa: S105
    LOGIN = "login"
    MAILBOX = "mailbox"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a connection failed. `mend`: it lasts until a person does something. `reason` holds no secret."""

    reason: str
    mend: bool = False
    login: bool = False


class Broken(Exception):
    """A connection failed; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


def trouble_of(step: Step, exc: BaseException, box: Imap) -> Trouble:
    """Return what an exception at a step means."""
    text = said(exc)
    if isinstance(exc, TokenRefused):
        return Trouble(exc.reason, mend=True, login=True)
    if isinstance(exc, TemporaryFailure):
        return Trouble(exc.reason)
    if isinstance(exc, ssl.SSLCertVerificationError):
        why = f"the server's certificate can't be verified ({exc.verify_message}); check host and tls_ca_file"
        return Trouble(why, mend=True)
    if isinstance(exc, ssl.SSLError):
        return Trouble(f"no TLS with the server ({text}); check port and tls", mend=step is Step.CONNECT)
    if isinstance(exc, imaplib.IMAP4.readonly):
        return Trouble(
            f"the mailbox {one_line(box.mailbox)} can only be read, so nothing can be marked", mend=True
        )
    if isinstance(exc, TimeoutError):
        return Trouble("the server doesn't answer")
    if isinstance(exc, OSError):
        return Trouble(f"the server can't be reached ({exc.strerror or type(exc).__name__})")
    if isinstance(exc, imaplib.IMAP4.abort):
        return Trouble(f"the connection was lost ({text})" if text else "the connection was lost")
    if not isinstance(exc, imaplib.IMAP4.error):
        return Trouble(f"an answer of the server makes no sense ({type(exc).__name__})")
    return _refused(step, text, box)


def _refused(step: Step, text: str, box: Imap) -> Trouble:
    """What a server's "no" means."""
    passing = any(code in text.upper() for code in _PASSING)
    if step is Step.TLS:
        return Trouble(f'the server offers no STARTTLS ({text}); set tls = "tls" and its port', mend=True)
    if step is Step.LOGIN:
        if passing:
            return Trouble(f"the server takes no login now ({text})")
        if "LOGINDISABLED" in text:
            return Trouble('the server takes no login without TLS; set tls = "starttls" or "tls"', mend=True)
        how = "oauth2_scope and the mailbox's rights" if box.oauth2_token_url else "username and password"
        return Trouble(f"the login is refused ({text}); check {how}", mend=True, login=True)
    if step is Step.MAILBOX and not passing:
        # It may be back soon: somebody deleted and made it anew.
        return Trouble(f"the mailbox {one_line(box.mailbox)} can't be opened ({text})")
    return Trouble(f"the server refused ({text})")


def is_wire(exc: BaseException) -> bool:
    """Say whether the connection is gone, rather than one command refused or one answer nonsense."""
    return isinstance(exc, (OSError, imaplib.IMAP4.abort))


def said(exc: BaseException) -> str:
    """Return a server's words out of an exception of imaplib's, on one line and short."""
    text = str(exc).strip()
    if text.startswith(("b'", 'b"')):
        text = text[2:-1]
    return one_line(_FAILED.sub("", text))


def one_line(text: str, limit: int = 200) -> str:
    """Return foreign text without control characters, at most `limit` characters long."""
    return " ".join(_CONTROL.sub(" ", text).split())[:limit]


# -- mails that can't be fetched ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Failures:
    """Which mails are left alone for a while: those that couldn't be fetched, and those at which connections died."""

    again: dict[int, datetime] = field(default_factory=dict)
    deaths: dict[int, int] = field(default_factory=dict)

    def died(self, uid: int) -> bool:
        """Count a connection that was lost while this mail was fetched; True where it's to be left alone."""
        self.deaths[uid] = self.deaths.get(uid, 0) + 1
        return self.deaths[uid] >= 3

    def leave(self, uid: int, now: datetime) -> None:
        """Leave it for a while."""
        self.again[uid] = now + LEFT_AGAIN
        self.deaths.pop(uid, None)

    def waiting(self, now: datetime) -> set[int]:
        """Return those whose time hasn't come."""
        return {uid for uid, at in self.again.items() if at > now}

    def done(self, uid: int) -> None:
        """Forget it: it was fetched, or is gone."""
        self.again.pop(uid, None)
        self.deaths.pop(uid, None)
