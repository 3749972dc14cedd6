"""The plans, for tests of the core: each refuses a world that no cluster can show before it plans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TypeVar

from codecourier.core.project import plan as project
from codecourier.core.run import plan as run
from codecourier.core.sandbox import plan as sandbox
from codecourier.core.sandbox import strays
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.worlds import World, check_world
from codecourier.core.sprint_chain import plan as sprint_chain
from codecourier.core.workflow import plan as workflow

__all__ = ["plan_project", "plan_run", "plan_sandbox", "plan_sprint_chain", "plan_stray", "plan_workflow"]

W = TypeVar("W", bound=World)


def _checking(plan: Callable[[W, datetime], Plan]) -> Callable[[W, datetime], Plan]:
    @wraps(plan)
    def plan_checked(world: W, now: datetime) -> Plan:
        check_world(world)
        return plan(world, now)

    return plan_checked


plan_project = _checking(project.plan_project)
plan_run = _checking(run.plan_run)
plan_sandbox = _checking(sandbox.plan_sandbox)
plan_sprint_chain = _checking(sprint_chain.plan_sprint_chain)
plan_stray = _checking(strays.plan_stray)
plan_workflow = _checking(workflow.plan_workflow)
