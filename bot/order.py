"""Which arrivals wait a moment, so that what happened before them in their conversation is read first. Pure but for
what it remembers.

Slack doesn't promise an order (docs.slack.dev/apis/events-api). What comes older than its conversation's newest waits
for more of its kind; while the catch-up hasn't been at a conversation yet, what comes live there lets it go first.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Final

SETTLE: Final = 0.3  # seconds for what is late
BEHIND: Final = 5.0  # seconds for the catch-up to read what was missed there
MOST_REMEMBERED: Final = 5_000


class Order:
    """Remembers the newest of each conversation, and until when it waits."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._until: dict[str, float] = {}

    def settle(self, conversation: str, ts: str, now: float, *, behind: bool = False) -> timedelta:
        """Return how long an arrival waits. `now`: seconds of a clock that only goes on; `behind`: the catch-up
        hasn't been there yet. While one waits, what comes after it in that conversation does too."""
        at = _moment(ts)
        newest = self._newest.get(conversation)
        if at is not None:
            self._newest[conversation] = max(at, newest) if newest else at
            self._newest.move_to_end(conversation)
        wait = 0.0
        if behind:
            wait = BEHIND
        elif at is not None and newest is not None and at < newest:
            wait = SETTLE
        until = max(self._until.get(conversation, 0.0), now + wait if wait else 0.0)
        self._note(conversation, until, now)
        return timedelta(seconds=max(0.0, until - now))

    def _note(self, conversation: str, until: float, now: float) -> None:
        if until > now:
            self._until[conversation] = until
        else:
            self._until.pop(conversation, None)
        if len(self._until) > MOST_REMEMBERED:
            self._until = {name: end for name, end in self._until.items() if end > now}
        while len(self._newest) > MOST_REMEMBERED:
            self._newest.popitem(last=False)


def _moment(ts: str) -> tuple[int, int] | None:
    seconds, _, fraction = ts.partition(".")
    if not (seconds.isdecimal() and (fraction or "0").isdecimal()):
        return None
    return int(seconds), int((fraction + "000000")[:6])
