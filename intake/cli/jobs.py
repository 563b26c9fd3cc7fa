"""`relaydesk jobs`: what runs by the clock, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from intake.cli.options import as_json
from intake.cli.out import print_json, print_table
from intake.cli.terminal import Terminal, at_the_desk

if TYPE_CHECKING:
    from core.parts import Parts
    from core.runs import JobRow

_HEAD = (
    "name",
    "schedule",
    "zone",
    "last slot",
    "started",
    "finished",
    "result",
    "next slot",
    "failures",
    "since",
)
_NAMES = (
    "name",
    "schedule",
    "zone",
    "last_slot",
    "started",
    "finished",
    "result",
    "next_slot",
    "failures",
    "failing_since",
)


@click.group()
def jobs() -> None:
    """See what runs by the clock."""


@jobs.command("list")
@as_json
@click.pass_obj
def list_jobs(terminal: Terminal, as_json: bool) -> None:
    """List all jobs: when they ran last and how it went, when they run next, what fails since when."""
    found = at_the_desk(terminal, _rows)
    if as_json:
        print_json([row.as_json() for row in found])
        return
    print_table(_HEAD, [[getattr(row, name) for name in _NAMES] for row in found], empty="there are no jobs")


async def _rows(parts: Parts) -> list[JobRow]:
    from core.jobs import jobs_of
    from core.runs import listed

    return await listed(parts.database, jobs_of(parts.config))
