"""What a merge needs before it can begin."""

from __future__ import annotations

from codecourier.address import split_pull_request_address
from codecourier.core.merge_job.world import MergeJobWorld, workflow_name
from codecourier.core.shared.consent import is_same_repository
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_secret_problem, find_workflow
from codecourier.core.shared.repositories import find_repository
from codecourier.resources.project import Project

__all__ = ["find_start_problem"]


def find_start_problem(world: MergeJobWorld) -> Problem | None:
    """Return why no step of the merge can begin now; None: one can.

    Raises
    ------
    MissingFacts
        If the API server was not asked yet about the Secrets of the Workflow.
    """
    if world.project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    if (problem := _find_repository_problem(world, world.project)) is not None:
        return problem
    name = workflow_name(world.job, world.project)
    if name is None:
        return Problem(Reason.WORKFLOW_NOT_NAMED, sentence(Reason.WORKFLOW_NOT_NAMED))
    workflow = find_workflow(world.workflow, name, has_sprint=False)
    if isinstance(workflow, Problem):
        return workflow
    versions = world.agent_secrets.versions if world.agent_secrets.is_followed else None
    return find_secret_problem(world.facts, world.job.namespace, workflow.spec, versions)


def _find_repository_problem(world: MergeJobWorld, project: Project) -> Problem | None:
    """Return why the repository is none to work on, or that there are several, which the CRD refuses at first."""
    first = world.repository_url
    urls = world.job.spec.pull_requests
    other = next((u for u in urls if not is_same_repository(split_pull_request_address(u)[0], first)), None)
    if other is not None:
        return Problem(Reason.OTHER_REPOSITORY, sentence(Reason.OTHER_REPOSITORY, url=other, repository=first))
    found = find_repository(project, first)
    return Problem(found, sentence(found, repository=first)) if isinstance(found, Reason) else None
