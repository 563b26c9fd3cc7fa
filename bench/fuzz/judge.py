"""What must hold of any reading, whatever the bytes were."""

from __future__ import annotations

import time
from typing import get_args

from core.shapes import Inbound, NewMessage
from intake.email.parse import LONGEST_TEXT
from intake.email.read import ReadContext, read_mail

CONTEXT = ReadContext(
    keys=("fuzz",), queues={"support": ("support@example.com",)}, authserv_ids=("mx.example.com",)
)
SECONDS_PER_BYTE = 1.0 / 100_000  # processor time
LEAST_SECONDS = 1.0
_FORBIDDEN = frozenset('/\\<>:"|?*\0\r\n\u202e')


def problem(raw: bytes, envelope_sender: str | None = None) -> tuple[str, float]:
    """Read a mail; return what is wrong with that ('' where nothing is), and the seconds of processor time."""
    envelope = {} if envelope_sender is None else {"sender": envelope_sender}
    began = time.process_time()
    try:
        inbound = read_mail(raw, envelope, CONTEXT)
    except Exception as exc:  # whatever it is, it's a finding
        return f"{type(exc).__name__}: {exc}", time.process_time() - began
    took = time.process_time() - began
    if took > max(LEAST_SECONDS, len(raw) * SECONDS_PER_BYTE):
        return f"took {took:.2f} s for {len(raw)} bytes", took
    return _wrong(inbound, len(raw)), took


def _wrong(inbound: Inbound, size: int) -> str:
    if not isinstance(inbound, get_args(Inbound)):
        return f"no Inbound but {type(inbound).__name__}"
    if not isinstance(inbound, NewMessage):
        return ""
    texts = (inbound.subject, inbound.text, inbound.visible, inbound.html or "", inbound.sender.name)
    names = [file.name for file in inbound.files]
    people = [inbound.sender, *inbound.to_others]
    try:
        "".join(
            [*texts, *names, *inbound.remarks, *(p.address + p.name for p in people), inbound.ref.name]
        ).encode()
    except UnicodeEncodeError:
        return "lone surrogates"
    if any("\0" in text or "\r" in text for text in (*texts, *names)):
        return "control characters"
    if "\n" in inbound.subject + inbound.sender.name + inbound.sender.address:
        return "a line end in a field of one line"
    if any(not name or _FORBIDDEN & set(name) or len(name.encode()) > 255 for name in names):
        return "an unsafe file name"
    if len(set(map(str.lower, names))) != len(names):
        return "two files of one name"
    if len(inbound.text) > LONGEST_TEXT or len(inbound.visible) > LONGEST_TEXT + 1_000:
        return "too much text"
    if any(file.content is None or file.size != len(file.content) for file in inbound.files):
        return "a file without its bytes"
    if sum(file.size for file in inbound.files) > 12 * size + 4_000_000:
        return "files that are far larger than the mail"
    return ""
