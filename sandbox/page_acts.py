"""What the page's people do: each act is a small POST, carried out by the driver."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.clients import CLIENTS
from sandbox.outgoing import Letter
from sandbox.shapes import Answer, Json

if TYPE_CHECKING:
    from sandbox.box import Sandbox
    from sandbox.person import Person

Act = Callable[[web.Request], Awaitable[web.Response]]


def mount(app: web.Application, box: Sandbox) -> None:
    acts = Acts(box)
    app.router.add_post("/sandbox/post", acts.post)
    app.router.add_post("/sandbox/mail", acts.mail)
    app.router.add_post("/sandbox/act/{name}", acts.act)
    app.router.add_post("/sandbox/submit", acts.submit)
    app.router.add_post("/sandbox/suggest", acts.suggest)


class Acts:
    """The POSTs."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    async def post(self, request: web.Request) -> web.Response:
        """A message, with files; a text that starts with `/` is a command."""
        form = await request.post()
        person = self._box.workspace.user(str(form["user"]))
        text, files = str(form.get("text", "")), _files(form)
        channel, thread = str(form["channel"]), str(form.get("thread_ts", "")) or None
        if text.startswith("/") and not text.startswith("/me ") and not thread and not files:
            command, _, rest = text.partition(" ")
            try:
                return _told(await person.command(command, rest, channel))
            except LookupError as refused:
                return web.json_response({"error": str(refused)}, status=400)
        if text.startswith("/me "):
            ts = await person.post(channel, text.removeprefix("/me "), subtype="me_message")
        elif text.strip() or files:
            ts = await person.post(channel, text, thread_ts=thread, files=files)
        else:
            return web.json_response({"error": "there's nothing to send"}, status=400)
        return web.json_response({"ts": ts})

    async def act(self, request: web.Request) -> web.Response:
        """Everything that's one call of the driver."""
        body: Json = await request.json()
        person = self._box.workspace.user(str(body["user"]))
        name = request.match_info["name"]
        known = ACTS.get(name)
        if known is None:
            return web.json_response({"error": "unknown act"}, status=404)
        try:
            answer = await known(person, body)
        except (LookupError, ValueError) as refused:
            return web.json_response({"error": str(refused)}, status=400)
        return _told(answer) if isinstance(answer, Answer) else web.json_response({})

    async def submit(self, request: web.Request) -> web.Response:
        """A modal that was filled in; files come beside its values, named `file` and the field's action_id."""
        form = await request.post()
        person = self._box.workspace.user(str(form["user"]))
        values: Json = json.loads(str(form["values"]))
        for name in {name for name in form if name.startswith("file ")}:
            values[name.removeprefix("file ")] = _files(form, name)
        try:
            return _told(await person.submit(str(form["view"]), values))
        except (LookupError, ValueError) as refused:
            return web.json_response({"error": str(refused)}, status=400)

    async def suggest(self, request: web.Request) -> web.Response:
        """What the app offers to who types into an external_select."""
        body: Json = await request.json()
        person = self._box.workspace.user(str(body["user"]))
        place = (
            {"view_id": body["view"]} if "view" in body else {"channel": body["channel"], "ts": body["ts"]}
        )
        try:
            options = await person.suggest(body["action_id"], body["query"], **place)
        except (LookupError, ValueError) as refused:
            return web.json_response({"error": str(refused)}, status=400)
        return web.json_response({"options": options})

    async def mail(self, request: web.Request) -> web.Response:
        """A customer's mail, by SMTP to the desk."""
        form = await request.post()
        original = str(form.get("reply_to", ""))
        letter = Letter(
            sender=str(form.get("from", "")).strip(),
            to=str(form.get("to", "")).strip(),
            subject=str(form.get("subject", "")),
            text=str(form.get("text", "")).replace("\r\n", "\n"),
            files=_files(form),
            reply_to_mail=int(original) if original.isdigit() else None,
            client=str(form.get("client", "gmail")),
        )
        if letter.client not in CLIENTS:
            return web.json_response({"error": "unknown mail program"}, status=400)
        if "@" not in letter.sender or "@" not in letter.to:
            return web.json_response({"error": "both addresses need an @"}, status=400)
        try:
            sent = await self._box.desk.send(letter)
        except (smtplib.SMTPException, OSError, ValueError) as refused:
            return web.json_response({"error": f"not sent: {refused}"}, status=502)
        return web.json_response({"id": sent.id})


def _files(form: Any, name: str = "files") -> list[tuple[str, bytes]]:
    given = [part for part in form.getall(name, []) if isinstance(part, web.FileField)]
    return [(part.filename, part.file.read()) for part in given if part.filename]


def _told(answer: Answer) -> web.Response:
    """Slack shows a warning when the app doesn't answer; so does the page."""
    if answer.acked:
        return web.json_response({})
    return web.json_response({"error": "relaydesk didn't answer within three seconds"}, status=504)


async def _react(person: Person, body: Json) -> None:
    if body.get("remove"):
        await person.unreact(body["channel"], body["ts"], body["name"])
    else:
        await person.react(body["channel"], body["ts"], body["name"])


ACTS: dict[str, Callable[[Person, Json], Awaitable[Answer | None]]] = {
    "edit": lambda person, b: person.edit(b["channel"], b["ts"], b["text"]),
    "delete": lambda person, b: person.delete(b["channel"], b["ts"]),
    "react": _react,
    "click": lambda person, b: person.click(
        b["channel"], b["ts"], b["action_id"], b.get("value"), block=b.get("block")
    ),
    "click_in_view": lambda person, b: person.click_in_view(
        b["view"], b["action_id"], b.get("value"), block=b.get("block")
    ),
    "shortcut": lambda person, b: person.shortcut(b["callback_id"], b.get("channel"), b.get("ts")),
    "open_home": lambda person, b: person.open_home(b.get("tab", "home")),
    "close_modal": lambda person, b: person.close_modal(b["view"]),
}
