"""The header fields that we write: text, mailboxes and ids as RFC 5322, 2047 and 6531 want them. Pure.

Written by hand because the standard library folds a long Message-ID into encoded words, which ends every thread, and
because the bytes of a mail must not change with the Python version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final

from core.shapes_base import ascii_domain

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f<>\u2028\u2029\ud800-\udfff]")
# With what turns the direction of writing around: a name would read as another one.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ID = re.compile(r"[!-;=?-~]+")  # visible ASCII without angle brackets
_REPLY = re.compile(r"(?i)^(?:(?:re|aw|antw|sv|vs)(?:\[\d{1,3}\])?:\s*)+")
REFERENCES_OCTETS: Final = 1500  # relays refuse longer header fields
_SUBJECT_CHARACTERS: Final = 200


def one_line(text: str, limit: int = 500) -> str:
    """Text fit for a header: nothing unseen that steers, white space collapsed, at most `limit` long."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:limit].strip()


def sendable(address: str) -> bool:
    """Whether an address can stand in a command and a header without ending either."""
    spaced = any(c.isspace() for c in address) and not address.startswith('"')
    return bool(address) and "@" in address and not spaced and _FORBIDDEN.search(address) is None


def on_the_wire(address: str) -> str:
    """Return the address with an ASCII domain where the local part is ASCII; else it needs SMTPUTF8 anyway."""
    local, at, domain = address.rpartition("@")
    if address.isascii() or not local.isascii():
        return address
    try:
        return f"{local}{at}{ascii_domain(domain)}"
    except UnicodeError:
        return address


def field(name: str, value: str) -> str:
    """One header field, its value written by one of the functions here."""
    return f"{name}: {value}\r\n"


def text(name: str, value: str) -> str:
    """Unstructured text, folded; encoded words where it isn't ASCII (RFC 2047)."""
    value = one_line(value)
    charset = "us-ascii" if _plain(value) else "utf-8"
    return Header(value, charset, maxlinelen=76, header_name=name).encode(linesep="\r\n")


def _plain(value: str) -> bool:
    """Whether text can stand as it is: ASCII, and nothing in it that would be read as an encoded word."""
    return value.isascii() and "=?" not in value


def mailbox(name: str, address: str) -> str:
    """`Name <address>`. Raises `ValueError` for an address that can't be written."""
    if not sendable(address):
        raise ValueError(f"{address!a} is no mail address")
    name = one_line(name, 100)
    if not name:
        return address
    if not _plain(name):
        phrase = Header(name, "utf-8", maxlinelen=76).encode(linesep="\r\n")
    elif _ATOMS.fullmatch(name):
        phrase = name
    else:
        phrase = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{phrase} <{address}>"


def mailboxes(entries: Sequence[tuple[str, str]]) -> str:
    """A list of mailboxes, one a line."""
    return ",\r\n ".join(mailbox(name, address) for name, address in entries)


def date(at: datetime) -> str:
    """RFC 5322 3.3, in UTC."""
    return format_datetime(at.astimezone(UTC).replace(microsecond=0))


def message_id(mail_id: str) -> str:
    """An id in its angle brackets. Raises `ValueError` where it holds what can't be in one."""
    if not usable_id(mail_id):
        raise ValueError("unusable Message-ID")
    return f"<{mail_id}>"


def usable_id(mail_id: str) -> bool:
    """Whether a foreign id can be written as it is; many aren't ids at all."""
    return 0 < len(mail_id) <= 900 and _ID.fullmatch(mail_id) is not None


def references(mail_ids: Sequence[str], octets: int = REFERENCES_OCTETS) -> tuple[str, ...]:
    """Return the ids for References, oldest first: all of them, else the first and as many of the last as fit in
    `octets`: clients that lack some still find the thread's beginning and end (RFC 5322 3.6.4)."""
    usable = [mail_id for mail_id in dict.fromkeys(mail_ids) if usable_id(mail_id)]
    if not usable:
        return ()
    first, *rest = usable
    room = octets - len(first) - 2
    kept: list[str] = []
    for mail_id in reversed(rest):
        room -= len(mail_id) + 5  # brackets and the fold before them
        if room < 0:
            if not kept:  # both ends of it don't fit: the last is what this mail answers
                return (mail_id,)
            break
        kept.append(mail_id)
    return (first, *reversed(kept))


def bare_subject(title: str) -> str:
    """The title on one line, without the marks of answers before it."""
    return _REPLY.sub("", one_line(title, _SUBJECT_CHARACTERS))


def subject(title: str, ticket_id: int | None, *, reply: bool, untitled: str = "Your request") -> str:
    """`Re: [#12] title`: one base subject for all mails of a ticket, and the requester's own too: a leading blob in
    brackets isn't part of it (RFC 5256, section 2.1). Foreign tags in the title stay."""
    base = bare_subject(title) or one_line(untitled, _SUBJECT_CHARACTERS)
    if ticket_id is not None:
        tag = f"[#{ticket_id}]"
        base = " ".join(f"{tag} {base.replace(tag, ' ')}".split())
    return f"Re: {base}" if reply else base
