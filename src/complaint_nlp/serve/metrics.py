"""What the service counts, for Prometheus. With several processes the counts of all of them are added up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

if TYPE_CHECKING:
    from complaint_nlp.report import Report

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder where processes leave their counts; it must be set before this is imported."""

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counts of one application."""

    def __init__(self, version: str, model: str) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "complaint_nlp_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "complaint_nlp_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.messages = Counter(
            "complaint_nlp_messages",
            "Messages analysed, by status and urgency.",
            ("status", "urgency"),
            registry=registry,
        )
        self.batch_size = Histogram(
            "complaint_nlp_batch_size", "Messages analysed together.", buckets=_SIZES, registry=registry
        )
        self.in_progress = Gauge(
            "complaint_nlp_requests_in_progress",
            "Requests being answered.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.waiting = Gauge(
            "complaint_nlp_messages_waiting", "Messages in the queue.", multiprocess_mode="livesum", registry=registry
        )
        info = Gauge(
            "complaint_nlp_info",
            "Always 1: version and model.",
            ("version", "model"),
            multiprocess_mode="max",
            registry=registry,
        )
        info.labels(version, model).set(1)

    def count_message(self, report: Report) -> None:
        """Count a message."""
        self.messages.labels(report.status.value, str(report.urgency.primary or "none")).inc()

    def render(self) -> bytes:
        """Return the counts in Prometheus' text format, of all processes where there are several."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        return generate_latest(everything)

    def close(self) -> None:
        """Let what only counts while the process lives be forgotten."""
        if SHARED_FOLDER in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
