"""One mail to one `Inbound`: all of the reader's modules put together. Pure, never raises.

It runs in a child process (`core.children`), so it imports little, and context and result can be pickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from core.shapes import (
    Auth,
    DeliveryReport,
    Evidence,
    File,
    Held,
    Ignored,
    Inbound,
    NewMessage,
    Person,
    Ref,
    Visibility,
)
from intake.email import html
from intake.email.addresses import Signed, Signer, domain_of, plain_of, without_detail
from intake.email.bounces import Bounce, read_bounce, report_text
from intake.email.evidence import OUR_ID, read_evidence, ref_of, signed_addresses
from intake.email.forwards import read_forwarded
from intake.email.headers import read_head
from intake.email.language import language_of
from intake.email.parse import ParsedMail, parse
from intake.email.read_context import ReadContext as ReadContext
from intake.email.rich_lines import rich_of
from intake.email.sender import Sender, automatic, identify
from intake.email.spam import VIRUS, verdict
from intake.email.thread_index import usable as usable_index
from intake.email.visible import visible_text

CHANNEL: Final = "email"
MOST_OTHERS: Final = 100
_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that reading found out; `read_mail` makes an `Inbound` of it, `explain` shows it."""

    mail: ParsedMail
    queue: str
    sender: Sender
    auth: Auth
    automatic: str | None
    bounce: Bounce | None
    evidence: Evidence
    delivery: int | None  # of our bounce address that it was sent to
    note: bool  # it was sent to a note address
    visible: str
    others: tuple[Person, ...]
    returned: str | None  # reason why it is a mail of ours that came back


@lru_cache(maxsize=4)
def _signer(keys: tuple[str, ...], delimiter: str) -> Signer:
    return Signer(keys, delimiter)


def read_mail(
    raw: bytes, envelope: Mapping[str, Any], context: ReadContext, received_at: datetime | None = None
) -> Inbound:
    """Turn a mail into what the desk makes something of. Never raises.

    `envelope`: `sender` ('' is the null sender; missing: not known), `recipients`, `queue`; `trusted`: a filter's
    verdict is believed; `not_spam`: staff said so; `source`: the network address that brakes count; `quotable`:
    texts that it may quote, latest first. `received_at`: UTC; it stands in for a Date that is missing, senseless or in
    the future.
    """
    return inbound_of(read(raw, envelope, context), raw, envelope, context, received_at)


def inbound_of(
    reading: Reading,
    raw: bytes,
    envelope: Mapping[str, Any],
    context: ReadContext,
    received_at: datetime | None = None,
) -> Inbound:
    """As `read_mail`, from what `read` found out."""
    if reading.returned:
        return Ignored(reason=reading.returned)
    if reading.bounce is not None and (report := _report(reading, context, received_at)) is not None:
        return report
    spam = _spam(reading, envelope, context)
    if spam is not None and _held(reading, spam):
        return Held(reason=f"spam ({spam})", about=_about(reading))
    message = _message(reading, raw, received_at, context)
    source = str(envelope.get("source") or "")[:100]
    if spam is not None:
        note = f"a filter before us calls it spam ({spam}); it came to a signed address, so it isn't held"
        message = replace(message, remarks=(*message.remarks, note))
    return replace(message, source=source)


def read(raw: bytes, envelope: Mapping[str, Any], context: ReadContext) -> Reading:
    """Find out everything about a mail. `envelope` as for `read_mail`."""
    mail = parse(raw)
    given = envelope.get("sender")
    envelope_sender = None if given is None else str(given).strip().strip("<>").lower()
    recipients = tuple(str(address) for address in envelope.get("recipients") or ())
    signer = _signer(context.keys, context.delimiter)
    queue = str(envelope.get("queue") or _queue_of(mail, recipients, context))
    bounce = read_bounce(mail, envelope_sender)
    sender = identify(mail, envelope_sender or "", context.ours, context.authserv_ids)
    signed = signed_addresses(mail, recipients, signer)
    here = lambda plain: queue_of(plain, context) in (queue, None)  # noqa: E731
    evidence = read_evidence(mail, recipients, queue, signer, here)
    auth = Auth.VERIFIED if sender.authenticated else Auth.LINKED if evidence.signed else Auth.CLAIMED
    return Reading(
        mail=mail,
        queue=queue,
        sender=sender,
        auth=auth,
        automatic="bounce" if bounce else automatic(mail, envelope_sender, sender),
        bounce=bounce,
        evidence=evidence,
        delivery=_delivery(signed),
        note=any(address.kind == "note" for address in signed),
        visible=visible_text(mail, [str(text) for text in envelope.get("quotable") or ()]),
        others=_others(mail, sender, context),
        returned=_came_back(mail, queue, context),
    )


