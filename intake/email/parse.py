"""A mail's bytes to what is in it: head, text, HTML, files. Pure, linear, never raises on any bytes.

Which part is text and which a file follows RFC 8621 4.1.4. Reading is tolerant: what can't be decoded is shown as
well as it can be, what is over a limit stays whole as a file, and `remarks` say so to staff.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.shapes import File
from intake.email import html
from intake.email.charsets import clean, decode, one_line
from intake.email.headers import LONGEST_FIELD, Headers, decode_words, read_date, read_head
from intake.email.mailboxes import Mailbox, read_mailboxes
from intake.email.mime import Part, read_parts

LONGEST_TEXT: Final = 1_000_000  # characters of readable text that are kept
LONGEST_SUBJECT: Final = 1_000
LONGEST_FILE_NAME: Final = 120  # characters; well under 255 bytes of UTF-8
_MEDIA: Final = ("image/", "audio/", "video/")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_CID = re.compile(r"cid:([^\"'\s>)]{1,300})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """What is in a mail.

    `text`: all readable text. `html`: the HTML body as it came, None without one. `from_html`: the text was made
    from it, for want of a text part. `files`: attachments and inline parts in order. `subject`: one decoded line.
    `date`: UTC, None where missing or senseless. `message_id`: without angle brackets, '' without one. `leaves`:
    the parts in order, for who has to look closer (bounces).
    """

    headers: Headers
    type: str
    subject: str
    date: datetime | None
    message_id: str
    text: str
    html: str | None = field(repr=False)
    from_html: bool
    files: tuple[File, ...] = field(repr=False)
    leaves: tuple[Part, ...] = field(repr=False)
    remarks: tuple[str, ...] = ()
    report_type: str = ""

    def mailboxes(self, *names: str) -> tuple[Mailbox, ...]:
        """Return the mailboxes of all fields of these names, in order; of each name the first 64 KiB."""
        found: list[Mailbox] = []
        for name in names:
            left = LONGEST_FIELD
            for value in self.headers.all(name):
                found += read_mailboxes(value) if len(value) <= left else ()
                left -= len(value)
        return tuple(found)


def parse(raw: bytes) -> ParsedMail:
    """Parse a mail. Bytes that are no mail at all give an empty head and themselves as text."""
    root, cut = read_parts(raw)
    bodies = _Bodies()
    _sort_out(root, bodies)
    remarks = ["cut after 200 parts or 30 levels; the rest is attached as it came"] if cut else []
    text, markup, from_html = _texts(bodies, remarks)
    headers = root.headers
    return ParsedMail(
        headers=headers,
        type=root.type,
        subject=headers.text("subject")[:LONGEST_SUBJECT],
        date=read_date(headers.get("date")),
        message_id=first_id(headers.get("message-id")),
        text=text,
        html=markup,
        from_html=from_html,
        files=_files(bodies, markup or "", remarks),
        leaves=tuple(_leaves(root)),
        remarks=tuple(remarks),
        report_type=root.params.get("report-type", "").lower(),
    )


_ID = re.compile(r"<([^<>\s]{1,900})>")


def first_id(text: str) -> str:
    """Return the Message-ID in the field without angle brackets, '' where there is none."""
    found = _ID.search(text)
    if found:
        return one_line(found[1])
    words = one_line(text).split()
    return words[0].strip("<>")[:900] if words and "@" in words[0] else ""


@dataclass(slots=True)
class _Bodies:
    """The parts by use (RFC 8621): two ways to read the mail, and files."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def _sort_out(root: Part, bodies: _Bodies) -> None:
    if root.multipart:
        _sort_multipart(root, False, bodies)
    elif _is_body(root, 0, ""):
        bodies.text.append(root)
        bodies.html.append(root)
    else:
        bodies.files.append(root)


def _sort_multipart(parent: Part, in_alternative: bool, bodies: _Bodies) -> None:
    """Recursion is bounded by `mime.DEEPEST`."""
    subtype = parent.type.partition("/")[2]
    alternative = subtype == "alternative"
    texts, htmls = len(bodies.text), len(bodies.html)
    for index, part in enumerate(parent.children):
        if part.multipart:
            _sort_multipart(part, in_alternative or alternative, bodies)
        elif not _is_body(part, index, subtype) or part.type.startswith(_MEDIA):
            bodies.files.append(part)
        elif alternative or in_alternative:
            (bodies.html if part.type == "text/html" else bodies.text).append(part)
        else:
            bodies.text.append(part)
            bodies.html.append(part)
    if alternative:  # one way may lack what the other has
        if len(bodies.text) == texts:
            bodies.text += bodies.html[htmls:]
        elif len(bodies.html) == htmls:
            bodies.html += bodies.text[texts:]


def _is_body(part: Part, index: int, container: str) -> bool:
    media = part.type.startswith(_MEDIA)
    if part.disposition.value == "attachment" or not (media or part.type in ("text/plain", "text/html")):
        return False
    named = _given_name(part) != ""
    return index == 0 or (container != "related" and (media or not named))


