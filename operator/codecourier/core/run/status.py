"""How the status of a Run is put together."""

from __future__ import annotations

from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.resources.run import Run, RunPhase, RunStatus

__all__ = ["attempt_status", "find_delay", "starts_again", "working_sentence"]


def starts_again(run: Run) -> bool:
    """Tell whether a finished Run is asked for another attempt; one that has an origin is repeated by that alone."""
    if run.is_deleting or run.spec.origin is not None or not run.status.phase.is_finished:
        return False
    return asks_for_attempt(run.spec, run.status)


_OF_ATTEMPT = frozenset({ConditionType.RECORDS_OWED, ConditionType.FOLLOWED_UP})
"""Conditions that say nothing of the next attempt."""


def attempt_status(run: Run) -> RunStatus:
    """Return the status of the attempt that a Run is in: of a new one, where one is to begin and has no status yet.

    A new attempt takes the Workflow as it is when it starts.
    """
    old = run.status
    if old.attempt > 0 and not starts_again(run):
        return old
    return RunStatus(
        observed_generation=old.observed_generation,
        conditions=tuple(c for c in old.conditions if c.type not in _OF_ATTEMPT),
        attempt=run.spec.attempt,
        cancelled_attempt=old.cancelled_attempt,
    )


_AT_WORK = frozenset({Reason.RUNNING, Reason.STARTING, Reason.STOPPING, Reason.OPENING_PULL_REQUEST})
_CATALOGUE = frozenset(reason.value for reason in Reason)


def find_delay(run: Run) -> str | None:
    """Return what a Run waits for other than its pod, as a sentence; None while its pod comes up or works.

    What Kubernetes calls a pod's trouble is in no catalogue of ours: that is a wait for the pod.
    """
    succeeded = run.status.condition(ConditionType.SUCCEEDED)
    reason = succeeded.reason if succeeded is not None else ""
    if run.status.phase is RunPhase.RUNNING and (reason in _AT_WORK or reason not in _CATALOGUE):
        return None
    return run.status.message


def working_sentence(run: Run, attempt: int, sandbox: str) -> str:
    """Return what a Run says while a Sandbox works on it: from the second attempt on also with which Workflow."""
    workflow = run.spec.workflow_ref.name
    since = f", with Workflow {workflow} as it was when attempt {attempt} started" if attempt > 1 else ""
    return sentence(Reason.RUNNING, detail=f"Sandbox {sandbox} works on it{since}.")
