"""Which revisions of Workflows are collected: those that no unfinished Run uses and no Run would start with now."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.intents import Delete
from codecourier.core.shared.revisions import WorkflowRevision, revision_name
from codecourier.resources.workflow import Workflow

__all__ = ["REVISION_GRACE", "collect_revisions"]

REVISION_GRACE = timedelta(hours=1)
"""How long a new revision stays unused: the Run that it was made for may not name it yet."""

AT_ONCE = 20
"""How many revisions one plan deletes; each deletion wakes the Project again."""


def collect_revisions(world: ProjectWorld, now: datetime) -> tuple[tuple[Delete, ...], datetime | None]:
    """Return the deletions of revisions, and when the next one is due."""
    old = [r for r in world.unused_revisions if not _is_kept(r, world.workflows.get(r.workflow))]
    due = [r for r in old if r.creation_time + REVISION_GRACE <= now]
    later = min((r.creation_time + REVISION_GRACE for r in old if r not in due), default=None)
    return tuple(_delete(world, revision) for revision in due[:AT_ONCE]), later


def _is_kept(revision: WorkflowRevision, workflow: Workflow | None) -> bool:
    """Return whether the next Run of the Workflow would use the revision, or it is not ours to delete."""
    if revision.is_owned or not revision.workflow:
        return True
    if workflow is None:
        return False
    # The generation says it in the usual case, without a look at the content of each Workflow.
    return revision.number == workflow.metadata.generation or revision.name == revision_name(workflow)


def _delete(world: ProjectWorld, revision: WorkflowRevision) -> Delete:
    return Delete("ControllerRevision", world.project.namespace, revision.name, revision.uid, revision.resource_version)
