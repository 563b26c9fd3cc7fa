"""The head of a quoted mail as Outlook and others put it: From, Sent, To, Subject, in whatever language. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from intake.email import separators as sep

_WITHIN: Final = 24  # lines of a head, wrapped ones included
_WRAPPED: Final = {"to": 12, "sender": 2, "subject": 3, "date": 1}  # lines that a value goes on


@dataclass(frozen=True, slots=True)
class Head:
    """A quoted mail's head: its last line, its subject and sender ('' where they are missing), whether it is set in
    bold (`*From:*`, as Gmail writes Outlook's HTML), and whether all four fields are there."""

    last: int
    subject: str
    sender: str
    bold: bool
    full: bool


def field(line: str) -> tuple[frozenset[str], str]:
    """Return what kinds of field the line may be (one word may be two in two languages), and its value."""
    text = sep.plain(line[:1_000]).lstrip(" \t>*_")
    if text.startswith("|"):  # a table, as NetEase's programs write it
        cells = text.split("|", 3)
        name, value = (cells[1], cells[2]) if len(cells) > 2 else ("", "")
    else:
        start = text[: sep.LONGEST_FIELD_NAME + 8]
        colon = min((at for at in (start.find(":"), start.find("：")) if at > 0), default=0)
        if not colon:
            return frozenset(), ""
        name, value = text[:colon], text[colon + 1 :]
    return sep.FIELD_NAMES.get(name.strip(" \t*_").lower(), frozenset()), value.strip(" \t*_|")


def quoted_head(lines: list[str], index: int) -> Head | None:
    """Return the head that begins with line `index`, None where there is none.

    A head has a sender, a date with digits in it, and a subject or addresses: what people paste by hand mostly lacks
    one of them.
    """
    first = field(lines[index])[0] if index < len(lines) else frozenset()
    if not first:
        return None
    seen: dict[str, str] = {}
    last, blank, wrapped, kinds = index, 0, 0, first
    for at in range(index, min(len(lines), index + _WITHIN)):
        if not sep.plain(lines[at]).strip(" \t>"):
            blank += 1
            if blank > 1 or "subject" in seen:
                break
            continue
        now, value = field(lines[at])
        if not now or (now <= seen.keys() and "to" not in now):
            wrapped += 1
            if blank or wrapped > max(_WRAPPED[kind] for kind in kinds):
                break
            continue
        kinds, wrapped, blank, last = now, 0, 0, at
        for kind in now:
            if value or kind not in seen:
                seen.setdefault(kind, sep.plain(value))
    if not seen.keys() >= {"sender", "date"} or not any(char.isdigit() for char in seen["date"]):
        return _on_one_line(lines[index], index)
    if "subject" not in seen and not _is_of_program(seen):
        return None
    bold = lines[index].lstrip(" \t>").startswith("*")
    return Head(last, seen.get("subject", ""), seen["sender"], bold, len(seen) == 4)


def _is_of_program(seen: dict[str, str]) -> bool:
    """Without a subject it takes an address, or the order and the date of a program: not "From: Rome, To: Oslo"."""
    if "@" in seen["sender"] or "@" in seen.get("to", ""):
        return "to" in seen
    ordered = list(seen)[:3] == ["sender", "date", "to"]
    return ordered and bool(sep.YEAR.search(seen["date"]) and sep.TIME.search(seen["date"]))


_IN_LINE = re.compile(r"(?:^|[\s*|])([^\W\d_][^\s:：<>@]{0,18}(?: [^\s:：<>@]{1,12})?)[ *]?[:：]")


def _on_one_line(line: str, index: int) -> Head | None:
    """Some phones write the whole head into one line."""
    text = sep.plain(line[:600])
    kinds = kinds_within(text)
    if not {"sender", "date", "subject"} <= kinds or not field(text)[0] & {"sender"}:
        return None
    return Head(index, "", field(text)[1], False, True)


def kinds_within(text: str) -> set[str]:
    """Return the kinds of fields that are named anywhere in the text."""
    kinds: set[str] = set()
    for match in _IN_LINE.finditer(text):
        words = match[1].lower().split()
        for start in range(len(words)):
            kinds |= sep.FIELD_NAMES.get(" ".join(words[start:]), frozenset())
    return kinds
