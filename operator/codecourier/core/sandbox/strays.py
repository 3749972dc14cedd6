"""What becomes of a pod, or of tokens, whose Sandbox is not there.

A creation that nobody answered can arrive when its Sandbox has ended and is gone. Nobody would record the end of such
a pod or revoke such tokens, so their finalizers would keep them for ever; and an agent has no business there any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.tokens import revocation_of
from codecourier.core.sandbox.world import StrayWorld
from codecourier.core.shared.facts import SandboxAsk, SandboxFact
from codecourier.core.shared.intents import Delete, Plan, ReleasePod

__all__ = ["plan_stray", "remove_pod"]


def plan_stray(world: StrayWorld, now: datetime) -> Plan:
    """Delete and release what is left, once the API server says that its Sandbox is not there."""
    ask = SandboxAsk(world.namespace, world.sandbox)
    answer = world.facts.get(ask)
    if answer is None:
        return Plan(asks=(ask,))
    if not isinstance(answer, SandboxFact):
        raise TypeError(f"a SandboxAsk was answered with {type(answer).__name__}")
    if answer.uid == world.sandbox_uid:
        return Plan()
    deletes = () if world.pod is None else remove_pod(world.namespace, world.pod)
    if world.secret is None:
        return Plan(deletes=deletes)
    revocation = revocation_of(world.namespace, world.secret, world.facts, now)
    # Where a namespace goes away it waits for this, so the Secret cannot stay until its tokens end by themselves.
    effect = replace(revocation.effect, is_forced=not revocation.is_waited_for)
    return Plan(deletes=deletes, effects=(effect,), look_again=revocation.look_again)


def remove_pod(namespace: str, pod: PodView) -> tuple[Delete | ReleasePod, ...]:
    """Return what ends a pod that nobody waits for: its deletion, where it goes on, and its release."""
    delete = Delete("Pod", namespace, pod.name, pod.uid)
    release = ReleasePod(namespace, pod.name, pod.uid)
    needs_delete = not pod.is_ended and pod.deletion_time is None
    return (*((delete,) if needs_delete else ()), *((release,) if pod.has_finalizer else ()))
