"""What a Run names, and whether it is there: one answer for the Run's own plan and for its admission."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_workflow
from codecourier.core.shared.repositories import find_repository
from codecourier.resources.project import Project, Repository
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow

__all__ = ["References", "resolve"]


@dataclass(frozen=True)
class References:
    """What an attempt of a Run starts with."""

    project: Project
    workflow: Workflow

    repository: Repository


def resolve(run: Run, project: Project | None, workflow: Workflow | None) -> References | Problem:
    """Return what a Run names, or why an attempt that has not started cannot start.

    `workflow` is the one of the name that the Run gives.
    """
    if project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    found = find_workflow(workflow, run.spec.workflow_ref.name, has_sprint=run.spec.sprint is not None)
    if isinstance(found, Problem):
        return found
    repository = find_repository(project, run.spec.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=run.spec.repository_url))
    return References(project, found, repository)
