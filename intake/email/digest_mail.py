"""A digest as a mail: text with aligned tables, HTML that needs no images, and its charts beside the HTML. Pure.

The words come from the report (`core.report`); looks are `templates/digest.*.j2`. The HTML is made for Gmail and
Outlook: tables, styles at the elements, bars as cells with a colour; nothing from afar, and so small that Gmail cuts
nothing off (102 KB).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

from core.report_shapes import Chart, Need, Report, Row, TableOf
from core.shapes import Outgoing
from intake.email import wire_headers as wire
from intake.email.addresses import domain_of
from intake.email.compose import fixed, unsubscribe_url, unsubscribing
from intake.email.compose_body import ComposeContext, clean
from intake.email.compose_files import fix_boundaries
from intake.email.composed import ComposedMail
from intake.email.digest_charts import HEIGHT, WIDTH
from intake.email.digest_lines import lines_of
from intake.email.texts import Voice

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_TIED: Final = "\u00a0"
_SHORT: Final = 9  # letters of a cell that isn't broken
_LONG_WORD: Final = 14
_LONGEST: Final = 12  # letters of "13 days 23 h"
_UNIT: Final = re.compile(r"(?<=\d) (?=[^\d(])")
_LONG_LABEL: Final = 20  # with three more columns a phone has no room for longer ones
_BRACKETED: Final = re.compile(r"(.*\S) (\(.*\))")


def report_of(outgoing: Outgoing) -> Report:
    """Return the report that a digest's delivery carries. Raises `ValueError` where it is none."""
    try:
        return Report.of_json(outgoing.data["report"])
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"delivery {outgoing.delivery_id} carries no report") from exc


def compose_digest(
    outgoing: Outgoing, context: ComposeContext, pictures: Sequence[bytes] = ()
) -> ComposedMail:
    """Compose the digest. `pictures`: PNGs of the report's first charts; b"" for one that couldn't be drawn: its
    numbers stand there in words. The same in gives the same bytes out.

    Raises `ValueError` where the delivery carries no report, and for an address that can't be written.
    """
    report = report_of(outgoing)
    sender = context.signer.bounce_address(context.queue_address, outgoing.delivery_id)
    to = wire.on_the_wire(outgoing.place)
    head = "".join(_head(outgoing, context, report, to))
    body = _body(outgoing, context, report, pictures)
    utf8 = not all(part.isascii() for part in (head, sender, to))
    return ComposedMail(head.encode() + body, sender, (to,), utf8)


def _head(outgoing: Outgoing, context: ComposeContext, report: Report, to: str) -> Iterator[str]:
    mail_id, at = fixed(outgoing, context, "digest")
    domain = domain_of(context.queue_address)
    yield wire.field("Date", wire.date(at))
    yield wire.field("From", wire.mailbox(context.service, context.queue_address))
    yield wire.field("Subject", wire.text("Subject", report.title))
    yield wire.field("Message-ID", wire.message_id(mail_id))
    yield wire.field("To", wire.mailbox(outgoing.to.name if outgoing.to else "", to))
    yield wire.field("Auto-Submitted", "auto-generated")
    yield wire.field("X-Auto-Response-Suppress", "All")
    yield wire.field("Precedence", "bulk")
    if domain.isascii() and _NAME.fullmatch(report.name):
        yield wire.field("List-Id", f"<{report.name}.digests.{domain}>")
    yield from unsubscribing(outgoing)


def _body(outgoing: Outgoing, context: ComposeContext, report: Report, pictures: Sequence[bytes]) -> bytes:
    domain = domain_of(context.queue_address)
    cids = [f"{outgoing.delivery_id}.chart{at}@{domain}" if one else "" for at, one in enumerate(pictures)]
    shown = values(report, context, unsubscribe_url(outgoing), cids)
    voice = Voice(context.texts.language([report.language]))
    mime = EmailMessage(SMTP)
    text = clean(context.texts.layout("digest.txt.j2", shown, voice))
    mime.set_content(text.strip("\n") + "\n", cte="quoted-printable")
    html = clean(context.texts.layout("digest.html.j2", shown, voice))
    mime.add_alternative(html, subtype="html", cte="quoted-printable")
    beside = list(mime.iter_parts())[-1]
    assert isinstance(beside, EmailMessage)
    for at, (cid, picture) in enumerate(zip(cids, pictures, strict=True)):
        if cid:
            beside.add_related(
                picture, "image", "png", filename=f"chart{at}.png", cid=f"<{cid}>", disposition="inline"
            )
    fix_boundaries(mime, f"{outgoing.delivery_id} {outgoing.created_at.isoformat()}")
    return mime.as_bytes()


