"""The sender's own words: a mail's text without quoted history and signature. For showing only; all text is kept.

One pass over lines, tables in `separators.py`. The rule behind all rules: a quoted line too many is the lesser harm,
a line of the sender's own is never lost. So answers between quotes keep the quotes, a forwarded mail stays, prose
that merely looks like a separator stays, and where nothing would be left everything is shown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from intake.email import separators as sep
from intake.email.history import (
    LONGEST_ATTRIBUTION,
    PLAIN,
    Hints,
    attribution,
    has_words,
    history_start,
    is_forward_line,
    is_original_line,
    is_quoted,
    with_name,
)
from intake.email.html import HISTORY, to_marked_text
from intake.email.parse import ParsedMail
from intake.email.quotes import may_mark

_LONGEST_SIGNATURE: Final = 12  # lines with text


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
    if own == mail.text.strip("\n") and marked_up and mail.html:
        own = _by_marks(mail.text, to_marked_text(mail.html), hints)
    return without_signature(own) or mail.text


def _by_marks(text: str, marked: str, hints: Hints) -> str:
    """A program's marks in the HTML say what words can't: that there is history, perhaps where it begins."""
    if HISTORY not in marked:
        return own_words(text, hints)
    sure = replace(hints, reply=True, subject=None)
    own = own_words(text, sure)
    return own if own != text.strip("\n") else own_words(marked, sure)


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
    end = history_start(lines, hints)
    if end is not None and sep.INSIDE.search("\n".join(lines[:end])[-2_000:]):
        end = None  # answers stand inside the history that nothing marks
    kept = _without_quotes(lines if end is None else lines[:end])
    own = "\n".join(line for line in kept if line != HISTORY).strip("\n").rstrip()
    if own.strip("-_=*> \t\n"):
        return own
    return "\n".join(line for line in text.split("\n") if line != HISTORY).strip("\n").rstrip()


# --- quoted lines -------------------------------------------------------------------------------------------------


def _without_quotes(lines: list[str]) -> list[str]:
    """Drop a quote at the end, and one at the top if it's the only other; what lies between answers stays."""
    tail = _signature_start(lines)
    body, signature = lines[:tail], lines[tail:]
    blocks = _blocks(body)
    if not blocks:
        return lines
    start, end = blocks[-1]
    if not has_words(body[end:]) and not _introduced(body, start) and not _forwards(body, start):
        body = body[: _with_attribution(body, start)]
        blocks = blocks[:-1]
    if len(blocks) == 1:
        start, end = blocks[0]
        above = _with_attribution(body, start)
        if not has_words(body[:above]) and not _introduced(body, start):
            body = body[end:]
    return [*body, "", *signature] if signature and has_words(body) else body


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Return the runs of quoted lines; blank lines and wrapped leftovers inside a run don't part it."""
    found: list[tuple[int, int]] = []
    for index, line in enumerate(lines):
        if not is_quoted(line):
            continue
        if found and not has_words(lines[found[-1][1] : index]):
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


def _with_attribution(lines: list[str], start: int) -> int:
    """Return where the attribution above a quote begins, else the quote's own start."""
    above = start
    while above > 0 and not lines[above - 1].strip():
        above -= 1
    for first in range(max(0, above - LONGEST_ATTRIBUTION), above):
        last = attribution(lines, first)
        if last is not None and last == above - 1:
            return with_name(lines, first)
    if above > 0 and is_original_line(lines[above - 1].strip()):
        return above - 1
    return start


def _introduced(lines: list[str], start: int) -> bool:
    """A person's own sentence leads to the quote ("The log says:"), so the quote belongs to what they say."""
    if attribution(lines, start) is not None or is_original_line(lines[start].strip()):
        return False  # a program began the quote
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
            return is_forward_line(bare)
    return False


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
        if is_quoted(line):
            return len(lines)
        words += bool(line.strip())
        if words > _LONGEST_SIGNATURE:
            break
    return len(lines)


def _list_footer(line: str, words_below: int) -> bool:
    """Mailman puts a rule of 47 underscores above a list's address."""
    return len(line) == 47 and 0 < words_below <= 4 and not line.strip("_")
