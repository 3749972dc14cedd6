"""What the operations of several kinds have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Header, Query, Request

from codecourier.apiserver.answers import PageQuery
from codecourier.apiserver.callers import Caller
from codecourier.apiserver.ids import read_id
from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.apiserver.route import caller_of
from codecourier.apiserver.served import Served
from codecourier.apiserver.writing import check_kept
from codecourier.cache.source import Source
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_named_repository
from codecourier.core.shared.trash import is_trashed
from codecourier.kinds.sources import PROJECT_SOURCE, WORKFLOW_SOURCE
from codecourier.resources.meta import CustomResource

__all__ = ["IdempotencyKey", "PartOfList", "find_object", "find_repository_url", "find_workflow_problem"]

R = TypeVar("R", bound=CustomResource)

PartOfList = Annotated[PageQuery, Query()]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]


def find_object(served: Served, source: Source[R], request: Request, text: str, prefix: str) -> R:
    """Return the object that an id in a path names.

    Raises
    ------
    Refusal
        400 for an id of another kind, 404 if the project has no such object, or only in the trash.
    """
    found = served.find(source, caller_of(request).namespace, read_id(text, prefix))
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"There is no such {source.resource.kind} in this project.")
    check_kept(found)
    return found


def find_workflow_problem(served: Served, caller: Caller, name: str, field: str) -> Detail | None:
    """Return what is wrong with the Workflow that a field of a body names; None: nothing."""
    workflow = served.find(WORKFLOW_SOURCE, caller.namespace, name)
    if workflow is None:
        return Detail(field=field, message="There is no such workflow in this project.")
    if is_trashed(workflow):
        return Detail(field=field, message="The workflow is in the trash. Restore it, or name another one.")
    return None


_NO_REPOSITORY = {
    Reason.NO_DEFAULT_REPOSITORY: "The project has no default repository. Name one of those that its Project lists.",
    Reason.PROJECT_NOT_FOUND: "The namespace has no Project, which lists its repositories. Create one named default.",
}


def find_repository_url(
    served: Served,
    caller: Caller,
    url: str | None,
    workflow: str,
    field: str,
    repository_field: str = "githubRepoUrl",
) -> str:
    """Return the Project's address of the repository that a body names, once all that it names is there.

    Parameters
    ----------
    served
        The caches.
    caller
        Who asks.
    url
        The address that the body gives; None: the Project's default repository.
    workflow
        Name of the Workflow.
    field
        Field of the body that names it.
    repository_field
        Field of the body that has the address.

    Raises
    ------
    Refusal
        400 with all that is missing.
    """
    project = served.find(PROJECT_SOURCE, caller.namespace, PROJECT_NAME)
    wanted = None if url is None else url.rstrip("/")
    found = Reason.PROJECT_NOT_FOUND if project is None else find_named_repository(project, wanted)
    problem = find_workflow_problem(served, caller, workflow, field)
    problems = [] if problem is None else [problem]
    if isinstance(found, Reason):
        message = _NO_REPOSITORY.get(
            found, "The project has no such repository. Name one of those that its Project lists."
        )
        raise bad_request(*problems, Detail(field=repository_field, message=message))
    if problems:
        raise bad_request(*problems)
    return found.url
