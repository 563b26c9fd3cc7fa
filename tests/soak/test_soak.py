"""Fifty people, a bad wire, and nothing lost, doubled or out of order. `make bench-slack` runs long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.run import soak
from tests.stores import Store


@pytest.mark.slow
@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_every_message_is_once_on_both_sides_and_in_order(
    store: Store, tmp_path: Path, store_name: str
) -> None:
    # A call that is lost on its way is looked for for half a minute: that is for the long ones.
    done = await soak(store, tmp_path / "house", seed=7, acts=100, drop_request=0)
    assert done.faults == [], f"{done.memory.done} {done.misbehaved}"
    assert sum(done.memory.done.values()) >= 60  # some have nothing to answer or to click yet
    # Slack sends no click again: one whose socket broke just then is its person's to repeat.
    assert done.memory.unacked == 0 or done.misbehaved.get("drop_sockets")
