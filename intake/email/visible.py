"""The sender's own words: a mail's text without quoted history and signature. For showing only; all text is kept.

One pass over lines, tables in `phrases.py`. The rule behind all rules: a quoted line too many is the lesser harm,
a line of the sender's own is never lost. So answers between quotes keep the quotes, a forwarded mail stays, prose
that merely looks like a separator stays, and where nothing would be left everything is shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from intake.email import attributions
from intake.email import separators as sep
from intake.email.footers import without_footer
from intake.email.history import (
    PLAIN,
    Hints,
    fields_below_rule,
    has_words,
    history_start,
    is_forward_line,
    is_original_line,
    is_quoted,
    worded,
)
from intake.email.html import HISTORY, to_marked_text
from intake.email.marker import is_marker
from intake.email.parse import ParsedMail
from intake.email.proof import Known, bare, bare_text
from intake.email.quotes import may_mark
from intake.email.signatures import signature_start, without_signature

_FIRST_THREAD_INDEX: Final = 22  # octets; each answer adds five (MS-OXOMSG 2.2.1.3)


def visible_text(mail: ParsedMail, parents: Sequence[str] = ()) -> str:
    """Return the sender's own words of a mail; all of its text where it's a forward or nothing else is left.

    `parents`: texts of mails that it may answer, latest first; what is quoted of them is proved to be quoted.
    """
    if not mail.text.strip() or is_forward(mail.subject, mail.text):
        return mail.text
    hints = _hints(mail, tuple(parents))
    marked = to_marked_text(mail.html) if mail.html and may_mark(mail.html) else ""
    if not hints.reply:  # then only a program's mark that history begins says that there is any
        marked = marked if HISTORY in marked else ""
        hints = replace(hints, reply=bool(marked))
    sender = frozenset(box.address.lower() for box in mail.mailboxes("from")[:5])
    if mail.from_html:
        return without_signature(own_words(marked or mail.text, hints), sender) or mail.text
    own = own_words(mail.text, hints)
    if hints.reply and mail.html and own == mail.text.strip("\n").rstrip():
        own = _by_marks(mail.text, marked or to_marked_text(mail.html), hints, sender)
    return without_signature(own, sender) or mail.text


def _hints(mail: ParsedMail, parents: tuple[str, ...]) -> Hints:
    people = {
        name
        for box in mail.mailboxes("to", "cc")[:50]
        for name in (box.address.lower(), box.name.lower())
        if len(name) > 4
    }
    return Hints(reply=is_reply(mail), subject=mail.subject, people=frozenset(people), parents=parents)


def _by_marks(text: str, marked: str, hints: Hints, sender: frozenset[str]) -> str:
    """A program's marks in the HTML say what words can't: that there is history, and where it begins."""
    whole = text.strip("\n").rstrip()
    if HISTORY in marked:
        own = own_words(text, replace(hints, subject=None))
        if own != whole:
            return own
    own = without_signature(own_words(marked, replace(hints, subject=None)), sender)
    return own if _within(own, text) and len(bare_text(own)) < len(bare_text(text)) else whole


def _within(own: str, text: str) -> bool:
    """Say whether the text says all that the HTML says, so that the one may stand for the other."""
    whole = bare_text(text)
    lines = [words for line in own.split("\n")[:400] if (words := bare(line)).strip(sep.RULE)]
    return sum(words[:60] in whole for words in lines) * 10 >= len(lines) * 8


def is_reply(mail: ParsedMail) -> bool:
    """Say whether the mail answers another: by its references, Outlook's thread index, or its subject."""
    headers = mail.headers
    if "in-reply-to" in headers or "references" in headers or sep.ANSWER.match(sep.plain(mail.subject)):
        return True
    try:
        index = base64.b64decode(headers.get("thread-index")[:1_000], validate=False)
    except (binascii.Error, ValueError):
        return False
    return len(index) > _FIRST_THREAD_INDEX


