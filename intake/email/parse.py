"""A mail's bytes to what is in it: head, text, HTML, files. Pure, linear, never raises on any bytes.

Reading is tolerant: what can't be decoded is shown as well as it can be, what is over a limit stays whole as a file,
and `remarks` say so to staff.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.shapes import File
from intake.email import html, invites, sealed
from intake.email.bodies import Bodies, leaves, opened, sort_out
from intake.email.charsets import clean, decode, one_line
from intake.email.files import Loose, given_name, to_files
from intake.email.flowed import unflow
from intake.email.headers import LONGEST_FIELD, Headers, read_date, read_head
from intake.email.mailboxes import Mailbox, read_mailboxes
from intake.email.mime import Part, read_parts
from intake.email.uuencode import take_blocks

LONGEST_TEXT: Final = 1_000_000  # characters of readable text that are kept
LONGEST_SUBJECT: Final = 1_000
_LARGEST_BODY: Final = 4 * html.LARGEST  # bytes of one text part that are decoded
_MOST_INVITES: Final = 5
_LONG: Final = "the text is very long; its end is not shown, all of it is attached"
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_ENRICHMENT = re.compile(r"<<|</?[A-Za-z0-9-]{1,60}>")  # RFC 1896


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """What is in a mail.

    `text`: all readable text. `html`: the HTML body as it came, None without one. `from_html`: the text was made
    from it, for want of a text part. `files`: attachments and inline parts in order. `subject`: one decoded line.
    `date`: UTC, None where missing or senseless. `message_id`: without angle brackets, '' without one. `leaves`:
    the parts in order, for who has to look closer (bounces). `remarks`: what staff should know of the reading.
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
    if b"\n" not in raw[:LONGEST_FIELD] and b"\r" in raw[:LONGEST_FIELD]:
        raw = raw.replace(b"\r", b"\n")  # line ends of old Macs
    root, cut = read_parts(raw)
    headers = _head(raw, root)
    content = _Content()
    if cut:
        content.remark("cut after 200 parts or 30 levels; the rest is attached as it came")
    if headers.cut:
        content.remark(
            "the head is very long; fields after 1,000 and letters after 64 KiB of one are not read"
        )
    body, unsealed = opened(root)
    if unsealed:
        content.remark("signed (S/MIME), not verified here")
    for part in leaves(body):
        content.remark(sealed.remark_on(part))
        content.remark(_elsewhere(part))
    content.read(sort_out(body))
    files, markup = to_files(content.parts, content.loose, content.html)
    return ParsedMail(
        headers=headers,
        type=root.type,
        subject=headers.text("subject")[:LONGEST_SUBJECT],
        date=read_date(headers.get("date")),
        message_id=first_id(headers.get("message-id")),
        text=content.text,
        html=markup or None,
        from_html=content.from_html,
        files=files,
        leaves=tuple(leaves(body)),
        remarks=tuple(content.remarks),
        report_type=root.params.get("report-type", "").lower(),
    )


def _head(raw: bytes, root: Part) -> Headers:
    """The head, its raw 8-bit letters read by the charset of the text where the head itself names none."""
    if not root.multipart or raw[: root.start].isascii():
        return root.headers
    texts = (part.params.get("charset", "") for part in leaves(root) if part.type.startswith("text/"))
    charset = next(filter(None, texts), None)
    return read_head(raw, charset=charset)[0] if charset else root.headers


_ID = re.compile(r"<([^<>\s]{1,900})>")


def first_id(text: str) -> str:
    """Return the Message-ID in the field without angle brackets, '' where there is none."""
    found = _ID.search(text)
    if found:
        return one_line(found[1])
    words = one_line(text).split()
    return words[0].strip("<>")[:900] if words and "@" in words[0] else ""


