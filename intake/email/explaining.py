"""What `explain` says of one mail, for the child process that reads it. Pure.

It asks the very functions that read mail for the desk, so what it says is what would happen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from core.shapes import File, Held, Ignored, Inbound, NewMessage
from intake.email.explain_fields import FIELDS
from intake.email.read import ReadContext, Reading, inbound_of, read

# A file at hand came by no untrusted hop: what a filter wrote into it counts.
_ENVELOPE: Final = {"trusted": True}


def explained(raw: bytes, context: ReadContext) -> tuple[dict[str, Any], Inbound]:
    """Return the object that `--json` prints, all but its file, ticket and rule, and what the desk is to make
    something of (without its words: which ticket it is doesn't hang on them)."""
    reading = read(raw, _ENVELOPE, context)
    inbound = inbound_of(reading, raw, _ENVELOPE, context)
    if isinstance(inbound, NewMessage):
        inbound = replace(inbound, text="", visible="", html=None, files=(), forwarded=None)
    return {**dict.fromkeys(FIELDS), **_said(reading), "rule": _rule(reading, inbound)}, inbound


def _said(reading: Reading) -> dict[str, Any]:
    mail, bounce, box = reading.mail, reading.bounce, reading.sender.box
    return {
        "sender": {"name": box.name, "address": box.address},
        "recipients": list(dict.fromkeys(to.address for to in mail.mailboxes("to", "cc", "bcc"))),
        "subject": mail.subject,
        "message_id": mail.message_id or None,
        "date": mail.date.isoformat().replace("+00:00", "Z") if mail.date else None,
        "text": mail.text,
        "visible_text": reading.visible,
        "attachments": [_attachment(file) for file in mail.files],
        "automatic": reading.automatic,
        "bounce": bounce
        and {
            "recipient": bounce.recipient,
            "status": bounce.status,
            "action": bounce.action,
            "permanent": bounce.permanent,
            "message_id": bounce.message_id,
        },
        "authentication": {
            "authenticated": reading.sender.authenticated,
            "level": reading.auth.value,
            "sender_from": reading.sender.source,
            **reading.sender.results,
        },
    }


def _attachment(file: File) -> dict[str, Any]:
    return {
        "filename": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256.hex(),
        "inline": file.inline_cid is not None,
    }


def _rule(reading: Reading, inbound: Inbound) -> str:
    """What the mail says about its ticket; which of it counts only a database knows."""
    found = reading.evidence
    if isinstance(inbound, Held):
        return f"held: {inbound.reason}"
    if isinstance(inbound, Ignored):
        return f"ignored: {inbound.reason}"
    said = []
    if reading.delivery is not None:
        said.append(f"sent to our bounce address of delivery {reading.delivery}")
    if found.signed:
        said.append("signed address of ticket " + ", ".join(map(str, found.signed)))
    if found.references:
        said.append(f"{len(found.references)} reference(s)")
    if found.tagged is not None:
        said.append(f"[#{found.tagged}] in the subject")
    return " then ".join(said) if said else "nothing in it names a ticket: a new one"
