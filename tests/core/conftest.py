"""Core's own fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.core.desk import TestDesk
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk on this test's store, its loops not started."""
    opened = await TestDesk.open(store)
    yield opened
    await opened.close()
