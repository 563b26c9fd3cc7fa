"""Trouble by a seed: what is late, twice, out of order, refused or cut off is the same in every run of that seed.

Each event and each call has its own dice, thrown by the seed, what it is and its number: what else happens at the same
time changes nothing. No event is lost for good by it unless that is asked for.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.faults import Fault
from sandbox.shapes import Json

Again = Literal["", "same envelope", "retry"]
Cut = Literal["", "before", "after"]
LIMITED = 1
"""Retry-After of a refused call, in seconds."""


@dataclass(frozen=True)
class Fate:
    """What happens to one event."""

    late: float = 0.0
    again: Again = ""
    again_late: float = 0.0
    behind: int = 0
    """How many later events overtake it."""
    cut: Cut = ""
    """Whether a connection breaks just before it is sent, or before its answer comes."""
    how: str = "reset"
    """How the connection breaks: `reset`, `refresh_requested` with notice, `silent` without any."""


CALM = Fate()


@dataclass(frozen=True)
class Rates:
    """How often: shares of events or calls, between 0 and 1; `delay` is the most seconds that an event is late."""

    duplicates: float = 0.05
    reorder: float = 0.05
    delay: float = 0.2
    ratelimit: float = 0.02
    drop_answer: float = 0.01
    drop_request: float = 0.01
    drop_sockets: float = 0.005
    silence: float = 0.0
    """Sockets that stay open and say nothing more: an app needs its own time to notice."""


class Chaos:
    """Decides. `stop` lets things come to rest."""

    def __init__(
        self,
        seed: int | str,
        rates: Rates,
        now: Callable[[], float],
        *,
        spare: tuple[str, ...] = (),
        lose: bool = False,
    ) -> None:
        self.seed, self.rates, self.spare, self.lose = seed, rates, spare, lose
        self.on = True
        self.counts: Counter[str] = Counter()
        """What was done, by name."""
        self.impatient: Counter[str] = Counter()
        """Calls that came before the Retry-After that their method was given had passed."""
        self.on_stop: Callable[[], None] = lambda: None
        self._now = now
        self._numbers: Counter[str] = Counter()
        self._closed: dict[str, float] = {}

    def stop(self) -> None:
        """No more trouble; what was held back comes now."""
        self.on = False
        self._closed.clear()
        self.on_stop()

    def _dice(self, what: str, number: int) -> random.Random:
        return random.Random(f"{self.seed}/{what}/{number}")

    def _next(self, what: str) -> random.Random:
        self._numbers[what] += 1
        return self._dice(what, self._numbers[what])

    # -- events ----------------------------------------------------------------------------------------------

    def of_event(self) -> Fate:
        """The fate of the next event."""
        dice, rates = self._next("event"), self.rates
        if not self.on:
            return CALM
        late = dice.random() * rates.delay if dice.random() < 0.5 else 0.0
        again: Again = ""
        if dice.random() < rates.duplicates:
            again = "same envelope" if dice.random() < 0.5 else "retry"
        again_late = dice.random() * max(rates.delay, 0.05)
        behind = dice.randint(1, 3) if dice.random() < rates.reorder else 0
        cut: Cut = ""
        if dice.random() < rates.drop_sockets:
            cut = "before" if dice.random() < 0.5 else "after"
        how = "reset" if dice.random() < 0.7 else "refresh_requested"
        self._note(duplicates=again, reorder=behind, delay=late, drop_sockets=cut)
        if dice.random() < rates.silence:
            cut, how = "after", "silent"
            self._note(silence=True)
        return Fate(late, again, again_late, behind, cut, how)

    def _note(self, **happened: object) -> None:
        self.counts.update(name for name, value in happened.items() if value)

    # -- calls -----------------------------------------------------------------------------------------------

    def of_call(self, method: str, args: Json) -> Fault | None:
        """The fault that the next call of this method meets."""
        dice, rates = self._next(method), self.rates
        if not self.on or method.startswith(self.spare):
            return None
        place = f"{method} {args.get('channel', '')}" if method == "chat.postMessage" else method
        if (left := self._closed.get(place, 0.0) - self._now()) > 0:
            self.impatient[method] += 1
            return Fault("ratelimit", method, 1, retry_after=int(left) + 1)
        thrown = dice.random()
        if thrown < rates.ratelimit:
            self._closed[place] = self._now() + LIMITED
            self._note(ratelimit=True)
            return Fault("ratelimit", method, 1, retry_after=LIMITED)
        thrown -= rates.ratelimit
        if thrown < rates.drop_answer:
            self._note(drop_answer=True)
            return Fault("drop_answer", method, 1)
        if thrown < rates.drop_answer + rates.drop_request:
            self._note(drop_request=True)
            return Fault("drop_request", method, 1)
        return None
