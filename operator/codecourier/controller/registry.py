"""One row for each kind that is reconciled: how its world is gathered and which plan decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from codecourier.controller.gather import (
    gather_project,
    gather_run,
    gather_sandbox,
    gather_sprint_chain,
    gather_workflow,
)
from codecourier.controller.kinds import PROJECTS, RUNS, SANDBOXES, SPRINT_CHAINS, WORKFLOWS
from codecourier.core.project.plan import plan_project
from codecourier.core.run.plan import plan_run
from codecourier.core.sandbox.plan import plan_sandbox
from codecourier.core.sandbox.pods import PodSettings
from codecourier.core.shared.intents import Plan
from codecourier.core.sprint_chain.plan import plan_sprint_chain
from codecourier.core.workflow.plan import plan_workflow
from codecourier.kube.api import Resource
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["Reconciled", "build_registry"]


@dataclass(frozen=True)
class Reconciled:
    """A kind that is reconciled."""

    resource: Resource
    model: type[CustomResource]
    gather: Callable[..., Any]
    plan: Callable[[Any, datetime], Plan]


def build_registry(settings: PodSettings) -> dict[Resource, Reconciled]:
    """Return the row of every kind that is reconciled."""
    rows = (
        Reconciled(PROJECTS, Project, gather_project, plan_project),
        Reconciled(WORKFLOWS, Workflow, gather_workflow, plan_workflow),
        Reconciled(RUNS, Run, gather_run, plan_run),
        Reconciled(SPRINT_CHAINS, SprintChain, gather_sprint_chain, plan_sprint_chain),
        Reconciled(SANDBOXES, Sandbox, partial(gather_sandbox, settings=settings), plan_sandbox),
    )
    return {row.resource: row for row in rows}
