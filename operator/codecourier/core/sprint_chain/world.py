"""What the plan of a SprintChain reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["SprintChainWorld"]


@dataclass(frozen=True)
class SprintChainWorld(World):
    """A SprintChain, what belongs to it and what it refers to."""

    chain: SprintChain
    project: Project | None
    workflow: Workflow | None
    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very chain."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    agent_secrets: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that agents may read."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        chain, namespace = self.chain, self.chain.namespace
        yield from find_identity_faults(namespace, (chain, *self.runs))
        yield from find_project_faults(namespace, self.project)
        if self.workflow is not None:
            yield from find_identity_faults(namespace, (self.workflow,))
            yield from find_name_faults(self.workflow, chain.spec.workflow_ref.name)
        for run in self.runs:
            origin = run.spec.origin
            if origin is None or (origin.kind, origin.uid) != (chain.kind, chain.uid):
                yield f"Run {run.name!r} was not made by the SprintChain with UID {chain.uid!r}."
