"""Answers that staff send by their name: which are offered where, and their variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from core.asked import nearest
from core.config import Canned
from core.failures import Invalid
from core.status import Ticket

VARIABLES: Final = ("requester", "ticket", "agent", "queue", "title")
_VARIABLE: Final = re.compile(r"\{(" + "|".join(VARIABLES) + r")\}")


def offered(all_canned: Sequence[Canned], queue: str) -> list[Canned]:
    """Return the answers of a queue."""
    return [one for one in all_canned if not one.queues or queue in one.queues]


def listed(here: Sequence[Canned], queue: str) -> str:
    """Say which answers there are, each with its first words."""
    if not here:
        return f"There are no canned answers for {queue}; they are [[canned]] tables of the configuration."
    width = max(len(one.name) for one in here)
    lines = "\n".join(f"{one.name.ljust(width)}  {_brief(one.text)}" for one in here)
    return f"Write !reply and one of:\n```\n{lines}\n```"


def chosen(all_canned: Sequence[Canned], word: str, queue: str) -> Canned:
    """Return the answer of this name. Raises `Invalid`: none is so called, or it isn't for this queue."""
    name = word.strip().strip("{}<>[]").lower()
    here = offered(all_canned, queue)
    for one in here:
        if one.name == name:
            return one
    elsewhere = next((one for one in all_canned if one.name == name), None)
    if elsewhere is not None:
        raise Invalid(f"the answer '{name}' is for {_and(elsewhere.queues)}, this ticket is in {queue}")
    near = nearest(name, [one.name for one in here])
    hint = f"; did you mean !reply {near}?" if near else ""
    there = f"; there is: {', '.join(one.name for one in here)}" if here else ""
    raise Invalid(f"there is no answer '{name[:40]}'{hint}{there}")


def filled(text: str, ticket: Ticket, agent: str) -> str:
    """Return an answer with its variables filled in, once: what stands in a value stays as it is, so does what is no
    variable of ours."""
    values = {
        "requester": ticket.requester_name or ticket.requester_email.partition("@")[0],
        "ticket": str(ticket.id),
        "agent": agent,
        "queue": ticket.queue,
        "title": ticket.title,
    }
    return _VARIABLE.sub(lambda found: values[found[1]], text)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59].rsplit(" ", 1)[0] + "…"


def _and(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
