"""The mailbox as the page shows it: lists, and one mail as text, as HTML in a sandboxed frame, as source."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from email.message import Message, MIMEPart
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from sandbox.clients import CLIENTS
from sandbox.mailbox import Mail
from sandbox.outgoing import reply_address, reply_subject
from sandbox.shapes import Json

if TYPE_CHECKING:
    from sandbox.box import Sandbox

CUSTOMERS = ("carol@customer.example", "dave@shop.example")
_FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'"
)
_CID = re.compile(r"""cid:([^"'\s>)]+)""")


def mount(app: web.Application, box: Sandbox) -> None:
    mails = MailPages(box)
    app.router.add_get("/sandbox/mails/{id}", mails.one)
    app.router.add_get("/sandbox/mails/{id}/html", mails.html)
    app.router.add_get("/sandbox/mails/{id}/source", mails.source)
    app.router.add_get("/sandbox/mails/{id}/parts/{part}", mails.part)


def shown(box: Sandbox, customer: str) -> Json:
    """One customer's mails both ways, the newest first, and whom mail has come for."""
    came = [(mail, False) for mail in box.mailbox.mails]
    went = [(mail, True) for mail in box.desk.sent]
    everybody = [address for mail in box.mailbox.mails for address in mail.recipients]
    everybody += [mail.sender for mail in box.desk.sent]
    known = list(dict.fromkeys([*CUSTOMERS, *(address.casefold() for address in everybody)]))
    wanted = (customer or known[0]).casefold()
    mine = [(m, sent) for m, sent in came + went if _concerns(m, sent, wanted)]
    mine.sort(key=lambda pair: pair[0].received_at, reverse=True)
    return {
        "customer": wanted,
        "customers": known,
        "mails": [_line(m, sent) for m, sent in mine],
        "written": [_written(m) for m in box.desk.sent[-20:]],
        "clients": [{"name": n, "label": c.label, "about": c.about} for n, c in CLIENTS.items()],
    }


def _written(mail: Mail) -> Json:
    """A mail that was sent from the page, whoever looks."""
    return {"id": mail.id, "by": mail.sender.casefold(), "reply": bool(mail.header("In-Reply-To"))}


def _concerns(mail: Mail, sent: bool, customer: str) -> bool:
    people: Iterable[str] = [mail.sender] if sent else mail.recipients
    return customer in (person.casefold() for person in people)


def _line(mail: Mail, sent: bool) -> Json:
    text = " ".join(mail.text.split())[:140]
    return {
        "id": mail.id,
        "sent": sent,
        "from": mail.header("From") or mail.sender,
        "to": mail.header("To"),
        "subject": mail.subject,
        "at": mail.received_at,
        "snippet": text,
        "files": len(mail.files()),
    }


class MailPages:
    """One mail, in all its forms."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def _mail(self, request: web.Request) -> Mail:
        number = request.match_info["id"]
        try:
            return self._box.desk.mail(int(number))
        except (StopIteration, ValueError):
            raise web.HTTPNotFound(text="no such mail") from None

    async def one(self, request: web.Request) -> web.Response:
        mail = self._mail(request)
        names = ("From", "To", "Cc", "Date", "Reply-To", "Message-ID", "In-Reply-To", "Auto-Submitted")
        parts = [
            {"part": index, "name": part.get_filename() or part.get_content_type(), "size": len(_bytes(part))}
            for index, part in enumerate(mail.files())
        ]
        return web.json_response(
            {
                "id": mail.id,
                "sent": mail in self._box.desk.sent,
                "subject": mail.subject,
                "headers": [[name, mail.header(name)] for name in names if mail.header(name)],
                "envelope": {"sender": mail.sender, "recipients": mail.recipients},
                "text": mail.text,
                "html": bool(mail.html),
                "files": parts,
                "reply": {"to": reply_address(mail), "subject": reply_subject(mail)},
            }
        )

    async def html(self, request: web.Request) -> web.Response:
        """The HTML part with its inline images; without scripts, without the network."""
        mail = self._mail(request)
        page = _CID.sub(lambda match: _data_url(mail, match[1]), mail.html)
        page = f'<base target="_blank">{page}'
        headers = {"Content-Security-Policy": _FRAME_POLICY, "Content-Type": "text/html; charset=utf-8"}
        return web.Response(body=page.encode(), headers=headers)

    async def source(self, request: web.Request) -> web.Response:
        text = self._mail(request).raw.decode("utf-8", "backslashreplace")
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def part(self, request: web.Request) -> web.Response:
        files = self._mail(request).files()
        number = request.match_info["part"]
        if not number.isdigit() or int(number) >= len(files):
            raise web.HTTPNotFound(text="no such part")
        part = files[int(number)]
        name = quote(part.get_filename() or "part")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return web.Response(body=_bytes(part), headers=headers)


def _bytes(part: MIMEPart[Any, Any]) -> bytes:
    content = part.get_payload(decode=True)
    if isinstance(content, bytes):
        return content
    inner = part.get_payload()
    nested = inner if isinstance(inner, list) else []  # of message/rfc822
    return b"".join(p.as_bytes() for p in nested if isinstance(p, Message))


def _data_url(mail: Mail, cid: str) -> str:
    for part in mail.files():
        if str(part.get("Content-ID", "")).strip("<> ") == cid and part.get_content_maintype() == "image":
            return f"data:{part.get_content_type()};base64,{base64.b64encode(_bytes(part)).decode()}"
    return "data:,"