def is_forward(subject: str, text: str = "") -> bool:
    """Say whether the subject is that of a forwarded mail."""
    subject = sep.plain(subject)
    if sep.NORDIC_FORWARD.match(subject):
        return bool(sep.NORDIC_HEAD.search(text[:20_000]))
    return bool(sep.FORWARD.match(subject))


def own_words(text: str, hints: Hints = PLAIN) -> str:
    """Return the text without quoted history; the text itself where nothing else would be left."""
    lines = text.split("\n")
    known = Known(lines, hints.parents)
    end = history_start(lines, hints, known)
    if end is not None and _answered_inside(lines, end, known):
        end = None  # answers stand inside the history that nothing marks
    elif end is not None:
        lines = _joined(lines[:end], _below(lines, end, hints, known))
    elif hints.reply and known:
        lines = _without_copy(lines, hints, known)
    if hints.reply:
        lines = _without_quotes(lines, Known(lines, hints.parents))
    own = "\n".join(line for line in lines if line != HISTORY).strip("\n").rstrip()
    if own.strip(sep.RULE + "\n"):
        return own
    return "\n".join(line for line in text.split("\n") if line != HISTORY).strip("\n").rstrip()


_ARROW = re.compile(r"\s{0,9}(?:-{1,3}|={1,2})>\s?\w")  # "--> yes, it is"


def _answered_inside(lines: list[str], end: int, known: Known) -> bool:
    """The mail that was answered proves it; without it, the sender may say so ("see below in red"), or an arrow."""
    if known and known.covered(end, len(lines)):
        return known.answered_inside(end)
    if known and known.answered_inside(end):
        return True
    if any(_ARROW.match(line) for line in lines[end : end + 60]):
        return True
    return bool(sep.INSIDE.search("\n".join(lines[max(0, end - 100) : end])[-2_000:]))


# --- known mails that nothing marks -------------------------------------------------------------------------------

_FEWEST_ABOVE: Final = 3  # lines of a known mail above an answer: fewer somebody may just say again
_GREETING = re.compile(r"[^.:;?!\d]{1,60}[,，!！。.]?")


def _below(lines: list[str], start: int, hints: Hints, known: Known) -> list[str]:
    """Return what the sender wrote below a known mail that stands from `start` on, [] where that is nothing."""
    end = known.end(start) if known and known.covered(start, len(lines)) else None
    return [] if end is None else _words_below(lines, end, hints)


def _words_below(lines: list[str], end: int, hints: Hints) -> list[str]:
    below = without_footer(lines[end:])
    older = history_start(["x", "", *below], replace(hints, parents=()))
    if older is not None:
        below = below[: max(0, older - 2)]
    own = [line for line in below[: signature_start(below)] if not is_quoted(line)]
    return below if has_words(own) else []


def _joined(above: list[str], below: list[str]) -> list[str]:
    """Put what stood around a quote together, a blank line between; what stood below isn't the signature above."""
    if has_words(below) and has_words(signed := above[: signature_start(above)]):
        above = signed
    above = list(above)
    while above and not worded(above[-1]):
        above.pop()
    first = next((index for index, line in enumerate(below) if line.strip()), len(below))
    return [*above, "", *below[first:]]


def _without_copy(lines: list[str], hints: Hints, known: Known) -> list[str]:
    """Drop a known mail that stands there without any separator that we know, or with one of an unknown program: a
    line with a date and a colon. A sentence taken up is none, and what somebody leads to ("I wrote:") stays."""
    copy = known.copy([is_quoted(line) for line in lines])
    if copy is None:
        return lines
    start = copy.start
    while start and not worded(lines[start - 1]):
        start -= 1
    above = lines[start - 1].rstrip() if start else ""
    led = above.endswith((":", "："))
    separated = led and bool(sep.DATE.search(above[:400]))
    if not separated and (led or copy.pieces < 2):
        return lines
    below = _words_below(lines, copy.end, hints)
    if not has_words(_unattributed(lines[:start])):
        return below if below and (separated or copy.pieces >= _FEWEST_ABOVE) else lines
    if separated:
        return _joined(lines[: start - 1], below)
    own = [line for line in lines[:start] if worded(line)]
    greets = len(own) == 1 and bool(_GREETING.fullmatch(own[0].strip())) and own[0].rstrip()[-1] in ",，"
    return lines if below or greets else lines[:start]


