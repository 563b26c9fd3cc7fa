"""The line above a quote: "On Mon, 4 May 2026 at 10:00, Bob <bob@x.example> wrote:", in whatever language. Pure.

It is found from its end, and as short as it can be: what stands above it is the sender's own.
"""

from __future__ import annotations

import re
from typing import Final

from intake.email import separators as sep

LONGEST: Final = 5  # lines that one is wrapped over
_LONGEST_LINE: Final = 400
_LONGEST_TEXT: Final = 600
_NAMED = re.compile(r"[^<>@]{0,60}<[^<>\s]{3,90}>?,?[^<>@]{0,20}")


def ending_at(lines: list[str], last: int, *, strong: bool = False, floor: int = 0) -> int | None:
    """Return the first line of the attribution that ends with line `last`; None where none does.

    `strong`: nothing quoted follows, so it must say more. `floor`: the first line that may belong to it.
    """
    line = _bare(lines[last][:5_000])
    if strong and ">" in line[:300] and (match := sep.WITH_TEXT.match(line)):
        line = match[0]
        return last if sep.OPENING.match(line) and sep.YEAR.search(line) and sep.TIME.search(line) else None
    if not line or len(line) > _LONGEST_LINE or not _ends(line):
        return None
    joined = line
    for first in range(last, max(floor, last - LONGEST + 1) - 1, -1):
        if first != last:
            above = _bare(lines[first])
            if not above or len(above) + len(joined) > _LONGEST_TEXT or above.endswith((":", "：")):
                return None
            joined = f"{above} {joined}"
        if _attributes(joined, strong):
            return _with_start(lines, first, floor)
    return None


def _bare(line: str) -> str:
    return sep.plain(line).lstrip("> \t*_").rstrip('*_ \t"')


def _ends(line: str) -> bool:
    if line[-1] in ":：":
        return True
    words = line[-60:].rstrip(sep.DASHES + ": ")
    return words[-30:].rpartition(" ")[2].lower() in sep.LAST_WORDS or (
        line[0] in sep.DASHES and line[-1] in sep.DASHES
    )


def _attributes(text: str, strong: bool) -> bool:
    """Say whether the text tells who wrote when, as programs put it."""
    if text[0] in sep.DASHES and text[-1] in sep.DASHES:
        between = sep.BETWEEN_DASHES.fullmatch(text)
        return between is not None and _says_who(between[0])
    verb = bool(sep.WROTE_WORD.search(text))
    address = bool(sep.ADDRESS.search(text))
    year, time = bool(sep.YEAR.search(text)), bool(sep.TIME.search(text))
    if text[-1] not in ":：":
        return verb and address and year and time
    if strong:
        if verb:
            return (address and (year or time)) or (
                year and time and (_closes(text) or bool(sep.OPENING.match(text)))
            )
        return address and year and time and text.rstrip(" :：")[-1] in ">)"
    return (verb and (year or address)) or (address and (time or year) and bool(sep.DATE.search(text)))


def _closes(text: str) -> bool:
    return text.rstrip(" :：").rpartition(" ")[2].lower() in sep.LAST_WORDS


def _says_who(text: str) -> bool:
    verb, address = bool(sep.WROTE_WORD.search(text)), bool(sep.ADDRESS.search(text))
    return (verb and (address or ":" in text or bool(sep.DATE.search(text)))) or (
        address and bool(sep.YEAR.search(text))
    )


def _with_start(lines: list[str], first: int, floor: int) -> int:
    """Go up to where a wrapped attribution really begins: "On Mon, 4 May", or a name above its `<address>`."""
    while first > floor and (above := _bare(lines[first - 1])):
        line = _bare(lines[first])
        begins = bool(sep.OPENING.match(line))
        if _NAMED.fullmatch(above) and not sep.ADDRESS.search(line):
            pass
        elif line.startswith("<") or sep.plain(lines[first - 1]).rstrip().endswith(" <"):
            if len(above) > 120 or above[-1] in ".?!:：":
                break
        elif begins or len(above) > 120 or not sep.OPENING.match(above) or above[-1] in "?!:：":
            break
        first -= 1
    return first
