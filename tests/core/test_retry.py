"""What follows a failure to send: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.failures import (
    Failure,
    PermanentFailure,
    Scope,
    TemporaryFailure,
    UnknownOutcome,
    as_failure,
)
from core.retry import Fail, Requeue, Verify, after, backoff
from core.shapes import Kind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEPS = tuple(timedelta(minutes=m) for m in (2, 5, 60))
PAUSE = timedelta(seconds=30)


def decide(failure: Failure, *, attempts: int = 1, age: timedelta = timedelta()) -> Requeue | Verify | Fail:
    return after(
        failure,
        kind=Kind.MESSAGE,
        attempts=attempts,
        created_at=NOW - age,
        now=NOW,
        steps=STEPS,
        give_up_after=timedelta(days=2),
        channel_pause=PAUSE,
        dice=lambda: 0.5,
    )


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(0, 2), (1, 2), (2, 5), (3, 60), (4, 60), (1025, 60), (10**9, 60)]
)
def test_backoff_takes_the_steps_and_stays_at_the_last(attempt: int, minutes: int) -> None:
    """However often: no overflow, never longer than the last step and a fifth."""
    step = timedelta(minutes=minutes)
    assert backoff(attempt, STEPS, lambda: 0.5) == step
    assert backoff(attempt, STEPS, lambda: 0.0) == step * 0.8
    assert backoff(attempt, STEPS, lambda: 1.0) == step * 1.2


def test_a_temporary_failure_waits_its_step() -> None:
    """It is tried again later, and only it waits."""
    assert decide(TemporaryFailure("busy"), attempts=2) == Requeue(NOW + STEPS[1], "busy", Scope.DELIVERY)


def test_what_the_other_side_asked_for_counts() -> None:
    """A 429 names its time and rests the lane."""
    failure = TemporaryFailure("429", timedelta(seconds=7), Scope.LANE)
    assert decide(failure, attempts=3) == Requeue(NOW + timedelta(seconds=7), "429", Scope.LANE)


def test_a_channel_that_is_down_pauses() -> None:
    """Independent of how often this delivery was tried."""
    failure = TemporaryFailure("down", scope=Scope.CHANNEL)
    assert decide(failure, attempts=3) == Requeue(NOW + PAUSE, "down", Scope.CHANNEL)


@pytest.mark.parametrize("failure", [TemporaryFailure("busy"), UnknownOutcome("lost")])
def test_age_ends_it(failure: Failure) -> None:
    """Past the configured age staff are told, before it is not given up."""
    assert not isinstance(decide(failure, age=timedelta(days=2)), Fail)
    late = decide(failure, age=timedelta(days=2, seconds=1))
    assert isinstance(late, Fail)
    assert "2 days" in late.reason


def test_permanent_and_unknown() -> None:
    """One is given up at once, the other is looked at first."""
    assert decide(PermanentFailure("no such user")) == Fail("no such user")
    assert decide(UnknownOutcome("connection lost")) == Verify("connection lost")


def test_a_surprise_may_have_sent() -> None:
    """An exception that nobody classified is an unknown outcome, and its text isn't repeated to anybody."""
    failure = as_failure(ValueError("ann@example.com"))
    assert isinstance(failure, UnknownOutcome)
    assert "ann" not in failure.reason
    known = PermanentFailure("no")
    assert as_failure(known) is known
