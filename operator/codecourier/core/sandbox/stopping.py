"""Whether a Sandbox has to stop, and what its plan then does not depend on."""

from __future__ import annotations

from codecourier.core.origin import is_stop_requested
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.resources.run import Try

__all__ = ["find_entry", "is_stopping", "needs_project"]


def needs_project(world: SandboxWorld) -> bool:
    """Tell whether the plan depends on the Project: only a pod that is to be made does."""
    is_begun = world.pod is not None or world.sandbox.status.pod_uid is not None
    return not (world.sandbox.status.phase.is_finished or is_begun or is_stopping(world))


def is_stopping(world: SandboxWorld) -> bool:
    """Tell whether a Sandbox that has not ended has to."""
    run, spec = world.run, world.sandbox.spec
    if run is None or world.sandbox.is_deleting:
        return True
    is_current = run.status.attempt == spec.attempt and not run.status.phase.is_finished
    return not is_current or _is_given_up(world) or is_stop_requested(run, world.origin)


def find_entry(world: SandboxWorld) -> Try | None:
    """Return what the Run's ledger has of the Sandbox."""
    tries = world.run.status.tries if world.run is not None else ()
    return next((t for t in tries if t.sandbox == world.sandbox.name), None)


def _is_given_up(world: SandboxWorld) -> bool:
    """Tell whether the Run's ledger has an end of this try: the Sandbox was refused then, and came late."""
    entry = find_entry(world)
    return entry is not None and entry.phase.is_finished
