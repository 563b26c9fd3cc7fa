"""Where history begins in an answer: below our own line, a program's mark, a quoted head, "Bob wrote:". Pure.

Each question is asked of a line and a few below it, and only so often: a crafted mail can't make it slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from intake.email import separators as sep
from intake.email.html import HISTORY
from intake.email.marker import MARKER

LONGEST_ATTRIBUTION: Final = 4  # lines
_RULE: Final = "-_=*> \t"
_FIELDS_WITHIN: Final = 14  # lines of a quoted head, wrapped ones included


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known beside the text. `reply`: it answers something. `subject`: None where unknown. `parent`: the
    text that it answers, as we sent it: then quoted text is proved to be quoted."""

    reply: bool = True
    subject: str | None = None
    parent: str | None = None


PLAIN: Final = Hints()


def is_quoted(line: str) -> bool:
    """Say whether the line is marked as quoted."""
    return line.lstrip(" \t").startswith(">")


def has_words(lines: list[str]) -> bool:
    """Say whether there is more in the lines than rules, marks and white space."""
    return any(line.strip("-_=*> \t\xa0\u200b") for line in lines if line != HISTORY)


def history_start(lines: list[str], hints: Hints) -> int | None:
    """Return the line where unmarked history begins (Outlook, web mail), None where there is none.

    Separators that stand above quoted lines become quoted lines themselves, in `lines`.
    """
    words_above = False
    left = _Left()
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        if line == HISTORY or MARKER in line:
            if words_above and not is_quoted(line):
                return _above_separator(lines, index)
            continue
        if is_quoted(line):
            continue
        last = _separator_end(lines, index, hints, left) if words_above else None
        if last is not None:
            if not _quoted_next(lines, last + 1):
                return _above_separator(lines, index)
            # It belongs to the quote below it, and answers may stand below that.
            for inside in range(with_name(lines, index), last + 1):
                lines[inside] = f"> {lines[inside]}"
            continue
        if is_forward_line(line.strip()):
            return None
        words_above = words_above or bool(line.strip("-_=* \t"))
    return _proved_start(lines, hints.parent) if hints.parent else None


@dataclass(slots=True)
class _Left:
    """How many more likely lines are looked at: no mail has so many, crafted ones do."""

    heads: int = 200
    attributions: int = 500


def _separator_end(lines: list[str], index: int, hints: Hints, left: _Left) -> int | None:
    """Return the last line of the separator that begins here, None where none does."""
    if is_original_line(lines[index].strip()):
        head = _quoted_head(lines, _next_text(lines, index + 1), left)
        if head is not None:
            return head.last
        return index if hints.reply else None
    if not hints.reply:
        return None
    head = _quoted_head(lines, index, left)
    if head is not None:
        good = _same_subject(head.subject, hints.subject) and _proof(lines[index:], hints.parent)
        return head.last if good else None
    last = attribution(lines, index, True, left) if left.attributions else None
    return last if last is not None and _proof(lines[last + 1 :], hints.parent) else None


def _quoted_next(lines: list[str], index: int) -> bool:
    following = next((line for line in lines[index : index + 6] if line.strip()), "")
    return is_quoted(following)


def is_original_line(line: str) -> bool:
    """Say whether it is a line like `----- Original Message -----`."""
    ruled = 8 <= len(line) <= 120 and line[0] in _RULE and line[-1] in _RULE
    return ruled and bool(line.strip(_RULE)) and bool(sep.ORIGINAL_LINE.fullmatch(line))


def is_forward_line(line: str) -> bool:
    """Say whether it is a line like `---------- Forwarded message ---------`."""
    if not 8 <= len(line) <= 120 or not (line[0] in _RULE or line[-1] in ":："):
        return False
    return bool(line.strip(_RULE)) and bool(sep.FORWARD_LINE.fullmatch(line))


def _above_separator(lines: list[str], index: int) -> int:
    """Go up over rules (`____`), blank lines and an attribution that belong to the separator."""
    while index > 0 and (not lines[index - 1].strip("-_=*> \t") or lines[index - 1] == HISTORY):
        index -= 1
    for start in range(max(0, index - LONGEST_ATTRIBUTION), index):
        last = attribution(lines, start)
        if last is not None and last == index - 1:
            return with_name(lines, start)
    return with_name(lines, index)


def _next_text(lines: list[str], index: int) -> int:
    stop = min(len(lines), index + 4)
    while index < stop and not lines[index].strip():
        index += 1
    return index


_FIELD = re.compile(r"[\s*_]{0,6}([^:：<>@\d]{1,20}?)[\s*_]{0,4}[:：][*_]{0,4}\s*(.{0,500})")


