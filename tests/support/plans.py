"""The plans, for tests of the core: each refuses a world that no cluster can show before it plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import TypeVar

from codecourier.core.project import plan as project
from codecourier.core.run import plan as run
from codecourier.core.run.status import starts_again
from codecourier.core.run.world import RunWorld
from codecourier.core.sandbox import plan as sandbox
from codecourier.core.sandbox import strays
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.facts import RevisionAsk
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.worlds import World, check_world
from codecourier.core.sprint_chain import plan as sprint_chain
from codecourier.core.workflow import plan as workflow
from tests.support.worlds import make_revision

__all__ = ["plan_project", "plan_run", "plan_sandbox", "plan_sprint_chain", "plan_stray", "plan_workflow"]

W = TypeVar("W", bound=World)


def _checking(plan: Callable[[W, datetime], Plan]) -> Callable[[W, datetime], Plan]:
    @wraps(plan)
    def plan_checked(world: W, now: datetime) -> Plan:
        known = _with_revision(world)
        check_world(known)
        return plan(known, now)

    return plan_checked


def _with_revision(world: W) -> W:
    """Return the world of a Run that names the revision of `make_workflow` with it, unless the world says otherwise."""
    if not isinstance(world, RunWorld | SandboxWorld) or world.revision is not None or world.run is None:
        return world
    revision = make_revision()
    is_named = world.run.status.workflow_revision == revision.name and not starts_again(world.run)
    is_lost = RevisionAsk(world.run.namespace, revision.name) in world.facts.answers
    return replace(world, revision=revision) if is_named and not is_lost else world


plan_project = _checking(project.plan_project)
plan_run = _checking(run.plan_run)
plan_sandbox = _checking(sandbox.plan_sandbox)
plan_sprint_chain = _checking(sprint_chain.plan_sprint_chain)
plan_stray = _checking(strays.plan_stray)
plan_workflow = _checking(workflow.plan_workflow)
