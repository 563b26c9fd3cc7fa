"""Whose mail a forwarded mail is: for staff who hand a customer's mail to the desk. Pure, linear, never raises.

The writer is named by the From line of the head that programs put above it, in any of the languages of `phrases.py`,
or, without such a head, by the mail that came along as a file. Where both are there and name different people (a
customer had attached somebody's mail), nobody is named: staff say it. No other address in the text counts: it may be
anybody's. Who may forward for somebody else is `core.decide`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from core.shapes import Forwarded, Person
from intake.email import separators as sep
from intake.email.heads import field, quoted_head
from intake.email.mailboxes import read_mailboxes
from intake.email.parse import ParsedMail, parse

_COMMAND = re.compile(r"\s{0,20}#\s?(?:fwd?|forward)\b:?[^\S\n]{0,9}", re.IGNORECASE)
_MAILTO = re.compile(r"\[mailto:([^\]\s]{1,320})\]", re.IGNORECASE)  # older Outlooks' way to show an address
_MOST_HEADS: Final = 100  # lines that may begin a head: no mail has so many, crafted ones do
_WITHIN: Final = 12  # lines below "Forwarded message" in which its head begins
_LONGEST: Final = 200_000  # characters that are looked through


def read_forwarded(mail: ParsedMail, ours: Callable[[str], bool]) -> Forwarded | None:
    """Return what the mail forwards, None where it forwards nothing.

    By its subject (`Fwd:`, `WG:`, `TR:`, `RV:`, …) or a first line `#fwd`. `ours`: is this an address of the desk's?
    """
    command = _COMMAND.match(mail.text)
    if command is None and not sep.FORWARD.match(mail.subject[:200]):
        return None
    text = mail.text[command.end() :] if command else mail.text
    attached = [part for part in mail.leaves if part.type == "message/rfc822"]
    if len(attached) > 1:
        return Forwarded(sender=None, text=text, why="forward_several")
    inline = _in_line(text, ours)
    if not attached:
        return inline or Forwarded(sender=None, text=text, why="forward_nobody")
    whole = _attached(parse(attached[0].content()), text, ours)
    if inline is None or inline.sender is None or whole.sender is None:
        return inline or whole
    if inline.sender.key != whole.sender.key:
        return Forwarded(sender=None, text=text, why="forward_differs")
    return inline


def _attached(inner: ParsedMail, comment: str, ours: Callable[[str], bool]) -> Forwarded:
    writers = inner.mailboxes("from")
    if len(writers) != 1:
        return Forwarded(sender=None, text=comment, why="forward_no_sender")
    box = writers[0]
    if ours(box.address):
        return Forwarded(sender=None, text=comment, why="forward_brings_ours")
    return Forwarded(
        sender=_person(box.name, box.address),
        text=inner.text or "(no text)",
        comment=comment.strip("\n"),
        mail_id=inner.message_id or None,
        whole=True,
    )


def _in_line(text: str, ours: Callable[[str], bool]) -> Forwarded | None:
    """What the text has below a head; None where it has none."""
    lines = text[:_LONGEST].split("\n")
    found = _head(lines)
    if found is None:
        return None
    start, last, sender = found
    sender = _MAILTO.sub(r"<\1>", sender)
    addresses = {address.lower() for address in sep.ADDRESS.findall(sender)}
    if len(addresses) != 1:
        why = "forward_many_senders" if addresses else "forward_no_address"
        return Forwarded(sender=None, text=text, why=why)
    [address] = addresses
    if ours(address):
        return Forwarded(sender=None, text=text, why="forward_ours")
    name = next((box.name for box in read_mailboxes(sender) if box.address == address), "")
    quoted = lines[last].lstrip().startswith(">")
    body = text.split("\n")[last + 1 :]
    words = "\n".join(_unquoted(line) for line in body) if quoted else "\n".join(body)
    return Forwarded(
        sender=_person("" if "@" in name else name, address),
        text=words.strip("\n").rstrip() or "(no text)",
        comment=_above(lines[:start]),
    )


def _head(lines: list[str]) -> tuple[int, int, str] | None:
    """Return the first forwarded head: the line where it (or what announces it) begins, its last line, its sender."""
    left = _MOST_HEADS
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        announced = len(line) <= 160 and sep.FORWARD_LINE.fullmatch(sep.plain(line).strip())
        if announced:
            return _announced(lines, index)
        if not left:
            return None
        if not field(line)[0]:
            continue
        left -= 1
        if (head := quoted_head(lines, index)) is not None:
            return index, head.last, _sender(lines, index, head.last)
    return None


def _announced(lines: list[str], index: int) -> tuple[int, int, str] | None:
    """The head below "Forwarded message": a whole one, or at least a From line."""
    for at in range(index + 1, min(len(lines), index + _WITHIN)):
        kinds, _ = field(lines[at])
        if not kinds:
            continue
        if (head := quoted_head(lines, at)) is not None:
            return index, head.last, _sender(lines, at, head.last)
        last = at
        while last + 1 < min(len(lines), at + _WITHIN) and lines[last + 1].strip(" \t>"):
            last += 1
        return index, last, _sender(lines, at, last)
    return None


def _sender(lines: list[str], first: int, last: int) -> str:
    """The value of the From line, with the line that it may go on."""
    for at in range(first, last + 1):
        kinds, value = field(lines[at])
        if "sender" in kinds:
            below = lines[at + 1].strip(" \t>*") if at < last else ""
            wrapped = "@" not in value and "@" in below and not field(lines[at + 1])[0]
            return f"{value} {below}" if wrapped else value
    return ""


def _unquoted(line: str) -> str:
    bare = line.lstrip(" \t")
    return bare[1:].removeprefix(" ") if bare.startswith(">") else line


def _above(lines: list[str]) -> str:
    """What was written above the forwarded mail, without the rule between them."""
    kept = list(lines)
    while kept and not kept[-1].strip(sep.RULE):
        kept.pop()
    return "\n".join(kept).strip("\n")


def _person(name: str, address: str) -> Person:
    return Person(kind="email", address=address, name=name[:200], email=address, place=address)
