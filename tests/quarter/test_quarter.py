"""A quarter of a desk's life ends with each thing done exactly once, in its minute, and with true figures.

Here with some weeks of it, in which the clocks of two zones change; `python -m bench.quarter` lives through all of
it, with 20,000 tickets.
"""

from __future__ import annotations

import pytest

from tests.quarter.run import quarter
from tests.quarter.setting import AUTUMN_WEEKS, SPRING_WEEKS
from tests.stores import Store

TICKETS = 60


@pytest.mark.slow
async def test_time_brings_each_thing_once_in_its_minute(store: Store) -> None:
    """One store has the autumn's changes of the clocks and its holidays, the other one the spring's."""
    outcome = await quarter(store, AUTUMN_WEEKS if store.sqlite else SPRING_WEEKS, TICKETS, seed=1)
    print("\n".join(outcome.told()))
    assert outcome.lines == []
    wanted = ("near", "missed", "reminded", "auto_closed", "closed", "woke", "digest", "list")
    assert min(outcome.kinds[kind] for kind in wanted) >= 2, "too little happened to tell anything"
