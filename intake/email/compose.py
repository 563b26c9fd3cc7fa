"""From an `Outgoing` to the bytes of a mail and its envelope. Pure: the same in gives the same bytes out.

Subject, ids and addresses are `wire_headers`; words and looks are in `templates/`. Here is decided what a mail of each
kind holds, whom it names, and what may not leave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from core.shapes import Attachment, Kind, Outgoing, Person, Visibility
from intake.email import wire_headers as wire
from intake.email.addresses import Signer, domain_of
from intake.email.composed import ComposedMail
from intake.email.marker import MARKER

MOST_COPIED: Final = 20
_INLINE: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,80}/[a-z0-9][a-z0-9.+_-]{0,80}")
_LINK = re.compile(r"https?://[^\s<>\"'\x00-\x1f]{1,2000}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Notices that carry the message's words, and files, for staff.
_TELLS_STAFF: Final = frozenset({"staff_new", "staff_reply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeContext:
    """What composing knows beside the delivery. `queue_address`: the queue's first address. `ours`: lower-case
    addresses of all queues, never copied. `contents`: the bytes of attachments by their id."""

    service: str
    base_url: str
    queue_address: str
    signer: Signer
    ours: frozenset[str] = frozenset()
    answers_count: bool = True  # staff's answers by mail can be authenticated, so they may be told to answer
    contents: Mapping[int, bytes] = field(default_factory=dict, repr=False)


def carries_files(outgoing: Outgoing) -> bool:
    """Whether this mail has the message's files with it (a correction or a notice repeats none)."""
    return outgoing.kind is Kind.MESSAGE or what_of(outgoing) in _TELLS_STAFF


def what_of(outgoing: Outgoing) -> str:
    """Return the name of the template that the delivery calls for. Raises `ValueError` for none."""
    if outgoing.kind is Kind.MESSAGE:
        return "staff_message" if outgoing.desk else "message"
    if outgoing.kind is Kind.ALERT:
        return "alert"
    what = str(outgoing.data.get("what", ""))
    if outgoing.kind is not Kind.NOTICE or what not in _notices():
        raise ValueError(f"no mail is made for {outgoing.kind} {what!r}")
    return what


def compose_mail(outgoing: Outgoing, context: ComposeContext) -> ComposedMail:
    """Compose one delivery.

    Raises `ValueError` for what must not go to its recipient (a note, an outsider's words), for a kind that is no
    mail, and for an address that can't be written.
    """
    message, what = outgoing.message, what_of(outgoing)
    if not outgoing.desk and message is not None and what in ("message", "correction"):
        if message.visibility is not Visibility.PUBLIC:
            raise ValueError(f"message {message.id} is a note: it never leaves the desk")
        if message.outsider:
            raise ValueError(f"message {message.id} is an outsider's: it never leaves the desk")
    if not outgoing.desk and what.startswith("staff_"):
        raise ValueError(f"{what} is for the desk only")
    title = _subject(outgoing, what)
    body = _body(outgoing, context, what, title)
    sender = context.signer.bounce_address(context.queue_address, outgoing.delivery_id)
    copies = _copies(outgoing, context) if what == "message" else ()
    to = wire.on_the_wire(outgoing.place)
    named = outgoing.to.name if outgoing.to is not None and (what == "message" or outgoing.desk) else ""
    head = [
        *_identity(outgoing, context, what, title),
        wire.field("To", wire.mailbox(named, to)),
        *([wire.field("Cc", wire.mailboxes([(p.name, a) for p, a in copies]))] if copies else ()),
        *_automatic(outgoing, what),
    ]
    recipients = (to, *(address for _, address in copies))
    written = "".join(head)
    utf8 = not all(part.isascii() for part in (written, sender, *recipients))
    return ComposedMail(written.encode() + body, sender, recipients, utf8)


def _identity(outgoing: Outgoing, context: ComposeContext, what: str, title: str) -> Iterator[str]:
    """Who writes, when, about what, and what it answers."""
    mail_id, at = _fixed(outgoing, context, what)
    author = outgoing.message.author.name if what == "message" and outgoing.message else ""
    shown = f"{author} via {context.service}" if wire.one_line(author) else context.service
    yield wire.field("Date", wire.date(at))
    yield wire.field("From", wire.mailbox(shown, context.queue_address))
    yield wire.field("Subject", wire.text("Subject", title))
    yield wire.field("Message-ID", wire.message_id(mail_id))
    if outgoing.ticket is None or what == "confirm":  # says nothing of a ticket that may not be theirs
        return
    earlier = wire.references([i for i in _answered(outgoing, what) if i != mail_id])
    if earlier:
        yield wire.field("In-Reply-To", f"<{earlier[-1]}>")
        yield wire.field("References", "\r\n ".join(f"<{i}>" for i in earlier))
    reply_to = context.signer.reply_address(context.queue_address, outgoing.ticket.id)
    yield wire.field("Reply-To", wire.mailbox(context.service, reply_to))


