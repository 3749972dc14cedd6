"""What the operator tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]


class Metrics:
    """The operator's metrics in a registry of their own, so that several operators fit into one process.

    Parameters
    ----------
    registry
        Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.reconciles = Counter(
            "codecourier_reconciles",
            "Finished runs of a key's work",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "codecourier_reconcile_seconds", "Duration of a run of a key's work", ("kind",), registry=self.registry
        )
        self.queue_wait_seconds = Histogram(
            "codecourier_queue_wait_seconds", "How long a key waited for a worker", registry=self.registry
        )
        self.lists = Counter("codecourier_lists", "Lists taken from the API server", ("kind",), registry=self.registry)
        self.watch_failures = Counter(
            "codecourier_watch_failures", "Lists and watches that broke", ("kind",), registry=self.registry
        )
        self.leading = Gauge("codecourier_leading", "1 while this operator holds the Lease", registry=self.registry)
