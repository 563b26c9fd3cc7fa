"""The keys of the object that `explain --json` prints, in order: what both of its processes know."""

from __future__ import annotations

from typing import Final

FIELDS: Final = (
    "file",
    "sender",
    "recipients",
    "subject",
    "message_id",
    "date",
    "text",
    "visible_text",
    "attachments",
    "automatic",
    "bounce",
    "authentication",
    "ticket",
    "rule",
    "error",
)
