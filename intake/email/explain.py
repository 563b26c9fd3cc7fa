"""`relaydesk explain`: how each mail would be read, step by step. Changes nothing, needs no database.

Mails are read where the service reads them, in a few child processes with limits: one that hangs or takes too much
memory costs its own line, nothing else. Where a database can be asked it says which ticket a mail would go to.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from core.children import Children
    from core.config import Config
    from intake.email.explain_ticket import Asked
    from intake.email.read_context import ReadContext

_SHOWN: Final = 2_000  # characters of text that people are shown
_MOST_CHILDREN: Final = 4
_WORTH_A_CHILD: Final = 20  # files: starting a process takes as long as reading about so many
_READ: Final = "intake.email.explaining:explained"
# Signs that turn the direction of writing around, and line ends that some programs know: no terminal needs them.
_STEERING: Final = re.compile(r"[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE.eml…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and file, in order.")
@click.pass_context
def explain(ctx: click.Context, files: Sequence[Path], as_json: bool) -> int:
    """Say how each mail would be read: sender, automatic or not, ticket, visible text, attachments."""
    from core.logs import quiet

    config = ctx.obj.load_config()
    quiet()
    return asyncio.run(explain_files(files, config, as_json, click.echo))


async def explain_files(
    paths: Sequence[Path], config: Config, as_json: bool, write: Callable[[str], Any] = click.echo
) -> int:
    """Explain each file, in order. Returns the exit status: 1 where a file couldn't be opened."""
    from core.children import Children
    from intake.email.context import context_of, keys_without_making
    from intake.email.explain_ticket import asked

    count = min(os.cpu_count() or 1, _MOST_CHILDREN, 1 + len(paths) // _WORTH_A_CHILD)
    children = Children(
        count,
        config.worker.reading_timeout,
        config.worker.reading_memory_bytes,
        preload=("intake.email.explaining",),
    )
    status = number = 0
    try:
        async with asked(config) as database:
            context = context_of(config, keys_without_making(config))
            limit = config.email.inbound.max_message_bytes
            explaining = _Explaining(children, context, database, limit)
            async for said, opened in _in_order(paths, explaining.one, 2 * count):
                status = status if opened else 1
                _show(said, as_json, number, write)
                number += 1
    finally:
        await children.close()
    return status


Said = tuple[dict[str, Any], bool]


async def _in_order(
    paths: Sequence[Path], one: Callable[[Path], Coroutine[Any, Any, Said]], ahead: int
) -> AsyncIterator[Said]:
    """Work on `ahead` files at once; what comes of them comes in their order."""
    waiting: deque[asyncio.Task[Said]] = deque()
    for path in paths:
        waiting.append(asyncio.create_task(one(path)))
        if len(waiting) == ahead:
            yield await waiting.popleft()
    while waiting:
        yield await waiting.popleft()


class _Explaining:
    """Explains files, several at once."""

    def __init__(self, children: Children, context: ReadContext, database: Asked, limit: int) -> None:
        self._children = children
        self._context = context
        self._database = database
        self._limit = limit

    async def one(self, path: Path) -> Said:
        """Return what is said of a file, and whether it could be opened."""
        from core.children import ChildFailed
        from intake.email.explain_fields import FIELDS

        nothing = {**dict.fromkeys(FIELDS), "file": str(path)}
        try:
            raw = await asyncio.to_thread(_bytes, path, self._limit + 1)
        except OSError as exc:
            return {**nothing, "error": exc.strerror or type(exc).__name__}, False
        if len(raw) > self._limit:
            return {**nothing, "error": f"is over {self._limit} bytes: no door takes it"}, True
        try:
            said, inbound = await self._children.call(_READ, raw, self._context)
        except ChildFailed as exc:  # the desk would show the mail to staff, unread
            return {**nothing, "error": f"can't be read: {exc.reason}"}, True
        foreseen = await self._database.ticket(raw, inbound)
        if foreseen is None:
            rule = f"no database was asked ({self._database.why}); {said['rule']}"
            return {**said, "file": str(path), "rule": rule}, True
        found = {"ticket": foreseen.ticket_id, "rule": foreseen.rule}
        return {**said, "file": str(path), **found}, True


def _bytes(path: Path, most: int) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(most)
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe nobody writes to would hold us up for ever
        raise OSError(errno.EINVAL, "is no regular file; for a pipe give -")
    with path.open("rb") as file:
        return file.read(most)


def _show(said: Mapping[str, Any], as_json: bool, number: int, write: Callable[[str], Any]) -> None:
    if as_json:
        write(_safe(json.dumps(said, ensure_ascii=False), _escaped))
    else:
        write(_safe(("\n" if number else "") + "\n".join(_for_people(said)), lambda match: "\ufffd"))


def _safe(text: str, instead: Callable[[re.Match[str]], str]) -> str:
    return _STEERING.sub(instead, text.encode("utf-8", "replace").decode())


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _for_people(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"{said['file']}"
    if said["error"]:
        yield f"  error           {said['error']}"
        return
    sender, proof = said["sender"], said["authentication"]
    yield f"  sender          {sender['name']} <{sender['address']}> (by {proof['sender_from']})"
    yield f"  authentication  {proof['level']}{_proof(proof)}"
    yield f"  recipients      {', '.join(said['recipients']) or '-'}"
    yield f"  subject         {said['subject'] or '-'}"
    yield f"  date            {said['date'] or '-'}   message-id {said['message_id'] or '-'}"
    yield f"  automatic       {said['automatic'] or 'no: a person wrote it'}"
    if said["bounce"]:
        bounce = said["bounce"]
        good = "for good" if bounce["permanent"] else "not known to be for good"
        yield f"  bounce          {bounce['action']} {bounce['status'] or ''} {bounce['recipient'] or '?'}, {good}"
    ticket = "" if said["ticket"] is None else f"{said['ticket']}: "
    yield f"  ticket          {ticket}{said['rule']}"
    for file in said["attachments"]:
        kind = "inline" if file["inline"] else "file"
        yield f"  {kind:<15} {file['filename']} ({file['content_type']}, {file['size']} bytes)"
    hidden = len(said["text"]) - len(said["visible_text"])
    yield f"  text            {len(said['text'])} characters, {hidden} of them quoted history or signature"
    shown = said["visible_text"]
    yield from (f"    | {line}" for line in shown[:_SHOWN].split("\n"))
    if len(shown) > _SHOWN:
        yield f"    | … {len(shown) - _SHOWN} more"


def _proof(proof: Mapping[str, Any]) -> str:
    if not proof.get("trusted"):
        return ": no Authentication-Results of a server that we trust"
    parts = [f"{method}={proof[method]}" for method in ("dmarc", "dkim", "spf") if proof.get(method)]
    return f": {proof.get('authserv_id')} says {', '.join(parts) or 'nothing'}"
