"""The MIME part of a mail: text and HTML out of the templates, images beside the HTML, files behind. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

from markupsafe import Markup

from core.file_links import FileLinks
from core.shapes import Attachment, Kind, Outgoing, Visibility
from intake.email import compose_files
from intake.email import wire_headers as wire
from intake.email.addresses import Signer, domain_of
from intake.email.marker import MARKER, MARKERS
from intake.email.rich_html import styled
from intake.email.texts import Texts, Voice, amount, prose

# Nothing in it ends a header field, an attribute or brackets.
_URL: Final = re.compile(r"https?://[!#-;=?-~]{1,900}")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Notices that carry the message's words, and files, for staff.
TELLS_STAFF: Final = frozenset({"staff_new", "staff_reply"})
# Mails with a link that is a key: they say nothing of any ticket.
LETS_IN: Final = frozenset({"confirm", "sign_in"})
# Mails that show the message's own words.
_SAYS: Final = TELLS_STAFF | {"message", "correction", "staff_message"}
# Mails with a link that has a button of its own.
_PRESSED: Final = LETS_IN | {"resolved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeContext:
    """What composing knows beside the delivery. `queue_address`: the queue's first address. `ours`: lower-case
    addresses of all queues, never copied. `contents`: the bytes of the attachments that go with the mail, by their
    id. `large`: ids of those that are too large for it; they become links where `links` signs them and `files_url`
    (".../files/") leads to us, good for `link_expires`."""

    service: str
    base_url: str
    queue_address: str
    signer: Signer
    ours: frozenset[str] = frozenset()
    answers_count: bool = True  # staff's answers by mail can be authenticated, so they may be told to answer
    texts: Texts = field(default_factory=Texts)
    language: str = "en"
    queue_language: str = ""
    contents: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    large: frozenset[int] = frozenset()
    links: FileLinks | None = None
    files_url: str = ""
    link_expires: timedelta = timedelta(days=14)


def make_body(outgoing: Outgoing, context: ComposeContext, what: str, title: str, voice: Voice) -> bytes:
    """Return its own header fields, an empty line, text and HTML, images, files."""
    carried = outgoing.kind is Kind.MESSAGE or what in TELLS_STAFF
    files = outgoing.message.attachments if outgoing.message and carried else ()
    there = [
        a for a in files if a.state == "stored" and a.id in context.contents and a.id not in context.large
    ]
    domain = domain_of(context.queue_address)
    images = {
        a.id: f"{outgoing.delivery_id}.{a.id}@{domain}"
        for a in there
        if a.inline_cid and compose_files.plain_type(a.content_type) in compose_files.INLINE
    }
    values = _values(outgoing, context, what, voice)
    shown = _shown(outgoing, context, what, voice, values) | {
        "subject": title,
        "files": [_named(a, outgoing, context, voice, values) for a in files if a not in there],
        "images": [
            {"cid": images[a.id], "name": compose_files.safe_name(a.name)} for a in there if a.id in images
        ],
    }
    mime = EmailMessage(SMTP)
    text = context.texts.layout("layout.txt.j2", shown, voice)
    mime.set_content(clean(text).strip("\n") + "\n", cte="quoted-printable")
    html = context.texts.layout("layout.html.j2", shown, voice)
    mime.add_alternative(clean(html), subtype="html", cte="quoted-printable")
    for attachment in there:
        compose_files.attach(mime, attachment, context.contents[attachment.id], images.get(attachment.id))
    compose_files.fix_boundaries(mime, f"{outgoing.delivery_id} {outgoing.created_at.isoformat()}")
    return mime.as_bytes()


def _values(outgoing: Outgoing, context: ComposeContext, what: str, voice: Voice) -> dict[str, Any]:
    """The values that every text may use. Whoever confirms is told nothing of what was written in their name."""
    ticket, message, data = outgoing.ticket, outgoing.message, outgoing.data
    confirm = what in LETS_IN
    link = f"{context.base_url.rstrip('/')}/tickets/{ticket.id}" if ticket and context.base_url else ""
    aside = outgoing.desk and ticket is not None and context.answers_count
    return {
        "service": context.service,
        "language": voice.language,
        # Where a note goes that only staff see; an address that only says it is staff's is told to them.
        "note_address": context.signer.note_address(context.queue_address, ticket.id) if aside else "",
        "claims": wire.one_line(str(data.get("claims") or ""), 320) if outgoing.desk else "",
        "queue": outgoing.queue,
        "desk": outgoing.desk,
        "answers_count": context.answers_count,
        "number": f"#{ticket.id}" if ticket and not confirm else "",
        "title": wire.one_line(ticket.title, 200) if ticket and not confirm else "",
        "author": _author(outgoing, context, voice) if not confirm else "",
        "outsider": bool(message and message.outsider),
        "note": bool(message and message.visibility is Visibility.NOTE),
        "text": clean(str(data.get("text") or "")),
        "closes": data.get("closes") is not False,
        "delivery": data.get("delivery_id"),
        "into": f"#{data['into']}" if data.get("into") else "",
        **news_values(outgoing, context),
        "reason": clean(str(data.get("reason") or "")),
        "url": str(data.get("url") or "") if what in _PRESSED else "",
        "code": str(data.get("code") or "") if confirm else "",
        "link": link if not confirm else "",
    }


def news_values(outgoing: Outgoing, context: ComposeContext) -> dict[str, Any]:
    """The values of somebody's news: a line each, how many there are beside them, and what ends such mails."""
    pages = f"{context.base_url.rstrip('/')}/tickets/" if context.base_url else ""
    lines = [
        {
            "news": line["news"],
            "number": f"#{line['ticket']}",
            "title": wire.one_line(str(line.get("title") or ""), 200),
            "times": int(line.get("times") or 1),
            "link": f"{pages}{line['ticket']}" if pages else "",
            **{
                key: wire.one_line(clean(str(line.get(key) or "")), 320)
                for key in ("by", "target", "due", "to", "reason")
            },
        }
        for line in outgoing.data.get("lines", ())
    ]
    more = int(outgoing.data.get("more") or 0)
    return {"lines": lines, "more": more, "unsubscribe": unsubscribe_url(outgoing)}