class _Content:
    """What a mail holds, gathered from its parts."""

    def __init__(self) -> None:
        self.text = self.html = ""
        self.from_html = False
        self.parts: list[Part] = []  # that are files
        self.loose: list[Loose] = []  # files that aren't parts
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        if text and text not in self.remarks:
            self.remarks.append(text)

    def read(self, bodies: Bodies) -> None:
        """Fill everything from the sorted parts."""
        self.parts = list(bodies.files)
        self._bodies(bodies)
        for part in bodies.files:
            if _may_be_winmail(part):
                self._winmail(part)
        self.text, remarks = sealed.without_armor(self.text)
        for remark in remarks:
            self.remark(remark)
        self._invites(bodies.files)
        if not self.text and any(remark.startswith("encrypted") for remark in self.remarks):
            self.text = sealed.NOTE
        if len(self.text) > LONGEST_TEXT:
            if not self.from_html and _LONG not in self.remarks:
                self.loose.append(Loose("whole-text.txt", self.text.encode(), "text/plain"))
            self.text = self.text[:LONGEST_TEXT]
            self.remark(_LONG)

    def _bodies(self, bodies: Bodies) -> None:
        markup = {id(part): self._markup(part) for part in bodies.html if part.type == "text/html"}
        pieces = [
            html.to_text(markup[id(part)] if id(part) in markup else self._markup(part))
            if part.type == "text/html"
            else self._plain(part)
            for part in bodies.text
        ]
        pages = list(markup.values())
        self.from_html = bool(bodies.text) and all(part.type == "text/html" for part in bodies.text)
        self.text = _join(pieces)
        if not self.text.strip() and pages:
            self.text, self.from_html = _join([html.to_text(page) for page in pages]), True
        if any(len(page) > html.LARGEST for page in pages):
            self.remark("the HTML body is very long; its end is not shown as text")
        self.html = "\n".join(pages)

    def _whole(self, part: Part) -> bytes:
        """A text part's content; one that is too long to be decoded stays a file too."""
        data = part.content()
        if len(data) > _LARGEST_BODY:
            self.remark(_LONG)
            self.parts.append(part)
        return data[:_LARGEST_BODY]

    def _markup(self, part: Part) -> str:
        data = self._whole(part)
        charset = part.params.get("charset")
        if not charset and (found := _META_CHARSET.search(data[:2_048])):
            charset = found[1].decode("ascii")
        return clean(decode(data, charset))

    def _plain(self, part: Part) -> str:
        data = self._whole(part)
        if b"begin " in data:
            data, blocks = take_blocks(data)
            self.loose += [Loose(block.name, block.content) for block in blocks]
        text = clean(decode(data, part.params.get("charset")))
        if part.type in ("text/enriched", "text/richtext"):
            text = _ENRICHMENT.sub(lambda m: "<" if m[0] == "<<" else "", text)
        if part.params.get("format", "").lower() == "flowed":
            text = unflow(text, part.params.get("delsp", "").lower() == "yes")
        return text

    def _winmail(self, part: Part) -> None:
        from intake.email.tnef import read_tnef

        found = read_tnef(part.content())
        if found is None:
            return
        if found.whole:
            self.parts.remove(part)
        else:
            self.remark("a winmail.dat could not be read whole; it is attached as it came")
        self.loose += found.files
        if not self.text.strip():
            self.from_html = not found.text and bool(found.html)
            self.text = found.text or html.to_text(found.html).rstrip()
            self.html = self.html or found.html

    def _invites(self, files: list[Part]) -> None:
        """Calendars are told above the text: what stands below a quote would read as an answer."""
        calendars = [part for part in files if part.type in ("text/calendar", "application/ics")]
        lines = [
            invites.told(part.content(), part.params.get("charset"), part.params.get("method", ""))
            for part in calendars[:_MOST_INVITES]
        ]
        told = [f"[{line}]" for line in dict.fromkeys(lines) if line]
        self.text = "\n\n".join([*told, *filter(None, [self.text])])


def _join(pieces: list[str]) -> str:
    return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip()).rstrip()


def _may_be_winmail(part: Part) -> bool:
    return "ms-tnef" in part.type or given_name(part).lower() in ("winmail.dat", "win.dat")


def _elsewhere(part: Part) -> str:
    """What the mail only points to, or holds a piece of."""
    if part.type == "message/external-body":
        where = one_line(part.params.get("access-type", ""))[:40]
        return f"a file is kept elsewhere ({where or 'it does not say where'}) and was not fetched"
    if part.type == "message/partial":
        number, total = (one_line(part.params.get(name, "?"))[:10] for name in ("number", "total"))
        return f"one piece ({number} of {total}) of a larger mail; pieces are not put together"
    return ""
