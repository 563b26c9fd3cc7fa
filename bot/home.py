"""Names of Slack things, pure: who we are in the workspace, places, references, times.

A place is `T1/C1` (a conversation) or `T1/C1#1700000000.000100` (a thread there, by the ts of its root). A remote
id is `T1/C1/1700000000.000100`; the link of the same message is `slack:` before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.config import Config
from core.shapes import Ref

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Who we are (`auth.test`), and which channels are the staff's: `triage` maps a channel to its queue.

    `requests` maps a channel in which people ask to the queue of what is opened there; `dm_queue`: the queue of what
    comes by direct message or mention; `public`: the queues that everybody may choose, in order; `ticket_emoji`: the
    reaction that makes a ticket of a message, "" for none.
    """

    team: str
    bot_user: str
    bot_id: str
    url: str = ""
    scopes: frozenset[str] = frozenset()
    triage: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    dm_queue: str = "support"
    public: tuple[str, ...] = ()
    ticket_emoji: str = ""

    def can(self, scope: str) -> bool:
        """Whether that permission was given to the app, as far as Slack names them."""
        return not self.scopes or scope in self.scopes


def triage_of(config: Config) -> dict[str, str]:
    """Return channel id → queue name; a channel that serves several queues counts for the first."""
    found: dict[str, str] = {}
    for queue in config.queue:
        if queue.slack_channel:
            found.setdefault(queue.slack_channel, queue.name)
    return found


def requests_of(config: Config) -> dict[str, str]:
    """Return channel id → queue name of the channels that queues take their requests from; the first has it."""
    found: dict[str, str] = {}
    for queue in config.queue:
        for channel in queue.request_channels:
            found.setdefault(channel, queue.name)
    return found


def dm_queue_of(config: Config) -> str:
    """The queue of direct messages: the first that has a triage channel, else the first."""
    return next((q.name for q in config.queue if q.slack_channel), config.queue[0].name)


def public_of(config: Config) -> tuple[str, ...]:
    """Return the queues that everybody may choose."""
    return tuple(queue.name for queue in config.queue if queue.public)


def ref_of(team: str, channel: str, ts: str) -> Ref:
    """Return the outside name of a message."""
    return Ref(f"slack:{team}/{channel}/{ts}")


def remote_id(team: str, channel: str, ts: str) -> str:
    """Return what a delivery is remembered by: `T1/C1/17.1`."""
    return f"{team}/{channel}/{ts}"


def place_of(team: str, channel: str, root: str | None = None) -> str:
    """Return `T1/C1` or `T1/C1#17.1`."""
    return f"{team}/{channel}#{root}" if root else f"{team}/{channel}"


def split_place(place: str) -> tuple[str, str, str | None]:
    """Return (team or "", conversation or user id, ts of the thread's root or None)."""
    conversation, _, root = place.partition("#")
    team, _, channel = conversation.rpartition("/")
    return team, channel, root or None


def split_remote(remote: str) -> tuple[str, str, str]:
    """Return (team, channel, ts) of `T1/C1/17.1`, with or without `slack:` before it. Raises `ValueError`."""
    parts = remote.removeprefix("slack:").split("/")
    if len(parts) != 3:
        raise ValueError(f"'{remote}' names no Slack message")
    return parts[0], parts[1], parts[2]


def time_of(ts: str) -> datetime:
    """Return the moment of a ts (seconds and six decimals), exactly. Raises `ValueError`."""
    seconds, _, fraction = ts.partition(".")
    return EPOCH + timedelta(seconds=int(seconds), microseconds=int((fraction + "000000")[:6]))


def ts_of(moment: datetime) -> str:
    """Return the ts of a moment, for `oldest=`."""
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def later(one: str, other: str) -> bool:
    """Whether the ts `one` is after `other`; an empty one is before all. Raises `ValueError`."""
    return bool(one) and (not other or time_of(one) > time_of(other))