def _queue_of(mail: ParsedMail, recipients: tuple[str, ...], context: ReadContext) -> str:
    """The queue of the first recipient that is ours; the first queue where none is (explain, bcc)."""
    boxes = mail.mailboxes("delivered-to", "x-original-to", "to", "cc")
    for address in (*recipients, *(box.address for box in boxes)):
        if (name := queue_of(address, context)) is not None:
            return name
    return next(iter(context.queues), "")


def queue_of(address: str, context: ReadContext) -> str | None:
    """Return the queue whose address it is: plain, signed, or with any other detail (RFC 5233)."""
    plain = plain_of(address, context.delimiter)
    for candidate in (plain, without_detail(plain)):
        for name, addresses in context.queues.items():
            if any(candidate == known.lower() for known in addresses):
                return name
    return None


def _delivery(signed: tuple[Signed, ...]) -> int | None:
    return next((address.id for address in signed if address.kind == "delivery"), None)


def _others(mail: ParsedMail, sender: Sender, context: ReadContext) -> tuple[Person, ...]:
    """To and Cc without us and without the sender, each once."""
    found: dict[str, Person] = {}
    for box in mail.mailboxes("to", "cc"):
        if len(found) == MOST_OTHERS:
            break
        if box.address != sender.box.address and queue_of(box.address, context) is None:
            found.setdefault(box.address, _person(box.name, box.address))
    return tuple(found.values())


def _person(name: str, address: str) -> Person:
    return Person(kind=CHANNEL, address=address, name=name, email=address, place=address)


def _came_back(mail: ParsedMail, queue: str, context: ReadContext) -> str | None:
    """Our own Message-ID with our own address as its writer: our mail went round a loop. Not so the answer that one
    queue gave to another's address: that is for people there."""
    writers = mail.mailboxes("from")
    writer = queue_of(writers[0].address, context) if writers else None
    if writer is None or not is_our_id(mail.message_id, context):
        return None
    to_us = any(queue_of(box.address, context) == queue for box in mail.mailboxes("to"))
    answered = writer != queue and to_us and "auto-submitted" not in mail.headers
    return None if answered else "our own mail came back"


def is_our_id(message_id: str | None, context: ReadContext) -> bool:
    """Say whether a Message-ID has the form of those that we make, at a domain of ours."""
    return (
        bool(message_id and OUR_ID.match(message_id)) and domain_of(message_id or "") in context.our_domains
    )


def _spam(reading: Reading, envelope: Mapping[str, Any], context: ReadContext) -> str | None:
    """The field in which a filter that we believe calls the mail spam, None where none does or staff know better."""
    if envelope.get("trusted", _came_from_here(envelope)) is not True or envelope.get("not_spam"):
        return None
    return verdict(reading.mail.headers, context.spam_fields, context.spam_level)


def _came_from_here(envelope: Mapping[str, Any]) -> bool:
    """What a row that was stored before doors said `trusted` tells: a pipe, a UNIX socket, loopback."""
    peer = str(envelope.get("peer") or "").removeprefix("::ffff:")
    return envelope.get("protocol") == "pipe" or peer in ("unix", "::1") or peer.startswith("127.")


def _held(reading: Reading, spam: str) -> bool:
    """Who has a signed address has had mail of ours: a talk that goes on isn't lost to a filter's mistake. What comes
    there from strangers only staff see. A virus is held wherever it goes."""
    return not reading.evidence.signed or spam in VIRUS


def _about(reading: Reading) -> str:
    """Whose it is and what about, for the list of what is held."""
    domain = domain_of(reading.sender.box.address) or "nobody"
    return f"{domain}, {reading.mail.subject[:200]!r}"


