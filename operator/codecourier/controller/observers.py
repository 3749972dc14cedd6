"""Logs and metrics of the queue, the plans and the informers."""

from __future__ import annotations

import logging

from codecourier.kinds.registry import WorkKey
from codecourier.kube.api import Resource, WatchEvent
from codecourier.kube.errors import Conflict
from codecourier.logs import log_context
from codecourier.metrics import Metrics

__all__ = ["PLAN_SECONDS", "InformerReporter", "PlanReporter", "QueueReporter"]

_LOGGER = logging.getLogger("codecourier.controller")

PLAN_SECONDS = 0.1
"""Processor time that a plan may take; the log names an object whose plan takes longer."""


class QueueReporter:
    """Logs and counts the work of the queue.

    Parameters
    ----------
    metrics
        The metrics to count in.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, _key: WorkKey, waited_seconds: float) -> None:
        """Note that a worker starts on a key."""
        self._metrics.queue_wait_seconds.observe(waited_seconds)

    def finished(self, key: WorkKey, took_seconds: float, error: Exception | None) -> None:
        """Note that a worker is done with a key."""
        kind = key.resource.kind
        self._metrics.reconcile_seconds.labels(kind).observe(took_seconds)
        self._metrics.reconciles.labels(kind, _outcome(error)).inc()
        if error is not None and not isinstance(error, Conflict):
            with log_context(kind=kind, namespace=key.namespace, name=key.name):
                _LOGGER.warning(
                    "will retry after an error: %s: %s",
                    type(error).__name__,
                    error,
                    extra={"reason": type(error).__name__, "error": str(error)},
                )


def _outcome(error: Exception | None) -> str:
    if error is None:
        return "done"
    return "conflict" if isinstance(error, Conflict) else "error"


class PlanReporter:
    """Logs and counts what plans cost: while one is made, the event loop does nothing else, such as renew the Lease.

    Parameters
    ----------
    metrics
        The metrics to count in.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def planned(self, key: WorkKey, seconds: float) -> None:
        """Note the processor time of a plan, with what it read."""
        self._metrics.plan_seconds.labels(key.resource.kind).observe(seconds)
        if seconds > PLAN_SECONDS:
            with log_context(kind=key.resource.kind, namespace=key.namespace, name=key.name):
                _LOGGER.warning("a plan took %.0f ms, in which nothing else could be done", 1000 * seconds)


class InformerReporter:
    """Logs and counts lists and watches.

    Parameters
    ----------
    metrics
        The metrics to count in.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def listed(self, resource: Resource, count: int) -> None:
        """Note a list."""
        self._metrics.lists.labels(resource.kind).inc()
        _LOGGER.debug("listed %d of %s", count, resource.plural)

    def received(self, _resource: Resource, _event: WatchEvent) -> None:
        """Ignore single events: there are too many of them."""

    def failed(self, resource: Resource, _error: Exception) -> None:
        """Note that a list or watch broke; the informer logs why and retries it."""
        self._metrics.watch_failures.labels(resource.kind).inc()

    def restored(self, resource: Resource) -> None:
        """Count that history went back."""
        self._metrics.history_restores.labels(resource.kind).inc()
