"""The operator's metrics for Prometheus. `docs/operations.md` explains each; a test compares the two.

Counters and histograms change where things happen. The present state (sizes, ages, phases) is read when Prometheus
scrapes, from what is kept anyway, so it costs nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["Metrics", "ReadGauge", "Reading"]

Reading = Callable[[], Mapping[str, float]]
"""Returns the present values of a gauge by the value of its label; without a label the key is empty."""

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets from a call on loopback to the longest that a call may take."""


_MOST_HOSTS = 64
"""How many hosts have a label of their own; the others share `other`."""


class Metrics:
    """The operator's metrics in their own registry, so that several operators fit into one process.

    Parameters
    ----------
    registry
        Where they are registered; None: a new one.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.reconciles = Counter(
            "codecourier_reconciles",
            "Finished reconciles of objects, by outcome: done, conflict or error",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "codecourier_reconcile_seconds",
            "Duration of a reconcile",
            ("kind",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.plan_seconds = Histogram(
            "codecourier_plan_seconds",
            "Processor time of one plan with what it reads, in which the event loop does nothing else",
            ("kind",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.queue_wait_seconds = Histogram(
            "codecourier_queue_wait_seconds",
            "How long a key waited for a worker",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.lists = Counter("codecourier_lists", "Lists taken from the API server", ("kind",), registry=self.registry)
        self.watch_failures = Counter(
            "codecourier_watch_failures", "Lists and watches that broke", ("kind",), registry=self.registry
        )
        self.history_restores = Counter(
            "codecourier_history_restores",
            "How often the API server had lost history that the operator had seen",
            ("kind",),
            registry=self.registry,
        )
        self.leading = Gauge("codecourier_leading", "1 while this operator holds the Lease", registry=self.registry)
        self.deletions = Counter(
            "codecourier_deletions",
            "Objects that plans deleted: by retention, a task's history limits and the like",
            ("kind",),
            registry=self.registry,
        )
        self.api_requests = Counter(
            "codecourier_api_requests",
            "Requests to the API server, by method (WATCH for watches) and status (none without an answer)",
            ("method", "code"),
            registry=self.registry,
        )
        self.api_request_seconds = Histogram(
            "codecourier_api_request_seconds",
            "Time until the API server began to answer, without watches",
            ("method",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.forge_requests = Counter(
            "codecourier_forge_requests",
            "Requests to the repositories' hosts, by method and status (none without an answer)",
            ("host", "method", "code"),
            registry=self.registry,
        )
        self._hosts: set[str] = set()

    def note_api_request(self, method: str, code: str, seconds: float) -> None:
        """Count a request to the API server."""
        self.api_requests.labels(method, code).inc()
        if method != "WATCH":
            self.api_request_seconds.labels(method).observe(seconds)

    def note_forge_request(self, host: str, method: str, code: str) -> None:
        """Count a request to a host of repositories."""
        # People choose the hosts; Prometheus would keep every new one until the process ends.
        if host not in self._hosts and len(self._hosts) >= _MOST_HOSTS:
            host = "other"
        self._hosts.add(host)
        self.forge_requests.labels(host, method, code).inc()

    def counter(self, name: str, help_: str, label: str) -> Counter:
        """Return a new counter with a label; its name is given without the ending `_total`."""
        return Counter(name, help_, (label,), registry=self.registry)

    def read(self, name: str, help_: str, reading: Reading, label: str | None = None) -> None:
        """Register a gauge that is read whenever Prometheus scrapes.

        Parameters
        ----------
        name
            Its name.
        help_
            Its help text.
        reading
            Returns its present values; called in the event loop that serves the metrics.
        label
            Name of its label; None: it has none.
        """
        self.registry.register(ReadGauge(name, help_, reading, label))


class ReadGauge(Collector):
    """A gauge that is read whenever Prometheus scrapes; `Metrics.read` says what its parameters mean."""

    def __init__(self, name: str, help_: str, reading: Reading, label: str | None) -> None:
        self._name = name
        self._help = help_
        self._reading = reading
        self._labels = () if label is None else (label,)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the name without values, for the registration."""
        return [GaugeMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the present values."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for value_of_label, value in self._reading().items():
            family.add_metric([value_of_label] if self._labels else [], value)
        return [family]
