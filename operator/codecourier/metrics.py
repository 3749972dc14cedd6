"""What the operator tells Prometheus. `docs/operations.md` explains each; a test holds the two together.

Counters and histograms are fed where things happen. What is the case now (sizes, ages, phases) is read when Prometheus
asks, from what is kept anyway, so that it costs nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["Metrics", "Reading"]

Reading = Callable[[], Mapping[str, float]]
"""Gives the present values of a gauge by the value of its label; without a label the key is empty."""

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets from a call on loopback to the longest that a call may take."""


_MOST_HOSTS = 64
"""Hosts that are told apart."""


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
            "Finished runs of a key's work, by what came of them: done, conflict or error",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "codecourier_reconcile_seconds",
            "Duration of a run of a key's work",
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
        self.leading = Gauge("codecourier_leading", "1 while this operator holds the Lease", registry=self.registry)
        self.api_requests = Counter(
            "codecourier_api_requests",
            "Requests to the API server, by method (WATCH for watches) and status; none: no answer came",
            ("method", "code"),
            registry=self.registry,
        )
        self.api_request_seconds = Histogram(
            "codecourier_api_request_seconds",
            "Time until the API server began to answer, watches left out",
            ("method",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.forge_requests = Counter(
            "codecourier_forge_requests",
            "Requests to the repositories' hosts, by method and status; none: no answer came",
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
        """Count a request to a repositories' host."""
        # People choose the hosts; each new one would be kept for ever.
        if host not in self._hosts and len(self._hosts) >= _MOST_HOSTS:
            host = "other"
        self._hosts.add(host)
        self.forge_requests.labels(host, method, code).inc()

    def read(self, name: str, help_: str, reading: Reading, label: str | None = None) -> None:
        """Have a gauge read whenever Prometheus asks.

        Parameters
        ----------
        name
            Its name.
        help_
            What it says.
        reading
            Gives its present values; called in the loop that serves them.
        label
            Name of its label; None: it has none.
        """
        self.registry.register(_ReadGauge(name, help_, reading, label))


class _ReadGauge(Collector):
    def __init__(self, name: str, help_: str, reading: Reading, label: str | None) -> None:
        self._name = name
        self._help = help_
        self._reading = reading
        self._labels = () if label is None else (label,)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Say the name without reading, as for a registration."""
        return [GaugeMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Read."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for value_of_label, value in self._reading().items():
            family.add_metric([value_of_label] if self._labels else [], value)
        return [family]
