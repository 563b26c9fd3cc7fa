"""What the tests over the wire share: a workspace on loopback, and the door's parts against it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.bot.kit import Kit


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox in the test's process."""
    box = Sandbox()
    await box.start()
    yield box
    await box.stop()


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    """A channel and a door of that workspace's."""
    kit = Kit(box.api_url, tmp_path)
    yield kit
    await kit.close()
