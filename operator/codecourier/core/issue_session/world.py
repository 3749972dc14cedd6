"""What the plan of an IssueSession reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.address import split_issue_address
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow

__all__ = ["IssueSessionWorld"]


@dataclass(frozen=True)
class IssueSessionWorld(World):
    """An IssueSession, what belongs to it and what it refers to."""

    session: IssueSession
    project: Project | None
    workflow: Workflow | None
    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very session."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    agent_secrets: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that agents may read."""

    @property
    def repository_url(self) -> str:
        """Address of the issue's repository."""
        return split_issue_address(self.session.spec.issue_url)[0]

    @property
    def number(self) -> int:
        """Number of the issue in its repository."""
        return split_issue_address(self.session.spec.issue_url)[1]

    @property
    def access(self) -> RepositoryAccess | Problem:
        """How the issue's repository is reached, or why it cannot be."""
        return find_access(self.project, self.session.namespace, self.repository_url, self.credentials)

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        session, namespace = self.session, self.session.namespace
        yield from find_identity_faults(namespace, (session, *self.runs))
        yield from find_project_faults(namespace, self.project)
        if self.workflow is not None:
            yield from find_identity_faults(namespace, (self.workflow,))
            yield from find_name_faults(self.workflow, session.spec.workflow_ref.name)
        for run in self.runs:
            origin = run.spec.origin
            if origin is None or (origin.kind, origin.uid) != (session.kind, session.uid):
                yield f"Run {run.name!r} was not made by the IssueSession with UID {session.uid!r}."
