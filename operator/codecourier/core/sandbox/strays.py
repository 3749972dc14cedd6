"""What becomes of a pod, or of tokens, whose Sandbox is not there.

A creation without an answer can arrive after its Sandbox has ended and is gone. No plan would record the end of such a
pod or revoke such tokens, so their finalizers would never be released; and no agent must run there any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.tokens import revocation_of
from codecourier.core.sandbox.world import StrayWorld
from codecourier.core.shared.facts import ObjectAsk, Problem
from codecourier.core.shared.intents import Delete, Plan, ReleasePod, asking
from codecourier.resources.sandbox import Sandbox

__all__ = ["plan_stray", "remove_pod"]

_KIND = Sandbox.info.kind

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the API server cannot be asked and names no time."""


@asking
def plan_stray(world: StrayWorld, now: datetime) -> Plan:
    """Delete and release what is left, once the API server says that its Sandbox is not there."""
    present = world.facts.get(ObjectAsk(_KIND, world.namespace, world.sandbox))
    if isinstance(present, Problem):
        return Plan(look_again=present.retry_time or now + LOOK_AGAIN)
    if present.uid == world.sandbox_uid:
        return Plan()
    deletes = () if world.pod is None else remove_pod(world.namespace, world.pod)
    if world.secret is None:
        return Plan(deletes=deletes)
    revocation = revocation_of(world.namespace, world.secret, world.failures, now)
    # A namespace that is being deleted waits for this, so the Secret cannot stay until its tokens expire.
    effect = replace(revocation.effect, is_forced=not revocation.is_waited_for)
    return Plan(deletes=deletes, effects=(effect,), look_again=revocation.look_again)


def remove_pod(namespace: str, pod: PodView) -> tuple[Delete | ReleasePod, ...]:
    """Return what removes a pod that no Sandbox waits for: its deletion, unless it has ended, and its release."""
    delete = Delete("Pod", namespace, pod.name, pod.uid)
    release = ReleasePod(namespace, pod.name, pod.uid)
    needs_delete = not pod.is_ended and pod.deletion_time is None
    return (*((delete,) if needs_delete else ()), *((release,) if pod.has_finalizer else ()))
