"""Whether a text shows anything at all: by characters that leave no mark, a title looks like none."""

from __future__ import annotations

import unicodedata
from typing import Final

# Letters and symbols by their category whose picture is empty: fillers of Hangul, a Braille cell without dots.
_EMPTY: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Spaces and ends of lines, controls, formatting (zero width, direction), half characters, marks without a base.
_UNSEEN: Final = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Me"))


def is_blank(text: str) -> bool:
    """Say whether a text is empty, or has no character that anybody can see. Pure."""
    return not any(c not in _EMPTY and unicodedata.category(c) not in _UNSEEN for c in text)
