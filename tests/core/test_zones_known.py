"""A time zone that somebody chose and this machine's data lacks."""

from __future__ import annotations

from structlog.testing import capture_logs

from core.scenes import _known


def test_a_zone_that_is_missing_here() -> None:
    """It's said once, and the service's zone is taken: who writes meanwhile is heard all the same."""
    with capture_logs() as said:
        assert [_known(zone) for zone in ("", "Europe/Berlin", "Mars/Olympus", "Mars/Olympus", "../etc")] == [
            "",
            "Europe/Berlin",
            "",
            "",
            "",
        ]
    assert [one["zone"] for one in said] == ["Mars/Olympus", "../etc"]
