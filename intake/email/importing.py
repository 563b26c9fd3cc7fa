"""`relaydesk import`: tickets from mbox files, Maildirs and single mails. Nothing is sent because of it, ever.

Two passes: the first lists where mails lie and in which order they go (`import_sources`, `import_order`), the second
reads them in child processes, a few at a time, and takes them in (`core.importing`).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from intake.email.import_run import Summary

_TERMINATED: Final = 143  # as a shell tells of SIGTERM


@click.command(name="import")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path)
)
@click.option("--queue", metavar="NAME", help="The queue of all of them. Default: by their addresses.")
@click.option(
    "--as-of-date", is_flag=True, help="Tickets and messages get the mails' dates. Default: they came now."
)
@click.option("--no-notify", is_flag=True, help="Send nothing. That is so without it, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.pass_context
def import_(
    ctx: click.Context,
    paths: Sequence[Path],
    queue: str | None,
    as_of_date: bool,
    no_notify: bool,
    as_json: bool,
) -> int:
    """Make tickets of mbox files (.gz too), Maildirs, .eml files and folders of them, threaded.

    No mail and no Slack message goes out because of it, neither now nor later, with or without --no-notify. What came
    in before is left alone, so it can be run again, also after it was interrupted. Exit status 1 where something
    could not be read: it is listed, and the rest is in.
    """
    import asyncio

    from core.logs import quiet
    from intake.email.import_run import Asked, run

    config = ctx.obj.load_config()
    if queue is not None and config.queue_named(queue) is None:
        known = ", ".join(one.name for one in config.queue)
        raise click.UsageError(f"there is no queue '{queue}'; there is: {known}", ctx)
    quiet()
    asked = Asked(paths=tuple(paths), queue=queue, as_of_date=as_of_date)

    async def whole() -> Summary:
        async with ctx.obj.open_parts(config) as parts:
            return await run(parts, asked, _progress)

    try:
        summary = asyncio.run(whole())
    except asyncio.CancelledError:
        click.echo("relaydesk import: told to stop; run it again, it goes on from here", err=True)
        return _TERMINATED
    if as_json:
        click.echo(json.dumps(summary.as_json(), ensure_ascii=True))
    else:
        click.echo("\n".join(map(_plain, summary.lines())))
    return 1 if summary.not_read or summary.stopped else 0


@contextlib.contextmanager
def _progress(count: int | None) -> Any:
    """A bar on stderr where that is a terminal. `count` None: how much there is isn't known yet."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    if count is None:
        click.echo("looking for mails …", err=True)
        yield lambda steps: None
        return
    with click.progressbar(length=count, label="importing", file=sys.stderr, show_pos=True) as bar:
        update: Callable[[int], None] = bar.update
        yield update


def _plain(line: str) -> str:
    """Names of files may hold anything; a terminal gets no control characters."""
    safe = line.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "\ufffd" for c in safe)
