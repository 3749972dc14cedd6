"""The API server's metrics for Prometheus. `docs/rest-api.md` explains each; a test compares the two.

No label has a value that clients choose: operations are those of the OpenAPI document, and all else is `other`.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codecourier.apiserver.doors import PROJECT_KEY
from codecourier.apiserver.turns import LIVE_PATHS, READY_PATH
from codecourier.metrics import ReadGauge, Reading

__all__ = ["OPERATION", "ApiMetrics", "Counted"]

OPERATION = "codecourier.operation"
"""Key of an ASGI scope: the `operationId` of the operation that a request is for."""

_OTHER = "other"
_FAILED = str(HTTPStatus.INTERNAL_SERVER_ERROR.value)
_PROBES = frozenset({*LIVE_PATHS, READY_PATH})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0)
"""Buckets from a read of the cache to the longest that a repository's host may take."""


class ApiMetrics:
    """The API server's metrics in their own registry, so that several servers fit into one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "codecourier_rest_requests",
            "Requests by operation, door (direct or aggregated) and status",
            ("operation", "door", "code"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "codecourier_rest_request_seconds",
            "Time until the answer began",
            ("operation",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.rate_limited = Counter(
            "codecourier_rest_rate_limited",
            "Requests that were refused because the key had used those of its minute",
            registry=self.registry,
        )

    def note_request(self, scope: Scope, code: str, seconds: float) -> None:
        """Count a request once its answer begins."""
        operation = scope.get(OPERATION, _OTHER)
        door = "aggregated" if PROJECT_KEY in scope.get("state", {}) else "direct"
        self.requests.labels(operation, door, code).inc()
        self.request_seconds.labels(operation).observe(seconds)

    def read(self, name: str, help_: str, reading: Reading, label: str | None = None) -> None:
        """Register a gauge that is read whenever Prometheus scrapes, by the value of a label; None: it has none."""
        self.registry.register(ReadGauge(name, help_, reading, label))


class Counted:
    """Counts requests, without those of probes.

    Parameters
    ----------
    app
        The application behind it.
    metrics
        Where they are counted.
    clock
        The monotonic clock, in seconds.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, clock: Callable[[], float]) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as ASGI asks."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        begin, has_begun = self._clock(), False

        async def note_and_send(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                self._metrics.note_request(scope, str(message["status"]), self._clock() - begin)
            await send(message)

        try:
            await self._app(scope, receive, note_and_send)
        except Exception:
            if not has_begun:
                # The framework answers these outside of its middleware.
                self._metrics.note_request(scope, _FAILED, self._clock() - begin)
            raise
