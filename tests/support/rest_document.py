"""The OpenAPI document of the REST API, without a server."""

from __future__ import annotations

from random import Random
from typing import Any

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.trust import Trust
from codecourier.kinds.registry import REGISTRY
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import EPOCH
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of

__all__ = ["openapi_document"]


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    server = ApiServer(now=lambda: EPOCH, random=Random(1), definitions=definitions_of(REGISTRY))
    api = server.client("test", Network(Random(1)))
    parts = ApiParts(api, Served(api), KeyCache(api, lambda: 0.0), Trust(api), lambda: EPOCH, lambda: 0.0, 0.0)
    return make_app(parts).openapi()