def _leaves(root: Part) -> list[Part]:
    found, waiting = [], [root]
    while waiting:
        part = waiting.pop()
        if part.multipart:
            waiting.extend(reversed(part.children))
        else:
            found.append(part)
    return found


def _texts(bodies: _Bodies, remarks: list[str]) -> tuple[str, str | None, bool]:
    """Return the text, the HTML body, and whether the text was made from HTML."""
    pages = [_markup(part) for part in bodies.html if part.type == "text/html"]
    pieces = [
        _plain(part) if part.type == "text/plain" else html.to_text(_markup(part)) for part in bodies.text
    ]
    from_html = bool(bodies.text) and all(part.type == "text/html" for part in bodies.text)
    text = _join(pieces)
    if not text.strip() and pages:
        text, from_html = _join([html.to_text(page) for page in pages]), True
    if any(len(page) > html.LARGEST for page in pages):
        remarks.append("the HTML body is very long; its end is not shown as text")
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT]
        remarks.append("the text is very long; its end is not shown")
    only_html = bodies.html if all(part.type == "text/html" for part in bodies.html) else []
    return text, "\n".join(pages) if pages and only_html else ("\n".join(pages) or None), from_html


def _join(pieces: list[str]) -> str:
    return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip()).rstrip()


def _markup(part: Part) -> str:
    data = part.content()
    charset = part.params.get("charset")
    if not charset and (found := _META_CHARSET.search(data[:2_048])):
        charset = found[1].decode("ascii")
    return clean(decode(data, charset))


def _plain(part: Part) -> str:
    text = clean(decode(part.content(), part.params.get("charset")))
    if part.params.get("format", "").lower() == "flowed":
        text = unflow(text, part.params.get("delsp", "").lower() == "yes")
    return text


def unflow(text: str, delete_space: bool = False) -> str:
    """Join the lines of `format=flowed` text into paragraphs, by quote depth (RFC 3676 4)."""
    out: list[str] = []
    open_depth = -1  # depth of a paragraph that goes on
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if content == "-- ":
            open_depth = -1
        shown = content[:-1] if flows and delete_space else content
        if open_depth == depth and out:
            out.append(shown)
        else:
            start = "\n" if out else ""
            out.append(start + ">" * depth + (" " if depth else "") + shown)
        open_depth = depth if flows else -1
    return "".join(out)


def _files(bodies: _Bodies, markup: str, remarks: list[str]) -> tuple[File, ...]:
    shown = {cid.lower() for cid in _CID.findall(markup)}
    taken: set[str] = set()
    return tuple(_file(part, index, shown, taken) for index, part in enumerate(bodies.files, 1))


def _file(part: Part, index: int, shown: set[str], taken: set[str]) -> File:
    content = part.content()
    cid = one_line(part.headers.get("content-id")).strip("<> ")[:300]
    inline = bool(cid) and (part.disposition.value == "inline" or cid.lower() in shown)
    return File(
        name=unique(safe_name(_given_name(part) or _made_name(part, content, index)), taken),
        content_type=part.type[:127],
        size=len(content),
        content=content,
        sha256=hashlib.sha256(content).digest(),
        inline_cid=cid if inline else None,
    )


def _given_name(part: Part) -> str:
    return part.disposition.params.get("filename", "") or part.params.get("name", "")


_ENDINGS: Final = {"text/plain": "txt", "text/html": "html", "image/jpeg": "jpg", "image/png": "png",
                   "image/gif": "gif", "message/rfc822": "eml", "text/calendar": "ics", "application/pdf": "pdf",
                   "text/rfc822-headers": "txt", "message/delivery-status": "txt", "text/csv": "csv",
                   "application/pgp-signature": "asc", "application/zip": "zip"}  # fmt: skip


def _made_name(part: Part, content: bytes, index: int) -> str:
    """A name for a part that has none: a nested mail by its subject, anything else by its place."""
    ending = _ENDINGS.get(part.type, "bin")
    if part.type == "message/rfc822":
        subject = read_head(content[:65_536])[0].text("subject")
        return f"{subject[:LONGEST_FILE_NAME] or 'message'}.eml"
    return f"part-{index}.{ending}"


_FORBIDDEN = re.compile('[<>:"/\\\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x1f]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def safe_name(name: str) -> str:
    """Return a file name that is one on every system: no path, no device, no hidden or endless name."""
    name = one_line(decode_words(name)).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", name).strip(" .") or "file"
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    if len(name) > LONGEST_FILE_NAME:
        stem, dot, ending = name.rpartition(".")
        tail = f".{ending}" if dot and len(ending) <= 16 else ""
        name = (stem if tail else name)[: LONGEST_FILE_NAME - len(tail)].rstrip(" .") + tail
    return name


def unique(name: str, taken: set[str]) -> str:
    """Return the name, numbered where it's taken; note it as taken."""
    stem, dot, ending = name.rpartition(".")
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem} ({number}).{ending}" if dot else f"{name} ({number})"
    taken.add(candidate.lower())
    return candidate
