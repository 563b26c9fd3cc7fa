"""The lines with which our own mails end, as they come back below a quote that nothing marks. Pure.

A footer begins with the service and the ticket's number. What our texts add for staff is known by its words
(`tests/mail/test_visible_ours.py` holds both against the templates); an operator's own wording is taken to end at a
blank line.
"""

from __future__ import annotations

import re
from typing import Final

from intake.email import separators as sep
from intake.email.proof import bare

_FIRST = re.compile(r"[^\n]{0,160}#\d{1,12}[\s*_]{0,6}")  # "Acme Support, request #12"
_LINK = re.compile(r"[\s<\[]{0,4}https?://\S{1,2000}(?:\s?<https?://\S{1,2000}>)?[\s>\]]{0,4}")
_WITHIN: Final = 8  # lines above it: names of files, pictures
_LONGEST: Final = 20  # lines
_SAID: Final = tuple(
    bare(words)
    for words in (
        "Your answer to this mail goes to the requester",
        "stays a note, which only staff see",
        "Ihre Antwort auf diese E-Mail geht an die anfragende Person",
        "bleibt eine Notiz, die nur das Team sieht",
        "Votre réponse à cet e-mail sera transmise au demandeur",
        "reste une note que seule l'équipe voit",
        "Su respuesta a este mensaje se enviará al solicitante",
        "queda como nota que solo ve el equipo",
    )
)


def without_footer(lines: list[str]) -> list[str]:
    """Return what follows the footer of one of our mails, all of the lines where none stands near their top."""
    for first, line in enumerate(lines[:_WITHIN]):
        if _FIRST.fullmatch(sep.plain(line[:200])):
            return lines[_end(lines, first) :]
    return lines


def _end(lines: list[str], first: int) -> int:
    end = first + 1
    while end < len(lines) and lines[end].strip() and end - first < _LONGEST:
        end += 1  # what stands together
    for index in range(end, min(len(lines), first + _LONGEST)):
        words = bare(lines[index][:2_000])
        if not words:
            continue
        if not (_LINK.fullmatch(lines[index][:4_200]) or any(said in words for said in _SAID)):
            break
        end = index + 1
    return end
