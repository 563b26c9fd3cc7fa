"""The command line: a group that loads a command when it is used, and one table of exit statuses."""

from __future__ import annotations

import difflib
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

import click

from intake.cli.terminal import Terminal, loaded, short_life

OWN: Final[dict[str, str]] = {
    "check": "intake.cli.service:check",
    "digest": "intake.cli.digest:digest",
    "inbox": "intake.cli.inbox:inbox",
    "jobs": "intake.cli.jobs:jobs",
    "migrate": "intake.cli.service:migrate",
    "outbox": "intake.cli.outbox:outbox",
    "sandbox": "intake.cli.service:sandbox",
    "serve": "intake.cli.service:serve",
    "staff": "intake.cli.staff:staff",
    "tickets": "intake.cli.tickets:tickets",
    "token": "intake.cli.tokens:token",
}
FAILED, MISUSED, INTERRUPTED = 1, 2, 130
# A mail program that pipes mail into these sends it back after any status that it doesn't know; 75 (EX_TEMPFAIL) makes
# it try again, so that a typo in its configuration loses nothing.
PIPES: Final = frozenset({"deliver"})
TRY_AGAIN: Final = 75


class LazyGroup(click.Group):
    """Commands by name and import path: what isn't used isn't loaded."""

    paths: Mapping[str, str] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        return sorted(self.paths)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load a command."""
        if name not in self.paths:
            return None
        command = loaded(self.paths[name])
        assert isinstance(command, click.Command), f"{self.paths[name]} is no command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest."""
        if args and args[0] not in self.paths and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.paths, 1)
            hint = f"did you mean '{near[0]}'?" if near else "see: relaydesk --help"
            ctx.fail(f"there is no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)


def group(mounts: Mapping[str, str], hooks: Mapping[str, str]) -> click.Group:
    """Return the command line.

    `mounts`: further commands, as `module:attribute` of a click command (they win over ours). `hooks`: what the
    composition root gives, as `module:attribute` (see `Terminal` and `service.py`).
    """

    @click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
    @click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="The configuration. Default: $RELAYDESK_CONFIG, then config.toml.",
    )
    @click.version_option(package_name="relaydesk", prog_name="relaydesk")
    @click.pass_context
    def relaydesk(ctx: click.Context, config_file: str | None) -> None:
        """A help desk's intake: mail and Slack become tickets, answers go back the way they came."""
        ctx.obj = Terminal(config_file, hooks)

    assert isinstance(relaydesk, LazyGroup)
    relaydesk.paths = {**OWN, **mounts}
    return relaydesk


def run(commands: click.Group, argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status. What a command returns is its status.

    Without `argv` this is the process's whole life: the collector of cycles stays out of its start and its end,
    which is a quarter of the time of a short command.
    """
    if argv is not None:
        return _run(commands, argv)
    short_life()
    try:
        return _run(commands, sys.argv[1:])
    finally:
        gc.freeze()


def _run(commands: click.Group, argv: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = commands.main(args=list(argv), prog_name="relaydesk", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        return FAILED
    except Exception as exc:
        if sys.flags.dev_mode and not isinstance(exc, click.ClickException):
            raise
        status, text = told(exc)
        if text:
            click.echo(text, err=True)
        return TRY_AGAIN if _command(commands, argv) in PIPES else status
    return result if isinstance(result, int) else 0


def _command(commands: click.Group, argv: Sequence[str]) -> str | None:
    """Return the command that is meant, also where the words before it are wrong."""
    known = getattr(commands, "paths", {})
    return next((word for word in argv if word in known), None)


def told(exc: Exception) -> tuple[int, str]:
    """Return the exit status and the one line for an exception."""
    from core.failures import Refused, Unavailable

    if isinstance(exc, click.Abort):
        return (INTERRUPTED, "") if isinstance(exc.__cause__, KeyboardInterrupt) else (FAILED, "aborted")
    if isinstance(exc, click.exceptions.NoArgsIsHelpError):
        return MISUSED, exc.format_message()
    if isinstance(exc, click.UsageError):
        where = exc.ctx.command_path if exc.ctx else "relaydesk"
        return MISUSED, one_line(f"{where}: {exc.format_message()}")
    if isinstance(exc, click.ClickException):
        return exc.exit_code, one_line(f"relaydesk: {exc.format_message()}")
    if isinstance(exc, Refused):
        return FAILED, one_line(f"relaydesk: {exc.message}")
    if isinstance(exc, Unavailable):
        return FAILED, one_line(f"relaydesk: nothing was changed, try again: {exc or 'our own trouble'}")
    if type(exc).__name__ == "ConfigError":
        return MISUSED, one_line(f"relaydesk: {exc}")
    if isinstance(exc, OSError) and exc.strerror:
        return FAILED, one_line(f"relaydesk: {exc.filename or 'system'}: {exc.strerror}")
    return FAILED, f"relaydesk: a bug of ours: {type(exc).__name__} at {_place(exc)}"


def _place(exc: Exception) -> str:
    traceback = exc.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    if traceback is None:
        return "an unknown place"
    return f"{os.path.relpath(traceback.tb_frame.f_code.co_filename)}:{traceback.tb_lineno}"


def one_line(text: str) -> str:
    """Return the text on one line, without anything that steers the terminal."""
    from intake.cli.out import line

    return line(text, widest=1000)


def _to_nowhere(stream: TextIO) -> None:
    """Nobody reads on: what is still buffered goes nowhere, and the interpreter's exit stays quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
