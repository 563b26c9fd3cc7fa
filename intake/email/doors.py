"""The mail doors that a configuration opens: each is a part with `start` and `stop`."""

from __future__ import annotations

from typing import Any

from core.config import secret_keys
from core.parts import Parts
from intake.email.addresses import Signer


def mail_doors(parts: Parts) -> list[tuple[str, Any]]:
    """Return the parts that take mail in, by name; nothing is opened yet."""
    config = parts.config
    doors: list[tuple[str, Any]] = []
    if config.email.inbound.enabled:
        from intake.email.server import MailDoor

        signer = Signer(secret_keys(config), config.email.inbound.delimiter)
        doors.append(("email", MailDoor(config, parts.intake, signer, parts.clock)))
    if config.email.imap:
        from intake.email.imap import ImapDoor
        from intake.email.imap_rules import shown_names

        for name, box in zip(shown_names(config.email.imap), config.email.imap, strict=True):
            doors.append((name, ImapDoor(config, box, parts.database, parts.intake, parts.clock)))
    return doors
