"""Mails whose words are a key: the link that signs somebody in, with its code, and the one that confirms a report.

Such a mail is noted like any other, so its link stands in the outbox until it went. Afterwards nobody needs it there,
and whoever reads the database finds only hashes of what lets anybody in.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, update

from core.database import Tx
from core.tables import deliveries

SIGN_IN, CONFIRM = "sign_in", "confirm"
FORGOTTEN: Final = "forgotten"
GONE: Final = "its link is no longer kept: whoever wants in asks for another"
_KEYS: Final = ("url", "code")
# A confirmation that failed may be retried for days; a link to sign in has expired by then.
_ENDED: Final = {
    SIGN_IN: ("sent", "failed", "cancelled", "bounced"),
    CONFIRM: ("sent", "cancelled", "bounced"),
}


async def forget(tx: Tx, row: Row[Any]) -> None:
    """Forget what a settled delivery of such a mail said. Of any other, and of one that goes on, nothing. Call it in
    the unit that settled it."""
    ended = _ENDED.get(row.data.get("what", ""))
    if ended is None:
        return
    left = {name: value for name, value in row.data.items() if name not in _KEYS}
    await tx.run(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.state.in_(ended))
        .values(data={**left, FORGOTTEN: True}, rendered=None, rendered_raw=None)
    )
