"""The line that opens each of our mails. Whoever answers quotes it, so what follows it in an answer is history.

Composing writes it, reading cuts there; both take it from here. It must survive being quoted, wrapped and turned
into HTML and back: one short line, whose dashes no ordinary text has; reading looks at the dashes in any language.
"""

from __future__ import annotations

import re
from typing import Final

MARKER: Final = "--=( please answer above this line )=--"
MARKERS: Final[dict[str, str]] = {
    "en": MARKER,
    "de": "--=( bitte oberhalb dieser Zeile antworten )=--",
    "fr": "--=( merci de répondre au-dessus de cette ligne )=--",
    "es": "--=( por favor, responda encima de esta línea )=--",
}
# Ours in whatever words, and other desks': `##- Please type your reply above this line -##`.
_OURS = re.compile(r"--=\s{0,3}\(.{4,120}\)\s{0,3}=--")
_OTHERS = re.compile(
    r"[\W_]{0,12}(?:please |bitte |merci de |por favor,? )?(?:(?:type |write |add |enter )?(?:your )?(?:reply|replies|"
    r"respond|answer|response)[\w ]{0,24} (?:above|over) this (?:line|message|text)|"
    r"(?:type|write|enter)[\w ]{0,24} above this line|"
    r"(?:antworten sie )?(?:oberhalb|über) (?:dieser|der) (?:zeile|linie) (?:ant|schreib)\w{0,12}|"
    r"répond\w{1,6} au[- ]dessus de cette ligne|respond\w{1,4} (?:por )?(?:encima|arriba) de esta l[ií]nea|"
    r"respon\w{1,4} acima desta linha|rispond\w{1,4} sopra questa (?:riga|linea))[\w ,]{0,30}[\W_]{1,12}",
    re.IGNORECASE,
)


def is_marker(line: str) -> bool:
    """Say whether the line tells people to answer above it: ours in any language, or that of another ticket system."""
    if "--=" in line and _OURS.search(line[:600]):
        return True
    text = line.strip("> \t")
    return 12 <= len(text) <= 160 and text[0] in "#-=*_~[(<—–" and bool(_OTHERS.fullmatch(text))
