"""`relaydesk digest`: a digest as its recipients get it, now or of another time; looked at, or sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intake.cli.out import line, plain
from intake.cli.terminal import Terminal, at_the_desk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from core.parts import Parts

_CID = re.compile(r'(["\'(])cid:([^"\')]+)(["\')])')


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made: the mail's words, the files that were written, who gets it and who wants no more."""

    text: str
    written: Sequence[Path]
    told: Sequence[str]
    stopped: Sequence[str]
    sent: int | None


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--preview",
    metavar="FILE.html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the mail's HTML there, its pictures beside it.",
)
@click.option(
    "--at",
    metavar="TIME",
    help="When its period ends: RFC 3339, or local time like '2026-11-27 08:00'. Default: now.",
)
@click.option("--send", is_flag=True, help="Send it to its recipients.")
@click.pass_obj
def digest(terminal: Terminal, name: str, preview: Path | None, at: str | None, send: bool) -> None:
    """Build the digest NAME of the period that ends now, and print it."""

    async def work(parts: Parts) -> _Made:
        return await _made(parts, terminal.hook("preview"), name, at, preview, send=send)

    made = at_the_desk(terminal, work)
    click.echo(plain(made.text.rstrip()))
    click.echo()
    click.echo(f"Recipients: {', '.join(map(line, made.told)) or 'none'}")
    if made.stopped:
        click.echo(f"Unsubscribed: {', '.join(map(line, made.stopped))}")
    if made.written:
        click.echo(f"Written: {', '.join(map(plain, made.written))}")
    if made.sent is not None:
        click.echo(f"Sent to {made.sent}")


async def _made(
    parts: Parts, look: Any, name: str, at: str | None, preview: Path | None, *, send: bool
) -> _Made:
    from zoneinfo import ZoneInfo

    from core import digests, unsubscribing

    config = parts.config
    digest = digests.named(config, name)
    now = await parts.database.read(lambda tx: tx.now())
    until = now if at is None else moment(at, ZoneInfo(config.service.timezone))
    report = await parts.database.read(lambda tx: digests.report_of(tx, config, digest, until), snapshot=True)
    told = await parts.database.read(lambda tx: digests.recipients(tx, config, digest))
    stopped = await parts.database.read(lambda tx: unsubscribing.stopped(tx, digest.name, digest.email_to))
    mail = await look(parts, report, next(iter(digest.email_to), ""), draw=preview is not None)
    written = [] if preview is None else _write(preview, mail.html, mail.pictures)
    sent = None
    if send:
        sent = await parts.database.unit(lambda tx: digests.send(tx, parts.desk, report, told))
    return _Made(mail.text, written, [one.place for one in told], stopped, sent)


def moment(text: str, zone: ZoneInfo) -> datetime:
    """Return a time, local where it names no offset; in UTC. Raises `Invalid`."""
    from core.cron import moment_of
    from core.failures import Invalid
    from core.utc_days import FIRST_YEAR, LAST_YEAR, in_reach

    try:
        found = datetime.fromisoformat(text.strip())
        found = found.astimezone(UTC) if found.tzinfo is not None else moment_of(found, zone)
    except (ValueError, OverflowError):
        raise Invalid(
            f"'{text[:40]}' is no time; write it like 2026-11-27T08:00:00Z or '2026-11-27 08:00'"
        ) from None
    if not in_reach(found):
        raise Invalid(f"'{text[:40]}': must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _write(file: Path, html: str, pictures: Mapping[str, bytes]) -> list[Path]:
    """Write the HTML, and beside it the pictures that it shows. Raises `OSError`."""
    names = {cid: f"{file.stem}-{at}.png" for at, cid in enumerate(pictures, 1)}
    shown = _CID.sub(lambda found: f"{found[1]}{names.get(found[2], found[2])}{found[3]}", html)
    file.write_text(shown, "utf-8")
    for cid, picture in pictures.items():
        file.with_name(names[cid]).write_bytes(picture)
    return [file, *(file.with_name(name) for name in names.values())]
