"""`relaydesk deliver`: takes one mail on stdin, for a pipe of Postfix, Exim or an alias.

It stores by itself, so that mail is taken while the service is down. Its exit statuses are sysexits.h's: a mail
program tries again after 75 and sends the mail back after 65, so only what can never be taken is 65.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from core.config import Config
    from intake.email.arrival import Envelope

STORED: Final = 0
CANNOT_BE_TAKEN: Final = 65  # EX_DATAERR
TRY_AGAIN: Final = 75  # EX_TEMPFAIL
# The fields that name whom a mail was for, in the order in which they count (Postfix, Postfix, Exim).
_RECIPIENT_FIELDS: Final = (b"x-original-to", b"delivered-to", b"envelope-to")


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line said about the envelope."""

    queue: str | None = None
    sender: str | None = None
    recipient: str | None = None


class CannotBeTaken(Exception):
    """No later try will help; the text says why."""


class NotNow(Exception):
    """A later try may help, after somebody mended the configuration perhaps."""


@click.command()
@click.option("--queue", metavar="NAME", help="The queue that it is for. Default: by its recipient.")
@click.option("--sender", metavar="ADDRESS", help="The envelope sender. Default: the Return-Path field.")
@click.option(
    "--recipient", metavar="ADDRESS", help="The envelope recipient. Default: X-Original-To, Delivered-To."
)
@click.pass_context
def deliver(ctx: click.Context, queue: str | None, sender: str | None, recipient: str | None) -> int:
    """Take one mail on stdin. Exit status: 0 once it's stored, 75 to try again later, 65 where it can't be taken."""
    given = Given(queue, sender, recipient)
    try:
        status, text = take(ctx.obj.load_config, given, sys.stdin.buffer.read)
    except Exception as exc:  # a bug of ours must not send anybody's mail back
        status, text = TRY_AGAIN, f"nothing was stored, try again: {type(exc).__name__}"
    if text:
        click.echo(f"relaydesk deliver: {' '.join(text.split())}", err=True)
    return status


def take(load_config: Callable[[], Config], given: Given, read: Callable[[int], bytes]) -> tuple[int, str]:
    """Read one mail, store it, and return exit status and a line for stderr ("" for none)."""
    from core.config import ConfigError
    from core.failures import Unavailable

    try:
        config = load_config()
        raw = _bytes(read, config.email.inbound.max_message_bytes)
        envelope = envelope_of(raw, given, config)
        _quiet_logs()
        asyncio.run(_store(config, raw, envelope))
    except CannotBeTaken as exc:
        return CANNOT_BE_TAKEN, str(exc)
    except (NotNow, ConfigError, Unavailable, OSError) as exc:
        return TRY_AGAIN, f"nothing was stored, try again: {exc}"
    return STORED, ""


def _bytes(read: Callable[[int], bytes], limit: int) -> bytes:
    """Read the mail. Raises `CannotBeTaken` for none and for one over the limit."""
    raw = read(limit + 1025)
    if raw[:5] == b"From ":  # an mbox's own line, not the mail's
        raw = raw.partition(b"\n")[2]
    if len(raw) > limit:
        raise CannotBeTaken(f"the mail is over {limit} bytes")
    if not raw.strip():
        raise CannotBeTaken("there is no mail on stdin")
    return raw


def envelope_of(raw: bytes, given: Given, config: Config) -> Envelope:
    """Find out whom the mail is for and where it came from; options count before fields.

    Raises `CannotBeTaken` for a recipient that isn't ours, `NotNow` where the configuration leaves it open.
    """
    from intake.email.arrival import Envelope
    from intake.email.routing import Routes

    fields = envelope_fields(raw)
    named = [given.recipient] if given.recipient else [a for name in _RECIPIENT_FIELDS for a in fields[name]]
    queues = Routes(config).sort(dict.fromkeys(named))
    if given.queue is not None:
        queue = config.queue_named(given.queue)
        if queue is None:
            raise NotNow(f"there is no queue '{given.queue}'")
        queues = {queue.name: queues.get(queue.name) or tuple(named) or queue.addresses[:1]}
    elif not named:
        if len(config.queue) > 1:
            raise NotNow("the mail doesn't say whom it is for; give --recipient or --queue")
        queues = {config.queue[0].name: config.queue[0].addresses[:1]}
    if not queues:
        raise CannotBeTaken(f"no queue has the address {named[0]}")
    sender = given.sender if given.sender is not None else next(iter(fields[b"return-path"]), None)
    return Envelope(
        sender=None if sender is None else sender.strip().strip("<>"),
        queues=queues if given.queue else _first(queues),
        protocol="pipe",
        trusted=True,
    )


def _first(queues: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """One call delivers to one recipient; a forwarded mail still names those it had before."""
    name, addresses = next(iter(queues.items()))
    return {name: addresses}


def envelope_fields(raw: bytes) -> dict[bytes, list[str]]:
    """Return the values of the fields that a mail program adds on delivery, the topmost first."""
    from intake.email.arrival import split_head

    wanted = (*_RECIPIENT_FIELDS, b"return-path")
    found: dict[bytes, list[str]] = {name: [] for name in wanted}
    head, _ = split_head(raw)
    for line in bytes(head).split(b"\n"):
        name, colon, value = line.partition(b":")
        address = value.decode("utf-8", "replace").strip().strip("<>")
        if colon and name.lower() in found and (address or name.lower() == b"return-path"):
            found[name.lower()].append(address)
    return found


def _quiet_logs() -> None:
    """Warnings alone, and to stderr: what a pipe prints on stdout is taken for something."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _store(config: Config, raw: bytes, envelope: Envelope) -> None:
    """Store it durably, where there is room for it. Raises `Unavailable`, `NotNow`."""
    from core import schema
    from core.blobs import Blobs
    from core.database import Database
    from core.inbox import oldest_waiting, store_once
    from intake.email.arrival import arrivals
    from intake.email.room import Disk

    limits = config.email.inbound
    if not Disk(config.service.data_dir, limits.disk_left_bytes).fits(len(raw)):
        raise NotNow("the disk is nearly full")
    database = Database(config.database)
    try:
        if database.sqlite and config.database.auto_migrate is not False:
            await schema.migrate(database)
        else:
            await schema.check(database)
        if limits.backlog_age:
            age = await database.read(lambda tx: oldest_waiting(tx, "email"))
            if age is not None and age > limits.backlog_age:
                raise NotNow("mail has waited too long to be read already")
        rows = arrivals(raw, envelope, database.clock.now())
        await store_once(database, Blobs(config.service.data_dir / "blobs"), rows)
    except schema.SchemaProblem as exc:
        raise NotNow(str(exc)) from exc
    finally:
        await database.close()
