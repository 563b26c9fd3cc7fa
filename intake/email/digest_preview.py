"""A digest's mail as somebody who tries it out sees it: its words, its HTML, and the pictures that this shows."""

from __future__ import annotations

import email
from dataclasses import dataclass
from email.policy import default
from typing import Any

from core.config import secret_keys
from core.parts import Parts
from core.report import Report
from core.shapes import Kind, Outgoing
from intake.email.addresses import Signer
from intake.email.compose_body import ComposeContext
from intake.email.digest_charts import Painter
from intake.email.digest_mail import compose_digest
from intake.email.wire_headers import on_the_wire


@dataclass(frozen=True, slots=True)
class Preview:
    """`pictures`: PNGs by the Content-ID by which `html` shows them."""

    text: str
    html: str
    pictures: dict[str, bytes]


async def preview(parts: Parts, report: Report, to: str, *, draw: bool) -> Preview:
    """Return the mail that `to` would get ("": nobody). `draw`: with its charts, else with their numbers in words."""
    config = parts.config
    queue = parts.desk.queue_or_first(report.queues[0] if report.queues else "")
    address = queue.addresses[0] if queue.addresses else f"digest@{parts.desk.domain(queue.name)}"
    outgoing = Outgoing(
        delivery_id=1,
        kind=Kind.DIGEST,
        place=to or address,
        desk=True,
        attempts=1,
        sending_at=report.made_at,
        created_at=report.made_at,
        queue=queue.name,
        data={"report": report.as_json(), "mail_id": "preview@relaydesk.invalid"},
    )
    context = ComposeContext(
        service=config.service.name,
        base_url=config.service.base_url if config.http.enabled else "",
        queue_address=on_the_wire(address),
        signer=Signer(secret_keys(config), config.email.inbound.delimiter),
    )
    drawn = await Painter().draw(report.series, report.speech.point) if draw else ()
    mail: Any = email.message_from_bytes(compose_digest(outgoing, context, drawn).content, policy=default)
    pictures = {
        str(part["Content-ID"]).strip("<> "): part.get_content()
        for part in mail.walk()
        if part.get_content_maintype() == "image"
    }
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return Preview(text, html, pictures)
