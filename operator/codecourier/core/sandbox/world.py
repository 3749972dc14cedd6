"""What the plans of a Sandbox and of what lost its Sandbox read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.core.origin import Origin, find_origin_faults
from codecourier.core.project.network_policy import PolicyView
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.shared.learnings import NO_LEARNINGS, KnownLearnings
from codecourier.core.shared.naming import token_secret_name
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.revisions import WorkflowRevision
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_project_faults
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox

__all__ = ["SandboxWorld", "StrayWorld"]


@dataclass(frozen=True)
class SandboxWorld(World):
    """A Sandbox, what belongs to it and what it refers to."""

    sandbox: Sandbox
    run: Run | None
    """Its Run, if one with the right UID is there."""

    origin: Origin | None
    """What made the Run; None where a person made it."""

    project: Project | None
    pod: PodView | None
    secret: TokenSecret | None
    settings: PodSettings
    policy: PolicyView | None = None
    """The NetworkPolicy of the namespace's sandbox pods."""

    api_server: tuple[str, ...] = ()
    """The API server's addresses."""

    revision: WorkflowRevision | None = None
    """The revision that the Run's status names; None where it is not known, or the Run has recorded none."""

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    learnings: KnownLearnings = NO_LEARNINGS
    """The Learnings of the namespace."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        sandbox, namespace = self.sandbox, self.sandbox.namespace
        yield from find_identity_faults(namespace, (sandbox,))
        yield from find_project_faults(namespace, self.project)
        yield from _find_part_faults(sandbox.name, self.pod, self.secret)
        run = self.run
        if run is None:
            if self.origin is not None or self.revision is not None:
                yield "What made a Run, or its revision, is known, but not the Run."
            return
        yield from find_identity_faults(namespace, (run,))
        yield from find_origin_faults(run, self.origin)
        if run.uid != sandbox.spec.run_ref.uid:
            yield f"Run {run.name!r} is not the one with UID {sandbox.spec.run_ref.uid!r}."
        if self.revision is not None and self.revision.name != run.status.workflow_revision:
            yield f"ControllerRevision {self.revision.name!r} is not the one that the status of Run {run.name!r} names."


@dataclass(frozen=True)
class StrayWorld(World):
    """What was made for a Sandbox that is not known."""

    namespace: str
    sandbox: str
    sandbox_uid: str
    """Name and UID of that Sandbox."""

    pod: PodView | None
    secret: TokenSecret | None

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        if not self.sandbox_uid:
            yield "What is left was made for no Sandbox."
        if self.pod is None and self.secret is None:
            yield f"Nothing is left of Sandbox {self.sandbox!r}."
        yield from _find_part_faults(self.sandbox, self.pod, self.secret)


def _find_part_faults(sandbox: str, pod: PodView | None, secret: TokenSecret | None) -> Iterator[str]:
    if pod is not None and pod.name != sandbox:
        yield f"Pod {pod.name!r} is not that of Sandbox {sandbox!r}."
    if pod is not None and not pod.uid:
        yield f"Pod {pod.name!r} has no UID."
    if secret is not None and secret.name != token_secret_name(sandbox):
        yield f"Secret {secret.name!r} does not hold the tokens of Sandbox {sandbox!r}."
    if secret is not None and not secret.resource_version:
        yield f"Secret {secret.name!r} has no resourceVersion."
