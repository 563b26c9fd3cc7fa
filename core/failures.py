"""What can go wrong, named for what a caller can do about it.

Failure                      a channel could not deliver
 ├─ TemporaryFailure         known not sent: try again later
 ├─ PermanentFailure         will never work: tell staff
 └─ UnknownOutcome           perhaps sent: look first
Refused                      the desk says no (each carries its HTTP-like `code`)
 ├─ NotAllowed  NotFound  Invalid  Conflict (ForbiddenMove)
Unavailable                  our own trouble: nothing is lost, repeat later
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from core.desk_texts import phrase


class Scope(StrEnum):
    """How far a temporary failure reaches."""

    DELIVERY = "delivery"
    LANE = "lane"
    CHANNEL = "channel"


class Failure(Exception):
    """A channel could not deliver; `reason` is shown to staff, so it holds no secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryFailure(Failure):
    """Known not sent; a later try may work.

    `retry_after`: what the other side asked for. `scope`: whether only this delivery waits, its whole lane (a
    rate limit), or everything of the channel (the relay or Slack is down).
    """

    def __init__(
        self, reason: str, retry_after: timedelta | None = None, scope: Scope = Scope.DELIVERY
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.scope = scope


class PermanentFailure(Failure):
    """No later try will work."""


class Suppressed(PermanentFailure):
    """Mail to its recipient bounced for good before; staff are told that this doesn't go either."""


class UnknownOutcome(Failure):
    """The other side may have taken it: the connection went after the last byte."""


class Refused(Exception):
    """The desk says no. `message` is for the person who asked."""

    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotAllowed(Refused):
    """The actor has no right to this (HTTP 403)."""

    code = "not_allowed"


class NotFound(Refused):
    """There is no such thing, or the actor may not know of it (HTTP 404)."""

    code = "not_found"


class Invalid(Refused):
    """The request makes no sense as it stands (HTTP 422)."""

    code = "invalid"


class Conflict(Refused):
    """The thing's state forbids it (HTTP 409)."""

    code = "conflict"


class TooMany(Refused):
    """More of this than one source may ask for in a while (HTTP 429). `wait`: when to ask again."""

    code = "too_many"

    def __init__(self, message: str, wait: timedelta = timedelta(hours=1)) -> None:
        super().__init__(message)
        self.wait = wait


class KeyUsed(Invalid):
    """The client's idempotency key was used already, for something else (HTTP 422)."""

    code = "key_used"


class Unavailable(Exception):
    """Our own trouble (database, disk): nothing was accepted, the sender repeats (451, 503)."""


class NotYet(Unavailable):
    """What this hangs on is being written by somebody else at this moment: look again in a moment."""


class StaleLease(Exception):
    """The fence found another holder: roll back and stop, somebody else goes on."""


def as_failure(exc: BaseException) -> Failure:
    """A surprise while sending may have sent: look first; our bug fails nobody's mail."""
    return (
        exc
        if isinstance(exc, Failure)
        else UnknownOutcome(phrase("reason_unexpected", error=type(exc).__name__))
    )
