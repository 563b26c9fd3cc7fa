"""How long an arrival waits, so that what happened before it in its conversation is read first.

Slack doesn't promise an order (docs.slack.dev/apis/events-api): of two messages the later may come first, and nothing
about it tells. So each event waits a moment; `core.inbox.window` reads those that wait together by their ts. While the
catch-up hasn't been at a conversation yet, what comes live there lets it go first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from core.inbox import SETTLE

BEHIND: Final = timedelta(seconds=5)  # for the catch-up to read what was missed there
MOST_REMEMBERED: Final = 5_000


class Order:
    """Remembers until when a conversation waits for the catch-up."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def settle(self, conversation: str, now: float, *, behind: bool = False) -> timedelta:
        """Return how long an event waits. `now`: seconds of a clock that only goes on; `behind`: the catch-up hasn't
        been there yet. While one waits for it, what comes after it in that conversation does too."""
        if behind:
            self._until[conversation] = now + BEHIND.total_seconds()
            if len(self._until) > MOST_REMEMBERED:
                self._until = {name: end for name, end in self._until.items() if end > now}
            return BEHIND
        left = self._until.get(conversation, 0.0) - now
        return max(SETTLE, timedelta(seconds=left))