def _report(reading: Reading, context: ReadContext, received_at: datetime | None) -> DeliveryReport | None:
    """A bounce of something that we sent; None where nothing in it is ours."""
    bounce = reading.bounce
    assert bounce is not None
    ours = bounce.message_id if is_our_id(bounce.message_id, context) else None
    if reading.delivery is None and ours is None:
        return None
    return DeliveryReport(
        channel=CHANNEL,
        source_time=_time(reading.mail, received_at),
        delivery_id=reading.delivery,
        ref=Ref(f"mail:{ours}", f"mail:{ours}") if ours else None,
        recipient=bounce.recipient,
        status=bounce.status,
        action=bounce.action,
        permanent=bounce.permanent,
        text=report_text(reading.mail),
    )


def _made_id(raw: bytes, mail: ParsedMail, received_at: datetime | None) -> str:
    """Name a mail that has no Message-ID by what it says, so that the same one twice has one name. Without a Date
    the minute of arrival tells mails apart that say the same (`DATA.md`, accepting)."""
    head = [mail.headers.get(name) for name in ("from", "date", "subject")]
    if mail.date is None and received_at is not None:
        head.append(received_at.strftime("%Y%m%d%H%M"))
    _, body = read_head(raw)
    digest = hashlib.sha256("\0".join(head).encode("utf-8", "replace"))
    digest.update(memoryview(raw)[body:])
    return f"without-id.{digest.hexdigest()[:40]}"


def _message(reading: Reading, raw: bytes, received_at: datetime | None, context: ReadContext) -> NewMessage:
    mail = reading.mail
    files, safe = _with_long_html(mail)
    box = reading.sender.box
    forwarded = read_forwarded(mail, lambda address: queue_of(address, context) is not None)
    return NewMessage(
        ref=ref_of(reading.queue, mail.message_id or _made_id(raw, mail, received_at)),
        channel=CHANNEL,
        queue=reading.queue,
        sender=_person(box.name, box.address),
        auth=reading.auth,
        source_time=_time(mail, received_at),
        subject=mail.subject,
        text=mail.text,
        visible=reading.visible,
        rich=rich_of(mail, reading.visible),
        evidence=replace(reading.evidence, delivery=reading.delivery),
        html=safe,
        files=files,
        automatic=reading.automatic,
        to_others=reading.others,
        mail_id=mail.message_id or None,
        thread_index=usable_index(mail.headers.get("thread-index")),
        visibility=Visibility.NOTE if reading.note else None,
        forwarded=forwarded,
        auth_results=_kept_results(reading.sender),
        language=language_of(mail.headers, forwarded.text if forwarded else reading.visible),
        remarks=(*mail.remarks, *_remarks(reading)),
    )


def _with_long_html(mail: ParsedMail) -> tuple[tuple[File, ...], str | None]:
    """The HTML, safe to show; where it's too large for that, as it came as a file."""
    if mail.html is None:
        return mail.files, None
    safe = html.sanitised(mail.html)
    if safe is not None:
        return mail.files, safe
    return (*mail.files, html.as_file(mail.html)), None


def _kept_results(sender: Sender) -> Mapping[str, Any] | None:
    """What is kept of the sender's proof: nothing where no hop that we trust said anything."""
    if not sender.results.get("trusted"):
        return None
    return {**sender.results, "authenticated": sender.authenticated, "sender_from": sender.source}


def _remarks(reading: Reading) -> tuple[str, ...]:
    source = reading.sender.source
    notes = []
    if source == "reply-to":
        notes.append("the sender was taken from Reply-To: the mail comes from a form")
    if source == "nobody":
        notes.append("the mail doesn't say who wrote it")
    if reading.sender.results.get("several_from"):
        notes.append("the mail names several senders; nobody can vouch for them")
    return tuple(notes)


def _time(mail: ParsedMail, received_at: datetime | None) -> datetime:
    """When it was written: its Date, unless that's missing or later than its arrival."""
    if mail.date is None or (received_at is not None and mail.date > received_at):
        return received_at or mail.date or _UNKNOWN_TIME
    return mail.date