def _field_kinds(line: str) -> tuple[frozenset[str], str]:
    if ":" not in line and "：" not in line:
        return frozenset(), ""
    match = _FIELD.match(line)
    if match is None:
        return frozenset(), ""
    return sep.FIELD_NAMES.get(match[1].strip().lower(), frozenset()), match[2].strip(" *")


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of a quoted mail: its subject ('' without one), its last line."""

    subject: str
    last: int


def _quoted_head(lines: list[str], index: int, left: _Left) -> _Head | None:
    """Return the quoted mail's head that begins here, None where there is none.

    A head has From, and a date, and To or Subject: what people paste by hand mostly lacks the date.
    """
    if index >= len(lines) or not (first := _field_kinds(lines[index])[0]):
        return None
    if not first & {"from", "date", "subject"} or not left.heads:
        return None
    left.heads -= 1
    seen: set[str] = set()
    subject, last, blank = "", index, 0
    for at in range(index, min(len(lines), index + _FIELDS_WITHIN)):
        if not lines[at].strip():
            blank += 1
            if blank > 1 or len(seen) >= 3:
                break
            continue
        kinds, value = _field_kinds(lines[at])
        if "subject" in kinds:
            subject = value
        if kinds:
            seen |= kinds
            last = at
    return _Head(subject, last) if {"from", "date"} <= seen and seen & {"to", "subject"} else None


def _same_subject(quoted: str, subject: str | None) -> bool:
    """An answer's subject is that of the mail it answers, prefixes apart."""
    if subject is None or not quoted:
        return True
    mine, theirs = _bare_subject(subject), _bare_subject(quoted)
    return not mine or not theirs or mine.startswith(theirs[:40]) or theirs.startswith(mine[:40])


def _bare_subject(subject: str) -> str:
    text = subject[:500]
    for _ in range(20):
        match = sep.PREFIX.match(text)
        if match is None:
            break
        text = text[match.end() :]
    return "".join(text.split()).lower()


_ANY: Final = _Left()

# --- attributions: "On …, Bob wrote:" -----------------------------------------------------------------------------


def attribution(lines: list[str], index: int, strong: bool = False, left: _Left = _ANY) -> int | None:
    """Return the last line of the attribution that begins here, or None.

    It holds a date, ends with a colon, and names a verb of `separators.WROTE`, or an address beside a time.
    `strong`: nothing quoted follows it, so it must have address, date and verb.
    """
    first = lines[index].lstrip("> ")
    if not first or not any(char.isdigit() for char in first[:400]) or len(first) > 400:
        return None
    joined = ""
    for last in range(index, min(len(lines), index + LONGEST_ATTRIBUTION)):
        line = lines[last].lstrip("> ").rstrip("* \t")
        if not line.strip() or len(joined) + len(line) > 500:
            return None
        joined = f"{joined} {line}"
        if joined.endswith((":", "：")):
            left.attributions -= left is not _ANY
            return last if _attributes(joined, strong) else None
    return None


def _attributes(text: str, strong: bool) -> bool:
    dated = bool(sep.DATE.search(text))
    verb = bool(sep.WROTE_WORD.search(text))
    address = bool(sep.ADDRESS.search(text))
    if strong:
        return dated and verb and (address or bool(sep.DATED_LINE.match(text.strip())))
    return dated and (verb or (address and bool(sep.TIME.search(text))))


def with_name(lines: list[str], first: int) -> int:
    """Where an attribution begins with `<address>`, the name was wrapped onto a line of its own above it."""
    if first == 0 or not lines[first].lstrip("> ").startswith("<"):
        return first
    name = lines[first - 1].strip()
    alone = first == 1 or not lines[first - 2].strip("> ")
    return first - 1 if alone and 0 < len(name) <= 60 else first


# --- proof by the mail that is answered ---------------------------------------------------------------------------


def _bare(line: str) -> str:
    return "".join(line.lstrip("> \t*").split()).lower()


def _parent_lines(parent: str) -> list[str]:
    return [bare for bare in (_bare(line) for line in parent[:200_000].split("\n")) if len(bare) >= 4][:200]


def _proof(lines: list[str], parent: str | None) -> bool:
    """Say whether the lines hold the parent (true where there's none to compare)."""
    wanted = _parent_lines(parent) if parent else []
    if not wanted:
        return True
    whole = "".join(_bare(line) for line in lines[:20_000])
    return sum(line in whole for line in wanted[:40]) * 2 >= len(wanted[:40])


def _proved_start(lines: list[str], parent: str) -> int | None:
    """Find the parent in the text although no separator is known: half of it, from its first line on."""
    wanted = _parent_lines(parent)
    if len(wanted) < 2:
        return None
    for index, line in enumerate(lines):
        if index and not is_quoted(line) and _bare(line) == wanted[0] and _proof(lines[index:], parent):
            start = index
            while start > 0 and not lines[start - 1].strip():
                start -= 1
            led = (
                start > 0
                and lines[start - 1].rstrip().endswith((":", "："))
                and sep.DATE.search(lines[start - 1])
            )
            start -= 1 if led else 0
            return start if has_words(lines[:start]) else None
    return None
