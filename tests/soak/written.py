"""What people wrote in a soak, as they remember it: the truth that both sides are held against afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Written:
    """A message that somebody wrote in Slack. `words`: the token that it has now; `once`: those that it had before.

    `side`: "asker" (a requester's conversation), "desk" (a triage thread). `root`: its thread's, None at top level.
    """

    words: str
    side: str
    channel: str
    ts: str
    root: str | None
    author: str
    note: bool = False
    deleted: bool = False
    once: list[str] = field(default_factory=list)

    @property
    def remote(self) -> str:
        """How the desk remembers it."""
        return f"T0SANDBOX1/{self.channel}/{self.ts}"


@dataclass
class Memory:
    """All that was written, and what else was done."""

    messages: list[Written] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    acks: list[float] = field(default_factory=list)  # seconds until an interaction was acknowledged
    unacked: int = 0
    _words: int = 0

    def token(self, kind: str = "w") -> str:
        """A word that nobody has used before."""
        self._words += 1
        return f"{kind}{self._words:05d}z"

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1
