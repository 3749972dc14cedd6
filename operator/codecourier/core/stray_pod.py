"""What becomes of a pod whose Sandbox is not there.

A creation that nobody answered can arrive when its Sandbox has ended and is gone. Nobody would record the end of such
a pod, so its finalizer would keep it for ever; and its agent has no business any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from codecourier.core.facts import Facts, SandboxAsk, SandboxFact
from codecourier.core.intents import Delete, Plan, ReleasePod
from codecourier.core.pod_view import PodView

__all__ = ["StrayPodWorld", "plan_stray_pod", "remove_pod"]


@dataclass(frozen=True)
class StrayPodWorld:
    """A pod of ours that belongs to no Sandbox that is known."""

    namespace: str
    pod: PodView
    owner_uid: str
    """UID of the Sandbox that it was made for."""

    facts: Facts = field(default_factory=dict)


def plan_stray_pod(world: StrayPodWorld, _now: datetime) -> Plan:
    """Delete and release the pod, once the API server says that its Sandbox is not there."""
    pod = world.pod
    ask = SandboxAsk(world.namespace, pod.name)
    answer = world.facts.get(ask)
    if answer is None:
        return Plan(asks=(ask,))
    if not isinstance(answer, SandboxFact):
        raise TypeError(f"a SandboxAsk was answered with {type(answer).__name__}")
    if answer.uid == world.owner_uid:
        return Plan()
    return Plan(deletes=remove_pod(world.namespace, pod))


def remove_pod(namespace: str, pod: PodView) -> tuple[Delete | ReleasePod, ...]:
    """Return what ends a pod that nobody waits for: its deletion, where it goes on, and its release."""
    delete = Delete("Pod", namespace, pod.name, pod.uid)
    release = ReleasePod(namespace, pod.name, pod.uid)
    needs_delete = not pod.is_ended and pod.deletion_time is None
    return (*((delete,) if needs_delete else ()), *((release,) if pod.has_finalizer else ()))
