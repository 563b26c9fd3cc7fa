"""The cases' fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cases.postbox import Postbox, open_postbox
from tests.stores import Store


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Postbox]:
    """A running desk behind a postbox, with two queues that have a triage channel each."""
    async with open_postbox(store) as opened:
        yield opened
