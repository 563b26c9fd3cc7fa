"""What is answered at the door: interactions that only read or open a view, whose `trigger_id` lives three seconds.

Everything else is stored in the inbox. What is said to an interaction is decided without waiting for anything; what
takes time (a form to open, a tab to fill) follows once it is acknowledged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the door says to a payload. `say`: with its acknowledgement (a form's `response_action`; None: nothing).
    `store`: it goes into the inbox first. `sorry`: what is said instead where it can't be stored. `after`: what follows
    the acknowledgement; it must not raise for what Slack answers."""

    say: Json | None = None
    store: bool = False
    sorry: Json | None = None
    after: Callable[[], Awaitable[None]] | None = None


class Counter(Protocol):
    """One who answers a kind of payloads at the door."""

    def look(self, body: Json) -> Answer | None:
        """Say what to answer; None where it is somebody else's. Waits for nothing."""


class Front:
    """All counters; the first that knows a payload answers it."""

    def __init__(self, counters: Sequence[Counter] = ()) -> None:
        self._counters = tuple(counters)

    def look(self, body: Json) -> Answer | None:
        """Return the answer to a payload, None for what is stored and no more."""
        for counter in self._counters:
            if (answer := counter.look(body)) is not None:
                return answer
        return None
