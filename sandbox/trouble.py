"""What can be broken by a switch, each with what it does and what should come of it, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.mailbox import Mailbox
from sandbox.shapes import Json

POST = "chat.postMessage"
LATER, NEVER = "451 4.3.0 Try again later", "554 5.7.1 Refused by policy"


@dataclass(frozen=True)
class Switch:
    """One thing to break. `what` says what it does, `then` what a desk should make of it."""

    label: str
    what: str
    then: str
    turn: Callable[[Faults, Mailbox, bool], None]
    is_on: Callable[[Faults, Mailbox], bool]
    met: Callable[[Faults, Mailbox], int]
    """How often it has struck since the box was made."""


def _slack(faults: Faults, mailbox: Mailbox, on: bool) -> None:
    if on:
        faults.down()
    else:
        faults.up()


def _refusing(answer: str) -> Callable[[Faults, Mailbox, bool], None]:
    def turn(faults: Faults, mailbox: Mailbox, on: bool) -> None:
        if on:
            mailbox.refusing = answer
        elif mailbox.refusing == answer:
            mailbox.refusing = None

    return turn


def _lose(faults: Faults, mailbox: Mailbox, on: bool) -> None:
    faults.forget("drop_answer", POST)
    if on:
        faults.drop_answer(POST)


def _duplicate(faults: Faults, mailbox: Mailbox, on: bool) -> None:
    faults.duplicate_events = int(on)


SWITCHES: dict[str, Switch] = {
    "slack_down": Switch(
        "Slack is down",
        "Slack hangs up and answers every call with 503. People still write to each other there.",
        "Mail is still taken. Cards and messages wait as “queued” and go out in order once Slack is back; what "
        "people wrote meanwhile is fetched then.",
        _slack,
        lambda faults, mailbox: faults.is_down,
        lambda faults, mailbox: faults.met["down"],
    ),
    "relay_later": Switch(
        "The mail relay says “later” (4xx)",
        f"Each mail to a customer is answered with {LATER}.",
        "The mail stays “queued” and is tried again, with longer and longer pauses, until the relay takes it. Once.",
        _refusing(LATER),
        lambda faults, mailbox: mailbox.refusing == LATER,
        lambda faults, mailbox: mailbox.refused,
    ),
    "relay_never": Switch(
        "The mail relay says “no” (5xx)",
        f"Each mail to a customer is answered with {NEVER}.",
        "The delivery has “failed”: staff are told in the ticket's thread, with a button to try again.",
        _refusing(NEVER),
        lambda faults, mailbox: mailbox.refusing == NEVER,
        lambda faults, mailbox: mailbox.refused,
    ),
    "lose_answer": Switch(
        "Lose an answer",
        "Slack posts the next message of relaydesk's, but the connection breaks before the answer.",
        "relaydesk can't know, so it looks in the channel before it posts again: the message is there once. "
        "Turns itself off after one.",
        _lose,
        lambda faults, mailbox: faults.awaits("drop_answer", POST),
        lambda faults, mailbox: faults.met["drop_answer"],
    ),
    "duplicate": Switch(
        "Tell everything twice",
        "Slack sends each event (a message, an edit, a reaction) two times, at the same moment.",
        "The second is known by its id: each message stands in its ticket once, and goes out once.",
        _duplicate,
        lambda faults, mailbox: bool(faults.duplicate_events),
        lambda faults, mailbox: faults.met["duplicate"],
    ),
}


class Trouble:
    """The switches of one box. How often one struck counts from when it was last turned on."""

    def __init__(self, faults: Faults, mailbox: Mailbox) -> None:
        self._faults, self._mailbox = faults, mailbox
        self._before: dict[str, int] = {}

    def turn(self, name: str, on: bool) -> None:
        """Break this, or mend it. Raises `LookupError`."""
        if name not in SWITCHES:
            raise LookupError("there's no such switch")
        switch = SWITCHES[name]
        if on and not switch.is_on(self._faults, self._mailbox):
            self._before[name] = switch.met(self._faults, self._mailbox)
        switch.turn(self._faults, self._mailbox, on)

    def mend(self) -> None:
        """Turn everything off."""
        for name in SWITCHES:
            self.turn(name, False)

    def shown(self) -> list[Json]:
        """The switches as the page shows them."""
        return [
            {
                "name": name,
                "label": switch.label,
                "what": switch.what,
                "then": switch.then,
                "on": switch.is_on(self._faults, self._mailbox),
                "met": self._met(name, switch),
            }
            for name, switch in SWITCHES.items()
        ]

    def _met(self, name: str, switch: Switch) -> int:
        if name not in self._before:
            return 0
        return switch.met(self._faults, self._mailbox) - self._before[name]
