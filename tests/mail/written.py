"""Small mails for tests, written as bytes so that nothing mends them on the way."""

from __future__ import annotations

from intake.email.addresses import Signer
from intake.email.parse import ParsedMail, parse
from intake.email.read import ReadContext

KEYS = ("first key", "old key")
QUEUES = {"support": ("support@example.com", "help@example.com"), "sales": ("sales@example.com",)}
CONTEXT = ReadContext(keys=KEYS, queues=QUEUES, authserv_ids=("mx.example.com",))
SIGNER = Signer(KEYS)


def mail(body: str | bytes = "Hello\n", **fields: str | list[str] | None) -> bytes:
    """Return a mail; `in_reply_to="<a@b>"` is the field In-Reply-To, None leaves a default out, a list repeats."""
    given: dict[str, str | list[str] | None] = {
        "from": "Ada <ada@customer.example>",
        "to": "support@example.com",
        "subject": "Printer",
        "message_id": "<1@customer.example>",
        "date": "Mon, 4 May 2026 10:00:00 +0200",
        **{name.rstrip("_"): value for name, value in fields.items()},
    }
    lines = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                lines.append(f"{name.replace('_', '-').title()}: {one}\n")
    head = "".join(lines).encode("utf-8", "surrogateescape")
    return head + b"\n" + (body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape"))


def parsed(body: str | bytes = "Hello\n", **fields: str | list[str] | None) -> ParsedMail:
    """Return a mail that is parsed already."""
    return parse(mail(body, **fields))


def multipart(kind: str, *parts: str | bytes, **fields: str | list[str] | None) -> bytes:
    """Return a multipart mail; each part is head, blank line, content."""
    body = b"".join(
        b"--=_x\r\n" + (part if isinstance(part, bytes) else part.encode()) + b"\r\n" for part in parts
    )
    return mail(body + b"--=_x--\r\n", content_type=f'multipart/{kind}; boundary="=_x"', **fields)
