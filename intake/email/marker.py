"""The line that opens each of our mails. Whoever answers quotes it, so what follows it in an answer is history.

Composing writes it, reading cuts there; both take it from here. It must survive being quoted, wrapped and turned
into HTML and back: one short line of ASCII, its dashes and words found in no ordinary text.
"""

from __future__ import annotations

from typing import Final

MARKER: Final = "--=( please answer above this line )=--"
