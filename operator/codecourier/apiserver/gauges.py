"""Gauges of the API server's present state: read when Prometheus scrapes, from what the server keeps anyway."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from codecourier.apiserver.metrics import ApiMetrics
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.streams import Streams

__all__ = ["register_gauges"]

_KEYS = "APIKey"


def register_gauges(metrics: ApiMetrics, served: Served, keys: KeyCache, streams: Mapping[str, Streams]) -> None:
    """Register the gauges of a server.

    Parameters
    ----------
    metrics
        Where they are registered.
    served
        The caches.
    keys
        The cache of the keys.
    streams
        The answers that go on, by what they show.
    """

    def read_ages() -> Mapping[str, float]:
        return served.ages | ({_KEYS: keys.age_seconds} if isfinite(keys.age_seconds) else {})

    def count_objects() -> Mapping[str, float]:
        caches = {kind.source.resource.kind: served.store.cache(kind.source.resource) for kind in served.store.kinds}
        return {kind: float(len(cache)) for kind, cache in caches.items()}

    metrics.read("codecourier_rest_cache_age_seconds", "How old what is known of a kind may be", read_ages, "kind")
    metrics.read("codecourier_rest_cached_objects", "Objects in the caches", count_objects, "kind")
    metrics.read(
        "codecourier_rest_streams",
        "Answers that go on: events and logs",
        lambda: {name: float(found.count) for name, found in streams.items()},
        "stream",
    )
