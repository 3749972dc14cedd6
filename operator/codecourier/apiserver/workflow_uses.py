"""Which objects use a Workflow, so that it is not deleted under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.served import Served
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    MERGE_JOB_SOURCE,
    RECURRING_TASK_SOURCE,
    RUN_SOURCE,
    SPRINT_CHAIN_SOURCE,
)
from codecourier.kube.api import Json, Resource
from codecourier.resources.workflow import Workflow

__all__ = ["check_unused", "is_using"]

_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})
_USERS: Mapping[Resource, frozenset[str]] = {
    RUN_SOURCE.resource: _FINISHED,
    SPRINT_CHAIN_SOURCE.resource: _FINISHED,
    ISSUE_SESSION_SOURCE.resource: _FINISHED,
    MERGE_JOB_SOURCE.resource: _FINISHED,
    # A task has no end.
    RECURRING_TASK_SOURCE.resource: frozenset(),
}
"""The kinds that name a Workflow, and in which phases their objects have no more use for it."""

_MOST_NAMED = 5


def is_using(resource: Resource, obj: Json, name: str) -> bool:
    """Tell whether an object, as the API server showed it, is going to use the Workflow of a name."""
    if ((obj.get("spec") or {}).get("workflowRef") or {}).get("name") != name:
        return False
    is_trashed = (obj["metadata"].get("labels") or {}).get(LABEL_TRASHED) == "true"
    return not is_trashed and (obj.get("status") or {}).get("phase") not in _USERS[resource]


def check_unused(served: Served, workflow: Workflow) -> None:
    """Make sure that nothing uses a Workflow.

    Raises
    ------
    Refusal
        409 if something does; the sentence names it.
    """
    names = list(_find_users(served, workflow))
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        users = ", ".join(names[:_MOST_NAMED])
        message = f"{users}{more} use the Workflow. Delete them, or let them finish, before it is deleted for good."
        raise Refusal(HTTPStatus.CONFLICT, message)


def _find_users(served: Served, workflow: Workflow) -> Iterator[str]:
    for resource in _USERS:
        for obj in served.store.cache(resource).list(workflow.namespace):
            if is_using(resource, obj, workflow.name):
                yield f"{resource.kind} {obj['metadata']['name']}"
