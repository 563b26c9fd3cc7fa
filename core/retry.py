"""What to do after a failure to send: pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.desk_texts import Phrase, phrase
from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure
from core.shapes import Kind


@dataclass(frozen=True, slots=True)
class Requeue:
    """Try again at `due_at`; `pause` what the failure's scope covers until then."""

    due_at: datetime
    reason: str
    scope: Scope = Scope.DELIVERY


@dataclass(frozen=True, slots=True)
class Verify:
    """The outcome is unknown: settle it by kind before anything else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Give up and tell staff."""

    reason: str


def backoff(attempt: int, steps: Sequence[timedelta], dice: Callable[[], float]) -> timedelta:
    """Wait before the retry after attempt *attempt* (from 1): the step, more or less a fifth (dice: 0 to 1)."""
    step = steps[min(max(attempt, 1), len(steps)) - 1]
    return step * (0.8 + 0.4 * dice())


def after(
    failure: Failure,
    *,
    kind: Kind,
    attempts: int,
    created_at: datetime,
    now: datetime,
    steps: Sequence[timedelta],
    give_up_after: timedelta,
    channel_pause: timedelta,
    dice: Callable[[], float],
) -> Requeue | Verify | Fail:
    """Decide what follows a failed try. `created_at`: since when it could have gone."""
    if isinstance(failure, PermanentFailure):
        return Fail(failure.reason)
    if isinstance(failure, TemporaryFailure):
        wait = failure.retry_after or (
            channel_pause if failure.scope is Scope.CHANNEL else backoff(attempts, steps, dice)
        )
        # A lane that may not go on says nothing about this delivery: it waits as long as that takes.
        if failure.scope is not Scope.LANE and now - created_at > give_up_after:
            return Fail(_given_up(give_up_after, failure.reason))
        return Requeue(now + wait, failure.reason, failure.scope)
    if now - created_at > give_up_after:
        return Fail(_given_up(give_up_after, failure.reason))
    return Verify(failure.reason)


def _given_up(after: timedelta, reason: str) -> Phrase:
    hours = after.total_seconds() / 3600
    if hours >= 48:
        return phrase("reason_given_up_days", n=f"{hours / 24:.0f}", reason=reason)
    return phrase("reason_given_up_hours", n=f"{hours:.0f}", reason=reason)
