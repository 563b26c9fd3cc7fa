"""Where history begins in an answer: below our own line, a program's mark, a quoted head, "Bob wrote:". Pure.

Each question is asked of a line and a few around it, and only so often: a crafted mail can't make it slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from intake.email import attributions
from intake.email import separators as sep
from intake.email.heads import Head, field, quoted_head
from intake.email.html import HISTORY
from intake.email.marker import is_marker
from intake.email.proof import Known


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known beside the text. `reply`: it answers something. `subject`: None where unknown. `people`: addresses
    and names that it goes to, lower case. `parents`: texts that it may answer, latest first, as we have them: then
    quoted text is proved to be quoted."""

    reply: bool = True
    subject: str | None = None
    people: frozenset[str] = frozenset()
    parents: tuple[str, ...] = ()


PLAIN: Final = Hints()
_EXAMINED: Final = 20_000  # lines of the sender's; what begins below them stays
_MOST_ADDED: Final = 50  # lines that programs may add


def is_quoted(line: str) -> bool:
    """Say whether the line is marked as quoted."""
    return ">" in line and line.lstrip(" \t\xa0\ufeff\u200b").startswith(">")


def has_words(lines: list[str]) -> bool:
    """Say whether there is more in the lines than rules, marks, white space and what programs add."""
    added = 0
    for line in lines:
        if line and line != HISTORY and worded(line):
            added += 1
            if added > _MOST_ADDED or not sep.is_added_line(line):
                return True
    return False


def worded(line: str) -> bool:
    """Say whether there is more in the line than a rule, marks and white space."""
    return bool(sep.plain(line).strip(sep.RULE))


@dataclass(slots=True)
class _Left:
    """How many more likely lines are looked at: no mail has so many, crafted ones do."""

    lines: int = _EXAMINED
    heads: int = 300
    attributions: int = 2_000


def history_start(lines: list[str], hints: Hints, known: Known | None = None) -> int | None:
    """Return the line where unmarked history begins (Outlook, web mail), None where there is none.

    Separators that stand above quoted lines become quoted lines themselves, in `lines`.
    """
    known = Known(lines, hints.parents) if known is None else known
    left, floor, words_above = _Left(), 0, False
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        if is_quoted(line):
            floor = index + 1
            continue
        if not _may_separate(line):
            words_above = words_above or worded(line)
            continue
        if line == HISTORY or is_marker(line):
            if words_above and not _named(lines, index, known):
                return _above_separator(lines, index, floor)
            words_above = words_above or line != HISTORY
            continue
        found = None
        if left.lines:
            left.lines -= 1
            found = _separator_at(lines, index, hints, left, known, floor)
        if found is not None and _worded_within(lines, found[0], words_above):
            first, last = found
            if not _quoted_next(lines, last + 1):
                return _above_separator(lines, first, floor)
            # It belongs to the quote below it, and answers may stand below that.
            for inside in range(first, last + 1):
                lines[inside] = f"> {lines[inside]}"
            continue
        if left.lines and is_forward_line(line.strip()):
            return None
        words_above = words_above or worded(line)
    return None


def _named(lines: list[str], index: int, known: Known) -> bool:
    """Our line stands amid a sentence of somebody who asks about it, and nothing that we wrote stands below."""
    if lines[index] == HISTORY or known.quoted_from(index):
        return False
    around = [lines[index - 1], *lines[index + 1 : index + 2]]
    return len(around) == 2 and all(map(worded, around))


def _may_separate(line: str) -> bool:
    """A quick look: our mark, a colon, a rule with words, or a verb at the end."""
    if ":" in line or "：" in line or "|" in line or line == HISTORY:
        return True
    text = line.strip()
    if text[0] in "[(<" or not text[:2].strip(sep.RULE) or text[-1] in sep.DASHES:
        return bool(text.strip(sep.RULE))
    return text[-30:].rpartition(" ")[2].lower() in sep.LAST_WORDS


def _worded_within(lines: list[str], first: int, words_above: bool) -> bool:
    """Something stands above the separator; its own first lines don't count."""
    return words_above and (first > 40 or any(worded(line) and line != HISTORY for line in lines[:first]))


def _separator_at(
    lines: list[str], index: int, hints: Hints, left: _Left, known: Known, floor: int
) -> tuple[int, int] | None:
    """Return first and last line of the separator that is recognised by line `index`, None where there is none."""
    line = lines[index]
    if is_original_line(line.strip()):
        head = _head_at(lines, _next_text(lines, index + 1), left)
        if head is not None:
            return index, head.last
        followed = any(map(worded, lines[index + 1 : index + 50]))
        led_to = index > 0 and lines[index - 1].rstrip().endswith(":")
        good = hints.reply and followed and not led_to and known.quoted_from(index)
        return (index, index) if good else None
    if not hints.reply:
        return None
    head = _head_at(lines, index, left)
    if head is not None:
        good = _is_of_program(lines, index, head, hints)
        good = good and (known.quoted_from(index) or _is_from_us(head, hints))
        return (index, head.last) if good else None
    if left.attributions > 0:
        left.attributions -= 1
        first = attributions.ending_at(lines, index, strong=not _quoted_next(lines, index + 1), floor=floor)
        if first is not None:
            return (first, index) if known.quoted_from(index) else None
    return None


