"""What Prometheus is told: request times, rows by state, jobs, the process. Labels come from fixed sets only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from core.runs import JobRow

log = structlog.get_logger()
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
KEPT: Final = 5.0  # seconds for which counts are not asked again: anybody may ask for metrics
PATIENCE: Final = 3.0
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Counts = Callable[[], Awaitable[Mapping[str, Mapping[str, int]]]]
JobRows = Callable[[], Awaitable[Sequence[JobRow]]]


class _TurnedAway(Collector):
    """What the mail door of this process said no to; see `core.inbox.Intake.turned_away`."""

    def __init__(self, counted: Mapping[tuple[str, str], int]) -> None:
        self._counted = counted

    def collect(self) -> Iterable[CounterMetricFamily]:
        put_off = CounterMetricFamily(
            "relaydesk_mail_put_off",
            "Mails that there was no room for, by what was short",
            labels=("reason",),
        )
        refused = CounterMetricFamily(
            "relaydesk_mail_refused", "Commands and connections refused by the mail door", labels=("answer",)
        )
        for (how, why), times in sorted(self._counted.items()):
            (put_off if how == "put_off" else refused).add_metric((why,), times)
        return put_off, refused


class _Jobs(Collector):
    """How the jobs of all instances do, as the database has it."""

    def __init__(self) -> None:
        self.rows: Sequence[JobRow] = ()

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        failures = CounterMetricFamily("relaydesk_job_failures", "Runs of a job that failed", labels=("job",))
        success = GaugeMetricFamily(
            "relaydesk_job_last_success_timestamp_seconds",
            "When a run of the job last went well",
            labels=("job",),
        )
        for row in self.rows:
            failures.add_metric((row.name,), row.failures_total)
            if row.last_success is not None:
                success.add_metric((row.name,), row.last_success.timestamp())
        return failures, success


class _Skew(Collector):
    """How far this process's clock is from the database's; nothing before it was measured."""

    def __init__(self, seconds: Callable[[], float | None]) -> None:
        self._seconds = seconds

    def collect(self) -> Iterable[GaugeMetricFamily]:
        name, ahead = "relaydesk_clock_skew_seconds", self._seconds()
        return () if ahead is None else (GaugeMetricFamily(name, "Our clock less the database's", ahead),)


class Metrics:
    """The measurements of this process. Other parts may add theirs to `registry`. `turned_away`: what the mail door
    counts; it goes on counting there."""

    def __init__(self, turned_away: Mapping[tuple[str, str], int] | None = None) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Histogram(
            "relaydesk_http_request_seconds",
            "Time to answer a request",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._database = Gauge(
            "relaydesk_database_up", "1 where the counts could be read", registry=self.registry
        )
        if turned_away is not None:
            self.registry.register(_TurnedAway(turned_away))
        self._jobs = _Jobs()
        self.registry.register(self._jobs)
        self._gauges: dict[str, Gauge] = {}
        self._asked = -KEPT
        self._asking = asyncio.Lock()

    def watch_clock(self, seconds: Callable[[], float | None]) -> None:
        """Tell by how many seconds the clock is ahead, as `seconds` says."""
        self.registry.register(_Skew(seconds))

    def request_done(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note an answered request. `route` is the template, never the path."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(seconds)

    async def render(self, counts: Counts, jobs: JobRows | None = None) -> bytes:
        """Return the Prometheus text, the rows by state as `counts` tells them, and how the jobs do."""
        async with self._asking:
            if time.monotonic() - self._asked >= KEPT:
                await self._ask(counts)
                self._jobs.rows = await self._ask_jobs(jobs) if jobs is not None else ()
                self._asked = time.monotonic()
        return generate_latest(self.registry)

    async def _ask_jobs(self, jobs: JobRows) -> Sequence[JobRow]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await jobs()
        except Exception as exc:
            log.warning("metrics_without_jobs", error=type(exc).__name__)
            return ()

    async def _ask(self, counts: Counts) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await counts()
        except Exception as exc:
            log.warning("metrics_without_counts", error=type(exc).__name__)
            found = {}
            self._database.set(0)
        else:
            self._database.set(1)
        for gauge in self._gauges.values():
            gauge.clear()
        for name, states in found.items():
            gauge = self._gauges.get(name) or self._new_gauge(name)
            for state, rows in states.items():
                gauge.labels(state).set(rows)

    def _new_gauge(self, name: str) -> Gauge:
        gauge = Gauge(f"relaydesk_{name}", f"Rows of {name} by state", ("state",), registry=self.registry)
        self._gauges[name] = gauge
        return gauge
