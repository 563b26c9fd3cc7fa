"""`relaydesk explain`: how a mail would be read, step by step. Changes nothing, needs no database.

It asks the very functions that read mail for the desk (`read.read`), so what it says is what would happen.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from core.config import Config
    from core.shapes import File
    from intake.email.read import ReadContext, Reading

_SHOWN: Final = 2_000  # characters of text that people are shown
# Signs that turn the direction of writing around, and line ends that some programs know: no terminal needs them.
_STEERING: Final = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE.eml…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and file, in order.")
@click.pass_context
def explain(ctx: click.Context, files: Sequence[Path], as_json: bool) -> int:
    """Say how each mail would be read: sender, automatic or not, ticket, visible text, attachments."""
    return explain_files(files, ctx.obj.load_config(), as_json, click.echo)


def explain_files(
    paths: Sequence[Path], config: Config, as_json: bool, write: Callable[[str], Any] = click.echo
) -> int:
    """Explain each file, in order. Returns the exit status: 1 where a file couldn't be opened."""
    from intake.email.context import context_of, keys_without_making

    context = context_of(config, keys_without_making(config))
    status = 0
    for number, path in enumerate(paths):
        try:
            raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as exc:
            status = 1
            said = {**dict.fromkeys(FIELDS), "file": str(path), "error": exc.strerror or type(exc).__name__}
        else:
            said = explained(str(path), raw, context)
        if as_json:
            write(_safe(json.dumps(said, ensure_ascii=False), _escaped))
        else:
            write(_safe(("\n" if number else "") + "\n".join(_for_people(said)), lambda match: "\ufffd"))
    return status


def _safe(text: str, instead: Callable[[re.Match[str]], str]) -> str:
    return _STEERING.sub(instead, text.encode("utf-8", "replace").decode())


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


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


def explained(name: str, raw: bytes, context: ReadContext) -> dict[str, Any]:
    """Return the object that `--json` prints for a mail. A mail that can't be read has its `error` set."""
    from intake.email.read import read

    try:
        return _explained(name, read(raw, {}, context))
    except Exception as exc:  # our bug: the desk would show the mail to staff, unread
        return {**dict.fromkeys(FIELDS), "file": name, "error": f"can't be read: {type(exc).__name__}"}


def _explained(name: str, reading: Reading) -> dict[str, Any]:
    mail, bounce, box = reading.mail, reading.bounce, reading.sender.box
    return {
        "file": name,
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
        "ticket": None,
        "rule": _rule(reading),
        "error": None,
    }


def _attachment(file: File) -> dict[str, Any]:
    return {
        "filename": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256.hex(),
        "inline": file.inline_cid is not None,
    }


def _rule(reading: Reading) -> str:
    """What the mail says about its ticket; which of it counts only a database knows."""
    found = reading.evidence
    if reading.returned:
        return f"ignored: {reading.returned}"
    said = []
    if reading.delivery is not None:
        said.append(f"sent to our bounce address of delivery {reading.delivery}")
    if found.signed:
        said.append("signed address of ticket " + ", ".join(map(str, found.signed)))
    if found.references:
        said.append(f"{len(found.references)} reference(s)")
    if found.tagged is not None:
        said.append(f"[#{found.tagged}] in the subject")
    return (
        f"no database was asked; {' then '.join(said) if said else 'nothing in it names a ticket: a new one'}"
    )


def _for_people(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"{said['file']}"
    if said["error"]:
        yield f"  error           {said['error']}"
        return
    sender, proof = said["sender"], said["authentication"]
    yield f"  sender          {sender['name']} <{sender['address']}> (by {proof['sender_from']})"
    yield f"  authentication  {proof['level']}{_proof(proof)}"
    yield f"  recipients      {', '.join(said['recipients']) or '-'}"
    yield f"  subject         {said['subject'] or '-'}"
    yield f"  date            {said['date'] or '-'}   message-id {said['message_id'] or '-'}"
    yield f"  automatic       {said['automatic'] or 'no: a person wrote it'}"
    if said["bounce"]:
        bounce = said["bounce"]
        good = "for good" if bounce["permanent"] else "not known to be for good"
        yield f"  bounce          {bounce['action']} {bounce['status'] or ''} {bounce['recipient'] or '?'}, {good}"
    yield f"  ticket          {said['rule']}"
    for file in said["attachments"]:
        kind = "inline" if file["inline"] else "file"
        yield f"  {kind:<15} {file['filename']} ({file['content_type']}, {file['size']} bytes)"
    hidden = len(said["text"]) - len(said["visible_text"])
    yield f"  text            {len(said['text'])} characters, {hidden} of them quoted history or signature"
    shown = said["visible_text"]
    yield from (f"    | {line}" for line in shown[:_SHOWN].split("\n"))
    if len(shown) > _SHOWN:
        yield f"    | … {len(shown) - _SHOWN} more"


def _proof(proof: Mapping[str, Any]) -> str:
    if not proof.get("trusted"):
        return ": no Authentication-Results of a server that we trust"
    parts = [f"{method}={proof[method]}" for method in ("dmarc", "dkim", "spf") if proof.get(method)]
    return f": {proof.get('authserv_id')} says {', '.join(parts) or 'nothing'}"
