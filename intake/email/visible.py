"""The sender's own words: a mail's text without quoted history and signature. For showing only; all text is kept.

One pass over lines, tables in `separators.py`. The rule behind all rules: a quoted line too many is the lesser harm,
a line of the sender's own is never lost. So answers between quotes keep the quotes, a forwarded mail stays, prose
that merely looks like a separator stays, and where nothing would be left everything is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from intake.email import separators as sep
from intake.email.html import HISTORY, to_marked_text
from intake.email.marker import MARKER
from intake.email.parse import ParsedMail
from intake.email.quotes import may_mark

_LONGEST_ATTRIBUTION: Final = 4  # lines
_LONGEST_SIGNATURE: Final = 12  # lines with text
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


def visible_text(mail: ParsedMail, parent: str | None = None) -> str:
    """Return the sender's own words of a mail; all of its text where it's a forward or nothing else is left."""
    if not mail.text.strip() or is_forward(mail.subject):
        return mail.text
    hints = Hints(reply=is_reply(mail), subject=mail.subject, parent=parent)
    marked_up = mail.html is not None and may_mark(mail.html)
    if mail.from_html:
        marked = to_marked_text(mail.html) if marked_up and mail.html else mail.text
        return without_signature(own_words(marked, hints)) or mail.text
    own = own_words(mail.text, hints)
    if (
        own == mail.text.strip("\n") and marked_up and mail.html
    ):  # a program's marks in the HTML say what words can't
        marked = to_marked_text(mail.html)
        if HISTORY in marked:
            sure = replace(hints, reply=True, subject=None)
            own = own_words(mail.text, sure)
            own = own if own != mail.text.strip("\n") else own_words(marked, sure)
    return without_signature(own) or mail.text


def is_reply(mail: ParsedMail) -> bool:
    """Say whether the mail answers another: by its references or its subject."""
    headers = mail.headers
    return "in-reply-to" in headers or "references" in headers or bool(sep.ANSWER.match(mail.subject))


def is_forward(subject: str) -> bool:
    """Say whether the subject is that of a forwarded mail."""
    return bool(sep.FORWARD.match(subject))


def own_words(text: str, hints: Hints = PLAIN) -> str:
    """Return the text without quoted history; the text itself where nothing else would be left."""
    lines = text.split("\n")
    end = _history_start(lines, hints)
    if end is not None and sep.INSIDE.search("\n".join(lines[:end])[-2_000:]):
        end = None  # answers stand inside the history that nothing marks
    kept = _without_quotes(lines if end is None else lines[:end], cut_below=end is not None)
    own = "\n".join(line for line in kept if line != HISTORY).strip("\n").rstrip()
    if own.strip("-_=*> \t\n"):
        return own
    return "\n".join(line for line in lines if line != HISTORY).strip("\n").rstrip()


# --- history that nothing but a separator marks -------------------------------------------------------------------


def _history_start(lines: list[str], hints: Hints) -> int | None:
    """Return the line where unmarked history begins (Outlook, web mail), None where there is none."""
    words_above = False
    left = _Left()
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        if line == HISTORY or MARKER in line:
            if words_above and not _quoted(line):
                return _above_separator(lines, index)
            continue
        if _quoted(line):
            continue
        if words_above and _is_separator(lines, index, hints, left):
            return _above_separator(lines, index)
        if _is_forward_line(line.strip()):
            return None
        words_above = words_above or bool(line.strip("-_=* \t"))
    return _proved_start(lines, hints.parent) if hints.parent else None


@dataclass(slots=True)
class _Left:
    """How many more likely lines are looked at: no mail has so many, crafted ones do."""

    heads: int = 200
    attributions: int = 500


def _is_separator(lines: list[str], index: int, hints: Hints, left: _Left) -> bool:
    line = lines[index].strip()
    if _is_original_line(line):
        return hints.reply or _quoted_head(lines, _next_text(lines, index + 1), left) is not None
    head = _quoted_head(lines, index, left)
    if head is not None:
        return hints.reply and _same_subject(head, hints.subject) and _proof(lines[index:], hints.parent)
    if not hints.reply or not left.attributions:
        return False
    last = _attribution(lines, index, True, left)
    return last is not None and _proof(lines[last + 1 :], hints.parent)


def _is_original_line(line: str) -> bool:
    ruled = 8 <= len(line) <= 120 and line[0] in _RULE and line[-1] in _RULE
    return ruled and bool(line.strip(_RULE)) and bool(sep.ORIGINAL_LINE.fullmatch(line))


def _is_forward_line(line: str) -> bool:
    if not 8 <= len(line) <= 120 or not (line[0] in _RULE or line[-1] in ":："):
        return False
    return bool(line.strip(_RULE)) and bool(sep.FORWARD_LINE.fullmatch(line))


def _above_separator(lines: list[str], index: int) -> int:
    """Go up over rules (`____`), blank lines and an attribution that belong to the separator."""
    while index > 0 and (not lines[index - 1].strip("-_=*> \t") or lines[index - 1] == HISTORY):
        index -= 1
    for start in range(max(0, index - _LONGEST_ATTRIBUTION), index):
        last = _attribution(lines, start)
        if last is not None and last == index - 1:
            return _with_name(lines, start)
    return index


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


def _quoted_head(lines: list[str], index: int, left: _Left) -> str | None:
    """Return the subject of the quoted mail's head that begins here ('' without one), None where there is none.

    A head has From, and a date, and To or Subject: what people paste by hand mostly lacks the date.
    """
    if index >= len(lines) or not (first := _field_kinds(lines[index])[0]):
        return None
    if not first & {"from", "date", "subject"} or not left.heads:
        return None
    left.heads -= 1
    seen: set[str] = set()
    subject, blank = "", 0
    for line in lines[index : index + _FIELDS_WITHIN]:
        if not line.strip():
            blank += 1
            if blank > 1 or len(seen) >= 3:
                break
            continue
        kinds, value = _field_kinds(line)
        if "subject" in kinds:
            subject = value
        if kinds:
            seen |= kinds
    return subject if {"from", "date"} <= seen and seen & {"to", "subject"} else None


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


def _attribution(lines: list[str], index: int, strong: bool = False, left: _Left = _ANY) -> int | None:
    """Return the last line of the attribution that begins here, or None.

    It holds a date, ends with a colon, and names a verb of `separators.WROTE`, or an address beside a time.
    `strong`: nothing quoted follows it, so it must have address, date and verb.
    """
    first = lines[index].lstrip("> ")
    if not first or not any(char.isdigit() for char in first[:400]) or len(first) > 400:
        return None
    joined = ""
    for last in range(index, min(len(lines), index + _LONGEST_ATTRIBUTION)):
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


def _with_name(lines: list[str], first: int) -> int:
    """Where an attribution begins with `<address>`, the name was wrapped onto a line of its own above it."""
    if first == 0 or not lines[first].lstrip("> ").startswith("<"):
        return first
    name = lines[first - 1].strip()
    alone = first == 1 or not lines[first - 2].strip("> ")
    return first - 1 if alone and 0 < len(name) <= 60 else first


# --- quoted lines -------------------------------------------------------------------------------------------------


def _quoted(line: str) -> bool:
    return line.lstrip(" \t").startswith(">")


def _without_quotes(lines: list[str], cut_below: bool) -> list[str]:
    """Drop a quote at the end, and one at the top if it's the only other; what lies between answers stays."""
    tail = _signature_start(lines)
    body, signature = lines[:tail], lines[tail:]
    blocks = _blocks(body)
    if not blocks:
        return lines
    start, end = blocks[-1]
    if not _has_words(body[end:]) and not _introduced(body, start) and not _forwards(body, start):
        body = body[: _with_attribution(body, start)]
        blocks = blocks[:-1]
    if len(blocks) == 1:
        start, end = blocks[0]
        above = _with_attribution(body, start)
        if not _has_words(body[:above]) and not _introduced(body, start):
            body = body[end:]
    return [*body, "", *signature] if signature and _has_words(body) else body


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Return the runs of quoted lines; blank lines and wrapped leftovers inside a run don't part it."""
    found: list[tuple[int, int]] = []
    for index, line in enumerate(lines):
        if not _quoted(line):
            continue
        if found and not _has_words(lines[found[-1][1] : index]):
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