# -- what the templates show --------------------------------------------------------------------------------------


def values(
    report: Report, context: ComposeContext, unsubscribe: str = "", cids: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the values that both layouts use. `cids`: of the pictures of the first charts, "" for none."""
    base = context.base_url.rstrip("/")
    ids = [*cids, *[""] * (len(report.series) - len(cids))]
    speech = report.speech
    return {
        "language": report.language,
        "service": wire.one_line(context.service, 100),
        "subject": report.title,
        "name": report.name,
        "period": report.period,
        "scope": report.scope,
        "late": report.late_words,
        "empty": report.empty,
        "headline": list(report.headline),
        "needs": [_need(need, base) for need in report.needs],
        "charts": [_chart(chart, cid) for chart, cid in zip(report.series, ids, strict=False)],
        "tables": [_table(table, base) for table in report.tables],
        "unsubscribe": unsubscribe,
        "labels": {
            "needs": speech.text("needs"),
            "in_numbers": speech.text("in_numbers"),
            "unsubscribe": speech.text("unsubscribe"),
            "unsubscribe_at": speech.text("unsubscribe_at", url=unsubscribe),
        },
    }


def _link(base: str, ticket: int | None) -> str:
    return f"{base}/tickets/{ticket}" if base and ticket is not None else ""


def _need(need: Need, base: str) -> dict[str, Any]:
    subject = f"#{need.ticket} {need.title}" if need.ticket is not None else ""
    return {
        "words": need.words,
        "subject": subject,
        "colon": need.colon,
        "text": need.text,
        "url": _link(base, need.ticket),
    }


def _chart(chart: Chart, cid: str) -> dict[str, Any]:
    return {"cid": cid, "title": chart.title, "words": chart.words, "width": WIDTH, "height": HEIGHT}


def _table(table: TableOf, base: str) -> dict[str, Any]:
    sides = ["right" if side == "r" else "left" for side in table.align]
    return {
        "title": table.title,
        "head": [{"text": text, "align": side} for text, side in zip(table.head, sides, strict=True)],
        "rows": [_row(row, sides, base) for row in table.rows],
        "wide": _named(table)
        and len(sides) > 3
        and any(len(row.cells[0]) > _LONG_LABEL for row in table.rows),
        "note": table.note,
        "lines": lines_of(table),
    }


def _named(table: TableOf) -> bool:
    """Do its rows have names that somebody gave? Our own are made of words between which a line may end."""
    return table.key == "waiting" or table.key.startswith("by_")


def _tied(text: str) -> str:
    """A duration stays in one piece; a longer one than English has may end a line between its parts."""
    return text.replace(" ", _TIED) if len(text.strip("()")) <= _LONGEST else _UNIT.sub(_TIED, text)


def _row(row: Row, sides: Sequence[str], base: str) -> Mapping[str, Any]:
    """A cell's number, and in `then` what stands behind it in brackets: the period before is told more softly."""
    cells = []
    for at, (cell, side) in enumerate(zip(row.cells, sides, strict=True)):
        found = _BRACKETED.fullmatch(cell) if at else None
        text, then = found.groups() if found else (cell, "")
        if side == "right" and not text[-1:].isdigit():  # a duration stays in one piece, "31 of 34" needn't
            text, then = _tied(text), _tied(then)
        # Short ones stay together; a name is broken only where it would push the numbers out.
        gap = _TIED if len(cell) <= _SHORT else " "
        breaks = max(map(len, re.split(r"[\s-]", text)), default=0) > _LONG_WORD
        cells.append({"text": text, "then": then, "align": side, "gap": gap, "breaks": breaks})
    return {"cells": cells, "bar": row.bar or 0, "url": _link(base, row.ticket)}