def _answered(outgoing: Outgoing, what: str) -> Iterator[str]:
    """The mails that this one comes after, oldest first. A notice about a message answers that message too."""
    yield from outgoing.mail_ids
    if what != "message" and outgoing.message is not None and outgoing.message.mail_id:
        yield outgoing.message.mail_id


def _fixed(outgoing: Outgoing, context: ComposeContext, what: str) -> tuple[str, datetime]:
    """Message-ID and Date as they were fixed before anything was sent; where none were, ones that hang on the
    delivery alone, so that a repeated mail is the same mail."""
    message = outgoing.message
    if what == "message" and message is not None and message.mail_id:
        return message.mail_id, message.mail_date or message.created_at
    mail_id = str(outgoing.data.get("mail_id") or "")
    at = outgoing.data.get("mail_date") or outgoing.created_at
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    if not mail_id:
        token = sha256(f"{outgoing.delivery_id} {at.isoformat()}".encode()).hexdigest()[:16]
        mail_id = f"notice.{outgoing.delivery_id}.{token}@{domain_of(context.queue_address)}"
    return mail_id, at if at.tzinfo else at.replace(tzinfo=UTC)


def _automatic(outgoing: Outgoing, what: str) -> Iterator[str]:
    """Marks that keep robots from answering (RFC 3834 5); a person's own answer has none."""
    if what == "message":
        return
    yield wire.field("Auto-Submitted", "auto-replied" if what == "ack" else "auto-generated")
    yield wire.field("X-Auto-Response-Suppress", "All")
    yield wire.field("Precedence", "bulk")


def _subject(outgoing: Outgoing, what: str) -> str:
    if what == "confirm":
        return "Please confirm your request"
    ticket = outgoing.ticket
    reply = any(_answered(outgoing, what)) and what != "staff_new"
    return wire.subject(ticket.title if ticket else "", ticket.id if ticket else None, reply=reply)


def _copies(outgoing: Outgoing, context: ComposeContext) -> tuple[tuple[Person, str], ...]:
    """The participants to copy: no address twice, none of our own, none that can't be written."""
    seen = {outgoing.place.lower(), *context.ours}
    kept = []
    for person in outgoing.cc:
        plain = context.signer.plain_of(person.address)
        if plain in seen or person.address.lower() in seen or not wire.sendable(person.address):
            continue
        seen.update((plain, person.address.lower()))
        kept.append((person, wire.on_the_wire(person.address)))
    return tuple(kept[:MOST_COPIED])


# -- the body --


def _body(outgoing: Outgoing, context: ComposeContext, what: str, title: str) -> bytes:
    """The MIME part of the mail: its own header fields, an empty line, text and HTML, images, files."""
    files = outgoing.message.attachments if outgoing.message and carries_files(outgoing) else ()
    there = [a for a in files if a.state == "stored" and a.id in context.contents]
    domain = domain_of(context.queue_address)
    images = {
        a.id: f"{outgoing.delivery_id}.{a.id}@{domain}"
        for a in there
        if a.inline_cid and _plain_type(a.content_type) in _INLINE
    }
    shown = _shown(outgoing, context, what, title) | {
        "missing": [safe_name(a.name) for a in files if a not in there],
        "images": [{"cid": images[a.id], "name": safe_name(a.name)} for a in there if a.id in images],
    }
    mime = EmailMessage(SMTP)
    text = clean(_templates().get_template("layout.txt.j2").render(shown)).strip("\n") + "\n"
    mime.set_content(text, cte="quoted-printable")
    html = _templates().get_template("layout.html.j2").render(shown)
    mime.add_alternative(clean(html), subtype="html", cte="quoted-printable")
    for attachment in there:
        _attach(mime, attachment, context.contents[attachment.id], images.get(attachment.id))
    _fix_boundaries(mime, f"{outgoing.delivery_id} {outgoing.created_at.isoformat()}")
    return mime.as_bytes()


