"""What a user can ask of a Run that is there: that it stops, or that it starts again."""

from __future__ import annotations

from http import HTTPStatus

from codecourier.apiserver.refusal import Refusal
from codecourier.core.explain.steps import say_how_to_repeat
from codecourier.core.run.status import starts_again
from codecourier.kube.api import Json
from codecourier.resources.run import Run, RunPhase

__all__ = ["cancel_run", "retry_run"]

_MOST_ATTEMPTS = 1000


def cancel_run(run: Run) -> Json:
    """Return the merge patch that stops a Run; empty: it stops, or has been stopped, already.

    Raises
    ------
    Refusal
        409 if it has completed or failed.
    """
    phase = run.status.phase
    if run.spec.cancelled or (phase is RunPhase.CANCELLED and not starts_again(run)):
        return {}
    if phase.is_finished and not starts_again(run):
        message = f"The run is over: it has {phase.lower()}. There is nothing left to cancel."
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {"spec": {"cancelled": True}}


def retry_run(run: Run) -> Json:
    """Return the merge patch that starts a finished Run again; empty: that is asked for already.

    Raises
    ------
    Refusal
        409 if the Run is not finished, is being deleted, has no attempt left, or was made by another object.
    """
    if (message := _find_obstacle(run)) is not None:
        raise Refusal(HTTPStatus.CONFLICT, message)
    if starts_again(run):
        return {}
    spent = max(run.spec.attempt, run.status.attempt, run.status.cancelled_attempt)
    if spent >= _MOST_ATTEMPTS:
        message = f"The run has had {_MOST_ATTEMPTS} attempts, which is all that it may have. Create another run."
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {"spec": {"attempt": spent + 1, "cancelled": False}}


def _find_obstacle(run: Run) -> str | None:
    origin = run.spec.origin
    if origin is not None:
        made_by = f"The run was made by {origin.kind} {origin.name}, which would not know of another attempt."
        return f"{made_by} {say_how_to_repeat(origin)}"
    if run.is_deleting:
        return "The run is being deleted. Create another run."
    if not run.status.phase.is_finished:
        return "The run is not finished, so it cannot be retried. Cancel it first, or wait until it is over."
    return None
