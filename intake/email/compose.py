"""From an `Outgoing` to the bytes of a mail and its envelope. Pure: the same in gives the same bytes out.

Subject, ids and addresses are `wire_headers`; words and looks are `texts`; files are `compose_files`, the MIME part is
`compose_body`. Here is decided what a mail of each kind holds, whom it names, and what may not leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from core.shapes import Kind, Outgoing, Person, Visibility
from intake.email import thread_index
from intake.email import wire_headers as wire
from intake.email.addresses import domain_of
from intake.email.compose_body import (
    LETS_IN,
    TELLS_STAFF,
    ComposeContext,
    make_body,
    news_values,
    participant,
    passed_on,
)
from intake.email.compose_body import unsubscribe_url as unsubscribe_url
from intake.email.composed import ComposedMail
from intake.email.texts import NOTICES, Voice

MOST_COPIED: Final = 20


def carries_files(outgoing: Outgoing) -> bool:
    """Whether this mail has the message's files with it (a correction or a notice repeats none)."""
    return outgoing.kind is Kind.MESSAGE or what_of(outgoing) in TELLS_STAFF


def what_of(outgoing: Outgoing) -> str:
    """Return the name of the template that the delivery calls for. Raises `ValueError` for none."""
    if outgoing.kind is Kind.MESSAGE:
        return "staff_message" if outgoing.desk else "message"
    if outgoing.kind is Kind.ALERT:
        return "alert"
    what = str(outgoing.data.get("what", ""))
    if outgoing.kind is not Kind.NOTICE or what not in NOTICES:
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
    voice = _voice(outgoing, context)
    title = _subject(outgoing, context, what, voice)
    body = make_body(outgoing, context, what, title, voice)
    sender = context.signer.bounce_address(context.queue_address, outgoing.delivery_id)
    copies = _copies(outgoing, context) if what == "message" else ()
    to = wire.on_the_wire(outgoing.place)
    named = outgoing.to.name if outgoing.to is not None and (what == "message" or outgoing.desk) else ""
    head = [
        *_identity(outgoing, context, what, title, voice),
        wire.field("To", wire.mailbox(named, to)),
        *([wire.field("Cc", wire.mailboxes([(p.name, a) for p, a in copies]))] if copies else ()),
        *_automatic(outgoing, what),
    ]
    recipients = (to, *(address for _, address in copies))
    written = "".join(head)
    utf8 = not all(part.isascii() for part in (written, sender, *recipients))
    return ComposedMail(written.encode() + body, sender, recipients, utf8)


def _voice(outgoing: Outgoing, context: ComposeContext) -> Voice:
    """Staff read the service's language; requesters the queue's where it has one, else that of their own mail."""
    asked = () if outgoing.desk else (context.queue_language, outgoing.language)
    wanted = (*asked, context.language)
    return Voice(context.texts.language([one for one in wanted if one], outgoing.queue), outgoing.queue)


def _identity(
    outgoing: Outgoing, context: ComposeContext, what: str, title: str, voice: Voice
) -> Iterator[str]:
    """Who writes, when, about what, and what it answers."""
    mail_id, at = fixed(outgoing, context, what)
    author = outgoing.message.author.name if what == "message" and outgoing.message else ""
    author = participant(outgoing, context, voice) if passed_on(outgoing) else author
    shown = f"{author} via {context.service}" if wire.one_line(author) else context.service
    yield wire.field("Date", wire.date(at))
    yield wire.field("From", wire.mailbox(shown, context.queue_address))
    yield wire.field("Subject", wire.text("Subject", title))
    yield wire.field("Message-ID", wire.message_id(mail_id))
    if outgoing.ticket is None or what in LETS_IN:  # says nothing of a ticket that may not be theirs
        return
    earlier = wire.references([i for i in _answered(outgoing, what) if i != mail_id])
    if earlier:
        yield wire.field("In-Reply-To", f"<{earlier[-1]}>")
        yield wire.field("References", "\r\n ".join(f"<{i}>" for i in earlier))
    yield from _conversation(outgoing, at, mail_id)
    reply_to = context.signer.reply_address(context.queue_address, outgoing.ticket.id)
    yield wire.field("Reply-To", wire.mailbox(context.service, reply_to))


def _conversation(outgoing: Outgoing, at: datetime, mail_id: str) -> Iterator[str]:
    """Outlook's names of the conversation, where the requester's mail had them."""
    index = None if outgoing.desk else thread_index.answer(outgoing.thread_index, at, mail_id)
    if index is not None:
        yield wire.field("Thread-Index", "\r\n ".join(index[i : i + 60] for i in range(0, len(index), 60)))
        if topic := wire.bare_subject(outgoing.ticket.title):
            yield wire.field("Thread-Topic", wire.text("Thread-Topic", topic))


def _answered(outgoing: Outgoing, what: str) -> Iterator[str]:
    """The mails that this one comes after, oldest first. A notice about a message, and a copy of somebody else's,
    answers that message too."""
    yield from outgoing.mail_ids
    own = what == "message" and not passed_on(outgoing)
    if not own and outgoing.message is not None and outgoing.message.mail_id:
        yield outgoing.message.mail_id


def fixed(outgoing: Outgoing, context: ComposeContext, what: str) -> tuple[str, datetime]:
    """Message-ID and Date as they were fixed before anything was sent; where none were, ones that hang on the
    delivery alone, so that a repeated mail is the same mail."""
    message = outgoing.message
    if what == "message" and message is not None and message.mail_id and not passed_on(outgoing):
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
    yield from unsubscribing(outgoing)


def unsubscribing(outgoing: Outgoing) -> Iterator[str]:
    """Yield what lets mail programs show a button that ends these mails (RFC 2369, RFC 8058)."""
    if url := unsubscribe_url(outgoing):
        yield wire.field("List-Unsubscribe", f"<{url}>")
        if url.startswith("https:"):  # RFC 8058 has it for these alone
            yield wire.field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _subject(outgoing: Outgoing, context: ComposeContext, what: str, voice: Voice) -> str:
    words = {"service": context.service, "language": voice.language}
    if what in LETS_IN:
        return context.texts.render(f"{what}.subject", words, voice).strip()
    if what == "staff_news":
        news = context.texts.render("staff_news.subject", {**words, **news_values(outgoing, context)}, voice)
        return wire.subject(news.strip(), None, reply=False, untitled="")
    ticket = outgoing.ticket
    reply = any(_answered(outgoing, what)) and what != "staff_new"
    untitled = context.texts.render("untitled", words, voice).strip()
    title = ticket.title if ticket else str(outgoing.data.get("subject") or "")
    return wire.subject(title, ticket.id if ticket else None, reply=reply, untitled=untitled)


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
