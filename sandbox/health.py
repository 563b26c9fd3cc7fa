"""When Slack stops sending events. docs.slack.dev/apis/events-api: failure limits and rate limiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

HOUR = 3600.0
MINUTE = 60.0


class Health:
    """Deliveries by HTTP are turned off where less than 5 % of an hour's succeed, though never below 1,000 of them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.least = 1000
        self.disabled = False
        self._now = now
        self._tries: deque[tuple[float, bool]] = deque()
        self._failed = 0

    def note(self, good: bool) -> None:
        """A delivery was tried."""
        at = self._now()
        self._tries.append((at, good))
        self._failed += not good
        while self._tries[0][0] <= at - HOUR:
            self._failed -= not self._tries.popleft()[1]
        if len(self._tries) >= self.least and self._failed > 0.95 * len(self._tries):
            self.disabled = True

    def enable(self) -> None:
        """The app's owner turns the events on again, by hand."""
        self.disabled = False
        self._tries.clear()
        self._failed = 0


class Quota:
    """So many events an hour; of more the app is told once a minute that there were some."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.an_hour = 30_000
        self._now = now
        self._sent: deque[float] = deque()
        self._told = 0

    def take(self) -> bool:
        """Whether one more may go."""
        at = self._now()
        while self._sent and self._sent[0] <= at - HOUR:
            self._sent.popleft()
        if len(self._sent) >= self.an_hour:
            return False
        self._sent.append(at)
        return True

    def minute_to_tell(self) -> int | None:
        """The minute that is to be told of, if it wasn't yet."""
        minute = int(self._now() // MINUTE)
        if minute == self._told:
            return None
        self._told = minute
        return minute * int(MINUTE)
