"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.failures import Unavailable
from intake.web import metrics as module
from intake.web.metrics import Metrics


class Counts:
    """Counts that change, or can't be had."""

    def __init__(self) -> None:
        self.asked = 0
        self.now: Mapping[str, Mapping[str, int]] = {"inbox": {"new": 3}, "deliveries": {"queued": 1}}
        self.away = False

    async def __call__(self) -> Mapping[str, Mapping[str, int]]:
        self.asked += 1
        if self.away:
            raise Unavailable("database: away")
        return self.now


async def test_rows_by_state_are_told() -> None:
    """And the process, and how long requests took."""
    metrics = Metrics()
    metrics.request_done("GET", "/healthz", 200, 0.01)
    text = (await metrics.render(Counts())).decode()
    for line in (
        'relaydesk_inbox{state="new"} 3.0',
        'relaydesk_deliveries{state="queued"} 1.0',
        "relaydesk_database_up 1.0",
        'relaydesk_http_request_seconds_count{method="GET",route="/healthz",status="200"} 1.0',
    ):
        assert line in text
    assert "process_cpu_seconds_total" in text


async def test_counts_are_asked_at_most_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for metrics, as often as they like."""
    metrics, counts = Metrics(), Counts()
    for _ in range(20):
        await metrics.render(counts)
    assert counts.asked == 1
    monkeypatch.setattr(module, "KEPT", 0.0)
    counts.now = {"inbox": {"done": 4}}
    text = (await metrics.render(counts)).decode()
    assert 'relaydesk_inbox{state="done"} 4.0' in text
    assert 'state="new"' not in text
    assert 'state="queued"' not in text


async def test_metrics_are_there_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say that it is away, and no old counts."""
    monkeypatch.setattr(module, "KEPT", 0.0)
    metrics, counts = Metrics(), Counts()
    await metrics.render(counts)
    counts.away = True
    text = (await metrics.render(counts)).decode()
    assert "relaydesk_database_up 0.0" in text
    assert "relaydesk_inbox{" not in text


def test_labels_are_without_surprise() -> None:
    """An invented method is `other`."""
    metrics = Metrics()
    for i in range(50):
        metrics.request_done(f"ODD{i}", "unmatched", 405, 0.01)
    labels = {"method": "other", "route": "unmatched", "status": "405"}
    assert metrics.registry.get_sample_value("relaydesk_http_request_seconds_count", labels) == 50
