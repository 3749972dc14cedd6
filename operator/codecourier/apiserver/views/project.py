"""The Project in the REST API: object to JSON, and what pauses it."""

from __future__ import annotations

from codecourier.apiserver.answers import View
from codecourier.core.shared.reasons import ConditionType
from codecourier.kube.api import Json
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.project import Project

__all__ = ["ProjectView", "RepositoryView", "suspend_project", "view_project"]


class RepositoryView(View):
    """A repository that runs of the project may work on."""

    github_repo_url: str
    is_default: bool


class ProjectView(View):
    """The project's settings, as far as clients need them."""

    id: str
    """The namespace."""

    is_paused: bool
    """Whether no further run starts, of whatever makes it."""

    is_ready: bool
    """Whether the operator has accepted the settings."""

    message: str | None
    """What is wrong with them, or that nothing is."""

    repositories: list[RepositoryView]
    max_concurrent_runs: int
    running_runs: int
    """How many runs hold one of these places."""


def view_project(project: Project) -> ProjectView:
    """Return what is shown of a project."""
    spec, ready = project.spec, project.status.condition(ConditionType.READY)
    return ProjectView(
        id=project.namespace,
        is_paused=spec.suspend,
        is_ready=ready is not None and ready.status == ConditionStatus.TRUE,
        message=None if ready is None else ready.message,
        repositories=[
            RepositoryView(github_repo_url=known.url, is_default=known.is_default) for known in spec.repositories
        ],
        max_concurrent_runs=spec.limits.max_concurrent_runs,
        running_runs=len(project.status.admitted),
    )


def suspend_project(project: Project, wanted: bool) -> Json:  # noqa: FBT001  pausing or not is all that is asked
    """Return the merge patch that pauses a project or ends the pause; empty: it is so already."""
    return {} if project.spec.suspend is wanted else {"spec": {"suspend": wanted}}
