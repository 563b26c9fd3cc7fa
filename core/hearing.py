"""Members of the staff as they hear of things: what news there are for them, and by which channel they come. Pure.

What calls for news is `core.audience`'s to say; `core.bundling` gathers them into messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.status import Ticket


class News(StrEnum):
    """What a member of the staff may be told of beside the desk's threads; by these names they turn it off."""

    NEW = "new"
    ASSIGNED = "assigned"
    REPLY = "reply"
    NEAR = "near"
    MISSED = "missed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A member of the staff, and how they are told. `channel`: which they chose, "" for whichever reaches them.
    `off`: the news that they don't want. `quiet`: how long their quiet hours last yet."""

    user_id: int
    email: str
    key: bytes
    slack_user: str = ""  # `T1/U1`
    channel: str = ""
    off: frozenset[str] = frozenset()
    quiet: timedelta = timedelta()
    unmailed: bool = False  # they want no mails with news: by the link in one


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """One piece of news for one person. `data`: what its words are made of, beside the ticket."""

    to: Agent
    channel: str
    place: str
    news: News
    ticket_id: int
    title: str
    data: Mapping[str, Any] = field(default_factory=dict)


def newsworthy(
    news: News, ticket: Ticket, people: Sequence[Agent], channels: Collection[str], data: Mapping[str, Any]
) -> tuple[Personal, ...]:
    """Return this piece of news for each of these people who wants it and can be reached."""
    found = []
    for agent in people:
        where = _reached(agent, channels)
        # What couldn't be delivered comes all the same.
        unwanted = news in agent.off or (
            agent.unmailed and news is not News.FAILED and where == mail_of(agent)
        )
        if not unwanted and where is not None:
            found.append(
                Personal(
                    to=agent,
                    channel=where[0],
                    place=where[1],
                    news=news,
                    ticket_id=ticket.id,
                    title=ticket.title,
                    data=data,
                )
            )
    return tuple(found)


def mail_of(agent: Agent) -> tuple[str, str]:
    """Return the channel and place of their mail."""
    return "email", agent.email


def _reached(agent: Agent, channels: Collection[str]) -> tuple[str, str] | None:
    """The channel and place of somebody's news: what they chose, else Slack where it knows them, else mail."""
    places = {"slack": agent.slack_user, "email": agent.email}
    order = (agent.channel, "slack", "email")
    return next(((name, places[name]) for name in order if name in channels and places.get(name)), None)
