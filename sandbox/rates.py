"""Slack's rate limits, for those who ask for them (`faults.strict_rates`).

docs.slack.dev/apis/web-api/rate-limits: per method and minute by tier; posting about one message a second and channel,
with short bursts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sandbox.methods import METHODS
from sandbox.shapes import Json

POST_BURST = 5
A_MINUTE = 300
"""Posts in all channels together: "several hundred"."""
WINDOW = 60.0


class Rates:
    """Token buckets: one per method, and one per channel that is posted to."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}  # name: (tokens left, when)

    def wait(self, method: str, args: Json) -> int:
        """Seconds to wait before this call is taken; 0 takes it."""
        known = METHODS.get(method)
        if known is None:
            return 0
        if method == "chat.postMessage":
            channel = self._take(f"{method} {args.get('channel')}", POST_BURST, 1.0)
            return channel or self._take(method, A_MINUTE, A_MINUTE / WINDOW)
        return self._take(method, known.per_minute, known.per_minute / WINDOW)

    def _take(self, name: str, burst: int, per_second: float) -> int:
        now = self._now()
        left, then = self._buckets.get(name, (float(burst), now))
        left = min(float(burst), left + (now - then) * per_second)
        if left >= 1:
            self._buckets[name] = (left - 1, now)
            return 0
        self._buckets[name] = (left, now)
        return math.ceil((1 - left) / per_second)
