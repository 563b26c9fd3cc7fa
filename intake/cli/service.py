"""`relaydesk serve`, `sandbox`, `check`, `migrate`: the words; the composition root has the deeds (`Terminal.hook`).

`serve(config, roles)` and `sandbox(config_file)` run until they are told to stop and return the exit status.
`probe(config)` and `migrate(config)` are coroutines: findings, and one line on what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from intake.cli.options import as_json
from intake.cli.out import line, print_json, print_table
from intake.cli.terminal import Terminal, long_life, quiet_logs, run

if TYPE_CHECKING:
    from core.shapes import Finding

ROLES: Final = ("email", "slack", "web", "worker", "scheduler", "courier")


class RolesType(click.ParamType[frozenset[str]]):
    """Roles of a running process, parted by commas."""

    name = "roles"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """Read them; each must be one of `ROLES`."""
        if isinstance(value, frozenset):
            return value
        roles = [role.strip() for role in str(value).split(",") if role.strip()]
        for role in roles:
            if role not in ROLES:
                self.fail(f"'{role}' is none of {', '.join(ROLES)}", param, ctx)
        if not roles:
            self.fail(f"name some of {', '.join(ROLES)}", param, ctx)
        return frozenset(roles)


@click.command()
@click.option(
    "--only",
    "roles",
    type=RolesType(),
    default=",".join(ROLES),
    metavar="ROLES",
    help="Some of: " + ",".join(ROLES),
)
@click.pass_obj
def serve(terminal: Terminal, roles: frozenset[str]) -> int:
    """Run the service until SIGTERM."""
    long_life()
    return int(terminal.hook("serve")(terminal.load_config(), roles))


@click.command(short_help="Run the service with a sandbox, to try it.")
@click.pass_obj
def sandbox(terminal: Terminal) -> int:
    """Run the service with a Slack workspace and a mailbox on loopback, to try it without accounts."""
    long_life()
    return int(terminal.hook("sandbox")(terminal.config_file))


@click.command(short_help="Check the configuration and all dependencies.")
@as_json
@click.pass_obj
def check(terminal: Terminal, as_json: bool) -> int:
    """Check the configuration and everything the service depends on."""
    config = terminal.load_config()
    quiet_logs()
    found: Sequence[Finding] = run(terminal.hook("probe")(config))
    if as_json:
        print_json([{"part": f.part, "text": f.text, "problem": f.problem} for f in found])
    else:
        rows = [(f.part, "ok" if f.problem is None else "problem", line(f.text, 100)) for f in found]
        print_table(("part", "state", "what was found"), rows, empty="nothing is enabled")
        for finding in found:
            if finding.problem is not None:
                click.echo(f"{line(finding.part)}: {line(finding.problem, 400)}")
    return 1 if any(finding.problem is not None for finding in found) else 0


@click.command()
@click.pass_obj
def migrate(terminal: Terminal) -> None:
    """Bring the database's schema up to date."""
    config = terminal.load_config()
    quiet_logs()
    click.echo(line(run(terminal.hook("migrate")(config)), 400))
