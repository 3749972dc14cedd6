"""What a merge needs before it can begin."""

from __future__ import annotations

from codecourier.core.merge_job.world import MergeJobWorld, workflow_name
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_secret_problem, find_workflow
from codecourier.core.shared.repositories import find_repository

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
    repository = find_repository(world.project, world.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=world.repository_url))
    name = workflow_name(world.job, world.project)
    if name is None:
        return Problem(Reason.WORKFLOW_NOT_NAMED, sentence(Reason.WORKFLOW_NOT_NAMED))
    workflow = find_workflow(world.workflow, name, has_sprint=False)
    if isinstance(workflow, Problem):
        return workflow
    versions = world.agent_secrets.versions if world.agent_secrets.is_followed else None
    return find_secret_problem(world.facts, world.job.namespace, workflow.spec, versions)
