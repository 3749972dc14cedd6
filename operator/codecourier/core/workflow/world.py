"""What the plan of a Workflow reads."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.worlds import World
from codecourier.resources.workflow import Workflow

__all__ = ["WorkflowWorld"]


@dataclass(frozen=True)
class WorkflowWorld(World):
    """A Workflow."""

    workflow: Workflow
