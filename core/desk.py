"""What every unit of work needs and nothing changes: the configuration, the mounted channels, the wake-ups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.blank import is_blank
from core.channel import ChannelSpec
from core.config import Config, Queue
from core.failures import Invalid
from core.signals import Signals

TITLE: Final = 255


@dataclass(frozen=True, slots=True)
class Desk:
    """What every unit needs and nothing changes: the configuration, the mounted channels, the wake-ups."""

    config: Config
    specs: Mapping[str, ChannelSpec]
    signals: Signals
    quiet: bool = False  # an archive is read in: nothing goes out because of it, now or later

    def queue(self, name: str | None) -> Queue:
        """Return the queue, the first one for None. Raises `Invalid`."""
        if name is None:
            return self.config.queue[0]
        queue = self.config.queue_named(name)
        if queue is None:
            known = ", ".join(q.name for q in self.config.queue)
            raise Invalid(f"there is no queue '{name}'; there is: {known}")
        return queue

    def public_queue(self, name: str | None) -> Queue:
        """Return a queue that everybody may choose, the first of them for None. Names no other. Raises `Invalid`."""
        public = [queue for queue in self.config.queue if queue.public]
        if not public:
            raise Invalid("no queue takes reports here")
        found = next((queue for queue in public if name in (None, queue.name)), None)
        if found is None:
            known = ", ".join(queue.name for queue in public)
            raise Invalid(f"there is no queue '{name}'; there is: {known}")
        return found

    def queue_or_first(self, name: str) -> Queue:
        """Return the queue; the first one where a ticket's queue has left the configuration."""
        return self.config.queue_named(name) or self.config.queue[0]

    def domain(self, queue: str) -> str:
        """Return the mail domain of a queue: what our Message-IDs end with."""
        addresses = (
            *self.queue_or_first(queue).addresses,
            *(a for q in self.config.queue for a in q.addresses),
        )
        return addresses[0].rpartition("@")[2].lower() if addresses else "relaydesk.invalid"

    def triage(self, queue: str) -> tuple[str, str] | None:
        """Return (channel, place) of a queue's triage threads, None where it has none."""
        config = self.queue_or_first(queue)
        if "slack" in self.config.notify(config) and "slack" in self.specs and config.slack_channel:
            return "slack", config.slack_channel
        return None


_PREFIX = re.compile(
    r"^\s*(?:(?:re|aw|sv|vs|antw|rif|odp|ref|fwd?|wg|tr|rv|i)\s*(?:\[\d+\])?\s*[:：]\s*)+", re.I
)


def title_of(subject: str, text: str, *, answers: int | None = None) -> str:
    """Return a ticket's title: the subject without Re: and the tag of the ticket that it answers, else the first
    words; of what nobody can see there are none. Other tags stay: by them the other side's help desk finds its own
    ticket again."""
    title = _PREFIX.sub("", subject)
    if answers is not None:
        title = _PREFIX.sub("", " ".join(title.replace(f"[#{answers}]", " ").split()))
    title = _printable(title)
    if is_blank(title):
        first = next((line for line in map(_printable, text.splitlines()) if not is_blank(line)), "")
        title = first if len(first) <= 80 else first[:79].rsplit(" ", 1)[0] + "…"
    return title[:TITLE] or "(no subject)"


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line).strip()
