"""A browser for the walks through the sandbox's page, before an app as our manifest installs it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.test_browser_walk import page as page

MANIFEST = Path(__file__).parents[2] / "bot" / "manifest.json"


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A workspace whose app has the scopes, events, command and shortcuts that ours asks for, and no others."""
    sandbox = Sandbox(manifest=json.loads(MANIFEST.read_text("utf-8")))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()
