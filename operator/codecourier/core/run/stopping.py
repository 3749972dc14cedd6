"""When a Run has to stop."""

from __future__ import annotations

from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain

__all__ = ["is_stop_requested"]


def is_stop_requested(run: Run, origin: SprintChain | None) -> bool:
    """Tell whether people, or the Run's origin in their name, want the Run to stop."""
    if run.spec.cancelled or run.is_deleting:
        return True
    return origin is not None and run.uid in origin.status.stopping