def _has_words(lines: list[str]) -> bool:
    return any(line.strip("-_=*> \t\xa0\u200b") for line in lines if line != HISTORY)


def _with_attribution(lines: list[str], start: int) -> int:
    """Return where the attribution above a quote begins, else the quote's own start."""
    above = start
    while above > 0 and not lines[above - 1].strip():
        above -= 1
    for first in range(max(0, above - _LONGEST_ATTRIBUTION), above):
        last = _attribution(lines, first)
        if last is not None and last == above - 1:
            return _with_name(lines, first)
    if above > 0 and _is_original_line(lines[above - 1].strip()):
        return above - 1
    return start


def _introduced(lines: list[str], start: int) -> bool:
    """A person's own sentence leads to the quote ("The log says:"), so the quote belongs to what they say."""
    above = start - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    if above < 0 or not lines[above].rstrip().endswith((":", "：")):
        return False
    return _with_attribution(lines, start) == start


def _forwards(lines: list[str], start: int) -> bool:
    """The quote is a forwarded mail (Apple Mail puts one into a blockquote)."""
    for line in lines[start : start + 4]:
        bare = line.lstrip("> ").rstrip()
        if bare:
            return _is_forward_line(bare)
    return False


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
        if index and not _quoted(line) and _bare(line) == wanted[0] and _proof(lines[index:], parent):
            start = index
            while start > 0 and not lines[start - 1].strip():
                start -= 1
            led = (
                start > 0
                and lines[start - 1].rstrip().endswith((":", "："))
                and sep.DATE.search(lines[start - 1])
            )
            start -= 1 if led else 0
            return start if _has_words(lines[:start]) else None
    return None


# --- signatures ---------------------------------------------------------------------------------------------------

_DELIMITER = re.compile(r"--[ \xa0]?")


def without_signature(text: str) -> str:
    """Return the text without what stands below `-- ` (RFC 3676 4.3) and without "Sent from my …"."""
    lines = text.split("\n")
    lines = lines[: _signature_start(lines)]
    while lines and (not lines[-1].strip() or sep.SENT_FROM_LINE.fullmatch(lines[-1][:300])):
        lines.pop()
    own = "\n".join(lines).strip("\n").rstrip()
    return own if own.strip() else text.strip("\n").rstrip()


def _signature_start(lines: list[str]) -> int:
    """Return where the signature begins: the last `-- ` with few lines below it; the end where there is none."""
    words = 0
    for index in range(len(lines) - 1, max(-1, len(lines) - 200), -1):
        line = lines[index]
        if _DELIMITER.fullmatch(line) or _list_footer(line, words):
            return index
        if _quoted(line):
            return len(lines)
        words += bool(line.strip())
        if words > _LONGEST_SIGNATURE:
            break
    return len(lines)


def _list_footer(line: str, words_below: int) -> bool:
    """Mailman puts a rule of 47 underscores above a list's address."""
    return len(line) == 47 and 0 < words_below <= 4 and not line.strip("_")
