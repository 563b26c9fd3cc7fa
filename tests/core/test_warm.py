"""What writes numbers and dates is loaded when a service starts, in a thread, and never by importing it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from app import Service, build_parts
from core import report_words
from tests.stores import Store

WARM = """
import sys, app
assert not [name for name in sys.modules if name.partition(".")[0] == "babel"], "loaded with the service"
from datetime import UTC, datetime
from core import desk_texts, report_words
from core.config import parse
config = parse({"service": {"language": "de"}, "digest": [{"name": "daily", "language": "fr"}]}, environ={})
report_words.warm(config)
from babel import localedata
there, known = set(sys.modules), set(localedata._cache)
for words in map(report_words.speech, ("en", "de", "fr")):
    words.span(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC), report_words.ZoneInfo("UTC"))
    words.counted("came_in", 2, compared=words.hundredths(2.5) + words.point + "".join(words.weekdays()))
desk_texts.counted(config, "line_braked", 2)
assert (set(sys.modules), set(localedata._cache)) == (there, known)
"""


def test_once_warm_nothing_is_left_to_load() -> None:
    """And what only imports the service hasn't loaded it."""
    ran = subprocess.run([sys.executable, "-c", WARM], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


async def test_a_service_is_warm_before_its_doors_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread: its event loop goes on."""
    parts = build_parts(store.config(service={"language": "de"}))
    service, warmed = Service(parts, frozenset()), []

    def warm(config: Any) -> None:
        warmed.append((config.service.language, threading.current_thread() is threading.main_thread()))

    monkeypatch.setattr(report_words, "warm", warm)
    try:
        await service.start()
        assert warmed == [("de", False)]
    finally:
        await service.stop()
        await parts.database.close()
