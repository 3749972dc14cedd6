"""What a Run names, and whether it is there: one answer for the Run's own plan and for its admission."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.prompts import unknown_placeholders
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.repositories import find_repository
from codecourier.resources.project import Project, Repository
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow, WorkflowSpec

__all__ = ["References", "resolve"]


@dataclass(frozen=True)
class References:
    """What a Run works with."""

    project: Project
    workflow: WorkflowSpec
    """The one that the Run has recorded, else the one that is there now."""

    repository: Repository


def resolve(run: Run, project: Project | None, workflow: Workflow | None) -> References | Problem:
    """Return what a Run names, or why it cannot start; `workflow` is the one of the name that it gives."""
    if project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    spec = run.status.workflow or (workflow.spec if workflow is not None else None)
    if spec is None:
        name = run.spec.workflow_ref.name
        return Problem(Reason.WORKFLOW_NOT_FOUND, sentence(Reason.WORKFLOW_NOT_FOUND, workflow=name))
    if (fault := unknown_placeholders(spec.prompt_template)) is not None:
        return Problem(Reason.TEMPLATE_INVALID, sentence(Reason.TEMPLATE_INVALID, detail=fault), is_final=True)
    repository = find_repository(project, run.spec.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=run.spec.repository_url))
    return References(project, spec, repository)