def _unattributed(lines: list[str]) -> list[str]:
    """The lines without an attribution at their end."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    first = attributions.ending_at(lines, end - 1, strong=True) if end else None
    return lines if first is None else lines[:first]


# --- quoted lines -------------------------------------------------------------------------------------------------


def _without_quotes(lines: list[str], known: Known) -> list[str]:
    """Drop a quote at the end, and one at the top if it's the only other; what lies between answers stays."""
    tail = signature_start(lines)
    body, signature = lines[:tail], lines[tail:]
    blocks = [block for block in _blocks(body) if not _is_own(body, block, known)]
    if not blocks:
        return lines
    start, end = blocks[-1]
    if not has_words(body[end:]) and not _introduced(body, start) and not _forwards(body, start):
        body = body[: _with_attribution(body, start)]
        blocks = blocks[:-1]
    if len(blocks) == 1:
        start, end = blocks[0]
        above = _with_attribution(body, start)
        led = _introduced(body, start) or not has_words(body[end:])
        if not has_words(body[:above]) and not led:
            body = body[end:]
        elif not led and known and known.covered(start, end):  # between a greeting and the answer
            body = _joined(body[:above], body[end:])
    return [*body, "", *signature] if signature and has_words(body) else body


def _is_own(lines: list[str], block: tuple[int, int], known: Known) -> bool:
    """The quoted lines aren't of a mail that was answered, or answers stand inside: `known` proves it."""
    if not known:
        return False
    start, end = block
    if known.answered_inside(start, end):
        return True
    inside = range(start, end)
    return (
        not any(known.stands(index) or is_marker(lines[index]) for index in inside)
        and _with_attribution(lines, start) == start
        and not _begun(lines, start)
    )


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Return the runs of quoted lines; blank lines and wrapped leftovers inside a run don't part it."""
    found: list[tuple[int, int]] = []
    since = 0  # lines with words since the last quoted one
    for index, line in enumerate(lines):
        if not is_quoted(line):
            since += bool(line) and line != HISTORY and worded(line)
            continue
        if found and not since:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
        since = 0
    return found


def _with_attribution(lines: list[str], start: int) -> int:
    """Return where the attribution above a quote begins, else the quote's own start."""
    above = start
    while above > 0 and not lines[above - 1].strip():
        above -= 1
    if above == 0:
        return start
    first = attributions.ending_at(lines, above - 1)
    if first is not None:
        ruled = fields_below_rule(lines, first, 0)
        return first if ruled is None else ruled
    if is_original_line(lines[above - 1].strip()):
        return above - 1
    ruled = fields_below_rule(lines, above, 0)
    return start if ruled is None else ruled


def _introduced(lines: list[str], start: int) -> bool:
    """A person's own sentence leads to the quote ("The log says:"), so the quote belongs to what they say."""
    if _begun(lines, start):
        return False
    above = start - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    if above < 0 or not sep.plain(lines[above]).rstrip().endswith((":", "：")):
        return False
    return _with_attribution(lines, start) == start


def _begun(lines: list[str], start: int) -> bool:
    """A program began the quote: its first lines say who wrote it."""
    for last in range(start, min(len(lines), start + attributions.LONGEST)):
        if not is_quoted(lines[last]):
            break
        if attributions.ending_at(lines, last, floor=start) is not None or is_original_line(
            lines[last].strip()
        ):
            return True
    return False


def _forwards(lines: list[str], start: int) -> bool:
    """The quote is a forwarded mail (Apple Mail puts one into a blockquote)."""
    for line in lines[start : start + 4]:
        bare_line = line.lstrip("> ").rstrip()
        if bare_line:
            return is_forward_line(bare_line)
    return False
