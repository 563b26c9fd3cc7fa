"""Links to files that were too large for a mail: signed, for one attachment, until a fixed time.

Who has the link has the file, so it is a secret: never logged, and worth nothing once it has expired or its message
isn't public any more. The key is derived for this purpose alone; earlier keys still verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from core import views
from core.database import Tx
from core.shapes import Attachment
from core.tables import attachments
from core.visibility import goes_out

_PURPOSE: Final = "relaydesk file link"
LONGEST: Final = 200  # characters of a token


class FileLinks:
    """Makes and checks tokens; the first of `keys` signs, all of them verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        from itsdangerous import URLSafeSerializer  # 30 ms that most commands don't need

        oldest_first = [key for key in reversed(keys) if key]
        self._serializer = URLSafeSerializer(
            oldest_first, salt=_PURPOSE, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
        )

    def token(self, attachment_id: int, expires_at: datetime) -> str:
        """Return the token that stands for the attachment until then."""
        return str(self._serializer.dumps([attachment_id, int(expires_at.timestamp())]))

    def read(self, token: str, now: datetime) -> int | None:
        """Return the attachment's id, or None: forged and expired look alike."""
        from itsdangerous import BadData

        if len(token) > LONGEST:
            return None
        try:
            attachment_id, expires = self._serializer.loads(token)
            valid = now < datetime.fromtimestamp(expires, UTC)
        except (BadData, TypeError, ValueError, OverflowError, OSError):
            return None
        return int(attachment_id) if valid else None


async def public_file(tx: Tx, attachment_id: int) -> Attachment | None:
    """Return a stored file whose message may leave the desk, and wasn't deleted; else None."""
    row = await tx.first(attachments.select().where(attachments.c.id == attachment_id))
    message = await views.message(tx, row.message_id) if row is not None else None
    if row is None or row.blob is None or message is None or message.deleted_at is not None:
        return None
    if not goes_out(desk=False, visibility=message.visibility, outsider=message.outsider):
        return None
    return views.attachment_of(row)
