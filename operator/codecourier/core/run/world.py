"""What the plan of a Run reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.core.origin import Origin, find_origin_faults
from codecourier.core.run.status import attempt_status
from codecourier.core.shared.learnings import NO_LEARNINGS, KnownLearnings
from codecourier.core.shared.revisions import WorkflowRevision, revision_name
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.workflow import Workflow

__all__ = ["RunWorld"]


@dataclass(frozen=True)
class RunWorld(World):
    """A Run, what belongs to it and what it refers to."""

    run: Run
    project: Project | None
    workflow: Workflow | None
    origin: Origin | None
    """What made the Run; None where a person made it."""

    sandboxes: tuple[Sandbox, ...] = ()
    """The Sandboxes that carry the Run's UID."""

    records: frozenset[str] = frozenset()
    """Names of the UsageRecords that are there."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    revision: WorkflowRevision | None = None
    """The revision that the attempt's status names, else that of the Workflow as it is now; None: it is not known."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    agent_secrets: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that agents may read."""

    follow_ups: tuple[Run, ...] = ()
    """The Runs that continue the Run's pull request."""

    learnings: KnownLearnings = NO_LEARNINGS
    """The Learnings of the namespace."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        run, namespace = self.run, self.run.namespace
        yield from find_identity_faults(namespace, (run, *self.sandboxes))
        yield from find_identity_faults(namespace, self.follow_ups)
        for made in self.follow_ups:
            if made.spec.origin is None or (made.spec.origin.kind, made.spec.origin.uid) != (run.kind, run.uid):
                yield f"Run {made.name!r} was not made by the Run with UID {run.uid!r}."
        yield from find_project_faults(namespace, self.project)
        if self.workflow is not None:
            yield from find_identity_faults(namespace, (self.workflow,))
            yield from find_name_faults(self.workflow, run.spec.workflow_ref.name)
        yield from find_origin_faults(run, self.origin)
        if self.revision is not None and self.revision.name != self._revision_name:
            yield f"ControllerRevision {self.revision.name!r} is not the one that is read, {self._revision_name!r}."
        for sandbox in self.sandboxes:
            if sandbox.spec.run_ref.uid != run.uid:
                yield f"Sandbox {sandbox.name!r} is not of the Run with UID {run.uid!r}."

    @property
    def _revision_name(self) -> str | None:
        present = revision_name(self.workflow) if self.workflow is not None else None
        return attempt_status(self.run).workflow_revision or present
