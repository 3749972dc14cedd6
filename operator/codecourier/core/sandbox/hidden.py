"""A pod that the caches lost only because a user removed its labels: it runs, so it must not count as gone.

The caches hold objects by label, so the watch reports the removal of a label as a deletion. Before a Sandbox says that
its pod is gone, the API server itself is asked. So it is before a Sandbox ends that has recorded no pod, and when the
name of its pod is taken: a pod is recorded only some seconds after its start.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.sandbox.pods import pod_labels
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.facts import ObjectAsk, ObjectFact, Problem
from codecourier.core.shared.intents import CreatePod, Plan, RestoreLabels

__all__ = ["restore_hidden_pod"]

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the API server cannot be asked, and for labels that users remove again."""


def restore_hidden_pod(world: SandboxWorld, now: datetime, *, is_stopping: bool) -> Plan | None:
    """Return the plan that makes a hidden pod known again; None if the pod is known, or is gone."""
    sandbox = world.sandbox
    is_recorded = sandbox.status.pod_uid is not None
    is_refused = any(isinstance(intent, CreatePod) for intent in world.failures.problems)
    if world.pod is not None or not (is_recorded or is_refused or is_stopping):
        return None
    name = sandbox.status.pod_name or sandbox.name
    present = world.facts.get(ObjectAsk("Pod", sandbox.namespace, name))
    if isinstance(present, Problem):
        return Plan(look_again=present.retry_time or now + LOOK_AGAIN)
    if present.uid is None or not _is_ours(world, present):
        return None
    restored = RestoreLabels("Pod", sandbox.namespace, name, present.uid, tuple(pod_labels(sandbox).items()))
    return Plan(creates=(restored,), look_again=now + LOOK_AGAIN)


def _is_ours(world: SandboxWorld, present: ObjectFact) -> bool:
    if world.sandbox.status.pod_uid is not None:
        return present.uid == world.sandbox.status.pod_uid
    return world.sandbox.uid in present.owners