def _shown(outgoing: Outgoing, context: ComposeContext, what: str, title: str) -> dict[str, Any]:
    """The values that the templates show."""
    ticket, message, data = outgoing.ticket, outgoing.message, outgoing.data
    own_words = what in ("message", "correction", "staff_message", *_TELLS_STAFF)
    words = str(data.get("text") or "") if what == "correction" else ""
    if own_words and not words and message is not None:
        words = message.text
    url = str(data.get("url") or "") if what == "confirm" else ""
    values = {
        "service": context.service,
        "number": f"#{ticket.id}" if ticket else "",
        "title": wire.one_line(ticket.title, 200) if ticket else "",
        "queue": outgoing.queue,
        "author": _author(outgoing),
        "outsider": bool(message and message.outsider),
        "note": bool(message and message.visibility is Visibility.NOTE),
        "text": clean(str(data.get("text") or "")),
        "delivery": data.get("delivery_id"),
        "reason": clean(str(data.get("reason") or "")),
    }
    return {
        "subject": title,
        "marker": MARKER if what != "confirm" else "",
        "lead": _templates().get_template(f"{what}.txt.j2").render(values).strip(),
        "words": clean(words).strip("\n"),
        "boxed": what != "message",
        "button": {"url": url, "label": "Confirm"} if url else None,
        "footer": _footer(outgoing, context, what),
    }


def _author(outgoing: Outgoing) -> str:
    """Who wrote, as staff see it."""
    if outgoing.message is None:
        return ""
    author = outgoing.message.author
    name, email = wire.one_line(author.name, 100), wire.one_line(author.email, 320)
    return f"{name} <{email}>" if name and email and name != email else name or email or "somebody"


def _footer(outgoing: Outgoing, context: ComposeContext, what: str) -> tuple[str, ...]:
    if what == "confirm" or outgoing.ticket is None:
        return (context.service,)
    link = f"{context.base_url.rstrip('/')}/tickets/{outgoing.ticket.id}" if context.base_url else ""
    who = f"{context.service}, request #{outgoing.ticket.id}"
    if outgoing.desk:
        hint = "Your answer to this mail goes to the requester." if context.answers_count else ""
        return (who, *(line for line in (hint, link) if line))
    return (who, *([link] if link else ()))


def _attach(mime: EmailMessage, attachment: Attachment, content: bytes, cid: str | None) -> None:
    """Add a file byte for byte: base64, its name as RFC 2231 has it."""
    main, _, sub = _plain_type(attachment.content_type).partition("/")
    name = safe_name(attachment.name)
    if cid is None:
        mime.add_attachment(content, main, sub, filename=name)
        return
    for part in mime.walk():
        if part.get_content_type() == "text/html" and isinstance(part, EmailMessage):
            part.add_related(content, main, sub, filename=name, cid=f"<{cid}>", disposition="inline")
            return
        if part.get_content_type() == "multipart/related" and isinstance(part, EmailMessage):
            part.add_related(content, main, sub, filename=name, cid=f"<{cid}>", disposition="inline")
            return


def _plain_type(content_type: str) -> str:
    """A media type without parameters. Mails in mails may not be base64 (RFC 2046 5.2.1) and so would change on
    their way: they travel as bytes, like what has no type that can be written."""
    plain = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(plain) or plain.startswith(("message/", "multipart/")):
        return "application/octet-stream"
    return plain


def _fix_boundaries(mime: EmailMessage, seed: str) -> None:
    """The library's boundaries are random; ours hang on the delivery, so that a mail made anew is the same."""
    for index, part in enumerate(p for p in mime.walk() if p.is_multipart()):
        part.set_boundary(f"=_{sha256(f'{seed} {index}'.encode()).hexdigest()[:32]}")


def safe_name(name: str) -> str:
    """A file's name without folders and control characters, at most 150 characters, its ending kept."""
    name = wire.one_line(name.replace("\\", "/").rpartition("/")[2], 1000).strip(". ") or "file"
    if len(name) > 150:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: 149 - len(ending)]}{dot}{ending}" if dot and len(ending) <= 20 else name[:150]
    return name


def clean(text: str) -> str:
    """Text with LF line ends and without what no mail may hold."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def prose(text: str) -> Markup:
    """Text as HTML: everything escaped, line ends and indentation kept, links made live."""
    parts, at = [], 0
    for found in _LINK.finditer(text):
        url = found[0].rstrip(".,;:!?)]}'")
        link = Markup('<a href="{}" class="link" style="color:#2457d6;">{}</a>').format(url, url)
        parts += [escape(text[at : found.start()]), link]
        at = found.start() + len(url)
    parts.append(escape(text[at:]))
    html = re.sub(r"(?m)^ +|(?<= ) ", lambda m: "&nbsp;" * len(m[0]), str(Markup("").join(parts)))
    return Markup(html.replace("\n", "<br>\n"))  # noqa: S704  # escaped piece by piece above


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["prose"] = prose
    return made


@cache
def _notices() -> frozenset[str]:
    """The notices are the templates that are there, but for the layouts and those of other kinds."""
    names = {name.partition(".")[0] for name in _templates().list_templates()}
    return frozenset(names - {"layout", "message", "staff_message", "alert"})
