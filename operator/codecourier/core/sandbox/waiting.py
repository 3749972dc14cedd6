"""What a pod waits for between its steps, and when it has to go although it has not ended.

Each step has the same time to start: the first from the pod's creation, each other from the end of the one before.
That bounds all that keeps a kubelet from going on: no node, an image that never comes, a container that cannot be
created, a sandbox that is dead. All pods together are bounded by a deadline of the operator's own, for a node that is
silent for good or a kubelet that forgets the pod's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from codecourier.core.sandbox.outcome import STEPS, Outcome, describe_lack_of_memory
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.shared.reasons import ConditionType, Reason, cut, sentence
from codecourier.resources.sandbox import Sandbox, SandboxPhase
from codecourier.task import CONTAINER_CHECKOUT

__all__ = ["OVERDUE", "Wait", "as_given_up", "find_lack_of_memory", "find_overrun", "find_wait", "last_moment"]

_OVERRUNS = frozenset({Reason.OUT_OF_MEMORY, Reason.START_TIMEOUT, Reason.DEADLINE_EXCEEDED})
"""Reasons of `find_overrun`."""

OVERDUE = timedelta(minutes=2)
"""How long after the pod's deadline and grace period the operator leaves its end to the kubelet."""

_BACK_OFFS: Mapping[str, tuple[str, ...]] = {
    "ImagePullBackOff": ("ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"),
    "CrashLoopBackOff": ("RunContainerError", "CreateContainerError", "StartError", "ContainerCannotRun"),
}
"""What a kubelet says between two tries, and what it says of the tries: the same trouble, with its cause."""

_NO_DEADLINE = timedelta(days=7)
"""How long a pod may run whose deadline another client has removed."""


@dataclass(frozen=True)
class Wait:
    """A step whose turn has come and that has not started."""

    step: str
    since: datetime
    reason: str
    """Kubernetes' own words; empty where it says nothing."""

    has_node: bool

    @property
    def beginning(self) -> str:
        """What stands in the sentence before Kubernetes' own words."""
        return f"Step {self.step} waits to start: "

    @property
    def sentence(self) -> str:
        """What the pod waits for."""
        if self.reason:
            return cut(self.beginning + self.reason)
        if not self.has_node:
            return "The pod was made and waits for a node."
        return f"Step {self.step} waits to start; the cluster gives no reason."


def find_wait(pod: PodView, said: str = "") -> Wait | None:
    """Return what a pod waits for that has not ended; None while a step runs, and once all have ended.

    Where the kubelet only says that it backs off, the cause is that of the try before, if the Sandbox has said it.

    Parameters
    ----------
    pod
        The pod.
    said
        What the Sandbox says of it.
    """
    steps = [c for c in pod.containers if c.name in STEPS]
    pending = [c.name for c in steps if c.exit_code is None]
    if any(c.is_running for c in steps) or (steps and not pending):
        return None
    ends = [c.finish_time for c in steps if c.finish_time is not None]
    step = pending[0] if pending else CONTAINER_CHECKOUT
    wait = Wait(step, max([pod.creation_time, *ends]), pod.waiting_for, has_node=bool(pod.node))
    causes = _BACK_OFFS.get(wait.reason.partition(":")[0], ())
    if any(said.startswith(wait.beginning + cause) for cause in causes):
        return replace(wait, reason=said.removeprefix(wait.beginning))
    return wait


def find_lack_of_memory(pod: PodView) -> str | None:
    """Return the step in which the kernel killed a process for memory."""
    return next((c.name for c in pod.containers if c.name in STEPS and c.is_short_of_memory), None)


def find_overrun(pod: PodView, start_timeout_seconds: int, now: datetime, said: str = "") -> Outcome | None:
    """Return why a pod has to go that has not ended; None while it may go on. See `find_wait` for `said`."""
    short = find_lack_of_memory(pod)
    if short is not None:
        # The kubelet starts no further step, and where the exit code is 0 it does not end the pod either.
        return Outcome(SandboxPhase.FAILED, Reason.OUT_OF_MEMORY, describe_lack_of_memory(short))
    wait = find_wait(pod, said)
    if wait is not None and now >= wait.since + timedelta(seconds=start_timeout_seconds):
        return Outcome(SandboxPhase.FAILED, Reason.START_TIMEOUT, _describe_timeout(wait, start_timeout_seconds))
    if now >= _deadline(pod):
        text = sentence(Reason.DEADLINE_EXCEEDED, seconds=pod.deadline_seconds)
        return Outcome(SandboxPhase.EXPIRED, Reason.DEADLINE_EXCEEDED, text)
    return None


def as_given_up(sandbox: Sandbox, outcome: Outcome) -> Outcome:
    """Return the outcome of a deleted pod: the one that the status announced where the plan has deleted it."""
    said = sandbox.status.condition(ConditionType.SUCCEEDED)
    if said is None or said.reason not in _OVERRUNS:
        return outcome
    phase = SandboxPhase.EXPIRED if said.reason == Reason.DEADLINE_EXCEEDED else SandboxPhase.FAILED
    return replace(outcome, phase=phase, reason=Reason(said.reason), message=said.message)


def last_moment(pod: PodView, start_timeout_seconds: int) -> datetime:
    """Return when a pod has to go if it stays as it is."""
    wait = find_wait(pod)
    deadline = _deadline(pod)
    return deadline if wait is None else min(deadline, wait.since + timedelta(seconds=start_timeout_seconds))


def _describe_timeout(wait: Wait, seconds: int) -> str:
    detail = wait.reason or ("the cluster gives no reason." if wait.has_node else "it got no node.")
    return sentence(Reason.START_TIMEOUT, step=wait.step, seconds=seconds, detail=detail)


def _deadline(pod: PodView) -> datetime:
    longest = timedelta(seconds=pod.deadline_seconds + pod.grace_seconds) if pod.deadline_seconds else _NO_DEADLINE
    return (pod.start_time or pod.creation_time) + longest + OVERDUE
