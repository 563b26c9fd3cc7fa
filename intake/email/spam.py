"""What a filter before us says of a mail: SpamAssassin, rspamd, Amazon SES, Exchange. Pure.

Only the topmost field of a name counts: that one the last hop wrote. Whether that hop is to be believed the door knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from intake.email.headers import Headers

_MOST: Final = 200  # characters of a field that are looked at
_NUMBER = re.compile(r"\s*(-?\d{1,3})\b")
_ACTIONS: Final = frozenset({"reject", "add header", "rewrite subject", "quarantine", "discard"})


def _yes(value: str, level: int) -> bool:
    return value.startswith(("yes", "true"))


def _stars(value: str, level: int) -> bool:
    """`X-Spam-Level: ******`: a star a point."""
    return len(value) - len(value.lstrip("*")) >= level


def _number(value: str, level: int) -> bool:
    """Exchange's spam confidence level, -1 to 9."""
    found = _NUMBER.match(value)
    return found is not None and int(found[1]) >= level


_SAYS: Final[Mapping[str, Callable[[str, int], bool]]] = {
    "x-spam-level": _stars,
    "x-rspamd-action": lambda value, level: value.partition(";")[0].strip() in _ACTIONS,
    "x-ses-spam-verdict": lambda value, level: value.startswith("fail"),
    "x-ses-virus-verdict": lambda value, level: value.startswith("fail"),
    "x-ms-exchange-organization-scl": _number,
    "x-forefront-antispam-report": lambda value, level: _number(value.rpartition("scl:")[2], level),
}
VIRUS: Final = frozenset({"x-ses-virus-verdict"})


def verdict(headers: Headers, fields: Sequence[str], level: int) -> str | None:
    """Return the first of these (lower-case) fields that calls the mail spam, or None.

    `level`: from this on a level is spam. A field that is no known filter's says so by "yes" or "true".
    """
    for name in fields:
        value = headers.get(name)[:_MOST].strip().lower()
        if value and _SAYS.get(name, _yes)(value, level):
            return name
    return None
