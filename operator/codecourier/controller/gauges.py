"""Gauges of the present state: read when Prometheus scrapes, from what the operator keeps anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from codecourier.cache.store import Store
from codecourier.controller.backlog import Backlog
from codecourier.controller.follower import Follower
from codecourier.controller.in_flight import InFlight
from codecourier.controller.lookups import LookUps
from codecourier.controller.queue import KeyQueue
from codecourier.github.client import GitHubForge
from codecourier.hosts.gate import Gate
from codecourier.kinds.kind import Kind, Tally
from codecourier.kinds.registry import Registry
from codecourier.kube.api import Json, Resource
from codecourier.metrics import Metrics
from codecourier.zones import tz_database_version

__all__ = ["StateCounter", "register_forge_gauges", "register_gauges"]


def _phase(obj: Json) -> str:
    return (obj.get("status") or {}).get("phase") or "Pending"


def _waiting_reason(obj: Json) -> str | None:
    """Return the reason that an unfinished object gives; None where it gives none or is finished."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c["reason"] for c in conditions if c["type"] == "Succeeded" and c["status"] == "Unknown"), None)


class StateCounter:
    """Counts the objects of a kind in each state as they change, so that a scrape does not depend on their number.

    Parameters
    ----------
    resource
        The kind.
    state_of
        Returns the state of an object; None: it is not counted.
    """

    def __init__(self, resource: Resource, state_of: Callable[[Json], str | None] = _phase) -> None:
        self._resource = resource
        self._state_of = state_of
        self._counts: Counter[str] = Counter()

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Count a change; other kinds are ignored."""
        if resource != self._resource:
            return
        for obj, step in ((old, -1), (new, 1)):
            state = None if obj is None else self._state_of(obj)
            if state is not None:
                self._counts[state] += step

    def read(self) -> dict[str, float]:
        """Return the number of objects in each state seen so far."""
        return dict(self._counts)


def register_gauges(metrics: Metrics, registry: Registry, store: Store, queue: KeyQueue[Any], backlog: Backlog) -> None:
    """Register gauges of an operator's state; call it before the caches are filled."""
    metrics.read("codecourier_queue_depth", "Keys that wait for a worker", lambda: {"": queue.depth})
    metrics.read("codecourier_queue_running", "Keys that workers are working on", lambda: {"": queue.running})
    metrics.read("codecourier_queue_delayed", "Keys that are scheduled for later", lambda: {"": queue.delayed})
    metrics.read(
        "codecourier_queue_oldest_seconds",
        "How long the key that waits longest for a worker has waited",
        lambda: {"": queue.oldest_seconds},
    )
    metrics.read(
        "codecourier_failing_effects",
        "Creations, tokens and pull requests that failed and are retried",
        lambda: {"": len(backlog)},
    )
    metrics.read(
        "codecourier_cached_objects",
        "Objects in the caches",
        lambda: _cached_objects(store),
        label="kind",
    )
    metrics.read(
        "codecourier_unreadable_objects",
        "Objects that this version of the operator cannot read and leaves as they are",
        lambda: store.unreadable,
        label="kind",
    )
    metrics.read(
        "codecourier_tz_database_info",
        "Release of the tz database that schedules go by",
        lambda: {tz_database_version(): 1},
        label="version",
    )
    for kind in registry.kinds:
        if kind.has_phases:
            _register_phases(metrics, kind, store)
        if kind.tally is not None:
            store.subscribe(TallyCounter(metrics, kind.resource, kind.tally).changed)


def _register_phases(metrics: Metrics, kind: Kind[Any, Any], store: Store) -> None:
    name, what = f"codecourier_{kind.resource.plural}", kind.resource.kind
    phases = StateCounter(kind.resource)
    store.subscribe(phases.changed)
    metrics.read(name, f"Objects of kind {what} in each phase", phases.read, label="phase")
    if kind.is_unfinished is not None:
        reasons = StateCounter(kind.resource, _waiting_reason)
        store.subscribe(reasons.changed)
        metrics.read(f"{name}_waiting", f"Unfinished {what} objects by reason", reasons.read, label="reason")


class TallyCounter:
    """Adds up by how much the numbers of a kind's objects grow while this operator runs.

    Parameters
    ----------
    metrics
        The metrics that it counts in.
    resource
        The kind.
    tally
        Its numbers.
    """

    def __init__(self, metrics: Metrics, resource: Resource, tally: Tally) -> None:
        self._resource, self._read = resource, tally.read
        self._counter = metrics.counter(f"codecourier_{tally.metric}", tally.about, tally.label)

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Count a change; other kinds, and objects that come or go, are ignored."""
        if resource != self._resource or old is None or new is None:
            return
        before = self._read(old)
        for value, number in self._read(new).items():
            self._counter.labels(value).inc(max(0, number - before[value]))


def _cached_objects(store: Store) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for kind in store.kinds:
        counts[kind.source.resource.kind] += len(store.cache(kind.source.resource))
    return dict(counts)


def register_waiting_gauges(
    metrics: Metrics, look_ups: LookUps, follower: Follower, in_flight: InFlight, gate: Gate
) -> None:
    """Register gauges of what keys wait for without a worker."""
    metrics.read(
        "codecourier_parked_keys",
        "Keys that wait, without a worker, for an answer or an effect",
        lambda: {"answer": look_ups.parked, "effect": len(in_flight)},
        label="waits_for",
    )
    metrics.read("codecourier_look_ups", "Questions that are being looked up", lambda: {"": look_ups.running})
    metrics.read(
        "codecourier_followed_pull_requests",
        "Pull requests that are looked at from time to time",
        lambda: {"": follower.followed},
    )
    metrics.read(
        "codecourier_forge_operations",
        "Operations at the repositories' hosts",
        lambda: {"running": gate.running, "queued": gate.waiting},
        label="state",
    )
    metrics.read(
        "codecourier_forge_silent_hosts",
        "Repositories' hosts that do not answer with at least one credential",
        lambda: {"": gate.silent_hosts},
    )


def register_forge_gauges(metrics: Metrics, forge: GitHubForge) -> None:
    """Register gauges of the rate limits of a forge's credentials."""
    metrics.read(
        "codecourier_forge_budget_least_ratio",
        "Remaining share of the hour's requests, 0 to 1, of the credential with the least",
        lambda: {"": forge.budgets.least_share},
    )
    metrics.read(
        "codecourier_forge_credentials_blocked",
        "Credentials that a rate limit blocks now",
        lambda: {"": forge.budgets.blocked},
    )
