"""What a workspace is made of, and the few words in which this package refuses something."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

TEAM: str = "T0SANDBOX1"
EXTERNAL_TEAM: str = "T0EXTERN01"
APP: str = "A0SANDBOX1"
BOT_USER: str = "U0RELAYBOT"
BOT: str = "B0RELAYBOT"
SLACKBOT: str = "USLACKBOT"
TRIAGE: str = "C0TRIAGE01"
GENERAL: str = "C0GENERAL1"

ChannelKind = Literal["channel", "group", "im"]


class SlackError(Exception):
    """An answer `{ok: false, error: …}` of the Web API."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass
class User:
    """A person, the bot, or somebody of another team."""

    id: str
    name: str
    real_name: str
    email: str | None = None
    team_id: str = TEAM
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    deleted: bool = False
    tz: str = "Europe/London"
    updated: int = 1_700_000_000

    @property
    def external(self) -> bool:
        return self.team_id != TEAM


@dataclass
class File:
    """A file; before its scan is done, mimetype and shares are empty on the wire."""

    id: str
    name: str
    title: str
    user: str
    content: bytes = b""
    mimetype: str = "application/octet-stream"
    created: int = 0
    length: int = 0
    scanned: bool = True
    uploaded: bool = True
    completed: bool = True
    deleted: bool = False
    hidden: bool = False
    """Out of sight, for the plan's limit was reached."""
    shares: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)  # channel: (ts, thread_ts)
    alt_txt: str = ""


@dataclass
class Message:
    """One message of a channel, as stored; `wire.py` says how it looks outside."""

    ts: str
    channel: str
    text: str
    user: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    thread_ts: str | None = None
    subtype: str | None = None
    bot_id: str | None = None
    username: str | None = None
    icons: Json | None = None
    client_msg_id: str | None = None
    edited: Json | None = None
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    inviter: str | None = None
    ephemeral_to: str | None = None
    selected: dict[str, Json] = field(default_factory=dict)
    """What was chosen in it, by action_id, until its blocks are replaced."""

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class Channel:
    """A public channel, a private one (`group`) or the direct messages of the bot and one person (`im`)."""

    id: str
    name: str
    kind: ChannelKind
    members: list[str] = field(default_factory=list)
    user: str | None = None  # of an im: the person
    creator: str = ""
    created: int = 1_700_000_000
    is_archived: bool = False
    teams: list[str] = field(default_factory=list)
    """Other organisations that it's shared with (Slack Connect)."""
    pins: dict[str, str] = field(default_factory=dict)  # ts: who pinned it
    messages: dict[str, Message] = field(default_factory=dict)
    ephemerals: list[Message] = field(default_factory=list)
    threads: dict[str, dict[str, Message]] = field(default_factory=dict)  # replies by their root's ts

    @property
    def is_ext_shared(self) -> bool:
        return bool(self.teams)

    def put(self, message: Message) -> None:
        self.messages[message.ts] = message
        if message.is_reply:
            self.threads.setdefault(message.thread_ts or "", {})[message.ts] = message

    def drop(self, message: Message) -> None:
        del self.messages[message.ts]
        if message.is_reply:
            del self.threads[message.thread_ts or ""][message.ts]

    def replies(self, root_ts: str) -> list[Message]:
        return list(self.threads.get(root_ts, {}).values())


@dataclass
class View:
    """A modal or a home tab."""

    id: str
    user: str
    body: Json
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    values: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """A Web API call that was made: what was asked and what was answered."""

    method: str
    args: Json
    answer: Json = field(default_factory=dict)
    status: int = 200
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Answer:
    """What became of something interactive: acknowledged within three seconds or not, and with what."""

    acked: bool
    payload: Json = field(default_factory=dict)
    reason: str = ""
    """Why not, in the words of x-slack-retry-reason; `no_retry` where the app asked for no more."""


class Ids:
    """Identifiers that look like Slack's and never repeat within a workspace."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._next = itertools.count(1)
        self._now = now
        self._last_us = 0

    def make(self, prefix: str) -> str:
        return f"{prefix}{next(self._next):08X}"

    def ts(self) -> str:
        """A timestamp after every earlier one: it names a message within its channel."""
        self._last_us = max(int(self._now() * 1_000_000), self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"
