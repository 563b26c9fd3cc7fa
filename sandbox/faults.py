"""What can be made to go wrong on purpose. Each knob is a thing that Slack has been seen to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ratelimit", "drop_answer", "drop_request", "error", "http_error", "slow"]


@dataclass
class Fault:
    """One thing to do to calls of one method (`*` for any), as often as `times` says.

    `upload`, `download` and `response_url` name the doors beside the API.
    """

    kind: Kind
    method: str
    times: int
    retry_after: int = 0
    error: str = ""
    status: int = 200
    seconds: float = 0.0


class Faults:
    """Set what fails next. The sockets' knobs act at once; those of the Web API wait for the calls they meet."""

    def __init__(self) -> None:
        self.duplicate_events = 0
        """How many more times each event is sent, with the same event_id."""
        self.is_down = False
        self.held = False
        self.strict_rates = False
        """One message a second and channel, and a method's tier; off by default."""
        self.met: Counter[str] = Counter()
        """How often each kind of trouble was met; `down` and `duplicate` too."""
        self._queue: list[Fault] = []
        self.on_down: Callable[[], None] = lambda: None
        self.on_release: Callable[[], None] = lambda: None
        self.on_disconnect: Callable[[str], None] = lambda reason: None
        self.on_drop: Callable[[], None] = lambda: None
        self.on_silence: Callable[[], None] = lambda: None

    def ratelimit(self, method: str, retry_after: int = 1, times: int = 1) -> None:
        """Answer 429 with Retry-After."""
        self._queue.append(Fault("ratelimit", method, times, retry_after=retry_after))

    def drop_answer(self, method: str, times: int = 1) -> None:
        """Do what was asked, then cut the connection: the caller can't know whether it was done."""
        self._queue.append(Fault("drop_answer", method, times))

    def drop_request(self, method: str, times: int = 1) -> None:
        """Cut the connection and do nothing: to the caller the same as `drop_answer`."""
        self._queue.append(Fault("drop_request", method, times))

    def fail(self, method: str, error: str, times: int = 1) -> None:
        """Answer `{ok: false, error}` with 200."""
        self._queue.append(Fault("error", method, times, error=error))

    def http_error(self, method: str, status: int = 500, times: int = 1) -> None:
        """Answer with that status and a body that isn't JSON."""
        self._queue.append(Fault("http_error", method, times, status=status))

    def slow(self, method: str, seconds: float, times: int = 1) -> None:
        """Answer that much later."""
        self._queue.append(Fault("slow", method, times, seconds=seconds))

    def clear(self) -> None:
        """Forget the Web API's faults that were set and not met."""
        self._queue.clear()

    def forget(self, kind: Kind, method: str) -> None:
        """Forget what of this kind was set for this method and not met."""
        self._queue = [fault for fault in self._queue if (fault.kind, fault.method) != (kind, method)]

    def awaits(self, kind: Kind, method: str) -> bool:
        """Whether something of this kind waits for a call of this method."""
        return any((fault.kind, fault.method) == (kind, method) for fault in self._queue)

    def down(self) -> None:
        """Slack is away: the Web API answers 503, sockets are closed and refused, HTTP events wait for nobody."""
        self.is_down = True
        self.on_down()

    def up(self) -> None:
        self.is_down = False

    def silence_sockets(self) -> None:
        """The open sockets stay open and say nothing more, not even pongs. New sockets work."""
        self.on_silence()

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Send `disconnect`: warning, refresh_requested (and close), link_disabled, too_many_websockets."""
        self.on_disconnect(reason)

    def drop_sockets(self) -> None:
        """Reset the sockets' TCP connections."""
        self.on_drop()

    def hold_events(self) -> None:
        """Keep events back until `release_events`, which sends them in their order."""
        self.held = True

    def release_events(self) -> None:
        self.held = False
        self.on_release()

    def take(self, method: str) -> Fault | None:
        """The fault that this call meets."""
        for fault in self._queue:
            if fault.method in (method, "*"):
                self.met[fault.kind] += 1
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
                return fault
        return None
