"""A pod that the caches lost only because a user removed its labels: it runs, so it must not count as gone.

The caches hold objects by label, so the watch reports the removal of a label as a deletion. Before a Sandbox says that
its pod is gone, the API server itself is asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.sandbox.pods import pod_labels
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.facts import ObjectAsk, Problem
from codecourier.core.shared.intents import Plan, RestoreLabels

__all__ = ["restore_hidden_pod"]

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the API server cannot be asked, and for labels that users remove again."""


def restore_hidden_pod(world: SandboxWorld, now: datetime) -> Plan | None:
    """Return the plan that makes a hidden pod known again; None if the pod is known, or is gone."""
    sandbox, pod_uid = world.sandbox, world.sandbox.status.pod_uid
    if world.pod is not None or pod_uid is None:
        return None
    name = sandbox.status.pod_name or sandbox.name
    present = world.facts.get(ObjectAsk("Pod", sandbox.namespace, name))
    if isinstance(present, Problem):
        return Plan(look_again=present.retry_time or now + LOOK_AGAIN)
    if present.uid != pod_uid:
        return None
    labels = tuple(pod_labels(sandbox).items())
    restored = RestoreLabels("Pod", sandbox.namespace, name, pod_uid, labels)
    return Plan(creates=(restored,), look_again=now + LOOK_AGAIN)
