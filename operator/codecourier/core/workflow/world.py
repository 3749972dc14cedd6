"""What the plan of a Workflow reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults
from codecourier.resources.workflow import Workflow

__all__ = ["WorkflowWorld"]


@dataclass(frozen=True)
class WorkflowWorld(World):
    """A Workflow."""

    workflow: Workflow

    agent_secrets: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that agents may read."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        yield from find_identity_faults(self.workflow.namespace, (self.workflow,))