def unsubscribe_url(outgoing: Outgoing) -> str:
    """Return where the recipient can end these mails, "" where they can't or where it is no URL."""
    url = str(outgoing.data.get("unsubscribe") or "")
    return url if _URL.fullmatch(url) else ""


def _shown(
    outgoing: Outgoing, context: ComposeContext, what: str, voice: Voice, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The values that the layouts show."""
    texts = context.texts
    words, words_html = _words(outgoing, what)
    # A participant's words must not look like ours: the name in From is whatever they call themselves.
    leading = "passed_on" if passed_on(outgoing) else what
    lead = clean(texts.render(leading, values, voice)).strip()
    own = texts.html(leading, values, voice)
    button = None
    if values["url"]:
        label = texts.render(f"{what}.button", values, voice).strip()
        button = {"url": values["url"], "label": label}
    footer = texts.render("footer", values, voice)
    return {
        **values,
        "marker": MARKERS.get(voice.language, MARKER) if what not in LETS_IN else "",
        "lead": lead,
        "lead_html": prose(lead) if own is None else own,
        "words": words,
        "words_html": words_html,
        "boxed": what != "message",
        "button": button,
        "footer": [line.strip() for line in clean(footer).split("\n") if line.strip()],
    }


def _words(outgoing: Outgoing, what: str) -> tuple[str, Markup]:
    """The message's own words, as text and, with their formatting where they have some, as HTML."""
    message, words, html = outgoing.message, "", None
    if what == "correction":
        words = str(outgoing.data.get("text") or "")
    if what in _SAYS and not words and message is not None:
        words, html = message.text, message.rich
    words = clean(words).strip("\n")
    return words, styled(html) if html and words else prose(words)


def _named(
    attachment: Attachment,
    outgoing: Outgoing,
    context: ComposeContext,
    voice: Voice,
    values: Mapping[str, Any],
) -> str:
    """The line about a file that isn't in the mail: where it can be had, or that it can't."""
    about = {
        **values,
        "file": compose_files.safe_name(attachment.name),
        "size": amount(attachment.size, voice.language),
        "url": "",
        "until": "",
    }
    piece, message = "file_missing", outgoing.message
    if attachment.id in context.large and attachment.state == "stored":
        piece = "file_left"
        # Only what its reader may see by the link, too, is linked: not a note's or an outsider's files.
        if context.links is not None and context.files_url and message is not None and _public(outgoing):
            expires = _whole_hour(outgoing.sending_at + context.link_expires)
            about["url"] = context.files_url + context.links.token(attachment.id, expires)
            about["until"] = f"{expires:%Y-%m-%d %H:%M} UTC"
            piece = "file_linked"
    return clean(context.texts.render(piece, about, voice)).strip()


def _public(outgoing: Outgoing) -> bool:
    message = outgoing.message
    return message is not None and message.visibility is Visibility.PUBLIC and not message.outsider


def _whole_hour(at: datetime) -> datetime:
    """The next full hour, as it is told to people."""
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def passed_on(outgoing: Outgoing) -> bool:
    """Whether it passes a participant's words on to others who take part."""
    return outgoing.kind is Kind.MESSAGE and not outgoing.desk and "passed_on" in outgoing.data


def participant(outgoing: Outgoing, context: ComposeContext, voice: Voice) -> str:
    """The name of the participant whose words are passed on, never their address."""
    name = wire.one_line(outgoing.message.author.name, 100) if outgoing.message else ""
    return name if name and "@" not in name else context.texts.render("participant", {}, voice).strip()


def _author(outgoing: Outgoing, context: ComposeContext, voice: Voice) -> str:
    """Who wrote, as staff see it; their name alone where it is passed on to a participant."""
    if outgoing.message is None:
        return ""
    if passed_on(outgoing):
        return participant(outgoing, context, voice)
    author = outgoing.message.author
    name, email = wire.one_line(author.name, 100), wire.one_line(author.email, 320)
    return f"{name} <{email}>" if name and email and name != email else name or email or "?"


def clean(text: str) -> str:
    """Text with LF line ends and without what no mail may hold."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
