"""Entity tags of tickets (RFC 9110): two people who change one ticket don't overwrite each other unseen, and who has it
already isn't sent it again.

A tag is `"state.content"`. `state` is the ticket as its viewer may see it: a program may change the ticket while that
is what it knew. `content` is all that is shown, with messages and events. To somebody who isn't staff, a tag says
nothing of notes.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from core.failures import Invalid, Refused
from core.manager import Check
from core.status import Ticket

_TAGS: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')


class Stale(Refused):
    """The ticket isn't what the asker thinks it is (HTTP 412). `tag`: what it is now."""

    code = "stale"

    def __init__(self, tag: str) -> None:
        super().__init__("the ticket was changed meanwhile; look at it again")
        self.tag = tag


def state_of(ticket: Ticket) -> str:
    """Return what changes with a ticket, of what its viewer may see of it (`views.ticket_for`). Its version won't do:
    that also counts who only looked at it under a lock. Pure."""
    moments = (ticket.updated_at, ticket.first_response_at, ticket.resolved_at)
    seen = (ticket.title, ticket.status, ticket.priority, ticket.queue, ticket.assignee, *map(str, moments))
    return f"{ticket.id}-{_digest(repr(seen).encode('utf-8', 'surrogatepass'))}"


def tag_of(state: str, content: bytes = b"") -> str:
    """Return the tag of a ticket, without `content` of its state alone. Pure."""
    return f'"{state}.{_digest(content)}"' if content else f'"{state}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the asker has what the tag stands for. Pure."""
    if not if_none_match:
        return False
    try:
        known = [name for _, name in _tags(if_none_match)]
    except Invalid:  # `*`, or nonsense
        return if_none_match.strip() == "*"
    return tag.strip('"') in known


def check_of(if_match: str | None) -> Check | None:
    """Return what makes sure that the ticket is still as the asker knew it; None where they didn't say. Raises
    `Invalid`; the check raises `Stale`."""
    if if_match is None or if_match.strip() == "*":
        return None
    known = {name.partition(".")[0] for weak, name in _tags(if_match) if not weak}

    def check(ticket: Ticket) -> None:
        state = state_of(ticket)
        if state not in known:
            raise Stale(tag_of(state))

    return check


def _tags(header: str) -> list[tuple[bool, str]]:
    """Return the tags of a header: whether it's weak, and what stands between its quotes. Raises `Invalid`."""
    found, at = [], 0
    while at < len(header):
        one = _TAGS.match(header, at)
        if one is None:
            raise Invalid("If-Match: send an ETag as it came, with its quotes")
        found.append((one[1] is not None, one[2]))
        at = one.end()
    return found


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:20]
