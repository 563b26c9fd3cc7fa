"""Percentiles out of buckets: within 2.5 % of the exact ones, however the values lie and were put together."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from core.figures_shapes import Spread, spread
from core.histogram import RATIO, WITHIN, Histogram

SECONDS = st.floats(min_value=1, max_value=4e8) | st.integers(0, 400).map(lambda n: max(1.0, RATIO**n))


def histogram(seconds: list[float]) -> Histogram:
    """A histogram of these values."""
    made = Histogram()
    made.add(seconds)
    return made


def close(found: Spread, exact: Spread) -> bool:
    """Is each within the bound?"""
    if found.n != exact.n or exact.median is None or exact.p90 is None:
        return found == exact
    assert found.median is not None
    assert found.p90 is not None
    pairs = ((found.median, exact.median), (found.p90, exact.p90))
    return all(abs(mine - real) <= WITHIN * real for mine, real in pairs)


@given(st.lists(SECONDS, max_size=60))
def test_within_the_bound(seconds: list[float]) -> None:
    """Of any values from a second on, also those that lie on a bucket's edge."""
    assert close(histogram(seconds).spread(), spread(seconds))


@given(st.lists(st.lists(SECONDS, max_size=20), max_size=6))
def test_parts_add_up(parts: list[list[float]]) -> None:
    """Merged after a way through JSON, parts are what the whole would be."""
    whole = Histogram()
    for part in parts:
        whole.add_json(json.loads(json.dumps(histogram(part).as_json())))
    everything = [value for part in parts for value in part]
    merged = Histogram()
    for part in parts:
        merged.merge(histogram(part))
    assert whole.as_json() == merged.as_json() == histogram(everything).as_json()
    assert close(whole.spread(), spread(everything))


def test_under_a_second_is_nothing() -> None:
    """What took no time in business hours has a median of 0."""
    assert histogram([0, 0, 0.4]).spread() == Spread(n=3, median=0.0, p90=0.0)
    assert Histogram().spread() == Spread(n=0, median=None, p90=None)


def test_the_bound_is_used_up() -> None:
    """A value at a bucket's edge is off by nearly as much as is stated: the statement is no looser than it need be."""
    edge = RATIO**100 * 1.0000001
    found = histogram([edge]).spread().median
    assert found is not None
    assert 0.024 < abs(found - edge) / edge <= WITHIN
