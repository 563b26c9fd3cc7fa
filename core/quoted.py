"""What an answer of staff's by mail may quote to the requester: words of the ticket that everybody in it may read.

Staff answer notices, and a notice may hold what only staff see: an outsider's words, who they say they are. Whoever
writes between its lines keeps lines of it, which the reader of mails rightly takes for a part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, or_, select

from core.database import Tx
from core.shapes import Visibility
from core.tables import messages, tickets

MOST_TEXTS: Final = 50
LONGEST_TEXT: Final = 20_000  # characters of a text that are looked through
MOST_CHARACTERS: Final = 200_000  # of all texts
MOST_LINES: Final = 2_000  # of an answer that are looked for; further quoted ones are left out
_TELLING: Final = 20  # characters from which on a line isn't the same by chance


def without_hidden(text: str, public: Sequence[str], hidden: Sequence[str]) -> str | None:
    """Return an answer without quoted lines that stand in none of the public texts; None where it can't be sent, as
    hidden words stand in it unmarked, or nothing but such a quote. Linear in the answer, bounded in the texts."""
    shown, secret = _words(public), _words(hidden)
    kept: list[str] = []
    dropped = quoting = False
    for number, line in enumerate(text.split("\n")):
        quoted = line.lstrip().startswith(">")
        words = " ".join(line.lstrip("> \t").split()) if quoted else " ".join(line.split())
        if quoted:
            known = words in shown if words else quoting
            if not known or number >= MOST_LINES:
                dropped = True
                continue
        elif number < MOST_LINES and len(words) >= _TELLING and words in secret and words not in shown:
            return None
        quoting = quoted
        kept.append(line)
    if not dropped:
        return text
    own = any(line.strip() and not line.lstrip().startswith(">") for line in kept)
    return "\n".join(kept).strip("\n") if own else None


def _words(texts: Sequence[str]) -> str:
    """All texts in one, with single spaces and without quote marks, so that wrapping makes no difference."""
    lines = ("\n".join(line.lstrip("> \t") for line in text.split("\n")) for text in texts)
    return "\0".join(" ".join(text.split()) for text in lines)[:MOST_CHARACTERS]


async def fit_to_send(tx: Tx, ticket_id: int, text: str) -> str | None:
    """Return what of a staff's answer by mail may go out; None where it must not, see `without_hidden`."""
    rows = await tx.all(
        select(
            func.substr(messages.c.text, 1, LONGEST_TEXT).label("text"),
            messages.c.outsider,
            messages.c.deleted_at,
        )
        .join(tickets, tickets.c.id == messages.c.ticket_id)
        .where(
            or_(tickets.c.id == ticket_id, tickets.c.merged_into == ticket_id),
            messages.c.visibility == Visibility.PUBLIC,
        )
        .order_by(messages.c.id.desc())
        .limit(MOST_TEXTS)
    )
    public = [row.text for row in rows if not row.outsider and row.deleted_at is None]
    return without_hidden(text, public, [row.text for row in rows if row.outsider])
