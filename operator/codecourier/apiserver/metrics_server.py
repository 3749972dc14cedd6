"""Serves the metrics on a port of their own, which clients of the API need not reach."""

from __future__ import annotations

import socket
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.connections import Limits
from codecourier.apiserver.http_server import HttpServer

__all__ = ["MetricsPage", "serve_metrics"]

_PATH = "/metrics"
_MOST_CONNECTIONS = 32
"""Connections at one time: a few Prometheus servers scrape, each with one."""


class MetricsPage:
    """The page of the metrics, as an application.

    Parameters
    ----------
    registry
        The metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI asks."""
        if scope["path"] == _PATH:
            response = Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
        else:
            response = PlainTextResponse(f"Metrics are at {_PATH}.", HTTPStatus.NOT_FOUND)
        await response(scope, receive, send)


async def serve_metrics(listening: socket.socket, registry: CollectorRegistry) -> None:
    """Serve the metrics until cancelled."""
    server = HttpServer(MetricsPage(registry), None, Limits(most_connections=_MOST_CONNECTIONS), drain_seconds=0)
    with listening:
        await server.serve([listening])