def _head_at(lines: list[str], index: int, left: _Left) -> Head | None:
    if not left.heads or index >= len(lines):
        return None
    start = lines[index][: sep.LONGEST_FIELD_NAME + 16]
    if not (":" in start or "：" in start or "|" in start):
        return None
    if not field(lines[index])[0]:
        return None
    left.heads -= 1
    return quoted_head(lines, index)


def _is_of_program(lines: list[str], index: int, head: Head, hints: Hints) -> bool:
    """Say whether a program wrote the head of what was answered, and not the sender one of another mail.

    An answer's subject is that of what it answers. Where it isn't, somebody whom the mail goes to must have written
    what is quoted, or the head must look like a program's and not be led to ("This came today:").
    """
    if _same_subject(head.subject, hints.subject) or head.bold:
        return True
    sender = head.sender.lower()
    if any(person in sender for person in hints.people):
        return True
    above = _text_above(lines, index)
    if above and not sep.plain(above).strip(sep.RULE):
        return True
    return head.full and "@" in sender and not above.rstrip().endswith((":", "："))


def _is_from_us(head: Head, hints: Hints) -> bool:
    """Whom the mail goes to wrote what is quoted, under this very subject: so it may be a mail that isn't known."""
    if not head.full or not _bare_subject(head.subject) or not _bare_subject(hints.subject or ""):
        return False
    sender = head.sender.lower()
    return _same_subject(head.subject, hints.subject) and any(person in sender for person in hints.people)


def _text_above(lines: list[str], index: int) -> str:
    return next((lines[at] for at in range(index - 1, max(-1, index - 6), -1) if lines[at].strip()), "")


def _quoted_next(lines: list[str], index: int) -> bool:
    following = next((line for line in lines[index : index + 6] if line.strip()), "")
    return is_quoted(following)


def is_original_line(line: str) -> bool:
    """Say whether it is a line like `----- Original Message -----`; a phone may write the head behind it."""
    if not 6 <= len(line) <= 600 or line[0] not in sep.RULE:
        return False
    match = sep.ORIGINAL_LINE.match(sep.plain(line))
    if match is None:
        return False
    rest = match[1].strip()
    return not rest or (":" in rest[:24] or "：" in rest[:24])


def is_forward_line(line: str) -> bool:
    """Say whether it is a line like `---------- Forwarded message ---------`."""
    if not 6 <= len(line) <= 200 or not (line[0] in sep.RULE or sep.plain(line)[-1:] in (":", "：")):
        return False
    return bool(line.strip(sep.RULE)) and bool(sep.FORWARD_LINE.fullmatch(sep.plain(line)))


def _above_separator(lines: list[str], index: int, floor: int) -> int:
    """Go up over what belongs to the separator: rules, blank lines, "Original Message", fields, an attribution."""
    while index > floor:
        line = lines[index - 1]
        if not worded(line) or line == HISTORY or sep.ORIGINAL_WORDS.fullmatch(sep.plain(line)[:100]):
            index -= 1
            continue
        if is_original_line(line.strip()):
            index -= 1
            continue
        first = attributions.ending_at(lines, index - 1, floor=floor)
        if first is None:
            first = fields_below_rule(lines, index, floor)
        if first is None:
            break
        index = first
    return index


def fields_below_rule(lines: list[str], index: int, floor: int) -> int | None:
    """Return the line of the rule where such a one and fields stand above line `index`: Yandex writes a rule, then To
    and Subject, then the attribution. None where it isn't so."""
    for at in range(index - 1, max(floor - 1, index - 6), -1):
        line = lines[at].strip()
        if len(line) >= 4 and not line.strip(sep.RULE):
            return at if at < index - 1 else None
        if not field(line)[0]:
            break
    return None


def _next_text(lines: list[str], index: int) -> int:
    stop = min(len(lines), index + 4)
    while index < stop and not lines[index].strip():
        index += 1
    return index


def _same_subject(quoted: str, subject: str | None) -> bool:
    """An answer's subject is that of the mail it answers, prefixes apart."""
    if subject is None or not quoted:
        return True
    mine, theirs = _bare_subject(subject), _bare_subject(quoted)
    return not mine or not theirs or mine.startswith(theirs[:40]) or theirs.startswith(mine[:40])


def _bare_subject(subject: str) -> str:
    text = sep.plain(subject[:500])
    for _ in range(20):
        match = sep.PREFIX.match(text)
        if match is None:
            break
        text = text[match.end() :]
    return "".join(text.split()).lower()
