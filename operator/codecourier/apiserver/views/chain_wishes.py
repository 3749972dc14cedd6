"""What a user can ask of a SprintChain that is there: that it waits, goes on, ends, or starts again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from codecourier.apiserver.bodies import Body, absent
from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.cancelling import is_chain_cancelled
from codecourier.kube.api import Json
from codecourier.resources.sprint_chain import MAX_SPRINTS, SprintChain, SprintChainPhase, SprintPhase

__all__ = [
    "ChainChange",
    "ChainResume",
    "cancel_chain",
    "change_chain",
    "pause_chain",
    "resume_chain",
    "starts_again",
    "unpause_chain",
]

_MOST_ATTEMPTS = 1000


def _refuse_fixed(_value: Any) -> Any:
    raise ValueError("cannot be changed: create another sprint chain")


Fixed = Annotated[Any, BeforeValidator(_refuse_fixed)]
"""A field that a chain keeps as it was created with."""


class ChainChange(Body):
    """Changes of a sprint chain: all that says what it does was decided when it was created."""

    is_paused: bool = Field(default_factory=absent)
    """Whether no further sprint is to start."""

    workflow_id: Fixed = None
    sprint_range: Fixed = None
    prompt: Fixed = None
    github_repo_url: Fixed = None
    branch_name: Fixed = None


class ChainResume(Body):
    """From where a finished sprint chain starts again."""

    from_sprint: Annotated[int, Field(ge=0, le=MAX_SPRINTS - 1)] | None = None
    """Zero-based index of the sprint to start with; null: the first one that is not completed."""


def starts_again(chain: SprintChain) -> bool:
    """Tell whether a finished chain is asked for another attempt, which has not begun."""
    if chain.is_deleting or not chain.status.phase.is_finished:
        return False
    return asks_for_attempt(chain.spec, chain.status)


def pause_chain(chain: SprintChain) -> Json:
    """Return the merge patch that keeps further sprints from starting; empty: it is so already.

    Raises
    ------
    Refusal
        409 if there is nothing left to pause.
    """
    _check_present(chain)
    if chain.spec.suspend:
        return {}
    if chain.status.phase.is_finished and not starts_again(chain):
        message = f"The chain is over: it has {_word(chain)}. There is nothing left to pause."
        raise Refusal(HTTPStatus.CONFLICT, message)
    if not chain.status.phase.is_finished and is_chain_cancelled(chain):
        raise Refusal(HTTPStatus.CONFLICT, "The chain is being cancelled, so no further sprint starts.")
    return {"spec": {"suspend": True}}


def cancel_chain(chain: SprintChain) -> Json:
    """Return the merge patch that cancels a chain; empty: it is being cancelled, or has been, already.

    Raises
    ------
    Refusal
        409 if it has completed or failed.
    """
    phase = chain.status.phase
    if chain.spec.cancelled and not _is_over(chain):
        return {}
    if phase is SprintChainPhase.CANCELLED and not starts_again(chain):
        return {}
    if _is_over(chain) and not starts_again(chain):
        message = f"The chain is over: it has {_word(chain)}. There is nothing left to cancel."
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {"spec": {"cancelled": True}}


def _is_over(chain: SprintChain) -> bool:
    return chain.status.phase in {SprintChainPhase.COMPLETED, SprintChainPhase.FAILED}


def unpause_chain(chain: SprintChain) -> Json:
    """Return the merge patch that lets further sprints start; empty: it is so already.

    Raises
    ------
    Refusal
        409 if the chain is being deleted.
    """
    _check_present(chain)
    return {"spec": {"suspend": False}} if chain.spec.suspend else {}


def change_chain(chain: SprintChain, body: ChainChange) -> Json:
    """Return the merge patch that a change asks for; empty: it asks for nothing new.

    Raises
    ------
    Refusal
        409 as for a pause.
    """
    if "is_paused" not in body.model_fields_set:
        return {}
    return pause_chain(chain) if body.is_paused else unpause_chain(chain)


def resume_chain(chain: SprintChain, from_sprint: int | None) -> Json:
    """Return the merge patch that starts a finished chain again; empty: the same is asked for already.

    Raises
    ------
    Refusal
        400 for an index outside the range; 409 if the chain is not finished, has no sprint left to run, has no attempt
        left, is being deleted, or is asked to start again with another sprint.
    """
    spec, status = chain.spec, chain.status
    if from_sprint is not None and from_sprint > spec.sprint_range.last - spec.sprint_range.first:
        raise bad_request(Detail(field="fromSprint", message="The index must lie within the chain's sprintRange."))
    _check_present(chain)
    if not status.phase.is_finished:
        message = "The chain is not finished, so it cannot be resumed. Unpause it if it is paused, or wait for its end."
        raise Refusal(HTTPStatus.CONFLICT, message)
    if starts_again(chain):
        if spec.resume_from_sprint == from_sprint:
            return {}
        message = "The chain is asked already to start again, with another sprint. Wait until that attempt is over."
        raise Refusal(HTTPStatus.CONFLICT, message)
    if from_sprint is None and all(sprint.phase in _DONE for sprint in status.sprints) and status.sprints:
        message = "All sprints are completed. Name the one to start with in fromSprint."
        raise Refusal(HTTPStatus.CONFLICT, message)
    spent = max(spec.attempt, status.attempt, status.cancelled_attempt)
    if spent >= _MOST_ATTEMPTS:
        message = f"The chain has had {_MOST_ATTEMPTS} attempts, which is all that it may have. Create another chain."
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {"spec": {"attempt": spent + 1, "resumeFromSprint": from_sprint, "cancelled": False}}


_DONE = frozenset({SprintPhase.COMPLETED, SprintPhase.OMITTED})


def _check_present(chain: SprintChain) -> None:
    if chain.is_deleting:
        raise Refusal(HTTPStatus.CONFLICT, "The chain is being deleted, so no further sprint starts.")


def _word(chain: SprintChain) -> str:
    phase = chain.status.phase.value.lower()
    return "been cancelled" if phase == "cancelled" else phase
