"""A state of `core.rollups` for tests that write rows of rollups themselves."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from core.figures_days import SCOPE, STATE
from core.rollups_state import State
from core.utc_days import DAY
from tests.stores import Store


def state_of(first: date, upto: date, *, sums: frozenset[str] = frozenset(), hours: bool = False) -> State:
    """Return what the job notes once the days from `first` to `upto` are made, and their hours where they have some."""
    return State(
        mark=0,
        seen=0,
        seen_at=datetime.now(UTC),
        first=first,
        upto=upto,
        checked=upto,
        sums=sums,
        hours_from=first if hours else upto + DAY,
    )


def rolled_up(store: Store, first: date, upto: date, *, hours: bool = False) -> None:
    """Note that these days are made."""
    value = json.dumps(state_of(first, upto, hours=hours).as_json())
    sql = "INSERT INTO settings (scope, {key}, value) VALUES (:scope, :key, :value)"
    key = '"key"' if store.sqlite else "`key`"
    store.execute(sql.format(key=key), scope=SCOPE, key=STATE, value=value)
