"""The files of a mail: which go with it and which as links, under which names and types, and how they are put in.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from hashlib import sha256
from typing import Final

from core.shapes import Attachment
from intake.email import wire_headers as wire

INLINE: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,80}/[a-z0-9][a-z0-9.+_-]{0,80}")


def too_large(files: Sequence[Attachment], limit: int) -> frozenset[int]:
    """Return the ids of files that can't go with the mail: the largest first, until the rest is within `limit` bytes
    together."""
    stored = [a for a in files if a.state == "stored"]
    total = sum(a.size for a in stored)
    out: set[int] = set()
    for attachment in sorted(stored, key=lambda a: (-a.size, a.id)):
        if total <= limit:
            break
        out.add(attachment.id)
        total -= attachment.size
    return frozenset(out)


def attach(mime: EmailMessage, attachment: Attachment, content: bytes, cid: str | None) -> None:
    """Add a file byte for byte: base64, its name as RFC 2231 has it. One with a `cid` goes beside the HTML part
    (multipart/related, RFC 2387), where `cid:` finds it."""
    main, _, sub = plain_type(attachment.content_type).partition("/")
    name = safe_name(attachment.name)
    if cid is None:
        mime.add_attachment(content, main, sub, filename=name)
        return
    html = next(_beside_html(mime), None)
    if html is not None:
        html.add_related(content, main, sub, filename=name, cid=f"<{cid}>", disposition="inline")


def _beside_html(mime: EmailMessage) -> Iterator[EmailMessage]:
    for part in mime.walk():
        if isinstance(part, EmailMessage) and part.get_content_type() in ("multipart/related", "text/html"):
            yield part


def plain_type(content_type: str) -> str:
    """A media type without parameters. Mails in mails may not be base64 (RFC 2046 5.2.1) and so would change on
    their way: they travel as bytes, like what has no type that can be written."""
    plain = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(plain) or plain.startswith(("message/", "multipart/")):
        return "application/octet-stream"
    return plain


def fix_boundaries(mime: EmailMessage, seed: str) -> None:
    """The library's boundaries are random; ours hang on the delivery, so that a mail made anew is the same."""
    for index, part in enumerate(p for p in mime.walk() if p.is_multipart()):
        part.set_boundary(f"=_{sha256(f'{seed} {index}'.encode()).hexdigest()[:32]}")


def safe_name(name: str) -> str:
    """A file's name without folders and control characters, at most 150 characters, its ending kept."""
    name = wire.one_line(name.replace("\\", "/").rpartition("/")[2], 1000).strip(". ") or "file"
    name = name.replace("=?", "=_")  # the library would read an encoded word there, line ends and all
    if len(name) > 150:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: 149 - len(ending)]}{dot}{ending}" if dot and len(ending) <= 20 else name[:150]
    return name
