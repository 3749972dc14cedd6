"""What the plan of a MergeJob reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from codecourier.address import split_pull_request_address
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow

__all__ = ["LaneMember", "MergeJobWorld", "name_pulls", "workflow_name"]


def workflow_name(job: MergeJob, project: Project | None) -> str | None:
    """Return the name of the Workflow that a MergeJob uses; None: neither it nor the Project names one."""
    if job.spec.workflow_ref is not None:
        return job.spec.workflow_ref.name
    reference = None if project is None else project.spec.merge_workflow_ref
    return None if reference is None else reference.name


def name_pulls(job: MergeJob) -> tuple[tuple[str, int], ...]:
    """Return the address of the repository and the number of each pull request of a MergeJob."""
    return tuple(split_pull_request_address(url) for url in job.spec.pull_requests)


@dataclass(frozen=True)
class LaneMember:
    """Another Single merge into the same branch, of any namespace, that holds the lane or waits in line."""

    namespace: str
    name: str
    uid: str
    creation_time: datetime
    until: datetime
    """Until when that counts."""

    is_holder: bool = False
    is_landing: bool = False
    """Whether the host was asked to merge it."""

    @property
    def order(self) -> tuple[datetime, str]:
        """Where it stands in the line: the oldest merge is the first."""
        return self.creation_time, self.uid


@dataclass(frozen=True)
class MergeJobWorld(World):
    """A MergeJob, what belongs to it and what it refers to."""

    job: MergeJob
    project: Project | None
    workflow: Workflow | None
    """The Workflow that `workflow_name` names; None: it is not there, or none is named."""

    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very MergeJob."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    agent_secrets: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that agents may read."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications about it that are there."""

    makers: Mapping[int, str] = field(default_factory=dict)
    """Names of the Runs of the namespace that made the pull requests, by number; read before they are recorded."""

    lane: tuple[LaneMember, ...] = ()
    """The other members of its lane, in no order."""

    @property
    def repository_url(self) -> str:
        """Address of the repository of the pull requests."""
        return split_pull_request_address(self.job.spec.pull_requests[0])[0]

    @property
    def access(self) -> RepositoryAccess | Problem:
        """How the repository is reached, or why it cannot be."""
        return find_access(self.project, self.job.namespace, self.repository_url, self.credentials)

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        job, namespace = self.job, self.job.namespace
        yield from find_identity_faults(namespace, (job, *self.runs))
        yield from find_project_faults(namespace, self.project)
        if self.workflow is not None:
            yield from find_identity_faults(namespace, (self.workflow,))
            yield from find_name_faults(self.workflow, workflow_name(job, self.project) or "")
        for run in self.runs:
            origin = run.spec.origin
            if origin is None or (origin.kind, origin.uid) != (job.kind, job.uid):
                yield f"Run {run.name!r} was not made by the MergeJob with UID {job.uid!r}."
        uids = Counter((job.uid, *(member.uid for member in self.lane)))
        yield from (f"MergeJob {uid!r} is in its lane {count} times." for uid, count in uids.items() if count > 1)
