"""Signatures: what stands below `-- `, and the lines that programs add ("Sent from my phone"). Pure, linear."""

from __future__ import annotations

import re
from typing import Final

from intake.email import separators as sep

_DELIMITER = re.compile(r"--[ \xa0]?")
_LONGEST: Final = 12  # lines with text below a `--` that may be something else
_LONGEST_STANDARD: Final = 40  # below the `-- ` of RFC 3676 4.3; companies' notices are long
_LOOKED_AT: Final = 200  # lines
_LISTED = re.compile(r"\s*(?:[-*+•|]\s|\d{1,3}[.)]\s|\S.{0,60}?(?:\s{3,}|\t|\s\|)\s?\S)")
_POSTSCRIPT = re.compile(r"\s*(?:p\.?\s?s\.?|n\.?b\.?)\s?[:.\s]", re.IGNORECASE)


def without_signature(text: str, sender: frozenset[str] = frozenset()) -> str:
    """Return the text without signature; the text itself where nothing else would be left. `sender`: whose the mail
    is, lower-case addresses."""
    lines = text.split("\n")
    for _ in range(3):  # one's own, then that of a list
        before = len(lines)
        lines = without_added(lines[: signature_start(lines)], sender)
        if len(lines) == before:
            break
    own = "\n".join(lines).strip("\n").rstrip()
    return own if own.strip() else text.strip("\n").rstrip()


def without_added(lines: list[str], sender: frozenset[str] = frozenset()) -> list[str]:
    """Return the lines without those at the end that programs add, and without the rule above such a line."""
    end, cut = len(lines), len(lines)
    for _ in range(_LOOKED_AT):
        while end and not sep.plain(lines[end - 1]).strip():
            end -= 1
        if not end:
            break
        rule = cut < len(lines) and not sep.plain(lines[end - 1]).strip(sep.RULE)
        if rule or sep.is_added_line(lines[end - 1]) or _alone(lines, end - 1, sender):
            cut = end = end - 1
        else:
            break
    return lines[:cut] if cut < len(lines) else lines


_JEST = re.compile(r"sent from (?:my|a|an)(?: [^\s.,;:!?]{1,20}){1,6}", re.IGNORECASE)


def _alone(lines: list[str], index: int, sender: frozenset[str]) -> bool:
    """ "Sent from a galaxy far away" in a paragraph of its own: people make fun of the programs' line."""
    above = sep.plain(lines[index - 1]) if index else "first"
    if above.strip(sep.RULE):
        return False
    line = lines[index].strip()[:200]
    # Foxmail puts the sender's address below a rule.
    jest = bool(_JEST.fullmatch(line)) and not sep.tells_when(line)
    return jest or (bool(above.strip()) and line.lower() in sender)


def signature_start(lines: list[str]) -> int:
    """Return where the signature begins: the last `-- ` with few lines below it; the end where there is none."""
    words = 0
    for index in range(len(lines) - 1, max(-1, len(lines) - _LOOKED_AT), -1):
        line = lines[index]
        if _DELIMITER.fullmatch(line):
            standard = len(line) == 3 and words <= _LONGEST_STANDARD
            return (
                index
                if (standard or words <= _LONGEST) and _signs(lines[index + 1 :], standard)
                else len(lines)
            )
        if _list_footer(line, words, lines[index + 1 :]):
            return index
        if line.lstrip(" \t").startswith(">"):
            break
        words += bool(line.strip())
        if words > _LONGEST_STANDARD:
            break
    return len(lines)


def _signs(below: list[str], standard: bool) -> bool:
    """Say whether the lines are a signature. Below the standard delimiter all are, but for a postscript."""
    if any(_POSTSCRIPT.match(line) for line in below):
        return False
    if standard:
        return True
    first = next((line for line in below if line.strip()), "")
    sentence = len(first.split()) > 6 and first.rstrip()[-1:] in ".!,:;"
    return not (sentence or first.rstrip().endswith(":") or _LISTED.match(first)) and not any(
        line.rstrip().endswith("?") for line in below
    )


def _list_footer(line: str, words_below: int, below: list[str]) -> bool:
    """Mailman puts a rule of 47 underscores above a list's address."""
    if len(line) != 47 or not 0 < words_below <= 4 or line.strip("_"):
        return False
    return any("@" in one or "http" in one for one in below)
